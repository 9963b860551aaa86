"""Train: carries out one task of a search."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast.contracts import Trained, TrainRequest
from train import tasks

logger = Logger()


@logger.inject_lambda_context
def handler(event: TrainRequest, context: LambdaContext) -> Trained:
    """Fit the models of the ``task`` of a ``round`` and store the result next to the round.

    Returns
    -------
    dict[str, Any]
        ``task`` and ``result``, the URI of its measurements
    """
    uri, result = tasks.carry_out(event["round"], event["task"])
    logger.info("trained", task=event["task"], kind=result["kind"], seconds=result["seconds"])
    return {"task": event["task"], "result": uri}
