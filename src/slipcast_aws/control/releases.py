"""Records of releases, by version."""

import json

from slipcast.contracts import ReleaseRecord
from slipcast_aws.control.table import client, read_item


def put_release(table: str, version: str, record: ReleaseRecord) -> None:
    """Store the record of a version that gets traffic; it remains after the version itself is pruned.

    Parameters
    ----------
    record
        ``previous`` (version that was live before), ``execution`` and ``model``; a second record of the same version
        replaces the first
    """
    client().put_item(
        TableName=table,
        Item={"pk": {"S": "RELEASE"}, "sk": {"S": version}, "record": {"S": json.dumps(record, sort_keys=True)}},
    )


def release(table: str, version: str) -> ReleaseRecord | None:
    """Return the record of a version stored by `put_release`; None if it never got traffic."""
    item = read_item(table, ("RELEASE", version))
    return json.loads(item["record"]["S"]) if item else None
