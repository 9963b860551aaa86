"""Plan: starts the search for a dataset, and chooses the next round after each round."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from plan import first_round, next_round
from plan.settings import Settings
from slipcast.contracts import Planned, PlanRequest

logger = Logger()


@logger.inject_lambda_context
def handler(event: PlanRequest, context: LambdaContext) -> Planned:
    """Return the tasks of the next round: the first of a ``dataset``, or the one after the ``round`` that ran.

    Returns
    -------
    dict[str, Any]
        ``next`` (``inline`` or ``distributed``: how to run the tasks; ``evaluate`` when the search is over), ``tasks``
        (their ids), ``round`` (URI and digest of the round's document) and at the end ``search`` (URI and digest of the
        search's record)
    """
    settings = Settings.from_environment()
    step = (
        next_round.go_on(event["round"], settings.inline_tasks)
        if "round" in event
        else first_round.begin(event["execution"], event["dataset"], settings)
    )
    logger.info("planned", next=step["next"], tasks=len(step["tasks"]), round=step["round"]["uri"])
    return step
