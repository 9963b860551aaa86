"""Requests to the trigger: S3 through EventBridge, a CloudWatch alarm through SNS, a schedule, a person."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

# As Windows and macOS call them; names that begin with a point are left out anyway.
PROGRAM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})


@dataclass(frozen=True)
class Request:
    """One request for an execution of the pipeline.

    Attributes
    ----------
    reason
        ``new_data``, ``alarm``, ``schedule`` or ``manual``
    identity
        identity of the request: the same for repeated deliveries
    detail
        one line for people
    source
        bucket, key, version id and perhaps sequencer of the file; None for the latest dataset
    alarm
        name of the alarm; None for other requests
    over
        whether that alarm has gone back to OK, so that nothing is requested
    """

    reason: str
    identity: tuple[str, ...]
    detail: str
    source: dict[str, str] | None = None
    alarm: str | None = None
    over: bool = False


def read(event: dict[str, Any], retrain_alarms: Collection[str]) -> list[Request]:
    """Return the requests in `event`; an alarm that does not ask for retraining gives none.

    Raises
    ------
    ValueError
        If the event is of no known kind.
    """
    if event.get("detail-type") == "Object Created":
        return [] if is_no_file(event["detail"]["object"]["key"]) else [_object_created(event["detail"])]
    if event.get("detail-type") == "Scheduled Event":
        return [Request("schedule", (event["id"],), event["resources"][0].rsplit("/", 1)[-1])]
    if "Records" in event:
        return [request for record in event["Records"] if (request := _alarm(record["Sns"], retrain_alarms))]
    if event.get("reason") == "manual":
        if not event.get("id"):
            raise ValueError('a manual request needs an "id" of your choice, so that a repeat is recognised')
        return [Request("manual", (event["id"],), event.get("detail", ""))]
    raise ValueError(
        'not an S3 object event, an SNS notification, a scheduled event or {"reason": "manual", "id": ...}'
    )


def is_no_file(key: str) -> bool:
    """Return whether an object is none that a person dropped, but a mark of a program for itself.

    The S3 console marks a folder by an object whose key ends with a slash; macOS, Windows, Excel and LibreOffice leave
    files of their own next to those that a folder is uploaded with.

    Examples
    --------
    >>> is_no_file("incoming/tower/"), is_no_file("incoming/~$hall.xlsx"), is_no_file("incoming/hall.xlsx")
    (True, True, False)
    """
    *folders, name = key.split("/")
    return (
        not name
        or name.startswith((".", "~$"))
        or name.casefold() in PROGRAM_FILES
        or any(folder == "__MACOSX" or folder.startswith(".") for folder in folders)
    )


def _object_created(detail: dict[str, Any]) -> Request:
    bucket, item = detail["bucket"]["name"], detail["object"]
    key = item["key"]
    version = item.get("version-id", "")
    # Without a version id, ETag and sequencer distinguish two uploads of the same name.
    upload = version or f"{item.get('etag')}/{item.get('sequencer')}"
    source = {"bucket": bucket, "key": key, "version_id": version}
    if item.get("sequencer"):
        source["sequencer"] = item["sequencer"]
    return Request("new_data", (bucket, key, upload), f"s3://{bucket}/{key}", source)


def _alarm(notification: dict[str, Any], retrain_alarms: Collection[str]) -> Request | None:
    try:
        message = json.loads(notification["Message"])
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("AlarmName") not in retrain_alarms:
        return None
    name, state = message["AlarmName"], message.get("NewStateValue")
    if state not in ("ALARM", "OK"):
        return None
    moment = message.get("StateChangeTime", notification["MessageId"])
    return Request(
        "alarm",
        (name, moment) if state == "ALARM" else (name, moment, state),
        f"{name}: {message.get('NewStateReason', '')}",
        alarm=name,
        over=state == "OK",
    )
