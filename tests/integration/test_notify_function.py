"""Every execution ends with an audit entry and a message."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from slipcast_aws.control import alarms, audit, datasets, starts

SOURCE = {"bucket": "data", "key": "incoming/plan.csv", "version_id": "v1"}
UPLOAD = {"counts": {"read": 10, "accepted": 8, "rejected": 2, "filtered": 0}, "changes": 0}
HEAD = {"execution": "new-data-1", "reason": "new_data"}
# As statemachine/pipeline.asl.yaml sends them.
EVENTS = {
    "released": {
        **{**HEAD, "source": SOURCE, "upload": UPLOAD, "why": "first model with signal", "version": "4"},
        "edge": "s3://data/edge/4-abc123/slipcast-edge-4-abc123.zip",
    },
    "kept": {**HEAD, "source": SOURCE, "upload": UPLOAD, "why": "not better than the champion"},
    "ingested": {**HEAD, "source": SOURCE, "upload": UPLOAD, "why": "nothing new to learn"},
    "refused": {**HEAD, "source": SOURCE, "why": "plan.csv: the file is empty. Export the schedule again."},
    "failed": {**HEAD, "why": "RuntimeError: every candidate failed"},
}
SUBJECTS = {
    "released": "Slipcast: a new model is live",
    "kept": "Slipcast: the live model stays",
    "ingested": "Slipcast: data ingested, no training",
    "refused": "Slipcast: file refused",
    "failed": "Slipcast: pipeline failed",
}


@pytest.fixture
def notify(load_app, control_table):
    topic = boto3.client("sns").create_topic(Name="slipcast")["TopicArn"]
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="mail")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    app = load_app("notify", CONTROL_TABLE=control_table, DATA_BUCKET="data", TOPIC_ARN=topic)
    app.queue = queue
    return app


def mail(app) -> list[dict]:
    found = boto3.client("sqs").receive_message(QueueUrl=app.queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


@pytest.mark.parametrize("outcome", EVENTS)
def test_each_outcome_is_recorded_and_told(notify, lambda_context, outcome):
    event = EVENTS[outcome] | {"outcome": outcome}

    answer = notify.handler(event, lambda_context)

    assert answer == {"outcome": outcome, "why": event["why"], "version": event.get("version")}
    (entry,) = audit.audit_trail("control")
    at, _, identity = entry.pop("sk").partition("#")
    assert at.endswith("Z")
    assert identity == "new-data-1"
    version = {"version": "4"} if outcome == "released" else {}
    # Whoever gets the mail may open the page.
    mailed = {} if outcome == "failed" else {"mailed": "s3://data/reports/new-data-1/intake.html"}
    assert entry == {
        **{"what": "pipeline", "execution": "new-data-1", "reason": "new_data", "outcome": outcome},
        **{"detail": event["why"], **version, **mailed},
    }
    (message,) = mail(notify)
    assert message["Subject"] == SUBJECTS[outcome]
    assert message["MessageAttributes"]["outcome"]["Value"] == outcome
    lines = message["Message"].splitlines()
    assert f"Why:       {event['why']}" in lines
    assert "Execution: new-data-1" in lines
    assert ("Version:   4" in lines) == (outcome == "released")
    assert (f"Edge:      {EVENTS['released']['edge']}" in lines) == (outcome == "released")
    assert ("Rows:      10 read, 8 accepted, 2 in quarantine" in lines) == ("dataset" in event)
    assert ("incoming/plan.csv" in message["Message"]) == ("source" in event)
    link = "https://data.s3.us-east-1.amazonaws.com/reports/new-data-1/intake.html?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    assert (link in message["Message"]) == ("upload" in event or outcome == "refused")
    assert ("reports/new-data-1/report.html" in message["Message"]) == (outcome in ("released", "kept"))


@pytest.mark.parametrize("outcome", EVENTS)
def test_a_subject_is_one_that_sns_takes(notify, lambda_context, monkeypatch, outcome):
    from notify import message

    monkeypatch.setitem(message.HEADLINES, outcome, "x" * 200)
    notify.handler(EVENTS[outcome] | {"outcome": outcome, "why": "because " * 200}, lambda_context)

    (sent,) = mail(notify)
    assert len(sent["Subject"]) == 100
    assert "because " * 200 in sent["Message"] + " "


TRAINED = {"dataset_id": "d1", "reason": "alarm"}


def under_way(name: str) -> bool:
    now = datetime.now(UTC)
    starts.claim_start("control", now=now - timedelta(minutes=5), cutoff=now, execution=name)
    alarms.open_alarm("control", "slipcast-drift")
    return starts.flight("control", now).under_way


@pytest.mark.parametrize("outcome", EVENTS)
def test_the_gate_is_open_again_after_every_outcome(notify, lambda_context, outcome):
    assert under_way("new-data-1")
    before = starts.flight("control", datetime.now(UTC)).started_at

    notify.handler(EVENTS[outcome] | {"outcome": outcome, "trained": TRAINED}, lambda_context)

    after = starts.flight("control", datetime.now(UTC))
    assert not after.under_way
    # A challenger that lost: the cooldown begins anew, the alarm stays open. A release answers it.
    assert (after.started_at > before) == (outcome == "kept")
    assert alarms.open_alarms("control") == ([] if outcome == "released" else ["slipcast-drift"])
    last = datasets.last_training("control")
    assert (last and last["dataset_id"]) == ("d1" if outcome == "kept" else None)


def test_another_execution_under_way_is_left_alone(notify, lambda_context):
    under_way("alarm-2")

    notify.handler(EVENTS["ingested"] | {"outcome": "ingested"}, lambda_context)

    assert starts.flight("control", datetime.now(UTC)).under_way


def test_a_comparison_on_a_file_without_dates_is_no_lost_training(notify, lambda_context):
    notify.handler(EVENTS["kept"] | {"outcome": "kept", "trained": None}, lambda_context)

    assert starts.flight("control", datetime.now(UTC)) is None
    assert datasets.last_training("control") is None


@pytest.mark.parametrize(
    ("reason", "hold", "subject"),
    [
        ("alarm", "nothing_new", "Slipcast: nothing new to learn, drop a newer schedule"),
        ("new_data", "nothing_new", "Slipcast: data ingested, no training"),
        ("new_data", "budget", "Slipcast: the training budget of the month is used up"),
        ("schedule", "budget", "Slipcast: the training budget of the month is used up"),
        ("new_data", "waits", "Slipcast: data ingested, no training"),
        ("alarm", "too_few", "Slipcast: too few known outcomes, drop a longer history"),
    ],
)
def test_what_it_would_take_to_train_stands_in_the_subject(notify, lambda_context, reason, hold, subject):
    event = EVENTS["ingested"] | {"outcome": "ingested", "reason": reason, "hold": hold}

    notify.handler(event, lambda_context)

    (message,) = mail(notify)
    assert message["Subject"] == subject
    assert audit.audit_trail("control")[0]["hold"] == hold


def test_an_execution_without_a_file_says_so(notify, lambda_context):
    event = EVENTS["kept"] | {"outcome": "kept", "reason": "alarm", "source": None}

    notify.handler(event, lambda_context)

    (message,) = mail(notify)
    assert "Started by: alarm" in message["Message"].splitlines()


def test_an_unknown_outcome_is_neither_recorded_nor_told(notify, lambda_context):
    with pytest.raises(KeyError, match="lost"):
        notify.handler({**HEAD, "outcome": "lost"}, lambda_context)

    assert audit.audit_trail("control") == []
    assert mail(notify) == []


def test_an_outcome_is_recorded_even_if_nobody_can_be_told(notify, lambda_context, monkeypatch):
    monkeypatch.setenv("TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:nowhere")

    with pytest.raises(Exception, match="NotFound"):
        notify.handler(EVENTS["failed"] | {"outcome": "failed"}, lambda_context)

    assert [entry["outcome"] for entry in audit.audit_trail("control")] == ["failed"]
