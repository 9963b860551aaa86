"""Queues of the stream: updates of activities in, predictions out, and dead letters for unusable messages.

All three are FIFO queues that CloudFormation names. The queue of updates leads to the other two, by its redrive policy
and by a tag: a version of the predict function that was published before its stack had a stream needs no setting.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

# Tag of the queue of updates: the name of the queue that the predictions go to.
RESULTS_TAG = "slipcast:results"
# Attributes with the reason why a message is in the dead-letter queue; its body stays unchanged.
REASON, ERRORS, REMEDY = "slipcast.reason", "slipcast.errors", "slipcast.remedy"
OURS = frozenset({REASON, ERRORS, REMEDY})
MAX_ATTRIBUTES = 10
# Characters that SQS allows in an attribute: https://www.w3.org/TR/REC-xml/#charsets. A message body has no others
# either.
_NOT_TAKEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST = 4_000
# A call must leave the function time for the other messages of its batch.
_CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"mode": "standard", "max_attempts": 2})


@dataclass(frozen=True)
class Queues:
    """URLs of the three queues."""

    updates: str
    results: str
    dead_letters: str


@cache
def client() -> "SQSClient":
    """Return the SQS client of this execution environment."""
    return boto3.client("sqs", config=_CONFIG)


@cache
def of_stack(updates_arn: str) -> Queues:
    """Return the queues of the stream that belong to the queue of updates `updates_arn`.

    Raises
    ------
    ValueError
        If the queue has no dead-letter queue, or no tag that names the queue of predictions.
    """
    *_, account, name = updates_arn.split(":")
    updates = _url(name, account)
    attributes = client().get_queue_attributes(QueueUrl=updates, AttributeNames=["RedrivePolicy"]).get("Attributes", {})
    results = client().list_queue_tags(QueueUrl=updates).get("Tags", {}).get(RESULTS_TAG)
    if "RedrivePolicy" not in attributes or results is None:
        raise ValueError(
            f"{updates_arn} is no queue of updates: it needs a redrive policy and the tag {RESULTS_TAG} with the "
            "name of the queue of results, as template.yaml gives them to UpdatesQueue"
        )
    *_, account_of_letters, letters = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].split(":")
    return Queues(updates, _url(results, account), _url(letters, account_of_letters))


def _url(name: str, account: str) -> str:
    return client().get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]


def send(
    url: str, body: str, *, group: str, deduplication_id: str, attributes: Mapping[str, Any] | None = None
) -> None:
    """Send a message. A second message with the same deduplication id within five minutes is not delivered.

    Parameters
    ----------
    attributes
        in SQS's form (``DataType`` and ``StringValue`` or ``BinaryValue``)
    """
    client().send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=deduplication_id,
        MessageAttributes=dict(attributes or {}),
    )


def explained(given: Mapping[str, Any], reason: str, errors: str, remedy: str) -> dict[str, Any]:
    """Return the attributes of a dead letter: its own, as far as they fit, and the reason.

    Parameters
    ----------
    given
        original attributes, in SQS's form
    errors
        JSON
    """
    ours = {REASON: reason, ERRORS: errors, REMEDY: remedy}
    kept = sorted(given.items())[: MAX_ATTRIBUTES - len(ours)]
    return dict(kept) | {
        name: {"DataType": "String", "StringValue": _NOT_TAKEN.sub("?", text)[:_LONGEST] or "-"}
        for name, text in ours.items()
    }


def visible_after(url: str, receipt_handles: Iterable[str], seconds: int) -> None:
    """Make received messages visible again after `seconds`, at most ten in one call."""
    entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
        for number, handle in enumerate(receipt_handles)
    ]
    client().change_message_visibility_batch(QueueUrl=url, Entries=entries)
