"""The serving function answers batches of a FIFO queue: each message once, in order, or set aside with its reason."""

import base64
import json

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from permissions.template import Stack
from slipcast.datasets import labels
from slipcast.features.table import feature_table
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from slipcast_aws.serving import queues
from slipcast_cli import redrive
from support.budgets import examples
from support.schedules import example

UPDATES, RESULTS, LETTERS = map(Stack().name, ("UpdatesQueue", "ResultsQueue", "UpdatesDeadLetterQueue"))
SOURCE = f"arn:aws:sqs:us-east-1:123456789012:{UPDATES}"
ACTIVITY = {
    "activity_id": "A1",
    "phase": "Design",
    "work_type": "SCA CIP",
    "location": "district 01",
    "start": "2022-03-01",
    "baseline_finish": "2022-09-30",
    "budget": 250000,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> dict[str, str]:
    """The environment of a version that serves a decision tree."""
    labelled = labels.label(example("nyc_sca_2022-12.csv").table, 30)
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    model = build_pipeline(candidate, 1, max_depth=4).fit(feature_table(labelled), labelled["is_late"])
    raw = export(
        model,
        family="decision_tree",
        threshold=1 / 3,
        metadata={"model_id": "abc123", "dataset_id": "0123456789abcdef", "tolerance_days": 30},
    )
    path = tmp_path_factory.mktemp("layer") / "model.json"
    path.write_bytes(raw)
    return {"MODEL_PATH": str(path), "MODEL_SHA256": digest(raw), "AWS_LAMBDA_FUNCTION_VERSION": "4"}


class Stream:
    """The three queues as moto plays them, and a Lambda service that hands their messages to the function."""

    def __init__(self, context):
        self.sqs, self.context, self.app = boto3.client("sqs"), context, None
        fifo = {"FifoQueue": "true", "VisibilityTimeout": "30"}
        self.results, self.dead_letters = (
            self.sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"] for name in (RESULTS, LETTERS)
        )
        letters = self.sqs.get_queue_attributes(QueueUrl=self.dead_letters, AttributeNames=["QueueArn"])["Attributes"]
        redrive_policy = {"deadLetterTargetArn": letters["QueueArn"], "maxReceiveCount": 50}
        self.updates = self.sqs.create_queue(
            QueueName=UPDATES,
            Attributes=fifo | {"RedrivePolicy": json.dumps(redrive_policy)},
            tags={queues.RESULTS_TAG: RESULTS},
        )["QueueUrl"]
        self.sent = 0

    def send(self, body, group="P-1", attributes=None):
        self.sent += 1
        return self.sqs.send_message(
            QueueUrl=self.updates,
            MessageBody=body if isinstance(body, str) else json.dumps(body),
            MessageGroupId=group,
            MessageDeduplicationId=str(self.sent),
            MessageAttributes=attributes or {},
        )["MessageId"]

    def batch(self, receive_count=None):
        """Receive what is there as an event; nothing is deleted."""
        found = self.sqs.receive_message(
            QueueUrl=self.updates, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"]
                | ({"ApproximateReceiveCount": str(receive_count)} if receive_count else {}),
                "messageAttributes": {
                    name: {
                        key[0].lower() + key[1:]: base64.b64encode(value).decode()
                        if isinstance(value, bytes)
                        else value
                        for key, value in attribute.items()
                    }
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
                "eventSource": "aws:sqs",
                "eventSourceARN": SOURCE,
            }
            for message in found.get("Messages", [])
        ]
        return {"Records": records}

    def deliver(self, event):
        """Invoke the function and delete what it does not want again, as Lambda does; return what it does."""
        failed = {item["itemIdentifier"] for item in self.app.handler(event, self.context)["batchItemFailures"]}
        for record in event["Records"]:
            if record["messageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.updates, ReceiptHandle=record["receiptHandle"])
        return failed

    def drain(self, url):
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages"):
            found += messages
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def answers(self):
        return [json.loads(message["Body"]) for message in self.drain(self.results)]


@pytest.fixture
def stream(load_app, served, lambda_context, mocked_aws, monkeypatch):
    for cached in (queues.client, queues.of_stack):
        cached.cache_clear()
    monkeypatch.setattr(redrive, "WAIT_SECONDS", 0)
    stream = Stream(lambda_context)
    stream.app = load_app("predict.app", **served)
    yield stream
    for cached in (queues.client, queues.of_stack):
        cached.cache_clear()


def logged(text):
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [item for line in lines if line.get("log") == "prediction" for item in line["items"]]


def failures(text):
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [
        (line["request_id"], line["status"]) for line in lines if line.get("log") == "prediction" and "status" in line
    ]


def reason(letter):
    return letter["MessageAttributes"][queues.REASON]["StringValue"]


def test_an_update_is_answered_as_the_api_answers_and_logged(stream, capsys):
    message = stream.send(ACTIVITY)

    assert stream.deliver(stream.batch()) == set()

    (answer,) = stream.answers()
    request = {
        "httpMethod": "POST",
        "path": "/predictions",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "requestContext": {"stage": "v1", "requestId": message},
        "body": json.dumps(ACTIVITY),
    }
    written = capsys.readouterr().out
    assert '"source":"stream"' in written
    (ours,) = logged(written)
    assert answer == json.loads(stream.app.handler(request, stream.context)["body"])
    assert answer["predictions"][0]["prediction_id"] == ours["prediction_id"] == f"{message}:0"
    assert [ours] == logged(capsys.readouterr().out)
    assert stream.drain(stream.updates) == stream.drain(stream.dead_letters) == []


def test_answers_come_in_the_order_of_the_updates_of_their_group(stream):
    sent = [(group, f"{group}-{number}") for number in range(3) for group in ("P-1", "P-2", "P-3")]
    for group, activity in sent:
        stream.send(ACTIVITY | {"activity_id": activity}, group)

    assert stream.deliver(stream.batch()) == set()

    found = stream.drain(stream.results)
    for group in ("P-1", "P-2", "P-3"):
        ids = [
            json.loads(message["Body"])["predictions"][0]["activity_id"]
            for message in found
            if message["Attributes"]["MessageGroupId"] == group
        ]
        assert ids == [activity for own, activity in sent if own == group]


@pytest.mark.fault("serving", "an update of the stream", "it comes twice", "the same id, one answer")
def test_a_message_that_comes_again_has_the_same_prediction_id_and_one_answer(stream, capsys):
    message = stream.send(ACTIVITY)
    event = stream.batch()

    # The function answered, and ended before Lambda could delete the message.
    stream.app.handler(event, stream.context)
    stream.app.handler(event, stream.context)

    assert [item["prediction_id"] for item in logged(capsys.readouterr().out)] == [f"{message}:0"] * 2
    assert [answer["request_id"] for answer in stream.answers()] == [message]


@pytest.mark.parametrize(
    ("body", "why", "field"),
    [
        ("no json", "not JSON: Expecting value", None),
        ("[" * 60_000, "not JSON", None),
        ("[]", "not one activity", None),
        (json.dumps({"activities": [ACTIVITY]}), "not one activity", None),
        (
            json.dumps(ACTIVITY | {"start": "01/03/2022"}),
            "invalid activity: start: '01/03/2022' is no day; write the day as",
            "start",
        ),
        (json.dumps(ACTIVITY | {"budget": "a lot"}), "invalid activity: budget: ", "budget"),
        (json.dumps(ACTIVITY | {"history": {"\ud800\x00": 1}}), "invalid activity: history.", "history."),
        (json.dumps(ACTIVITY | {"activity_id": "\ud800"}), "invalid activity: activity_id", "activity_id"),
        ('{"activity_id": "A", "start": "2022-03-01", "budget": NaN}', "invalid activity: ", "budget"),
    ],
)
def test_what_no_retry_can_help_is_set_aside_at_once_with_its_reason(stream, body, why, field, capsys):
    message = stream.send(body, attributes={"tool": {"DataType": "String", "StringValue": "planner"}})
    stream.send(ACTIVITY)

    assert stream.deliver(stream.batch()) == set()

    (letter,) = stream.drain(stream.dead_letters)
    assert letter["Body"] == body
    assert reason(letter).startswith(why)
    assert letter["MessageAttributes"][queues.REMEDY]["StringValue"]
    assert letter["MessageAttributes"]["tool"]["StringValue"] == "planner"
    assert letter["Attributes"]["MessageGroupId"] == "P-1"
    assert letter["Attributes"]["MessageDeduplicationId"] == message
    errors = json.loads(letter["MessageAttributes"][queues.ERRORS]["StringValue"])
    assert [error["field"] for error in errors if error["field"].startswith(field)] if field else errors == []
    assert failures(capsys.readouterr().out) == [(message, 422)]
    # What comes after it in its group is not held up.
    assert len(stream.answers()) == 1


def test_attributes_of_the_sender_stay_as_far_as_there_is_room(stream):
    given = {f"a{number}": {"DataType": "Binary", "BinaryValue": b"\x00\xff"} for number in range(9)}
    stream.send("no json", attributes=given)

    stream.deliver(stream.batch())

    (letter,) = stream.drain(stream.dead_letters)
    assert len(letter["MessageAttributes"]) == 10
    assert set(letter["MessageAttributes"]) == {*queues.OURS, *(f"a{number}" for number in range(7))}
    assert letter["MessageAttributes"]["a0"]["BinaryValue"] == b"\x00\xff"


def throttled(*_, **__):
    raise ClientError({"Error": {"Code": "RequestThrottled", "Message": "slow down"}}, "SendMessage")


@pytest.mark.fault(
    "serving", "an update of the stream", "it cannot be answered now", "it comes again, none of its group overtakes it"
)
def test_after_a_failure_no_other_message_of_the_group_overtakes(stream, monkeypatch, capsys):
    ids = [stream.send(ACTIVITY | {"activity_id": f"{group}{n}"}, group) for group in ("P-1", "P-2") for n in range(3)]
    send, tries = queues.send, []

    def fail_for_the_second(url, body, **options):
        if json.loads(body)["predictions"][0]["activity_id"] == "P-11" and not tries:
            tries.append(body)
            throttled()
        send(url, body, **options)

    monkeypatch.setattr(queues, "send", fail_for_the_second)
    event = stream.batch()

    assert stream.deliver(event) == set(ids[1:3])
    answered = [answer["predictions"][0]["activity_id"] for answer in stream.answers()]
    assert sorted(answered) == ["P-10", "P-20", "P-21", "P-22"]
    # What was not sent is no prediction yet, and no fault of the model.
    out = capsys.readouterr().out
    assert (len(logged(out)), failures(out)) == (4, [])

    again = {"Records": [record for record in event["Records"] if record["messageId"] in ids[1:3]]}
    assert stream.deliver(again) == set()
    assert [answer["predictions"][0]["activity_id"] for answer in stream.answers()] == ["P-11", "P-12"]
    assert stream.drain(stream.dead_letters) == []


@pytest.mark.fault("serving", "updates of the stream", "no model is released", "they wait in the queue")
def test_without_a_model_updates_wait_and_come_again_soon(stream, load_app, monkeypatch):
    ids = {stream.send(ACTIVITY), stream.send(ACTIVITY, "P-2")}
    stream.app = load_app("predict.app", MODEL_SHA256="")
    waits = []
    monkeypatch.setattr(queues, "visible_after", lambda url, handles, seconds: waits.append((len(handles), seconds)))
    event = stream.batch()

    for tries in (1, 2, 3, 30):
        for record in event["Records"]:
            record["attributes"]["ApproximateReceiveCount"] = str(tries)
        assert stream.deliver(event) == ids

    assert waits == [(2, 5), (2, 10), (2, 20), (2, 180)]
    assert stream.answers() == stream.drain(stream.dead_letters) == []


def test_what_waits_is_visible_again_before_the_visibility_timeout(stream, load_app, served, monkeypatch):
    stream.send(ACTIVITY)
    visible = queues.visible_after
    monkeypatch.setattr(queues, "visible_after", lambda url, handles, seconds: visible(url, handles, seconds - 5))
    stream.app = load_app("predict.app", MODEL_SHA256="")
    assert len(stream.deliver(stream.batch())) == 1

    # The queue's own visibility timeout is 30 s.
    event = stream.batch()
    assert [record["attributes"]["ApproximateReceiveCount"] for record in event["Records"]] == ["2"]
    stream.app = load_app("predict.app", **served)
    assert stream.deliver(event) == set()


@pytest.mark.fault(
    "serving", "an update of the stream", "it never succeeds", "it is in the dead-letter queue with its reason"
)
def test_an_update_that_never_succeeds_is_given_up_with_its_last_error(stream, monkeypatch, capsys):
    first = stream.send(ACTIVITY)
    stream.send(ACTIVITY | {"activity_id": "A2"})
    monkeypatch.setattr(stream.app.core.predictions, "score", lambda *_: 1 / 0)

    event = stream.batch(receive_count=39)
    assert len(stream.deliver(event)) == 2
    # A release sees it; the second one was not tried.
    assert failures(capsys.readouterr().out) == [(first, 500)]
    for record in event["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = "40"
    assert stream.deliver(event) == set()

    letters = stream.drain(stream.dead_letters)
    assert [reason(letter) for letter in letters] == [
        "given up after 40 tries: ZeroDivisionError: division by zero"
    ] * 2
    assert [json.loads(letter["Body"])["activity_id"] for letter in letters] == ["A1", "A2"]


def test_what_cannot_be_set_aside_is_kept_in_the_queue(stream, monkeypatch):
    message = stream.send("no json")
    monkeypatch.setattr(queues, "send", throttled)

    assert stream.deliver(stream.batch()) == {message}


def test_what_was_set_aside_is_listed_and_sent_again_in_order(stream, monkeypatch):
    bodies = [json.dumps(ACTIVITY | {"activity_id": f"A{number}"}) for number in range(12)]
    answer = stream.app.core.predictions.score
    monkeypatch.setattr(stream.app.core.predictions, "score", lambda *_: 1 / 0)
    for body in bodies:
        stream.send(body, attributes={"tool": {"DataType": "String", "StringValue": "planner"}})
    stream.send("no json", "P-2")
    while (event := stream.batch(receive_count=40))["Records"]:
        stream.deliver(event)
    monkeypatch.setattr(stream.app.core.predictions, "score", answer)

    listed = redrive.listed(stream.dead_letters)
    assert "reason  given up after 40 tries" in redrive.describe(listed[0])
    assert len(list(redrive.redrive(stream.updates, stream.dead_letters))) == 13
    assert list(redrive.redrive(stream.updates, stream.dead_letters)) == []

    first = stream.batch()
    assert [record["body"] for record in first["Records"]] == bodies[:10]
    assert set(first["Records"][0]["messageAttributes"]) == {"tool"}
    assert stream.deliver(first) == set()
    assert stream.deliver(stream.batch()) == set()
    ids = [answer["predictions"][0]["activity_id"] for answer in stream.answers()]
    assert ids == [f"A{number}" for number in range(12)]
    # What no retry can help is back where it was, and is not sent round and round.
    assert [reason(letter)[:8] for letter in stream.drain(stream.dead_letters)] == ["not JSON"]


@pytest.mark.fault("serving", "make redrive", "it dies in the middle", "nothing is lost, nothing sent twice")
def test_a_redrive_that_crashed_sends_nothing_twice(stream, monkeypatch):
    queues.send(stream.dead_letters, json.dumps(ACTIVITY), group="P-1", deduplication_id="1")
    monkeypatch.setattr(redrive, "HIDDEN_SECONDS", 0)
    delete = queues.client().delete_message
    monkeypatch.setattr(queues.client(), "delete_message", throttled)
    with pytest.raises(ClientError):
        list(redrive.redrive(stream.updates, stream.dead_letters))
    monkeypatch.setattr(queues.client(), "delete_message", delete)

    assert len(list(redrive.redrive(stream.updates, stream.dead_letters))) == 1
    assert len(stream.batch()["Records"]) == 1


@pytest.mark.parametrize("lacking", ["tag", "redrive policy"])
def test_a_queue_that_does_not_lead_to_the_others_is_refused(stream, lacking):
    if lacking == "tag":
        stream.sqs.untag_queue(QueueUrl=stream.updates, TagKeys=[queues.RESULTS_TAG])
    else:
        stream.sqs.set_queue_attributes(QueueUrl=stream.updates, Attributes={"RedrivePolicy": ""})

    with pytest.raises(ValueError, match="is no queue of updates: it needs a redrive policy and the tag"):
        queues.of_stack(SOURCE)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
BODIES = st.text(max_size=60) | st.builds(
    lambda change: json.dumps(ACTIVITY | change),
    st.dictionaries(st.sampled_from([*ACTIVITY, "history", "predecessor_count"]), VALUES, max_size=3),
)


@settings(max_examples=examples(40, 150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODIES, min_size=1, max_size=10))
def test_whatever_a_message_holds_it_is_answered_or_set_aside(stream, monkeypatch_send, bodies):
    monkeypatch_send.clear()
    records = [
        {
            "messageId": str(number),
            "receiptHandle": str(number),
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "P-1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": SOURCE,
        }
        for number, body in enumerate(bodies)
    ]

    assert stream.app.handler({"Records": records}, stream.context) == {"batchItemFailures": []}

    assert [number for _, number, _ in monkeypatch_send] == [str(number) for number in range(len(bodies))]
    for url, number, attributes in monkeypatch_send:
        assert (url == stream.results) != bool(attributes)
        if attributes:
            json.loads(attributes[queues.ERRORS]["StringValue"])
            assert sum(len(item["StringValue"]) for item in attributes.values()) < 13_000
        assert number.isdigit()


@pytest.fixture
def monkeypatch_send(monkeypatch):
    sent = []

    def send(url, body, *, group, deduplication_id, attributes=None):
        body.encode()
        sent.append((url, deduplication_id, attributes))

    monkeypatch.setattr(queues, "send", send)
    return sent
