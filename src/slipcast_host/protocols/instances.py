"""``{"instances": [...]}`` and ``{"predictions": [...]}``: KServe's protocol V1 and Vertex AI's custom containers.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol and
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from typing import Any

from slipcast_host.exchange import JSON, Call, Protocol, Reply, reply
from slipcast_host.problem import Refusal, bad
from slipcast_host.protocols import rows

NAME = "slipcast"


def models(_: Call) -> Reply:
    """Return the names of the models: there is one."""
    return reply({"models": [NAME]})


def ready(call: Call) -> Reply:
    """Return whether the model is ready."""
    _check_name(call)
    call.engine()
    return reply({"name": NAME, "ready": True})


def healthy(call: Call) -> Reply:
    """Return 200 once the model can answer, as Vertex AI asks."""
    call.engine()
    return reply({"status": "healthy"})


def predict(call: Call) -> Reply:
    """Return an answer for each instance: an object with an activity's columns, or a list of cells in their order."""
    _check_name(call)
    call.media_type(JSON)
    engine = call.engine()
    document = rows.parse(call.body)
    if not isinstance(document, dict) or "instances" not in document:
        raise bad("instances", 'it is missing; send {"instances": [...]} with an object for each activity', "missing")
    found = rows.answers(engine, rows.objects(document["instances"], "instances"), call.request_id)
    return reply({"predictions": found}, scored=found)


def _check_name(call: Call) -> None:
    if call.parameters.get("model", NAME) != NAME:
        raise Refusal(404, f"there is one model here: {NAME}")


def error(refused: Refusal, request_id: str) -> dict[str, Any]:
    """Return a refusal as KServe words it."""
    return {"error": refused.detail, "errors": refused.listed(), "request_id": request_id}


KSERVE = Protocol(
    "kserve_v1",
    {
        "/v1/models": {"GET": models},
        "/v1/models/{model}": {"GET": ready},
        "/v1/models/{model}:predict": {"POST": predict},
    },
    error,
)


def vertex(health: str, route: str) -> Protocol:
    """Return the protocol of Vertex AI at the paths that it names in ``AIP_HEALTH_ROUTE`` and ``AIP_PREDICT_ROUTE``."""
    return Protocol("vertex", {health: {"GET": healthy}, route: {"POST": predict}}, error)
