"""Earlier windows of the same model, from the records of previous runs."""

from datetime import datetime, timedelta
from typing import Any

from slipcast_aws import storage

NAME = "%Y-%m-%dT%H-%M-%S"
# Largest gap between two windows: the monitor may run daily, or may have been down.
LONGEST_GAP = timedelta(hours=36)


def windows(bucket: str, version: str, *, now: datetime, width: timedelta, wanted: int) -> list[dict[str, Any]]:
    """Return up to `wanted` windows before the current one that do not overlap with it or each other, newest first.

    Each has ``until``, ``state`` and ``findings`` (``feature:what``). The list ends where no record is near enough, or
    where a record is of another model version.

    Parameters
    ----------
    width
        length of a window
    """
    found: list[dict[str, Any]] = []
    before = now - width
    while len(found) < wanted:
        uri = _last(bucket, before)
        record = storage.read_json(uri) if uri else {}
        if record.get("version") != version or not record.get("drift"):
            break
        found.append(_window(record))
        before = datetime.fromisoformat(record["until"]) - width
    return found


def _last(bucket: str, before: datetime) -> str | None:
    """Return the newest record that is not after `before`; None if it is too old."""
    for day in (before, before - timedelta(days=1), before - timedelta(days=2)):
        for uri in sorted(storage.list_uris(f"s3://{bucket}/monitoring/{day:%Y-%m-%dT}"), reverse=True):
            at = datetime.strptime(uri.rsplit("/", 1)[1].removesuffix(".json"), NAME).replace(tzinfo=before.tzinfo)
            # Object names are truncated to seconds.
            if at <= before:
                return uri if before - at <= LONGEST_GAP else None
    return None


def _window(record: dict[str, Any]) -> dict[str, Any]:
    drift = record["drift"]
    items = drift["features"] | ({"score": drift["score"]} if drift["score"] else {})
    findings = [f"{name}:{finding['what']}" for name, item in items.items() for finding in item["findings"]]
    return {"until": record["until"], "state": drift["state"], "findings": findings}
