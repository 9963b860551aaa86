"""Starts of the pipeline: one running execution for all requests but files, cooldown, budget."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipcast_aws.control.table import client, conditionally, item_key, read_item, timestamp

LAST_START = ("GATE", "last_start")
# As long as the lease of a training: statemachine/pipeline.asl.yaml.
FLIGHT = timedelta(hours=2)


def lease_holder(table: str, now: datetime) -> str | None:
    """Return the execution that holds the training lease; None if there is none or the lease has expired."""
    item = read_item(table, ("LEASE", "training"))
    if item is None or int(item["expires_at_ms"]["N"]) <= now.timestamp() * 1000:
        return None
    result: str | None = item["holder"]["S"]
    return result


@dataclass(frozen=True)
class Flight:
    """Last start by an alarm, a schedule or a person: its time, and whether its execution is still running."""

    execution: str
    started_at: str
    under_way: bool


def flight(table: str, now: datetime) -> Flight | None:
    """Return the last start that the trigger admitted; None before the first."""
    item = read_item(table, LAST_START)
    if item is None:
        return None
    until = item.get("lands_by_ms", {"N": "0"})["N"]
    return Flight(item["execution"]["S"], item["started_at"]["S"], int(until) > now.timestamp() * 1000)


def claim_start(table: str, *, now: datetime, cutoff: datetime, execution: str) -> bool:
    """Record a start unless one is running or came after `cutoff`; among concurrent callers exactly one gets True.

    The claim is idempotent: a retry by its holder succeeds. A claim that is not released expires after `FLIGHT`.
    """
    moment = int(now.timestamp() * 1000)
    item = {
        "started_at": {"S": timestamp(now)},
        "execution": {"S": execution},
        "lands_by_ms": {"N": str(moment + int(FLIGHT.total_seconds() * 1000))},
    }
    landed = "(attribute_not_exists(lands_by_ms) OR lands_by_ms <= :now) AND started_at < :cutoff"
    return conditionally(
        client().put_item,
        TableName=table,
        Item=item_key(*LAST_START) | item,
        ConditionExpression=f"attribute_not_exists(pk) OR execution = :me OR ({landed})",
        ExpressionAttributeValues={
            ":now": {"N": str(moment)},
            ":cutoff": {"S": timestamp(cutoff)},
            ":me": {"S": execution},
        },
    )


def release_claim(table: str, *, execution: str) -> None:
    """Release a claim whose execution could not be started."""
    conditionally(
        client().delete_item,
        TableName=table,
        Key=item_key(*LAST_START),
        ConditionExpression="execution = :me",
        ExpressionAttributeValues={":me": {"S": execution}},
    )


def land(table: str, *, execution: str) -> None:
    """Record that an execution has ended: the next request may pass after the cooldown."""
    conditionally(
        client().update_item,
        TableName=table,
        Key=item_key(*LAST_START),
        UpdateExpression="REMOVE lands_by_ms",
        ConditionExpression="execution = :me",
        ExpressionAttributeValues={":me": {"S": execution}},
    )


def restart_cooldown(table: str, *, execution: str, now: datetime) -> None:
    """Restart the cooldown, whichever request started `execution`."""
    client().update_item(
        TableName=table,
        Key=item_key(*LAST_START),
        UpdateExpression="SET started_at = :now, execution = if_not_exists(execution, :me)",
        ExpressionAttributeValues={":now": {"S": timestamp(now)}, ":me": {"S": execution}},
    )


def spend(table: str, *, month: str, execution: str, limit: int | None) -> bool:
    """Count a training in the budget of a month; False if `limit` other trainings have used it up.

    The same execution counts once, even if it asks repeatedly. Without a limit it is counted and never refused.
    """
    request: dict[str, Any] = {
        "TableName": table,
        "Key": item_key("BUDGET", month),
        "UpdateExpression": "ADD executions :one",
        "ExpressionAttributeValues": {":one": {"SS": [execution]}},
    }
    if limit is not None:
        request["ConditionExpression"] = (
            "attribute_not_exists(executions) OR size(executions) < :limit OR contains(executions, :me)"
        )
        request["ExpressionAttributeValues"] |= {":limit": {"N": str(limit)}, ":me": {"S": execution}}
    return conditionally(client().update_item, **request)
