"""Evaluate: measures the models of a search on the holdout and asks the gate for a decision."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from evaluate import judge
from evaluate.settings import Settings
from slipcast.contracts import EvaluateRequest, Verdict
from slipcast_aws.release import versions

logger = Logger()


@logger.inject_lambda_context
def handler(event: EvaluateRequest, context: LambdaContext) -> Verdict:
    """Judge the challenger of a ``search`` (URI and digest of ``search.json``) against the live model.

    Returns
    -------
    dict[str, Any]
        ``release`` (bool), ``why``, ``model`` (URIs and digests of what a release needs) and ``evaluation_uri``
    """
    settings = Settings.from_environment()
    verdict = judge.judge(event, versions.live_model(settings.predict_function), settings)
    logger.info("evaluated", release=verdict["release"], why=verdict["why"], model=verdict["model"]["model_id"])
    return verdict
