"""Gate: answers every request for a pipeline execution, whatever sent it, and starts at most one for each."""

from datetime import UTC, datetime
from typing import Any

import requests_in
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from executions import start

from slipcast import retraining
from slipcast_aws import control
from slipcast_aws.settings import number, setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start the pipeline for an event of S3, SNS or a schedule, or for a manual ``{"reason": "manual"}``.

    Returns
    -------
    ``{"outcomes": [...]}`` with one outcome for each request in the event: ``started``, ``duplicate``,
    ``coalesced``, ``cooldown`` or ``ignored``.
    """
    outcomes = [_answer(request) for request in requests_in.read(event)]
    logger.info("gate", outcomes=outcomes)
    return {"outcomes": outcomes}


def _answer(request: requests_in.Request) -> str:
    table, machine, now = setting("CONTROL_TABLE"), setting("STATE_MACHINE_ARN"), datetime.now(UTC)
    name = retraining.execution_name(request.reason, *request.identity)
    outcome = "started"
    # A file is never turned away: the state machine itself waits for a training that is under way.
    if request.reason != "new_data":
        outcome = _admit(table, request.reason, now, name)
    if outcome == "started":
        try:
            outcome = start(machine, name, request)
        except Exception:
            control.release_claim(table, execution=name)
            raise
    control.audit(
        table,
        identity=name,
        record={
            "what": "gate",
            "reason": request.reason,
            "outcome": outcome,
            "detail": request.detail,
            "execution": name,
        },
        now=now,
    )
    return outcome


def _admit(table: str, reason: str, now: datetime, name: str) -> str:
    if control.lease_holder(table, now):
        return "coalesced"
    cooldown = 0.0 if reason == "manual" else number("COOLDOWN_MINUTES")
    cutoff = retraining.cooldown_cutoff(now, cooldown)
    return "started" if control.claim_start(table, now=now, cutoff=cutoff, execution=name) else "cooldown"
