"""Reader of one activity update in a message; refusals say what is wrong and how to fix it."""

from predict.api import requests
from predict.api.requests import Batch, InvalidRequest, NotJsonError

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


def read(body: str) -> Batch:
    """Return the activity in a message's body.

    Raises
    ------
    UnusableUpdateError
        If the body is not JSON, not an object, or not an activity.
    """
    try:
        value = requests.parse(body.removeprefix("\ufeff"))
    except NotJsonError as error:
        raise UnusableUpdateError(f"not JSON: {error}", "send one activity as a JSON object") from error
    if not isinstance(value, dict) or "activities" in value:
        raise UnusableUpdateError("not one activity", "send one message for each activity, a JSON object")
    try:
        return requests.from_records([value])
    except InvalidRequest as error:
        found = [
            {"field": item.error.field or "body", "message": item.message, "type": item.error.type}
            for item in error.refused[:SHOWN]
        ]
        reason = "invalid activity: " + "; ".join(f"{item['field']}: {item['message']}" for item in found[:3])
        fields = ", ".join(dict.fromkeys(item["field"] for item in found))
        raise UnusableUpdateError(reason, f"fix {fields} and send it again; {CONTRACT}", found) from error
