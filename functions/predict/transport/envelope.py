"""Common headers of all answers, and size limits of Lambda payloads."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

# Lambda's payload limit is 6 MB (6,291,456 bytes) in each direction; a body is a JSON string with escaped quotes.
MAX_BODY_BYTES = 5 * 2**20
MAX_ANSWER_BYTES = 6_000_000
# Browsers must not guess a type, show an answer as a page, or store it.
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "no-store",
}
# Fields about the model, and the headers that carry them where a body cannot.
MODEL_HEADERS = {
    "version": "Slipcast-Model-Version",
    "model_id": "Slipcast-Model-Id",
    "dataset_id": "Slipcast-Dataset-Id",
}
# Characters of ASCII that a string of JSON has two for, and those that it has six for.
_ESCAPED = b'"\\\n\r\t\b\f'
_CODED = bytes({*range(32), 127} - {*_ESCAPED})
TOO_LARGE = f"the body has more than {MAX_BODY_BYTES:,} bytes: send the activities in several requests"
_TOO_LARGE_ANSWER = "the answer would have more than the 6 MB that can be passed on: send fewer activities at once"


def too_large(event: dict[str, Any]) -> bool:
    """Return whether the body of a request has more than `MAX_BODY_BYTES`."""
    body = event.get("body") or ""
    return len(body) > MAX_BODY_BYTES // 4 and len(body.encode("utf-8", "replace")) > MAX_BODY_BYTES


def headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request by their names in lower case, several of a name joined by commas."""
    found = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        if len(values) != 1 or name.lower() not in found:
            found[name.lower()] = ", ".join(values)
    return found


def request_id(event: dict[str, Any], context: Any) -> str:
    """Return the id of a request, which every answer carries."""
    text: str = (event.get("requestContext") or {}).get("requestId") or context.aws_request_id
    return text


def caller(event: Mapping[str, Any]) -> str:
    """Return who sent a request: what one caller has begun is no other one's."""
    context = event.get("requestContext") or {}
    identity = context.get("identity") or {}
    claims = (context.get("authorizer") or {}).get("claims") or {}
    return str(
        claims.get("sub") or claims.get("client_id") or identity.get("userArn") or identity.get("apiKeyId") or ""
    )


def sent_bytes(body: str) -> int:
    """Return the bytes that the runtime makes of a body: a string of JSON in ASCII."""
    if not body.isascii():
        return len(json.dumps(body))
    # Counted, not written: a tenth of the time.
    raw = body.encode()
    escaped, coded = (len(raw) - len(raw.translate(None, each)) for each in (_ESCAPED, _CODED))
    return 2 + len(raw) + escaped + 5 * coded


def finish(
    found: dict[str, Any],
    event: dict[str, Any],
    context: Any,
    model: Mapping[str, str] | None,
    refuse: Callable[[HTTPStatus, str], dict[str, Any]],
) -> dict[str, Any]:
    """Return an answer of the Lambda proxy integration with the headers that all have.

    Parameters
    ----------
    found
        the answer; headers that it already has are kept
    model
        ``version``, ``model_id`` and ``dataset_id`` of the answering model, if there is one
    refuse
        builds a problem document from a status and a message, for answers that are too large
    """
    body = found.get("body") or ""
    if len(body) > MAX_ANSWER_BYTES // 12 and sent_bytes(body) > MAX_ANSWER_BYTES:
        found = refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE_ANSWER)
    headers = {name: [value] for name, value in SECURITY.items()}
    headers["X-Request-Id"] = [request_id(event, context)]
    if model:
        headers |= {header: [model[name]] for name, header in MODEL_HEADERS.items()}
    return found | {"multiValueHeaders": headers | found["multiValueHeaders"]}
