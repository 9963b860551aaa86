"""``/score``: Azure Machine Learning's online endpoints, as its inference server and its MLflow deployments answer.

https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
"""

from typing import Any

from slipcast_host.exchange import JSON, TEXT, Call, Protocol, Reply, reply
from slipcast_host.problem import Refusal, bad
from slipcast_host.protocols import rows

CODES = {
    400: "BadArgument",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "PayloadTooLarge",
    503: "ServiceUnavailable",
}


def alive(call: Call) -> Reply:
    """Return 200 once the model can answer; the path that the inference server is asked at."""
    call.engine()
    return Reply(b"Healthy", TEXT)


def score(call: Call) -> Reply:
    """Return a list with an answer for each row of ``input_data``."""
    call.media_type(JSON)
    found = rows.answers(call.engine(), read(rows.parse(call.body)), call.request_id)
    return reply(found, scored=found)


def read(document: Any) -> list[dict[str, Any]]:
    """Return the rows of ``input_data``: a data frame in columns and data, or a list of objects; ``data`` is read too.

    Raises
    ------
    Refusal
        If there are none.
    """
    name = next((name for name in ("input_data", "data") if isinstance(document, dict) and name in document), None)
    if name is None:
        raise bad("input_data", "it is missing; send columns and data, or a list of objects, in it", "missing")
    sent = document[name]
    if isinstance(sent, dict):
        return rows.split(sent.get("columns"), sent.get("data"), name)
    return rows.objects(sent, name)


def error(refused: Refusal, request_id: str) -> dict[str, Any]:
    """Return a refusal in the form of Azure's services (Microsoft REST API Guidelines)."""
    code = CODES.get(refused.status, "BadArgument" if refused.status < 500 else "InternalServerError")
    details = [{"code": item.type, "message": item.message, "target": item.field} for item in refused.errors]
    return {"error": {"code": code, "message": refused.detail, "details": details}, "request_id": request_id}


PROTOCOL = Protocol("azure", {"/": {"GET": alive}, "/score": {"POST": score}}, error)
