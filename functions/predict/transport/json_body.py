"""Parsing of a request's body. Bodies that Powertools would misread are refused here."""

import json
from typing import Any

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

MEDIA_TYPE = "application/json"
FORM = "application/x-www-form-urlencoded"


def read(text: str) -> Any:
    """Return the JSON value in `text`.

    Raises
    ------
    json.JSONDecodeError
        If `text` is not JSON, or is nested too deeply or has numbers too long to be read.
    RequestValidationError
        If the value is a list: Powertools would answer for its first item and ignore the others.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise json.JSONDecodeError(str(error), text, 0) from error
    if isinstance(value, list):
        message = 'send the list inside an object: {"activities": [...]}'
        raise RequestValidationError([{"type": "model_type", "loc": ("body",), "msg": message, "input": None}])
    return value


def announce(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the media type of a form replaced by JSON.

    No route takes forms, but curl declares one by default, whatever the body is.
    """
    headers = {
        name: MEDIA_TYPE if _is_form(name, value) else value for name, value in (event.get("headers") or {}).items()
    }
    several = {
        name: [MEDIA_TYPE] if any(_is_form(name, value) for value in values) else values
        for name, values in (event.get("multiValueHeaders") or {}).items()
    }
    return event | {"headers": headers, "multiValueHeaders": several}


def _is_form(name: str, value: str) -> bool:
    return name.lower() == "content-type" and value.partition(";")[0].strip().lower() == FORM


def is_json(headers: dict[str, str]) -> bool:
    """Return whether `headers` declare a JSON body; a missing media type counts as JSON."""
    announced = headers.get("content-type") or MEDIA_TYPE
    return announced.partition(";")[0].strip().lower() == MEDIA_TYPE
