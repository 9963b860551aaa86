"""ETag and If-None-Match (RFC 9110): a repeated request for an unchanged model is answered in a few bytes."""

import re
from http import HTTPStatus
from typing import Any

from predict.api.answers import Model
from predict.api.routes import Answer, Call, answer
from predict.serving.model_store import LoadedModel
from predict.settings import settings

# Clients may store the answer but must revalidate it: a release or a rollback can change the model at any time.
CACHE_CONTROL = "private, no-cache"
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def describe(model: LoadedModel) -> Model:
    """Return the full description of a model."""
    known: dict[str, Any] = {
        **model.scorer.metadata,
        "version": model.version,
        "sha256": settings().model_sha256,
        "threshold": model.scorer.threshold,
        "trained_at": settings().model_trained_at,
        "execution": settings().model_execution,
    }
    return Model(**{name: known[name] for name in Model.__struct_fields__})


def model(call: Call) -> Answer:
    """Return the description of the model, or 304 if the client already has it.

    A version of the function has one model as long as it exists, so version and digest identify the description.
    """
    description = describe(call.serving.model())
    tag = f'"{description.version}-{description.sha256[:16]}"'
    known = call.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in _TAG.findall(known):
        found = answer("", status=HTTPStatus.NOT_MODIFIED, ETag=tag, Cache_Control=CACHE_CONTROL)
        del found["multiValueHeaders"]["Content-Type"]
        return found
    return answer(description, ETag=tag, Cache_Control=CACHE_CONTROL)
