"""Check that every prediction in CloudWatch Logs is in the bucket; missing ones are counted and added.

Ids are compared, not counts: deliveries come at least once, so a duplicate would hide a loss.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from collect import deliveries
from slipcast.monitoring import logged_prediction
from slipcast_aws import storage, waiting
from slipcast_aws.serving import prediction_log

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

# CloudWatch hands lines over within seconds; a failed delivery is retried for longer; if it stays lost, this check
# finds it.
SETTLED_AFTER = timedelta(minutes=15)
HOURS = 2
SLICE = timedelta(minutes=5)
# The filter of the subscription; the emulator ignores it and returns every line.
PATTERN = '{ $.log = "prediction" }'
STOP_BEFORE_END_MS = 10_000
TRIES = 3


@cache
def client() -> "CloudWatchLogsClient":
    """Return the CloudWatch Logs client of this execution environment."""
    return boto3.client("logs", config=waiting.SEARCHING)


def span(asked: dict[str, str] | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the time span to check: the requested one, else the last two whole hours that have settled."""
    if asked:
        return datetime.fromisoformat(asked["since"]), datetime.fromisoformat(asked["until"])
    until = (now - SETTLED_AFTER).replace(minute=0, second=0, microsecond=0)
    return until - timedelta(hours=HOURS), until


def check(bucket: str, group: str, since: datetime, until: datetime, context: LambdaContext) -> dict[str, Any]:
    """Compare, add what is missing, and return ``logged``, ``missing``, ``unreadable`` and ``checked_until``.

    It stops early, after a whole slice, when the function's time is nearly over: ``checked_until`` says where to
    continue.
    """
    known = _known(bucket, since, until)
    found = {"logged": 0, "missing": 0, "unreadable": 0}
    at = since
    while at < until and context.get_remaining_time_in_millis() > STOP_BEFORE_END_MS:
        end = min(at + SLICE, until)
        lost = []
        for event in _events(group, at, end):
            try:
                rows = deliveries.rows(json.loads(event["message"]))
                # The monitor has taken rows with a flaw out of the log: they are not missing.
                ids = {row["prediction_id"] for row in rows if logged_prediction.flaw(row) is None}
            except (ValueError, KeyError, TypeError):
                found["unreadable"] += 1
                continue
            gone = sum(hash(one) not in known for one in ids)
            found["logged"] += len(ids)
            found["missing"] += gone
            if gone:
                lost.append(event | {"id": event["eventId"]})
        if lost:
            deliveries.store(bucket, lost)
        at = end
    return {**found, "since": since.isoformat(), "checked_until": at.isoformat()}


def _known(bucket: str, since: datetime, until: datetime) -> set[int]:
    """Return the ids in the bucket as numbers of 64 bits."""
    for attempt in range(TRIES):
        found: set[int] = set()
        try:
            for uri in prediction_log.uris(bucket, since, until):
                rows, _ = prediction_log.parse(storage.read_bytes(uri))
                found.update(hash(row["prediction_id"]) for row in rows)
        except storage.client().exceptions.NoSuchKey:
            # The monitor has just merged objects: a new listing contains the merged object.
            if attempt + 1 == TRIES:
                raise
            continue
        break
    return found


def _events(group: str, since: datetime, until: datetime) -> "Iterator[FilteredLogEventTypeDef]":
    """Yield the log events of predictions with since <= time < until."""
    pages = (
        client()
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=group,
            startTime=int(since.timestamp() * 1000),
            endTime=int(until.timestamp() * 1000) - 1,
            filterPattern=PATTERN,
        )
    )
    for page in pages:
        for event in page["events"]:
            # The filter may let other lines through; the line of a prediction begins like this.
            if event["message"].startswith('{"log":"prediction"'):
                yield event
