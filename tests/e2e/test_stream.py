"""Updates of activities through the queues of the deployed stack: answered in order, set aside with a reason, kept."""

import json
import uuid

import pytest

from local.demo import OLDER, read_example, requests
from local.watch import Stack, until

pytestmark = pytest.mark.e2e


class Updates:
    """Who sends updates of activities and reads the answers."""

    def __init__(self, cloud):
        self.stack, self.sqs = Stack(cloud), cloud.client("sqs")
        self.queue, self.results, self.dead_letters = (
            self.stack.env[f"SLIPCAST_{name}"] for name in ("UPDATES_QUEUE", "RESULTS_QUEUE", "UPDATES_DEAD_LETTERS")
        )

    def send(self, body, group):
        text = body if isinstance(body, str) else json.dumps(body)
        return self.sqs.send_message(
            QueueUrl=self.queue, MessageBody=text, MessageGroupId=group, MessageDeduplicationId=uuid.uuid4().hex
        )["MessageId"]

    def read(self, url, count, seconds=300):
        """Return the next `count` messages of a queue, in their order, and delete them."""
        found = []

        def find():
            messages = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
            ).get("Messages", [])
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.extend(messages)
            return found if len(found) >= count else None

        return until(find, seconds=seconds, what=f"{count} messages in {url}")

    def answers(self, count, seconds=300):
        return [json.loads(message["Body"]) for message in self.read(self.results, count, seconds)]

    def redrive(self):
        return self.stack.run("redrive", "--only", "updates")

    def set_aside(self):
        return self.stack.run("dead-letters", "--only", "updates")


@pytest.fixture(scope="module")
def updates(cloud, released):
    return Updates(cloud)


def test_updates_are_answered_in_the_order_of_their_group_by_the_live_version(updates):
    activities = requests(read_example(OLDER).head(12))
    groups = [f"project-{number % 3}" for number in range(12)]
    ids = [updates.send(activity, group) for activity, group in zip(activities, groups, strict=True)]

    answers = updates.answers(12)

    assert {answer["model"]["version"] for answer in answers} == {updates.stack.live_version()}
    order = [answer["request_id"] for answer in answers]
    for group in set(groups):
        sent = [message for message, own in zip(ids, groups, strict=True) if own == group]
        assert [message for message in order if message in sent] == sent
    # The same scores as by the API, and the same log.
    by_id = {answer["request_id"]: answer["predictions"][0] for answer in answers}
    asked = updates.stack.predict(activities)["predictions"]
    assert [by_id[message]["probability"] for message in ids] == [item["probability"] for item in asked]
    logged = until(
        lambda: updates.stack.prediction_log(ids[-1]) or None, seconds=300, what="the log of the last update"
    )
    assert [row["prediction_id"] for row in logged] == [f"{ids[-1]}:0"]


def test_what_no_retry_can_help_is_set_aside_and_comes_back_by_redrive_alone(updates):
    activity = requests(read_example(OLDER).head(1))[0]
    updates.send(activity, "mixed")
    poison = updates.send(activity | {"start": "01/03/2022"}, "mixed")
    updates.send(activity, "mixed")

    assert len(updates.answers(2)) == 2
    listed = until(
        lambda: text if "1 set aside" in (text := updates.set_aside()) else None, seconds=180, what="dead letter"
    )
    assert "invalid activity: start: '01/03/2022' is no day; write the day as year-month-day" in listed
    assert "fix start and send it again" in listed

    # Nobody has mended it: it is set aside again, with its reason, and not lost on the way.
    assert updates.redrive().endswith("1 sent again\n")
    (letter,) = updates.read(updates.dead_letters, 1)
    assert json.loads(letter["Body"])["start"] == "01/03/2022"
    assert letter["MessageAttributes"]["slipcast.reason"]["StringValue"].startswith("invalid activity: start")
    assert letter["Attributes"]["MessageDeduplicationId"] != poison

    # One that can be answered by now is.
    updates.sqs.send_message(
        QueueUrl=updates.dead_letters,
        MessageBody=json.dumps(activity),
        MessageGroupId="mixed",
        MessageDeduplicationId=uuid.uuid4().hex,
    )
    assert updates.redrive().endswith("1 sent again\n")
    assert updates.answers(1)[0]["predictions"][0]["activity_id"] == activity["activity_id"]


def test_while_answers_cannot_be_sent_updates_wait_in_their_order(updates):
    attributes = updates.sqs.get_queue_attributes(QueueUrl=updates.results, AttributeNames=["All"])["Attributes"]
    kept = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "MessageRetentionPeriod")
    updates.sqs.delete_queue(QueueUrl=updates.results)
    activities = requests(read_example(OLDER).head(3))
    ids = [updates.send(activity, "held-up") for activity in activities]

    def tried():
        found = updates.sqs.get_queue_attributes(QueueUrl=updates.queue, AttributeNames=["All"])["Attributes"]
        return True if int(found["ApproximateNumberOfMessagesNotVisible"]) == 3 else None

    until(tried, seconds=180, what="updates that wait")
    updates.sqs.create_queue(
        QueueName=updates.results.rpartition("/")[2], Attributes={name: attributes[name] for name in kept}
    )

    assert [answer["request_id"] for answer in updates.answers(3)] == ids
    assert updates.set_aside() == "0 set aside\n"
