"""Predict: where Lambda enters. A valid request for predictions is answered by the standard library alone.

Many activities at once are handed to the function for large batches. Everything else, refusals, reasons, other paths,
is answered by :mod:`app`, which is imported when it is first needed: it takes several times as long to start. All give
the same answer to the same request; tests compare them.
"""

import os
from typing import Any

import gateway
import large_batches
import model_store
import plain_answer
from plain_request import NotPlain

# Read once, in the init phase: a version of the function has one model for all its life.
serving = model_store.load()
# Lambda says so where a snapshot will be taken; elsewhere there is no need to look for the hooks.
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    import snapshots

    snapshots.register(serving.loaded)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration)."""
    event = gateway.routed(event)
    model = serving.loaded
    if model is not None and plain_answer.is_plain(event):
        try:
            if large_batches.belongs(event["body"], model):
                answer = large_batches.ask(event, context, model)
                if answer is not None:
                    return answer
            return plain_answer.answer(event, context, model)
        except NotPlain:
            pass
        except Exception:
            # The application tries again: if it fails as well, what it answers says nothing of the inside.
            import problems

            problems.logger.exception("the fast path failed")
    import app

    return app.handler(event, context)
