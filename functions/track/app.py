"""Track: logs what waits in the outbox to MLflow. No release waits for it."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast_aws import approval_tracking, outbox, storage, tracking
from slipcast_aws.settings import setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Log every waiting record and take it out of the outbox once MLflow has it.

    Returns
    -------
    ``logged``: names of the records that were logged
    """
    tracking.connect(setting("MLFLOW_TRACKING_URI"), setting("MLFLOW_EXPERIMENT"))
    steps = {
        "run": tracking.log_execution,
        "release": tracking.log_release,
        "rollback": tracking.log_rollback,
        "approval": approval_tracking.log_approval,
    }
    logged, failures = [], []
    for uri, record in outbox.pending(setting("DATA_BUCKET")):
        try:
            steps[record["kind"]](record)
        except Exception as error:
            # One record that cannot be logged must not hold back the others.
            logger.exception("not tracked, it stays in the outbox", uri=uri)
            failures.append(error)
            continue
        storage.delete(uri)
        logged.append(uri.rsplit("/", 1)[-1])
    logger.info("tracked", logged=logged, waiting=len(failures))
    if failures:
        raise ExceptionGroup("some records stay in the outbox", failures)
    return {"logged": logged}
