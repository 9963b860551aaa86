"""Batch: predicts files of any size - requests about jobs, files that arrive, and the work itself."""

from typing import Any

from predict.api import problems, routes
from predict.jobs import web, work
from predict.serving.model_store import Serving
from predict.transport import envelope, gateway


def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Answer a request of API Gateway, take in an object that S3 announces, or go on with ``event["job"]``."""
    if "httpMethod" in event:
        return _answer(gateway.routed(event), context)
    if "job" in event:
        work.work(event["job"], context)
        return None
    found = event["detail"]["object"]
    identity = web.arrived(found["key"], found.get("version-id", ""), found["size"])
    if identity is not None:
        work.work(identity, context)
    return None


def _answer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    call = routes.Call(event, context, Serving(None), envelope.headers(event))
    try:
        found = routes.run(web.ROUTES, call)
    except Exception as error:
        found = problems.answer(event, context, problems.refusal(error))
    return envelope.finish(found, event, context, None, lambda *_: found)
