"""Plan: starts the search for a dataset, and chooses the next round after each round."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from plan import first_round, next_round

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the tasks of the next round: the first of a ``dataset``, or the one after the ``round`` that ran.

    Returns
    -------
    dict[str, Any]
        ``next`` (``inline`` or ``distributed``: how to run the tasks; ``evaluate`` when the search is over), ``tasks``
        (their ids), ``round`` (URI and digest of the round's document) and at the end ``search`` (URI and digest of the
        search's record)
    """
    step = (
        next_round.go_on(event["round"])
        if "round" in event
        else first_round.begin(event["execution"], event["dataset"])
    )
    logger.info("planned", next=step["next"], tasks=len(step["tasks"]), round=step["round"]["uri"])
    return step
