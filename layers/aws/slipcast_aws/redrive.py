"""Updates that were set aside: list them with their reasons, or send them again once the cause is mended.

``python -m slipcast_aws.redrive --stack slipcast [--list]``; ``make dead-letters`` and ``make redrive`` call it. What
is still unusable comes back to the dead-letter queue with its reason; messages of one group keep their order.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from slipcast_aws import queues

# Long enough to send ten messages again, or to read a list; after a crash the queue shows the message again.
HIDDEN_SECONDS = 60
# Without a wait SQS asks a few of its servers only and may find nothing.
WAIT_SECONDS = 1


def letters(dead_letters_url: str, until_ms: float) -> Iterator[dict[str, Any]]:
    """Receive and yield the messages in the dead-letter queue that were sent before `until_ms` (Unix milliseconds).

    Whoever takes one deletes it or makes it visible again. A group's next messages come once its earlier ones are gone.
    """
    while True:
        found = queues.client().receive_message(
            QueueUrl=dead_letters_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=WAIT_SECONDS,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = found.get("Messages", [])
        old = [message for message in messages if int(message["Attributes"]["SentTimestamp"]) < until_ms]
        if new := [message["ReceiptHandle"] for message in messages if message not in old]:
            queues.visible_after(dead_letters_url, new, 0)
        yield from old
        if not old:
            return


def redrive(updates_url: str, dead_letters_url: str) -> Iterator[dict[str, Any]]:
    """Send what is in the dead-letter queue now to the queue of updates again, and yield each message sent.

    It is deleted after it was sent. A crash in between sends it a second time, which the queue of updates leaves out
    within five minutes.
    """
    for letter in letters(dead_letters_url, time.time() * 1000):
        own = {name: value for name, value in letter.get("MessageAttributes", {}).items() if name not in queues.OURS}
        queues.send(
            updates_url,
            letter["Body"],
            group=letter["Attributes"]["MessageGroupId"],
            deduplication_id=f"redrive-{letter['MessageId']}",
            attributes=own,
        )
        queues.client().delete_message(QueueUrl=dead_letters_url, ReceiptHandle=letter["ReceiptHandle"])
        yield letter


def listed(dead_letters_url: str) -> list[dict[str, Any]]:
    """Return what is in the dead-letter queue, at most ten messages of a group, and leave it there."""
    found = list(letters(dead_letters_url, time.time() * 1000))
    for first in range(0, len(found), 10):
        handles = [message["ReceiptHandle"] for message in found[first : first + 10]]
        queues.visible_after(dead_letters_url, handles, 0)
    return found


def describe(letter: dict[str, Any]) -> str:
    """Return a message, why it was set aside and what can be done, as text."""
    attributes = {name: value.get("StringValue", "") for name, value in letter.get("MessageAttributes", {}).items()}
    # The queue itself takes away what was received too often, without a word.
    reason = attributes.get(queues.REASON, "received too often: the function ended before it could answer")
    remedy = attributes.get(queues.REMEDY, "look into the log of the predict function, then: make redrive")
    return "\n".join(
        [
            f"message {letter['MessageId']} of group {letter['Attributes']['MessageGroupId']}",
            f"  reason  {reason}",
            f"  remedy  {remedy}",
            f"  body    {json.dumps(letter['Body'])[:500]}",
        ]
    )


def main() -> int:
    """List what was set aside, or send it again."""
    parser = argparse.ArgumentParser(prog="python -m slipcast_aws.redrive", description=__doc__)
    parser.add_argument("--stack", default="slipcast", help="name of the CloudFormation stack (slipcast)")
    parser.add_argument("--list", action="store_true", help="only show what is there and why")
    options = parser.parse_args()
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stacks[0]["Outputs"]}
        if "UpdatesQueueUrl" not in outputs:
            print(f"error: the stack {options.stack} has no stream: deploy it with Streaming=true", file=sys.stderr)
            return 1
        dead_letters = outputs["UpdatesDeadLetterQueueUrl"]
        count = 0
        for letter in listed(dead_letters) if options.list else redrive(outputs["UpdatesQueueUrl"], dead_letters):
            print(describe(letter))
            count += 1
    except (ClientError, BotoCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} {'set aside' if options.list else 'sent again'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
