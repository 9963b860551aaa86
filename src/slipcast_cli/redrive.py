"""What was set aside: list it with its reasons, or send it again once the cause is mended.

``python -m slipcast_cli.redrive --stack slipcast [--list] [--discard ID]``; ``make dead-letters`` and ``make redrive``
call it. Events that could not be delivered or handled go to the function that they were going to, updates of the stream
to the queue of updates. What is deleted has been taken; what fails again stays, with its reason. It works with the
rights of who calls it (docs/operations.md#dead-letters).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from slipcast_aws.serving import queues
from slipcast_cli import dead_letters

# Long enough to send ten messages again, or to read a list; after a crash the queue shows the message again.
HIDDEN_SECONDS = 60
# Longer than any function may take.
HIDDEN_WHILE_SENT = 960
# Without a wait SQS asks a few of its servers only and may find nothing.
WAIT_SECONDS = 1
EVENTS, UPDATES = "events", "updates"


def letters(
    dead_letters_url: str, until_ms: float, *, at_once: int = 10, hidden_seconds: int | None = None
) -> Iterator[dict[str, Any]]:
    """Receive and yield the messages in the dead-letter queue that were sent before `until_ms` (Unix milliseconds).

    Whoever takes one deletes it or makes it visible again. A group's next messages come once its earlier ones are gone.
    """
    while True:
        found = queues.client().receive_message(
            QueueUrl=dead_letters_url,
            MaxNumberOfMessages=at_once,
            VisibilityTimeout=HIDDEN_SECONDS if hidden_seconds is None else hidden_seconds,
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


def redrive_events(
    destinations: dead_letters.Destinations, dead_letters_url: str
) -> Iterator[tuple[dead_letters.Letter, dead_letters.Undeliverable | None]]:
    """Hand each event in the dead-letter queue to its function; yield it, and why it stays if it does.

    It is deleted once the function is done with it. A crash in between hands it over a second time, which every
    function that takes events recognises. What stays is hidden until all others were tried.
    """
    kept: dict[str, str] = {}
    began = time.time() * 1000
    try:
        for message in letters(dead_letters_url, began, at_once=1, hidden_seconds=HIDDEN_WHILE_SENT):
            again = message["MessageId"] in kept
            kept[message["MessageId"]] = message["ReceiptHandle"]
            if again:
                continue
            letter = dead_letters.read(message)
            try:
                dead_letters.send(destinations.of(letter), letter.event)
            except dead_letters.Undeliverable as why:
                yield letter, why
                continue
            queues.client().delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
            del kept[letter.message_id]
            yield letter, None
    finally:
        _show_again(dead_letters_url, list(kept.values()))


def listed(dead_letters_url: str) -> list[dict[str, Any]]:
    """Return what is in the dead-letter queue, of a FIFO queue at most ten messages of a group, and leave it there."""
    found = {message["MessageId"]: message for message in letters(dead_letters_url, time.time() * 1000)}
    _show_again(dead_letters_url, [message["ReceiptHandle"] for message in found.values()])
    return list(found.values())


def _show_again(dead_letters_url: str, handles: list[str]) -> None:
    for first in range(0, len(handles), 10):
        queues.visible_after(dead_letters_url, handles[first : first + 10], 0)


def discard(dead_letters_url: str, message_id: str) -> dict[str, Any] | None:
    """Delete one message for good and return it; None if the queue has none of that id."""
    others, found = [], None
    for message in letters(dead_letters_url, time.time() * 1000):
        if message["MessageId"] == message_id:
            found = message
            queues.client().delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
        else:
            others.append(message["ReceiptHandle"])
    _show_again(dead_letters_url, others)
    return found


def describe(letter: dict[str, Any]) -> str:
    """Return an update of the stream, why it was set aside and what can be done, as text."""
    attributes = {name: value.get("StringValue", "") for name, value in letter.get("MessageAttributes", {}).items()}
    sent = datetime.fromtimestamp(int(letter["Attributes"]["SentTimestamp"]) / 1000, UTC)
    # The queue itself takes away what was received too often, without a word.
    reason = attributes.get(queues.REASON, "received too often: the function ended before it could answer")
    remedy = attributes.get(queues.REMEDY, "look into the log of the predict function, then: make redrive")
    return "\n".join(
        [
            f"message {letter['MessageId']} of group {letter['Attributes']['MessageGroupId']}, {_age(sent)} old",
            f"  reason  {reason}",
            f"  remedy  {remedy}",
            f"  body    {json.dumps(letter['Body'])[:500]}",
        ]
    )


def describe_event(destinations: dead_letters.Destinations, letter: dead_letters.Letter) -> str:
    """Return an event, where it was going, why it is there and what can be done, as text."""
    try:
        target = destinations.of(letter)
        to, remedy = target.partition(":function:")[2], dead_letters.remedy(letter, target)
    except dead_letters.Undeliverable as why:
        to, remedy = f"nowhere: {why}", why.remedy
    return "\n".join(
        [
            f"event {letter.message_id}, {_age(letter.sent)} old",
            f"  what    {letter.what}",
            f"  to      {to}",
            f"  reason  {letter.reason}",
            f"  remedy  {remedy}",
            f"  body    {json.dumps(letter.event)[: dead_letters.SHOWN]}",
        ]
    )


def _age(sent: datetime) -> str:
    seconds = (datetime.now(UTC) - sent).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def main() -> int:
    """List what was set aside, send it again, or delete one of it."""
    parser = argparse.ArgumentParser(prog="python -m slipcast_cli.redrive", description=__doc__)
    parser.add_argument("--stack", default="slipcast", help="name of the CloudFormation stack (slipcast)")
    parser.add_argument("--list", action="store_true", help="only show what is there and why")
    parser.add_argument("--discard", metavar="ID", help="delete the message of this id for good instead")
    parser.add_argument("--only", choices=[EVENTS, UPDATES], help="events, or updates of the stream; both if left out")
    options = parser.parse_args()
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stacks[0]["Outputs"]}
        if options.only == UPDATES and "UpdatesQueueUrl" not in outputs:
            print(f"error: the stack {options.stack} has no stream: deploy it with Streaming=true", file=sys.stderr)
            return 1
        if options.discard:
            return _discard(outputs, options.discard)
        return _both(options, outputs)
    except (ClientError, BotoCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _both(options: argparse.Namespace, outputs: dict[str, str]) -> int:
    count = stays = 0
    if options.only != UPDATES:
        destinations, url = dead_letters.Destinations(options.stack), outputs["DeadLetterQueueUrl"]
        if options.list:
            for message in listed(url):
                print(describe_event(destinations, dead_letters.read(message)))
                count += 1
        else:
            for letter, why in redrive_events(destinations, url):
                print(f"event {letter.message_id}: {letter.what}\n  {'sent again' if why is None else f'stays: {why}'}")
                if why is not None:
                    print(f"  remedy  {why.remedy}")
                count, stays = count + (why is None), stays + (why is not None)
    if options.only != EVENTS and "UpdatesQueueUrl" in outputs:
        url = outputs["UpdatesDeadLetterQueueUrl"]
        for letter in listed(url) if options.list else redrive(outputs["UpdatesQueueUrl"], url):
            print(describe(letter))
            count += 1
    print(f"{count} set aside" if options.list else f"{count} sent again" + (f", {stays} stay" if stays else ""))
    return 1 if stays else 0


def _discard(outputs: dict[str, str], message_id: str) -> int:
    for name in ("DeadLetterQueueUrl", "UpdatesDeadLetterQueueUrl"):
        if name in outputs and (found := discard(outputs[name], message_id)):
            print(f"deleted {message_id}: {json.dumps(found['Body'])}")
            return 0
    print(f"error: no message {message_id} was set aside; make dead-letters lists what is there", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
