"""Redrive of dead letters: list them with their reasons, or send them again after the cause is fixed.

``slipcast dead-letters`` and ``slipcast redrive``. Events that could not be delivered or handled go to their function,
updates of the stream to the queue of updates. A message is deleted after it was accepted; one that fails again stays,
with its reason. The commands work with the rights of the caller (docs/operations.md#dead-letters).
"""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from slipcast_aws.serving import queues
from slipcast_cli import dead_letters
from slipcast_cli.stack import DeployedStack, StackError

# Long enough to send ten messages again, or to read a list; after a crash the message becomes visible again.
HIDDEN_SECONDS = 60
# Longer than any function may run.
HIDDEN_WHILE_SENT = 960
# Without long polling SQS queries only a few of its servers and may find nothing.
WAIT_SECONDS = 1
EVENTS, UPDATES = "events", "updates"


def letters(
    dead_letters_url: str, until_ms: float, *, at_once: int = 10, hidden_seconds: int | None = None
) -> Iterator[Mapping[str, Any]]:
    """Receive and yield the messages in the dead-letter queue that were sent before `until_ms` (Unix milliseconds).

    The caller deletes each message or makes it visible again. The next messages of a group come after the earlier ones
    are gone.
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


def redrive(updates_url: str, dead_letters_url: str) -> Iterator[Mapping[str, Any]]:
    """Send what is in the dead-letter queue now to the queue of updates again, and yield each message sent.

    It is deleted after it was sent. After a crash in between it is sent a second time, which the queue of updates
    ignores within five minutes.
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
    """Invoke the function of each event in the dead-letter queue; yield the event, and the reason if it stays.

    It is deleted after the function has handled it. After a crash in between it is sent a second time, which every
    function that takes events recognises. Events that stay are hidden until all others were tried.
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


def listed(dead_letters_url: str) -> list[Mapping[str, Any]]:
    """Return what is in the dead-letter queue, of a FIFO queue at most ten messages of a group, and leave it there."""
    found = {message["MessageId"]: message for message in letters(dead_letters_url, time.time() * 1000)}
    _show_again(dead_letters_url, [message["ReceiptHandle"] for message in found.values()])
    return list(found.values())


def _show_again(dead_letters_url: str, handles: list[str]) -> None:
    for first in range(0, len(handles), 10):
        queues.visible_after(dead_letters_url, handles[first : first + 10], 0)


def discard(dead_letters_url: str, message_id: str) -> Mapping[str, Any] | None:
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


def describe(letter: Mapping[str, Any]) -> str:
    """Return an update of the stream as text, with reason and remedy."""
    attributes = {name: value.get("StringValue", "") for name, value in letter.get("MessageAttributes", {}).items()}
    sent = datetime.fromtimestamp(int(letter["Attributes"]["SentTimestamp"]) / 1000, UTC)
    # SQS moves messages over maxReceiveCount without adding a reason.
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
    """Return an event as text, with destination, reason and remedy."""
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


def list_all(stack: DeployedStack, only: str | None) -> int:
    """Print the dead letters with reason and remedy, and return their number."""
    count = 0
    if only != UPDATES:
        destinations = dead_letters.Destinations(stack.name)
        for message in listed(stack.output("DeadLetterQueueUrl")):
            print(describe_event(destinations, dead_letters.read(message)))
            count += 1
    if only != EVENTS and (only or streams(stack)):
        for letter in listed(_updates(stack)):
            print(describe(letter))
            count += 1
    print(f"{count} set aside")
    return count


def redrive_all(stack: DeployedStack, only: str | None) -> int:
    """Send the dead letters to their destinations, print the results, and return the number that stays."""
    count = stays = 0
    if only != UPDATES:
        destinations = dead_letters.Destinations(stack.name)
        for letter, why in redrive_events(destinations, stack.output("DeadLetterQueueUrl")):
            print(f"event {letter.message_id}: {letter.what}\n  {'sent again' if why is None else f'stays: {why}'}")
            if why is not None:
                print(f"  remedy  {why.remedy}")
            count, stays = count + (why is None), stays + (why is not None)
    if only != EVENTS and (only or streams(stack)):
        for update in redrive(stack.output("UpdatesQueueUrl"), _updates(stack)):
            print(describe(update))
            count += 1
    print(f"{count} sent again" + (f", {stays} stay" if stays else ""))
    return stays


def discard_one(stack: DeployedStack, message_id: str) -> None:
    """Delete one message for good and print it.

    Raises
    ------
    StackError
        If no dead letter has that id.
    """
    for name in ("DeadLetterQueueUrl", "UpdatesDeadLetterQueueUrl"):
        if name in stack.outputs and (found := discard(stack.outputs[name], message_id)):
            print(f"deleted {message_id}: {json.dumps(found['Body'])}")
            return
    raise StackError(f"no message {message_id} was set aside", "slipcast dead-letters lists what is there")


def streams(stack: DeployedStack) -> bool:
    """Return whether the stack takes updates from a queue."""
    return "UpdatesQueueUrl" in stack.outputs


def _updates(stack: DeployedStack) -> str:
    if not streams(stack):
        raise StackError(f"the stack {stack.name} has no stream", "deploy it with Streaming=true")
    return stack.output("UpdatesDeadLetterQueueUrl")
