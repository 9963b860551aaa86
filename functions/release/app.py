"""Release: one step of a release per call; the state machine knows their order."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from release import by_hand, canary_steps, record, replay, runtime
from slipcast.contracts import ModelRef, Promoted, Pruned, Published, Verified
from slipcast_aws import storage, waiting
from slipcast_aws.control import releases
from slipcast_aws.release import pruning, traffic, versions
from slipcast_aws.settings import number, setting

logger = Logger()
type Step = Callable[[dict[str, Any], ModelRef, str], Mapping[str, Any]]


@logger.inject_lambda_context
@waiting.retriable
def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Carry out ``event["step"]`` of the release of ``event["model"]``. Each step can be repeated.

    Raises
    ------
    slipcast_aws.waiting.NotReadyError
        If AWS needs more time or is too busy: the state machine repeats the step then.
    """
    if event["step"] == "choose":
        chosen = by_hand.choose(event, setting("PREDICT_FUNCTION"))
        logger.info("release", step="choose", **chosen)
        return chosen
    deadline = waiting.Deadline.of(context)
    steps: dict[str, Step] = {
        "publish": partial(_publish, deadline),
        "verify": _verify,
        "shadow": replay.shadow,
        "weigh": canary_steps.weigh,
        "judge": canary_steps.judge,
        "promote": _promote,
        "roll_back": canary_steps.roll_back,
        "prune": _prune,
    }
    result = steps[event["step"]](event, event["model"], setting("PREDICT_FUNCTION"))
    logger.info("release", step=event["step"], **result)
    return result


def _publish(deadline: waiting.Deadline, event: dict[str, Any], model: ModelRef, function: str) -> Published:
    version, layer = versions.publish(
        function=function,
        layer_name=setting("MODEL_LAYER_NAME"),
        bucket=setting("DATA_BUCKET"),
        layer_key=model["layer_key"],
        variables=record.variables(model),
        runtime=runtime.of(model),
        deadline=deadline,
    )
    return {"version": version, "layer": layer}


def _verify(event: dict[str, Any], model: ModelRef, function: str) -> Verified:
    golden = storage.read_json(model["golden_uri"])
    compared = versions.verify(function=function, version=event["version"], sha256=model["sha256"], golden=golden)
    return {"version": event["version"], "compared": compared}


def _promote(event: dict[str, Any], model: ModelRef, function: str) -> Promoted:
    version, previous = event["version"], event["previous"]
    record.keep(version, previous, model)
    traffic.promote(function, version=version, live=previous, canary=event["canary"])
    why = event["why"]
    record.write(model["execution"], {"version": version, "previous": previous, "outcome": "released", "why": why})
    record.audit(model["execution"], "promoted", version, why)
    record.track(model["execution"], "release", version=version, previous=previous, model_id=model["model_id"], why=why)
    return {"version": version, "previous": previous}


def _prune(event: dict[str, Any], model: ModelRef, function: str) -> Pruned:
    live = traffic.current(function).version
    known = releases.release(setting("CONTROL_TABLE"), live)
    return pruning.prune(
        function,
        setting("MODEL_LAYER_NAME"),
        keep=int(number("KEEP_VERSIONS")),
        protected={known["previous"]} if known else set(),
    )
