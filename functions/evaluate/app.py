"""Evaluate: chooses the challenger by cross-validation, measures it on the holdout and lets the gate decide."""

from typing import Any

import contest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast_aws import releases
from slipcast_aws.settings import setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Judge the trained candidates of an execution against the live model.

    Returns
    -------
    ``release`` (bool), ``why``, ``model`` (URIs and digests of what a release needs) and ``evaluation_uri``
    """
    champion = releases.live_model(setting("PREDICT_FUNCTION"))
    trained = [item for item in event["results"] if "error" not in item]
    if not trained:
        raise RuntimeError(f"every candidate failed: {event['results']}")
    verdict = contest.judge(event, trained, champion)
    logger.info("evaluated", release=verdict["release"], why=verdict["why"], model=verdict["model"]["model_id"])
    return verdict
