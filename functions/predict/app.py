"""Predict: answers the API with the model of this function version, and updates from the queue.

The AWS SDK, Powertools and scikit-learn are imported when they are first needed: each takes several times as long to
start as everything else together, and most requests need none of them. Requests with many activities go to the function
for large batches, which gives the same answer.
"""

import gc
import os
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from predict.api import core, routes
from predict.refusal import Refusal
from predict.serving import log_writer, model_store, offload
from predict.transport import envelope, gateway

# Read once, in the init phase: a version of the function always has the same model.
serving = model_store.load()
# Lambda sets this variable where a snapshot will be taken; elsewhere the hooks are not needed.
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from predict import snapstart

    snapstart.register(serving.loaded)


def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration), or a batch of updates from the queue."""
    if "Records" in event:
        # Imported here, not in the init phase: the API does not need it.
        from predict.stream import consumer

        return consumer.answer(event, context, serving.model)
    event = gateway.routed(event)
    if serving.loaded is not None and offload.belongs(event, serving.loaded):
        answer = offload.ask(event, context, serving.loaded)
        if answer is not None:
            return answer
    return answer_here(event, context, serving)


def answer_here(event: dict[str, Any], context: Any, serving: model_store.Serving) -> dict[str, Any]:
    """Answer a `gateway.routed` request with the headers that all answers have, and log it."""
    began = time.perf_counter()
    # A batch makes a hundred thousand objects and no cycle: looking for some takes a third of its time.
    gc.disable()
    try:
        found = _answer(event, context, serving)
    except Exception as error:
        found = _problem(event, context, error)
    try:
        found = _finish(found, event, context, serving)
        return log_writer.finish(event, found, (time.perf_counter() - began) * 1000)
    finally:
        gc.enable()


def _answer(event: dict[str, Any], context: Any, serving: model_store.Serving) -> dict[str, Any]:
    if envelope.too_large(event):
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, envelope.TOO_LARGE)
    call = routes.Call(event, context, serving, envelope.headers(event))
    if event.get("httpMethod") != "POST" or "idempotency-key" not in call.headers:
        return _resolve(call)
    # Imported here: most requests have no key.
    from predict.api import idempotency

    # The stored answer includes the headers, so a replay keeps the original model version.
    return idempotency.answer(
        event,
        context,
        idempotency.key_of(event),
        lambda: _finish(_resolved(call), event, context, serving),
    )


def _resolve(call: routes.Call) -> dict[str, Any]:
    if routes.find(core.ROUTES, call.event["path"])[0] is not None:
        return routes.run(core.ROUTES, call)
    # Imported here: the API's own clients do not need it.
    from predict import registry

    return routes.run(registry.ROUTES, call)


def _resolved(call: routes.Call) -> dict[str, Any]:
    """Return the answer of a route, a problem if the request is refused: it is kept for the key as well."""
    try:
        return _resolve(call)
    except Exception as error:
        return _problem(call.event, call.context, error)


def _finish(found: dict[str, Any], event: dict[str, Any], context: Any, serving: model_store.Serving) -> dict[str, Any]:
    def refuse(status: HTTPStatus, detail: str) -> dict[str, Any]:
        return _problem(event, context, Refusal(status, detail))

    names = serving.loaded and serving.loaded.names()
    return envelope.finish(found, event, context, names, refuse)


def _problem(event: dict[str, Any], context: Any, error: Exception) -> dict[str, Any]:
    # Imported here: most requests are not refused.
    from predict.api import problems

    return problems.answer(event, context, problems.refusal(error))
