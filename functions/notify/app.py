"""Notify: ends every execution with an audit entry and a message, whatever its outcome."""

from datetime import UTC, datetime

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from notify.message import compose
from notify.settings import Settings
from slipcast.contracts import Notification, Notified
from slipcast_aws import links, topic
from slipcast_aws.control import alarms, audit, datasets, starts

# Whoever reads the mail may open the page for this long; its figures are also in the mail and in the bucket.
LINK_SECONDS = 3600

logger = Logger()


@logger.inject_lambda_context
def handler(event: Notification, context: LambdaContext) -> Notified:
    """Record and publish the outcome of an execution, update the trigger's state, and return the outcome."""
    settings = Settings.from_environment()
    page = _intake_page(settings.data_bucket, event)
    subject, text = compose(event, links.signed(page, LINK_SECONDS) if page else None)
    trained = event.get("trained")
    table = settings.control_table
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
            "dataset_id": trained["dataset_id"] if trained else None,
            "version": event.get("version"),
            # Whoever gets the mail may open it.
            "mailed": page,
        },
    )
    _tell_trigger(table, event)
    topic.publish(settings.topic_arn, subject, text, outcome=event["outcome"])
    logger.info(
        "notified",
        outcome=event["outcome"],
        version=event.get("version"),
        reason=event.get("reason"),
        execution=event["execution"],
    )
    return {"outcome": event["outcome"], "why": event.get("why", ""), "version": event.get("version")}


def _intake_page(bucket: str, event: Notification) -> str | None:
    """Return the location of the page of the dropped file; None if no file was read or refused."""
    if not event.get("source") or (not event.get("upload") and event["outcome"] != "refused"):
        return None
    return f"s3://{bucket}/reports/{event['execution']}/intake.html"


def _tell_trigger(table: str, event: Notification) -> None:
    """Close the alarms after a release; after a lost challenger, restart the cooldown and leave the alarms open."""
    execution, outcome = event["execution"], event["outcome"]
    if outcome == "released":
        alarms.close_alarms(table)
    trained = event.get("trained")
    if outcome == "kept" and trained:
        starts.restart_cooldown(table, execution=execution, now=datetime.now(UTC))
        datasets.note_training(table, execution=execution, dataset_id=trained["dataset_id"], reason=trained["reason"])
    starts.land(table, execution=execution)
