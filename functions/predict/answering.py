"""Parts of every answer, whichever function gives it: headers, limits, a problem for each error, a line in the log."""

import gc
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from predict.api import routes
from predict.refusal import Refusal
from predict.serving import log_writer
from predict.serving.model_store import Serving
from predict.transport import envelope


def answer(
    event: dict[str, Any],
    context: Any,
    serving: Serving,
    resolve: Callable[[routes.Call], routes.Answer],
) -> dict[str, Any]:
    """Answer a `gateway.routed` request by `resolve`, and log it."""
    began = time.perf_counter()
    # A batch makes a hundred thousand objects and no cycle: looking for some takes a third of its time.
    gc.disable()
    try:
        found = finish(_resolved(event, context, serving, resolve), event, context, serving)
        return log_writer.finish(event, found, (time.perf_counter() - began) * 1000)
    finally:
        gc.enable()


def _resolved(
    event: dict[str, Any], context: Any, serving: Serving, resolve: Callable[[routes.Call], routes.Answer]
) -> dict[str, Any]:
    try:
        if envelope.too_large(event):
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, envelope.TOO_LARGE)
        return resolve(routes.Call(event, context, serving, envelope.headers(event)))
    except Exception as error:
        return problem(event, context, error)


def finish(found: dict[str, Any], event: dict[str, Any], context: Any, serving: Serving) -> dict[str, Any]:
    """Return an answer with the headers that all have, or a problem if it is too large."""

    def refuse(status: HTTPStatus, detail: str) -> dict[str, Any]:
        return problem(event, context, Refusal(status, detail))

    names = serving.loaded and serving.loaded.names()
    return envelope.finish(found, event, context, names, refuse)


def problem(event: dict[str, Any], context: Any, error: Exception) -> dict[str, Any]:
    """Return the answer to a request that ended in an error."""
    # Imported here: most requests are not refused.
    from predict.api import problems

    return problems.answer(event, context, problems.refusal(error))
