"""Releases by version."""

import json
from typing import Any

from slipcast_aws.control.table import client, read_item


def put_release(table: str, version: str, record: dict[str, Any]) -> None:
    """Keep what is to be known of a version once it got traffic, also when the version itself has been pruned.

    Parameters
    ----------
    record : ``previous`` (version that was live before), ``execution`` and ``model``; again for the same version, it
        replaces what was known
    """
    client().put_item(
        TableName=table,
        Item={"pk": {"S": "RELEASE"}, "sk": {"S": version}, "record": {"S": json.dumps(record, sort_keys=True)}},
    )


def release(table: str, version: str) -> dict[str, Any] | None:
    """Return what `put_release` kept of a version; None for one that never got traffic."""
    item = read_item(table, ("RELEASE", version))
    return json.loads(item["record"]["S"]) if item else None
