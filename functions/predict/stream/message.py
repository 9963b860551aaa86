"""Reader of one activity update in a message; refusals say what is wrong and how to fix it."""

import json
from typing import Any

from pydantic import ValidationError

from predict.api.schemas import Activity

SHOWN = 20
CONTRACT = "the contract is that of one activity of POST /predictions, see GET /openapi.json"


class UnusableUpdateError(ValueError):
    """Message that no retry can fix.

    Attributes
    ----------
    errors
        errors by field (``field``, ``message``, ``type``)
    remedy
        advice for the sender
    """

    def __init__(self, reason: str, remedy: str, errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.errors = errors or []


def read(body: str) -> dict[str, Any]:
    """Return the activity in a message's body by canonical columns, without those that are unknown.

    Raises
    ------
    UnusableUpdateError
        If the body is not JSON, not an object, or not an activity.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnusableUpdateError(f"not JSON: {error}", "send one activity as a JSON object") from error
    if not isinstance(value, dict) or "activities" in value:
        raise UnusableUpdateError("not one activity", "send one message for each activity, a JSON object")
    try:
        return Activity.model_validate(value).model_dump(exclude_none=True)
    except ValidationError as error:
        found = [
            {"field": ".".join(map(str, item["loc"])) or "body", "message": item["msg"], "type": item["type"]}
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:SHOWN]
        ]
        reason = "invalid activity: " + "; ".join(f"{item['field']}: {item['message']}" for item in found[:3])
        fields = ", ".join(dict.fromkeys(item["field"] for item in found))
        raise UnusableUpdateError(reason, f"fix {fields} and send it again; {CONTRACT}", found) from error
