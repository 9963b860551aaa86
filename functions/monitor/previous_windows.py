"""Earlier windows of the same model, from the records of previous runs."""

from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from slipcast_aws import storage

logger = Logger(child=True)

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
        record = _read(uri) if uri else {}
        if record.get("version") != version or not record.get("drift"):
            break
        found.append(_window(record))
        before = datetime.fromisoformat(record["until"]) - width
    return found


def _last(bucket: str, before: datetime) -> str | None:
    """Return the newest record that is not after `before`; None if it is too old."""
    for day in (before, before - timedelta(days=1), before - timedelta(days=2)):
        for uri in sorted(storage.list_uris(f"s3://{bucket}/monitoring/{day:%Y-%m-%dT}"), reverse=True):
            try:
                at = datetime.strptime(uri.rsplit("/", 1)[1].removesuffix(".json"), NAME).replace(tzinfo=before.tzinfo)
            except ValueError:
                # The page of a record, or what a person has put there.
                continue
            # Object names are truncated to seconds.
            if at <= before:
                return uri if before - at <= LONGEST_GAP else None
    return None


def _read(uri: str) -> dict[str, Any]:
    """Return a record; an empty one if it is damaged: drift is then confirmed by later windows alone."""
    try:
        record = storage.read_json(uri)
    except ValueError:
        logger.warning("a record of the monitor is not JSON", uri=uri)
        return {}
    return record if isinstance(record, dict) else {}


def _window(record: dict[str, Any]) -> dict[str, Any]:
    drift = record["drift"]
    items = drift["features"] | ({"score": drift["score"]} if drift["score"] else {})
    findings = [f"{name}:{finding['what']}" for name, item in items.items() for finding in item["findings"]]
    return {"until": record["until"], "state": drift["state"], "findings": findings}
