"""Latest dataset, and the record of the last training that lost."""

import json
from typing import Any

from slipcast.contracts import DatasetRef
from slipcast_aws.control.table import client, conditionally, item_key, read_item

LAST_TRAINING = ("GATE", "last_training")


def note_training(table: str, *, execution: str, dataset_id: str, reason: str) -> None:
    """Record the last training that lost against the live model."""
    values = {"execution": execution, "dataset_id": dataset_id, "reason": reason}
    client().put_item(TableName=table, Item=item_key(*LAST_TRAINING) | {k: {"S": v} for k, v in values.items()})


def last_training(table: str) -> dict[str, str] | None:
    """Return ``execution``, ``dataset_id`` and ``reason`` of the last training that lost; None before the first."""
    item = read_item(table, LAST_TRAINING)
    return item and {name: value["S"] for name, value in item.items()}


def latest_dataset(table: str) -> DatasetRef | None:
    """Return the reference of the dataset version with all files so far; None if there is none."""
    item = read_item(table, ("DATASET", "latest"))
    return json.loads(item["reference"]["S"]) if item else None


def move_latest(table: str, reference: DatasetRef, *, previous: DatasetRef | None) -> bool:
    """Make a dataset version the latest one if `previous` still is; False if another file was ingested in between."""
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
    return conditionally(client().put_item, TableName=table, Item=item, **condition)
