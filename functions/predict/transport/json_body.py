"""Reading a request's body. What Powertools would take for something else than it is, is refused here."""

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
        If `text` is not JSON, or nested or long beyond what can be read.
    RequestValidationError
        If the value is a list: Powertools would answer for its first item and say nothing of the others.
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
    """Return the event with a form announced as JSON.

    No route takes forms, but curl announces one whenever it is not told otherwise, whatever the body is.
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
    """Return whether `headers` announce a JSON body; without a media type it is taken for one."""
    announced = headers.get("content-type") or MEDIA_TYPE
    return announced.partition(";")[0].strip().lower() == MEDIA_TYPE
