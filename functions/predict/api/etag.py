"""ETag and If-None-Match (RFC 9110): a repeated request for an unchanged model is answered in a few bytes."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response

from predict.api.answers import describe
from predict.api.problems import Responses
from predict.serving.model_store import LoadedModel

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponseHeader

# Clients may store the answer but must revalidate it: a release or a rollback can change the model at any time.
CACHE_CONTROL = "private, no-cache"
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_HEADERS: "dict[str, OpenAPIResponseHeader]" = {
    "ETag": {"description": "Changes with the model", "schema": {"type": "string"}}
}


def with_not_modified(responses: Responses) -> Responses:
    """Return the responses of a route for its OpenAPI entry, with the 304 for If-None-Match."""
    return {
        **responses,
        200: {**responses[200], "headers": _HEADERS},
        304: {"description": "Still the model of If-None-Match", "headers": _HEADERS},
    }


def answer(headers: Mapping[str, str], model: LoadedModel) -> Response[str]:
    """Return the description of `model`, or 304 if the client already has it.

    A version of the function has one model as long as it exists, so version and digest identify the description.
    """
    description = describe(model)
    tag = f'"{description.version}-{description.sha256[:16]}"'
    sent: dict[str, Any] = {"ETag": tag, "Cache-Control": CACHE_CONTROL}
    known = headers.get("if-none-match") or ""
    if known.strip() == "*" or tag in _TAG.findall(known):
        return Response(HTTPStatus.NOT_MODIFIED, body="", headers=sent)
    return Response(HTTPStatus.OK, "application/json", description.model_dump_json(), headers=sent)
