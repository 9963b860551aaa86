"""Notify: ends every execution with an audit entry and a message, whatever its outcome."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from notify.message import compose
from slipcast_aws import waiting
from slipcast_aws.control import alarms, audit, datasets, starts
from slipcast_aws.settings import setting

logger = Logger()


@cache
def client():
    """Return the SNS client of this execution environment."""
    return boto3.client("sns", config=waiting.QUICK)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record and publish the outcome of an execution, update the trigger's state, and return the outcome."""
    subject, text = compose(event)
    table = setting("CONTROL_TABLE")
    audit.audit(
        table,
        identity=event["execution"],
        record={
            "what": "pipeline",
            "execution": event["execution"],
            "reason": event.get("reason"),
            "outcome": event["outcome"],
            "detail": event.get("why"),
            "hold": event.get("hold") or None,
            "dataset_id": (event.get("trained") or {}).get("dataset_id"),
            "version": event.get("version"),
        },
    )
    _tell_trigger(table, event)
    client().publish(
        TopicArn=setting("TOPIC_ARN"),
        Subject=subject,
        Message=text,
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": event["outcome"]}},
    )
    told = {name: event.get(name) for name in ("outcome", "version", "reason", "execution")}
    logger.info("notified", **told)
    return {"outcome": event["outcome"], "why": event.get("why", ""), "version": event.get("version")}


def _tell_trigger(table: str, event: dict[str, Any]) -> None:
    """Close the alarms after a release; after a lost challenger, restart the cooldown and leave the alarms open."""
    execution, outcome = event["execution"], event["outcome"]
    if outcome == "released":
        alarms.close_alarms(table)
    if outcome == "kept" and event.get("trained"):
        starts.restart_cooldown(table, execution=execution, now=datetime.now(UTC))
        datasets.note_training(table, execution=execution, **event["trained"])
    starts.land(table, execution=execution)
