"""Trigger: answers every request for a pipeline execution and starts at most one execution for each."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast.training import retraining
from slipcast_aws.control import alarms, audit
from trigger import admission, events
from trigger.settings import Settings

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the pipeline for an event of S3, SNS or a schedule, or for a manual ``{"reason": "manual"}``.

    Returns
    -------
    dict[str, Any]
        ``{"outcomes": [...]}`` with one outcome for each request in the event: ``started``, ``duplicate``,
        ``coalesced`` (a running execution answers it), ``cooldown`` or ``ok`` (the alarm went back to OK).
    """
    settings = Settings.from_environment()
    outcomes = [_answer(request, settings) for request in events.read(event, settings.retrain_alarms)]
    logger.info("trigger", outcomes=outcomes)
    return {"outcomes": outcomes}


def _answer(request: events.Request, settings: Settings) -> str:
    table, now = settings.control_table, datetime.now(UTC)
    name = retraining.execution_name(request.reason, *request.identity)
    if request.alarm and request.over:
        alarms.close_alarm(table, request.alarm)
        answer = admission.Answer("ok")
    else:
        if request.alarm:
            alarms.open_alarm(table, request.alarm)
        answer = admission.admit(request, name, now, settings)
    record: dict[str, str | None] = {
        "what": "gate",
        "reason": request.reason,
        "outcome": answer.outcome,
        "detail": request.detail,
    }
    record |= {"execution": name, "into": answer.into}
    audit.audit(table, identity=name, record=record, now=now)
    return answer.outcome
