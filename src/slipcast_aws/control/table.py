"""The control table: training lease, gate, budget, latest dataset, releases and audit trail in DynamoDB.

One table, keys ``pk`` and ``sk``: ``LEASE/training`` (written by the state machine), ``GATE/last_start`` (cooldown and
the one execution that alarms, schedules and people may have under way), ``GATE/alarms`` (alarms that no release has
answered), ``GATE/last_training``, ``BUDGET/<UTC month>``, ``DATASET/latest``, ``RELEASE/<version>``,
``AUDIT/<UTC time>#<identity>``.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from slipcast_aws import waiting

LAST_START = ("GATE", "last_start")
ALARMS = ("GATE", "alarms")
LAST_TRAINING = ("GATE", "last_training")
# As long as the lease of a training: statemachine/pipeline.asl.yaml.
FLIGHT = timedelta(hours=2)


@cache
def client():
    """Return the DynamoDB client of this execution environment."""
    return boto3.client("dynamodb", config=waiting.QUICK)


def timestamp(moment: datetime) -> str:
    """Return `moment` in UTC as text that sorts by time, to the microsecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lease_holder(table: str, now: datetime) -> str | None:
    """Return the execution that holds the training lease; None if nobody does or the lease has run out."""
    item = _get(table, ("LEASE", "training"))
    if item is None or int(item["expires_at_ms"]["N"]) <= now.timestamp() * 1000:
        return None
    return item["holder"]["S"]


@dataclass(frozen=True)
class Flight:
    """The last start by an alarm, a schedule or a person: when it was, and whether it is still under way."""

    execution: str
    started_at: str
    under_way: bool


def flight(table: str, now: datetime) -> Flight | None:
    """Return the last start that passed the gate; None before the first."""
    item = _get(table, LAST_START)
    if item is None:
        return None
    until = item.get("lands_by_ms", {"N": "0"})["N"]
    return Flight(item["execution"]["S"], item["started_at"]["S"], int(until) > now.timestamp() * 1000)


def claim_start(table: str, *, now: datetime, cutoff: datetime, execution: str) -> bool:
    """Record a start unless one is under way or came after `cutoff`; of many callers at once exactly one gets True.

    Who has the claim already, and crashed before it used it, gets it again. A claim that nobody gives back runs out
    after `FLIGHT`.
    """
    moment = int(now.timestamp() * 1000)
    item = {
        "started_at": {"S": timestamp(now)},
        "execution": {"S": execution},
        "lands_by_ms": {"N": str(moment + int(FLIGHT.total_seconds() * 1000))},
    }
    landed = "(attribute_not_exists(lands_by_ms) OR lands_by_ms <= :now) AND started_at < :cutoff"
    return _conditionally(
        client().put_item,
        TableName=table,
        Item=_key(*LAST_START) | item,
        ConditionExpression=f"attribute_not_exists(pk) OR execution = :me OR ({landed})",
        ExpressionAttributeValues={
            ":now": {"N": str(moment)},
            ":cutoff": {"S": timestamp(cutoff)},
            ":me": {"S": execution},
        },
    )


def release_claim(table: str, *, execution: str) -> None:
    """Take a claim back whose execution could not be started."""
    _conditionally(
        client().delete_item,
        TableName=table,
        Key=_key(*LAST_START),
        ConditionExpression="execution = :me",
        ExpressionAttributeValues={":me": {"S": execution}},
    )


def land(table: str, *, execution: str) -> None:
    """Note that an execution has ended: the next request may pass once the cooldown is over."""
    _conditionally(
        client().update_item,
        TableName=table,
        Key=_key(*LAST_START),
        UpdateExpression="REMOVE lands_by_ms",
        ConditionExpression="execution = :me",
        ExpressionAttributeValues={":me": {"S": execution}},
    )


def restart_cooldown(table: str, *, execution: str, now: datetime) -> None:
    """Let the cooldown begin anew, whoever started `execution`."""
    client().update_item(
        TableName=table,
        Key=_key(*LAST_START),
        UpdateExpression="SET started_at = :now, execution = if_not_exists(execution, :me)",
        ExpressionAttributeValues={":now": {"S": timestamp(now)}, ":me": {"S": execution}},
    )


def open_alarm(table: str, name: str) -> None:
    """Note an alarm that asks for a better model."""
    _change_alarms(table, "ADD", name)


def close_alarm(table: str, name: str) -> None:
    """Note that an alarm has gone back to OK by itself."""
    _change_alarms(table, "DELETE", name)


def _change_alarms(table: str, verb: str, name: str) -> None:
    client().update_item(
        TableName=table,
        Key=_key(*ALARMS),
        UpdateExpression=f"{verb} open_alarms :name",
        ExpressionAttributeValues={":name": {"SS": [name]}},
    )


def close_alarms(table: str) -> None:
    """Note that a release has answered all alarms."""
    client().delete_item(TableName=table, Key=_key(*ALARMS))


def open_alarms(table: str) -> list[str]:
    """Return the names of the alarms that no release has answered, sorted."""
    item = _get(table, ALARMS) or {}
    return sorted(item.get("open_alarms", {}).get("SS", []))


def note_training(table: str, *, execution: str, dataset_id: str, reason: str) -> None:
    """Note what was trained last and lost against the live model."""
    values = {"execution": execution, "dataset_id": dataset_id, "reason": reason}
    client().put_item(TableName=table, Item=_key(*LAST_TRAINING) | {k: {"S": v} for k, v in values.items()})


def last_training(table: str) -> dict[str, str] | None:
    """Return ``execution``, ``dataset_id`` and ``reason`` of the last training that lost; None before the first."""
    item = _get(table, LAST_TRAINING)
    return item and {name: value["S"] for name, value in item.items()}


def spend(table: str, *, month: str, execution: str, limit: int | None) -> bool:
    """Count a training into the budget of a month; False if `limit` others have used it up.

    The same execution counts once, however often it asks. Without a limit it is counted and never refused.
    """
    request: dict[str, Any] = {
        "TableName": table,
        "Key": _key("BUDGET", month),
        "UpdateExpression": "ADD executions :one",
        "ExpressionAttributeValues": {":one": {"SS": [execution]}},
    }
    if limit is not None:
        request["ConditionExpression"] = (
            "attribute_not_exists(executions) OR size(executions) < :limit OR contains(executions, :me)"
        )
        request["ExpressionAttributeValues"] |= {":limit": {"N": str(limit)}, ":me": {"S": execution}}
    return _conditionally(client().update_item, **request)


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _get(table: str, key: tuple[str, str]) -> dict[str, Any] | None:
    return client().get_item(TableName=table, Key=_key(*key), ConsistentRead=True).get("Item")


def _conditionally(write: Callable[..., Any], **request: Any) -> bool:
    """Carry out a conditional write; False if its condition does not hold."""
    try:
        write(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def latest_dataset(table: str) -> dict[str, Any] | None:
    """Return the reference of the dataset version that all files so far have led to; None if there is none."""
    item = _get(table, ("DATASET", "latest"))
    return json.loads(item["reference"]["S"]) if item else None


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
    return _conditionally(client().put_item, TableName=table, Item=item, **condition)


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
    item = _get(table, ("RELEASE", version))
    return json.loads(item["record"]["S"]) if item else None


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
