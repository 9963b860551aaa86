"""Log events as rows of the prediction log."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from slipcast_aws import storage
from slipcast_aws.serving import prediction_log

# Fields that describe the log line itself, not its predictions.
OF_THE_LINE = ("log", "v", "items")
NEEDED = ("request_id", "at", "model_version", "model_id")


def store(bucket: str, events: Sequence[dict[str, Any]]) -> int:
    """Write the predictions in log events (``id``, ``timestamp``, ``message``) to one object; return their number.

    Requests without an answer go to a separate prefix, one line each: they contain no prediction.

    Raises
    ------
    ValueError
        If a line is not JSON. Nothing is stored then.
    KeyError
        If a line lacks a key that every prediction has. Nothing is stored then.
    """
    lines = [json.loads(event["message"]) for event in events]
    found = [row for line in lines for row in rows(line)]
    failures = [_head(line) for line in lines if "status" in line]
    name = hashlib.sha256("\n".join(event["id"] for event in events).encode()).hexdigest()[:32]
    first = datetime.fromtimestamp(events[0]["timestamp"] / 1000, UTC)
    for prefix, kept in ((prediction_log.PREFIX, found), (prediction_log.FAILURES, failures)):
        if kept:
            uri = f"s3://{bucket}/{prediction_log.key(first, name, prefix)}"
            storage.write_bytes(uri, prediction_log.pack(kept), "application/gzip")
    return len(found)


def rows(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the predictions in a line of the log, each with the fields that they share."""
    head = _head(line)
    for item in line["items"]:
        yield head | item


def _head(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in NEEDED} | {k: v for k, v in line.items() if k not in OF_THE_LINE}
