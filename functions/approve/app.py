"""Approve: asks a person to approve a model that passed the gate, and records the answer."""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from approve import ask, conclude, decide, web
from slipcast_aws import waiting

logger = Logger()
STEPS: dict[str, Callable[[Any], Mapping[str, Any]]] = {
    "ask": ask.ask,
    "conclude": conclude.conclude,
    "decide": decide.invoked,
}


# The events hold the task token and the key: they are never logged, even if the environment enables event logging.
@logger.inject_lambda_context(log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Carry out ``event["step"]``, or answer a request of API Gateway (REST, Lambda proxy integration).

    The state machine calls ``ask`` and ``conclude``; ``decide`` is for callers that may invoke the function.
    """
    if "step" in event:
        result = waiting.retriable(STEPS[event["step"]])(event)
        logger.info("approval", step=event["step"], execution=event["execution"], outcome=result.get("outcome"))
        return result
    answer, note = web.answer(event)
    logger.info("approval page", **note)
    return answer
