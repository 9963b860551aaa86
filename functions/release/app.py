"""Release: one step of a release for each call; the state machine knows their order."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast_aws import outbox, releases, storage
from slipcast_aws.settings import setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Carry out ``event["step"]``: ``publish``, ``verify`` or ``promote``. Each can be repeated."""
    steps = {"publish": _publish, "verify": _verify, "promote": _promote}
    result = steps[event["step"]](event, event["model"], setting("PREDICT_FUNCTION"))
    logger.info("release", step=event["step"], **result)
    return result


def _publish(event: dict[str, Any], model: dict[str, Any], function: str) -> dict[str, Any]:
    version, layer = releases.publish(
        function=function,
        layer_name=setting("MODEL_LAYER_NAME"),
        bucket=setting("DATA_BUCKET"),
        layer_key=model["layer_key"],
        variables={
            "MODEL_SHA256": model["sha256"],
            "MODEL_ID": model["model_id"],
            "MODEL_URI": model["artefact_uri"],
            "MODEL_PROFILE_URI": model["profile_uri"],
            "MODEL_DATASET_ID": model["dataset_id"],
            "MODEL_TRAINED_AT": model["trained_at"],
            "MODEL_EXECUTION": model["execution"],
        },
    )
    return {"version": version, "layer": layer}


def _verify(event: dict[str, Any], model: dict[str, Any], function: str) -> dict[str, Any]:
    golden = storage.read_json(model["golden_uri"])
    compared = releases.verify(function=function, version=event["version"], sha256=model["sha256"], golden=golden)
    return {"version": event["version"], "compared": compared}


def _promote(event: dict[str, Any], model: dict[str, Any], function: str) -> dict[str, Any]:
    previous = releases.point_alias(function=function, version=event["version"])
    record = {"kind": "release", "execution": model["execution"], "version": event["version"], "previous": previous}
    outbox.put(setting("DATA_BUCKET"), f"{model['execution']}-2-release", {**record, "model_id": model["model_id"]})
    return {"version": event["version"], "previous": previous}
