"""Notify: ends every execution with an audit entry and a message, whatever its outcome."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from message import compose

from slipcast_aws import control
from slipcast_aws.settings import setting

logger = Logger()


@cache
def client():
    """Return the SNS client of this execution environment."""
    return boto3.client("sns")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record and publish the outcome of an execution; return it."""
    subject, text = compose(event)
    control.audit(
        setting("CONTROL_TABLE"),
        identity=event["execution"],
        record={
            "what": "pipeline",
            "execution": event["execution"],
            "reason": event.get("reason"),
            "outcome": event["outcome"],
            "detail": event.get("why"),
            "version": event.get("version"),
        },
    )
    client().publish(
        TopicArn=setting("TOPIC_ARN"),
        Subject=subject,
        Message=text,
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": event["outcome"]}},
    )
    logger.info("notified", outcome=event["outcome"], execution=event["execution"])
    return {"outcome": event["outcome"], "why": event.get("why", ""), "version": event.get("version")}
