"""Track: logs the records in the outbox to MLflow, and answers its webhook. No release waits for it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast.contracts import Tracked
from slipcast_aws import storage
from slipcast_aws.settings import setting
from slipcast_aws.tracking import mlflow_server, outbox
from track import webhook

logger = Logger()
# One record takes seconds. If an outage left many records, the next call logs the rest.
STOP_BEFORE_END_MS = 20_000


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Tracked | dict[str, Any]:
    """Log the waiting records, or answer MLflow's webhook where the call comes from the function's URL.

    Records are logged the oldest first, and each is taken out of the outbox once MLflow has it.
    Without MLflow (``MLFLOW_TRACKING_URI=none``) they stay: all of them are logged once a server is configured.

    Returns
    -------
    dict[str, Any]
        ``logged``: names of the records that were logged; if some remain, the number ``waiting`` and ``why``
    """
    if "requestContext" in event:
        return webhook.answer(event)
    bucket, uri = setting("DATA_BUCKET"), mlflow_server.tracking_uri()
    waiting = outbox.waiting(bucket)
    if uri is None:
        why = f"there is no MLflow (MLFLOW_TRACKING_URI=none): records stay in s3://{bucket}/{outbox.PREFIX}"
        logger.info("not tracked", why=why, waiting=len(waiting))
        return {"logged": [], "waiting": len(waiting), "why": why}
    # Without a record to log, an outage of MLflow does not matter.
    if not waiting:
        return {"logged": []}
    return _log(uri, waiting, context)


def _log(uri: str, waiting: list[str], context: LambdaContext) -> Tracked:
    # Importing MLflow takes seconds: imported only if there is a record to log.
    from slipcast_aws.tracking import approvals, mlflow_runs

    mlflow_runs.connect(uri, setting("MLFLOW_EXPERIMENT"))
    steps = {
        "run": mlflow_runs.log_execution,
        "release": mlflow_runs.log_release,
        "rollback": mlflow_runs.log_rollback,
        "approval": approvals.log_approval,
    }
    logged, failures, left = [], [], len(waiting)
    for place in waiting:
        if context.get_remaining_time_in_millis() < STOP_BEFORE_END_MS:
            break
        try:
            record = storage.read_json(place)
            steps[record["kind"]](record)
        except Exception as error:
            # One record that cannot be logged must not hold back the others.
            logger.exception("not tracked, it stays in the outbox", uri=place)
            failures.append(error)
            continue
        storage.delete(place)
        logged.append(place.rsplit("/", 1)[-1])
        left -= 1
    logger.info("tracked", logged=logged, waiting=left)
    if failures:
        raise ExceptionGroup("some records stay in the outbox", failures)
    answer: Tracked = {"logged": logged}
    if left:
        answer |= {"logged": logged, "waiting": left, "why": "the time was over"}
    return answer
