"""Predict: entry point of the Lambda function. Valid prediction requests are answered with the standard library alone.

Requests with many activities go to the function for large batches. Everything else (refusals, reasons, other paths) is
answered by :mod:`predict.application`, which is imported when it is first needed: it takes several times as long to
start. All three give the same answer to the same request; tests compare them.
"""

import os
from collections.abc import Mapping
from typing import Any

from predict.fast_path import offload, response
from predict.fast_path.request import NotPlain
from predict.serving import model_store
from predict.transport import gateway

# Read once, in the init phase: a version of the function always has the same model.
serving = model_store.load()
# Lambda sets this variable where a snapshot will be taken; elsewhere the hooks are not needed.
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    from predict import snapstart

    snapstart.register(serving.loaded)


def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration)."""
    event = gateway.routed(event)
    model = serving.loaded
    if model is not None and response.is_plain(event):
        try:
            if offload.belongs(event["body"], model):
                answer = offload.ask(event, context, model)
                if answer is not None:
                    return answer
            return response.answer(event, context, model)
        except NotPlain:
            pass
        except Exception:
            # The application tries again: if it fails too, its answer contains no internal details.
            from predict.api import problems

            problems.logger.exception("the fast path failed")
    from predict import application

    return application.handler(event, context)
