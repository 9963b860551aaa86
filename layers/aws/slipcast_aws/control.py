"""The control table: training lease, cooldown, latest dataset, releases and audit trail in DynamoDB.

One table, keys ``pk`` and ``sk``: ``LEASE/training`` (written by the state machine), ``GATE/last_start``,
``DATASET/latest``, ``RELEASE/<version>``, ``AUDIT/<UTC time>#<identity>``.
"""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError


@cache
def client():
    """Return the DynamoDB client of this execution environment."""
    return boto3.client("dynamodb")


def timestamp(moment: datetime) -> str:
    """Return `moment` in UTC as text that sorts by time, to the microsecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lease_holder(table: str, now: datetime) -> str | None:
    """Return the execution that holds the training lease; None if nobody does or the lease has run out."""
    item = (
        client()
        .get_item(TableName=table, Key={"pk": {"S": "LEASE"}, "sk": {"S": "training"}}, ConsistentRead=True)
        .get("Item")
    )
    if item is None or int(item["expires_at_ms"]["N"]) <= now.timestamp() * 1000:
        return None
    return item["holder"]["S"]


def claim_start(table: str, *, now: datetime, cutoff: datetime, execution: str) -> bool:
    """Record a start unless there was one after `cutoff`; of many callers at once exactly one gets True."""
    try:
        client().put_item(
            TableName=table,
            Item={
                "pk": {"S": "GATE"},
                "sk": {"S": "last_start"},
                "started_at": {"S": timestamp(now)},
                "execution": {"S": execution},
            },
            ConditionExpression="attribute_not_exists(started_at) OR started_at < :cutoff",
            ExpressionAttributeValues={":cutoff": {"S": timestamp(cutoff)}},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def release_claim(table: str, *, execution: str) -> None:
    """Take a claim back whose execution could not be started."""
    try:
        client().delete_item(
            TableName=table,
            Key={"pk": {"S": "GATE"}, "sk": {"S": "last_start"}},
            ConditionExpression="execution = :execution",
            ExpressionAttributeValues={":execution": {"S": execution}},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise


def latest_dataset(table: str) -> dict[str, Any] | None:
    """Return the reference of the dataset version that all files so far have led to; None if there is none."""
    found = client().get_item(TableName=table, Key={"pk": {"S": "DATASET"}, "sk": {"S": "latest"}}, ConsistentRead=True)
    return json.loads(found["Item"]["reference"]["S"]) if "Item" in found else None


def move_latest(table: str, reference: dict[str, Any], *, previous: dict[str, Any] | None) -> bool:
    """Make a dataset version the latest one if `previous` still is; False if another file came in between."""
    item = {
        **{"pk": {"S": "DATASET"}, "sk": {"S": "latest"}, "dataset_id": {"S": reference["dataset_id"]}},
        "reference": {"S": json.dumps(reference, sort_keys=True)},
    }
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if previous is not None:
        condition = {
            "ConditionExpression": "dataset_id = :previous",
            "ExpressionAttributeValues": {":previous": {"S": previous["dataset_id"]}},
        }
    try:
        client().put_item(TableName=table, Item=item, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


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
    key = {"pk": {"S": "RELEASE"}, "sk": {"S": version}}
    found = client().get_item(TableName=table, Key=key, ConsistentRead=True)
    return json.loads(found["Item"]["record"]["S"]) if "Item" in found else None


def audit(table: str, *, identity: str, record: dict[str, Any], now: datetime | None = None) -> None:
    """Add an entry to the audit trail; `record` holds text, the same identity and time overwrite themselves."""
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
    pages = (
        client()
        .get_paginator("query")
        .paginate(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "AUDIT"}},
        )
    )
    return [
        {name: value["S"] for name, value in item.items() if name != "pk"} for page in pages for item in page["Items"]
    ]
