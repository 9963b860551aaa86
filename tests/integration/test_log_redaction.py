"""No secret reaches a log: neither an API key, nor the key of an approval's link, nor a task token.

What Lambda writes of a handler that raises is part of the log: message and causes of the exception.
"""

import io
import json
import logging
import traceback
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from slipcast_aws import storage
from slipcast_aws.release import approvals
from support.approval_records import EXECUTION, MODEL, TOKEN, ask_event, conclude_event, leave_evaluation
from tests.integration.test_approve_function import BASE, Person, live, told  # noqa: F401
from tests.integration.test_predict_function import ACTIVITY, environment, trained  # noqa: F401

API_KEY = "q8Zt2mVw5yB7nK4jR9xLcP3sD6fG1hTa"


class Log:
    """Everything that a function writes, and would have Lambda write."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture, self.lines = capture, io.StringIO()

    def of(self, call, *arguments):
        """Call a handler; what it raises is written as Lambda writes it."""
        try:
            return call(*arguments)
        except Exception:
            self.lines.write(traceback.format_exc())

    def text(self) -> str:
        said = self.capture.readouterr()
        return self.lines.getvalue() + said.out + said.err


@pytest.fixture
def log(monkeypatch, capsys) -> Iterator[Log]:
    """The log at its most talkative: events are logged wherever the code does not forbid it."""
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    found = Log(capsys)

    def written(record: logging.LogRecord) -> bool:
        found.lines.write(f"{record.getMessage()} {record.__dict__}\n")
        if record.exc_info:
            found.lines.write("".join(traceback.format_exception(*record.exc_info)))
        return True

    # Powertools names its logger after the service.
    logger = logging.getLogger("slipcast")
    logger.addFilter(written)
    yield found
    logger.removeFilter(written)


@pytest.fixture
def approve(log, load_app, s3, control_table, live, told, lambda_context):  # noqa: F811
    topic = boto3.client("sns").create_topic(Name="slipcast")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:123456789012:{queue.rpartition('/')[2]}"
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    names = {"DATA_BUCKET": "data", "CONTROL_TABLE": control_table, "TOPIC_ARN": topic, "APPROVAL_HOURS": "72"}
    app = load_app("approve", **names, PUBLIC_BASE_URL=BASE, PREDICT_FUNCTION="slipcast-predict")
    leave_evaluation()
    return Person(app, lambda_context, queue)


def leaky(operation: str) -> ClientError:
    """An error of a service whose message repeats what it was sent, as Step Functions' do."""
    return ClientError({"Error": {"Code": "InternalError", "Message": f"cannot handle {TOKEN}"}}, operation)


WAYS = {
    "asked": lambda person, key, states: None,
    "looked at": lambda person, key, states: person.get(key),
    "looked at with a wrong key": lambda person, key, states: person.get(key[::-1]),
    "looked at in vain": lambda person, key, states: (
        storage.delete(f"s3://data/reports/{EXECUTION}/evaluation.json"),
        person.get(key),
    ),
    "approved": lambda person, key, states: person.post(key, "approve", name="Ann"),
    "approved twice": lambda person, key, states: [person.post(key, "approve", json_body=True) for _ in range(2)],
    "neither": lambda person, key, states: person.post(key, "perhaps"),
    "sent as broken JSON": lambda person, key, states: person.raw(
        f'{{"key": "{key}"', **{"Content-Type": "application/json"}
    ),
    "not handed on": lambda person, key, states: (
        states.update(error=leaky("SendTaskSuccess")),
        person.post(key, "approve"),
    ),
    "too late": lambda person, key, states: (
        states.update(error=ClientError({"Error": {"Code": "TaskTimedOut", "Message": TOKEN}}, "SendTaskSuccess")),
        person.post(key, "approve"),
    ),
    "invoked": lambda person, key, states: person.step(
        {"step": "decide", "execution": EXECUTION, "name": "A", "decision": "approve"}
    ),
    "invoked without a name": lambda person, key, states: person.step({"step": "decide", "execution": EXECUTION}),
    "concluded": lambda person, key, states: person.step(conclude_event(in_time=False)),
    "asked about another model": lambda person, key, states: person.step(
        {**ask_event(), "model": {**MODEL, "sha256": "0"}}
    ),
    "asked without a topic": lambda person, key, states: (
        boto3.client("sns").delete_topic(TopicArn="arn:aws:sns:us-east-1:123456789012:slipcast"),
        person.step(ask_event()),
    ),
    "asked after a decision": lambda person, key, states: (person.post(key, "reject"), person.step(ask_event())),
}


@pytest.mark.parametrize("way", WAYS)
def test_neither_token_nor_key_of_an_approval_is_logged(log, approve, told, way):  # noqa: F811
    key = approve.asked()
    log.of(WAYS[way], approve, key, told)

    text = log.text()
    assert "approval" in text
    assert TOKEN not in text
    assert key not in text
    assert approvals.digest(key) not in text


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        ("none", 200),
        ("a wrong field", 422),
        ("no JSON", 400),
        ("another type", 415),
        ("another path", 404),
        ("an error", 500),
    ],
)
def test_no_api_key_is_logged(log, load_app, lambda_context, trained, event, monkeypatch, harm, expected):  # noqa: F811
    app = load_app("predict.app", **environment(trained[1], trained[2]))
    request = json.loads(json.dumps(event("api_post_predictions")).replace("EXAMPLE-KEY-OF-NO-ACCOUNT", API_KEY))
    request["requestContext"].setdefault("identity", {})["apiKey"] = API_KEY
    request["body"] = json.dumps(ACTIVITY)
    if harm == "a wrong field":
        request["body"] = json.dumps(ACTIVITY | {"start": "soon"})
    elif harm == "no JSON":
        request["body"] = "{"
    elif harm == "another type":
        request["headers"]["Content-Type"] = "text/plain"
        request["multiValueHeaders"]["Content-Type"] = ["text/plain"]
    elif harm == "another path":
        request["path"] = request["resource"] = "/elsewhere"
    elif harm == "an error":
        monkeypatch.setattr(app.core.predictions, "score", lambda *_: 1 / 0)

    answer = log.of(app.handler, request, lambda_context)

    assert answer["statusCode"] == expected
    assert API_KEY not in log.text() + json.dumps(answer)


def test_a_secret_that_is_logged_would_be_seen(log, load_app, lambda_context):
    """The test above looks where functions write: their logger, standard output, exceptions."""
    notify = load_app(
        "notify", CONTROL_TABLE="control", DATA_BUCKET="data", TOPIC_ARN="arn:aws:sns:us-east-1:123456789012:slipcast"
    )

    # This one logs its event where it is told to, and then fails of its unknown outcome.
    log.of(notify.handler, {"execution": "e", "outcome": API_KEY}, lambda_context)

    assert log.text().count(API_KEY) >= 2
