"""Predict: answers the API with the model of this function version, and updates from the queue.

The AWS SDK, Powertools and scikit-learn are imported when they are first needed: each takes several times as long to
start as everything else together, and most requests need none of them. Requests with many activities go to the function
for large batches, which gives the same answer.
"""

from collections.abc import Mapping
from typing import Any

from predict import answering
from predict.api import core, routes
from predict.serving import model_store, offload
from predict.settings import settings
from predict.transport import gateway

# Read once, in the init phase: a version of the function always has the same model.
serving = model_store.load()
# Lambda sets this variable where a snapshot will be taken; elsewhere the hooks are not needed.
if settings().aws_lambda_initialization_type == "snap-start":
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
    return answering.answer(event, context, serving, _resolve)


def _resolve(call: routes.Call) -> routes.Answer:
    event, context, serving = call.event, call.context, call.serving
    if event.get("httpMethod") != "POST" or "idempotency-key" not in call.headers:
        return _run(call)
    # Imported here: most requests have no key.
    from predict.api import idempotency

    def answer() -> routes.Answer:
        # Refusals are kept for the key as well.
        try:
            found = _run(call)
        except Exception as error:
            found = answering.problem(event, context, error)
        # The stored answer includes the headers, so a replay keeps the original model version.
        return answering.finish(found, event, context, serving)

    return idempotency.answer(event, context, idempotency.key_of(event), answer)


def _run(call: routes.Call) -> routes.Answer:
    if call.serving.loaded is not None and offload.is_columnar(call.event, call.headers):
        answer = offload.ask(call.event, call.context, call.serving.loaded)
        if answer is not None:
            return answer
    if routes.find(core.ROUTES, call.event["path"])[0] is not None:
        return routes.run(core.ROUTES, call)
    # Imported here: the API's own clients do not need it.
    from predict import registry

    return routes.run(registry.ROUTES, call)
