"""The control table: training lease, trigger, budget, latest dataset, releases and audit trail in DynamoDB.

One table, keys ``pk`` and ``sk``: ``LEASE/training`` (written by the state machine), ``GATE/last_start`` (cooldown and
the one running execution that alarms, schedules and people may have), ``GATE/alarms`` (alarms that no release has
answered), ``GATE/last_training``, ``BUDGET/<UTC month>``, ``DATASET/latest``, ``RELEASE/<version>``, ``BATCH/<id
of a job>``, ``AUDIT/<UTC time>#<identity>``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from slipcast_aws import waiting

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@cache
def client() -> "DynamoDBClient":
    """Return the DynamoDB client of this execution environment."""
    return boto3.client("dynamodb", config=waiting.QUICK)


def timestamp(moment: datetime) -> str:
    """Return `moment` in UTC as text that sorts by time, to the microsecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def item_key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def read_item(table: str, key: tuple[str, str]) -> dict[str, Any] | None:
    return client().get_item(TableName=table, Key=item_key(*key), ConsistentRead=True).get("Item")


def conditionally(write: Callable[..., Any], **request: Any) -> bool:
    """Carry out a conditional write; False if its condition does not hold."""
    try:
        write(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True
