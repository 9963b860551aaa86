"""The audit trail."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from slipcast_aws.control.table import client, timestamp

PAGES = 10


def audit(table: str, *, identity: str, record: dict[str, Any], now: datetime | None = None) -> None:
    """Add an entry to the audit trail; `record` holds text; an entry with the same identity and time is overwritten."""
    moment = now or datetime.now(UTC)
    client().put_item(
        TableName=table,
        Item={
            "pk": {"S": "AUDIT"},
            "sk": {"S": f"{timestamp(moment)}#{identity}"},
            **{name: {"S": str(value)} for name, value in record.items() if value is not None},
        },
    )


def audit_trail(table: str) -> list[dict[str, str]]:
    """Return the audit entries, oldest first."""
    return list(_entries(_pages(table)))


def latest(table: str, what: Sequence[str], limit: int) -> list[dict[str, str]]:
    """Return the last audit entries of some kinds, newest first, at most `limit` of them.

    The trail has an entry for each document that somebody opened: `PAGES` pages of 1 MB are looked at.
    """
    names = {f":{place}": {"S": name} for place, name in enumerate(what)}
    pages = _pages(table, names, FilterExpression=f"what IN ({', '.join(names)})", ScanIndexForward=False)
    return list(itertools.islice(_entries(itertools.islice(pages, PAGES)), limit))


def _pages(table: str, values: Mapping[str, Any] | None = None, **query: Any) -> Iterator[Mapping[str, Any]]:
    values = {":pk": {"S": "AUDIT"}, **(values or {})}
    paginator = client().get_paginator("query")
    yield from paginator.paginate(
        TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=values, **query
    )


def _entries(pages: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    for page in pages:
        for item in page["Items"]:
            yield {name: value["S"] for name, value in item.items() if name != "pk"}
