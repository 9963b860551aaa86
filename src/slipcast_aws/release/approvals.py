"""Approvals: requests for a person's decision, in the control table under ``APPROVAL/<execution>``.

Only the SHA-256 of the link's key is stored. The task token of the waiting state machine is stored until it is used; it
appears in no log, no page and no representation of an `Approval`.
"""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from slipcast_aws.control import table as control

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import UpdateItemInputTypeDef
    from mypy_boto3_stepfunctions import SFNClient

PK = "APPROVAL"
KEY_BYTES = 32
STATUSES = {"approve": "approved", "reject": "rejected"}
# Time limit of the function that records a decision and sends it to the execution.
HANDED_ON_WITHIN = timedelta(seconds=30)
# Error codes of Step Functions for a token whose task has ended.
GONE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


class ClosedError(RuntimeError):
    """The request can no longer be decided; `approval` has its outcome."""

    def __init__(self, approval: "Approval") -> None:
        super().__init__(f"the approval of execution {approval.execution} is closed: {approval.status}")
        self.approval = approval


class HandOnError(RuntimeError):
    """A decision is recorded, but Step Functions could not be notified; the same decision can be sent again."""


@dataclass(frozen=True)
class Approval:
    """Request for approval, with its outcome.

    Attributes
    ----------
    status
        ``pending``, ``approved``, ``rejected`` or ``expired``
    delivery
        whether Step Functions has received the decision: ``""`` (not sent yet), ``failed``, ``delivered`` or
        ``too_late``
    asked_at, expires_at, decided_at
        UTC times as text that sorts; ``decided_at`` is ``""`` while pending
    via
        ``link`` or ``invoke``; ``source_ip`` is known for a link only
    outcome
        outcome in the pipeline (`slipcast.release.approval.outcome`), ``""`` before
    """

    execution: str
    status: str
    asked_at: str
    expires_at: str
    evaluation_uri: str
    model_id: str
    model_sha256: str
    delivery: str = ""
    decided_at: str = ""
    by: str = ""
    comment: str = ""
    via: str = ""
    source_ip: str = ""
    outcome: str = ""
    task_token: str = field(default="", repr=False)
    key_sha256: str = field(default="", repr=False)

    def expired(self, now: datetime) -> bool:
        """Return whether the time has expired without a decision."""
        return self.status == "expired" or (self.status == "pending" and self.expires_at <= control.timestamp(now))

    def decidable(self, now: datetime) -> bool:
        """Return whether a decision can be made, or repeated because it could not be delivered."""
        return (self.status == "pending" and not self.expired(now)) or self.undelivered(now)

    def undelivered(self, now: datetime) -> bool:
        """Return whether a recorded decision could not be delivered and a repeat may still help."""
        if self.outcome or self.status not in STATUSES.values():
            return False
        # If it is not delivered by now, its function ended before delivery.
        died = not self.delivery and self.decided_at <= control.timestamp(now - HANDED_ON_WITHIN)
        return self.delivery == "failed" or died


@cache
def states() -> "SFNClient":
    """Return the Step Functions client of this execution environment; its timeout is shorter than the API's."""
    return boto3.client(
        "stepfunctions", config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    )


def new_key() -> str:
    """Return a URL-safe key of 256 random bits."""
    return secrets.token_urlsafe(KEY_BYTES)


def ask(table: str, approval: Approval) -> None:
    """Store a request; a pending one of the same execution is replaced, with its key and token.

    Raises
    ------
    ClosedError
        If the request of that execution has been decided.
    """
    item = {name: {"S": value} for name, value in vars(approval).items() if value and name != "execution"}
    try:
        control.client().put_item(
            TableName=table,
            Item=_key(approval.execution) | item,
            ConditionExpression="attribute_not_exists(pk) OR #status = :pending",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":pending": {"S": "pending"}},
        )
    except ClientError as error:
        raise _closed(table, approval.execution, error) from error


def read(table: str, execution: str) -> Approval | None:
    """Return the request of an execution; None if there is none."""
    found = control.client().get_item(TableName=table, Key=_key(execution), ConsistentRead=True).get("Item")
    if found is None:
        return None
    return Approval(execution=execution, **{k: v["S"] for k, v in found.items() if k in Approval.__dataclass_fields__})


def every(table: str) -> list[Approval]:
    """Return all requests without token and key, which stay in the table."""
    names = [name for name in Approval.__dataclass_fields__ if name not in ("execution", "task_token", "key_sha256")]
    pages = (
        control.client()
        .get_paginator("query")
        .paginate(
            TableName=table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": PK}},
            ProjectionExpression=", ".join(["sk", *(f"#{name}" for name in names)]),
            ExpressionAttributeNames={f"#{name}": name for name in names},
        )
    )
    return [
        Approval(execution=item["sk"]["S"], **{name: item[name]["S"] for name in names if name in item})
        for page in pages
        for item in page["Items"]
    ]


def existing(table: str, execution: str) -> Approval:
    """Return the request of an execution that has one.

    Raises
    ------
    LookupError
        If the execution never asked.
    """
    approval = read(table, execution)
    if approval is None:
        raise LookupError(f"execution {execution} has no request for approval in table {table}")
    return approval


def find(table: str, execution: str, key: str) -> Approval | None:
    """Return the request of an execution if the key is right; None for a wrong key and for no request."""
    approval = read(table, execution)
    stored = approval.key_sha256 if approval else digest("")
    known = hmac.compare_digest(digest(key), stored)
    return approval if known and approval else None


def digest(key: str) -> str:
    """Return the SHA-256 of a key (hex)."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def decide(table: str, approval: Approval, decision: str, *, now: datetime, **person: str) -> Approval:
    """Record a decision; among concurrent callers exactly one succeeds.

    Parameters
    ----------
    decision
        ``approve`` or ``reject``
    person
        ``by``, ``comment``, ``via`` and ``source_ip`` of the person who decides

    Raises
    ------
    ClosedError
        If the request was decided, replaced or has expired. The same decision is accepted again if it could not be
        delivered.
    """
    status = STATUSES[decision]
    if approval.undelivered(now) and approval.status == status:
        return approval
    values = {"status": status, "decided_at": control.timestamp(now)} | {k: v for k, v in person.items() if v}
    try:
        control.client().update_item(
            TableName=table,
            Key=_key(approval.execution),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ConditionExpression="#status = :pending AND expires_at > :decided_at AND key_sha256 = :key",
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()}
            | {":pending": {"S": "pending"}, ":key": {"S": approval.key_sha256}},
        )
    except ClientError as error:
        raise _closed(table, approval.execution, error) from error
    return existing(table, approval.execution)


def hand_on(table: str, approval: Approval) -> Approval:
    """Send a decision to the waiting execution; ``delivery`` of the result says whether it was still waiting.

    Raises
    ------
    HandOnError
        If Step Functions did not answer: it is then unknown whether the execution received the decision.
    """
    try:
        states().send_task_success(
            taskToken=approval.task_token, output=json.dumps({"decision": approval.status, "at": approval.decided_at})
        )
        delivery = "delivered"
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        delivery = "too_late" if code in GONE else "failed"
    _mark(table, approval.execution, delivery)
    if delivery == "failed":
        # Raised without its cause: the message of the service may contain the token.
        raise HandOnError(f"Step Functions could not be notified of the decision on {approval.execution}: {code}")
    return existing(table, approval.execution)


def close(table: str, execution: str) -> Approval:
    """Close a request, as expired if nobody decided it, and return it.

    Raises
    ------
    LookupError
        If the execution has no request.
    """
    try:
        control.client().update_item(
            TableName=table,
            Key=_key(execution),
            UpdateExpression="SET #status = :expired REMOVE task_token",
            ConditionExpression="#status = :pending",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":expired": {"S": "expired"}, ":pending": {"S": "pending"}},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
    return existing(table, execution)


def conclude(table: str, execution: str, *, outcome: str, in_time: bool) -> None:
    """Record the outcome of a request; a decision that arrived in time counts as delivered."""
    values = {"outcome": outcome} | ({"delivery": "delivered"} if in_time else {})
    _update(table, execution, values)


def _key(execution: str) -> dict[str, Any]:
    return {"pk": {"S": PK}, "sk": {"S": execution}}


def _mark(table: str, execution: str, delivery: str) -> None:
    try:
        _update(table, execution, {"delivery": delivery}, unless_delivered=delivery != "delivered")
    except ClientError as error:
        # The answer was lost: the execution had already continued with this decision before it was sent again.
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise


def _update(table: str, execution: str, values: dict[str, str], *, unless_delivered: bool = False) -> None:
    # Only values that may be needed again are kept.
    removed = "" if values.get("delivery") == "failed" else " REMOVE task_token"
    update: UpdateItemInputTypeDef = {
        "TableName": table,
        "Key": _key(execution),
        "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values) + removed,
        "ExpressionAttributeNames": {f"#{name}": name for name in values},
        "ExpressionAttributeValues": {f":{name}": {"S": value} for name, value in values.items()}
        | ({":delivered": {"S": "delivered"}} if unless_delivered else {}),
    }
    if unless_delivered:
        update["ConditionExpression"] = "attribute_not_exists(delivery) OR delivery <> :delivered"
    control.client().update_item(**update)


def _closed(table: str, execution: str, error: ClientError) -> Exception:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return error
    approval = read(table, execution)
    return ClosedError(approval) if approval else error
