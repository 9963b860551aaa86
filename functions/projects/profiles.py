"""Mapping profiles: a draft for an uploaded table that none reads, and its storage, both by the function `prepare`."""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from projects.access import PLANNER, Caller
from projects.invoking import invoke
from projects.settings import Settings
from projects.uploading import may_see
from projects.web import Refusal, Request, answer, invalid
from slipcast_aws.control import audit

INCOMING = "incoming/"
LONGEST_TEXT = 65_536
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_GONE = {"ClientError": HTTPStatus.NOT_FOUND, "NoSuchKey": HTTPStatus.NOT_FOUND}


def suggest(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the draft of a profile for an uploaded table: guesses with confidence, a preview, the text."""
    caller.require(PLANNER)
    request.known()
    document = _fields(request, ("key", "profile"))
    key = document["key"]
    if not key.startswith(INCOMING) or len(key) > 1024:
        raise invalid("key", "send the key that the upload was given")
    may_see(caller, key)
    sent = {"step": "suggest", "key": key, "profile": document["profile"]}
    found = invoke(Settings.from_environment().prepare_function, sent, _GONE)
    if "refused" in found:
        raise invalid("key", found["refused"])
    return answer(found)


def save(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Store a profile under a name that is not taken; files dropped under ``incoming/<name>/`` are read by it."""
    caller.require(PLANNER)
    request.known()
    document = _fields(request, ("profile", "text"))
    if len(document["text"]) > LONGEST_TEXT:
        raise invalid("text", f"send at most {LONGEST_TEXT} characters")
    settings = Settings.from_environment()
    found = invoke(settings.prepare_function, {"step": "save_profile", **document}, {})
    if found.get("taken"):
        raise Refusal(HTTPStatus.CONFLICT, found["refused"])
    if "refused" in found:
        raise invalid("text", found["refused"])
    record = {"what": "profile", "outcome": "saved", "detail": document["profile"], "identity": request.user}
    audit.audit(settings.control_table, identity=request.request_id, record=record, now=datetime.now(UTC))
    return answer(found, status=HTTPStatus.CREATED)


def _fields(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """Return the fields of the body, which are texts; ``profile`` is a name as profiles have it."""
    document = request.body()
    for field in document:
        if field not in names:
            raise invalid(field[:40], f"there is no such field; there are {', '.join(names)}")
    for name in names:
        if not isinstance(document.get(name), str) or not document[name]:
            raise invalid(name, "send a text")
    if not _NAME.fullmatch(document["profile"]):
        raise invalid("profile", "send a name of lower case letters, digits, dashes and underscores")
    return document
