"""Evaluate: measures the models of a search on the holdout and asks the gate for a decision."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from evaluate import judge
from slipcast_aws.release import versions
from slipcast_aws.settings import setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Judge the challenger of a ``search`` (URI and digest of ``search.json``) against the live model.

    Returns
    -------
    dict[str, Any]
        ``release`` (bool), ``why``, ``model`` (URIs and digests of what a release needs) and ``evaluation_uri``
    """
    verdict = judge.judge(event, versions.live_model(setting("PREDICT_FUNCTION")))
    logger.info("evaluated", release=verdict["release"], why=verdict["why"], model=verdict["model"]["model_id"])
    return verdict
