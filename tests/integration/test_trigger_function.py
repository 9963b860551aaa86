"""The trigger against DynamoDB and Step Functions: one execution for each request."""

import json
import random
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from slipcast_aws.control import alarms, audit, starts

ALARM = "slipcast-drift"


def executions(app) -> list[str]:
    found = boto3.client("stepfunctions").list_executions(stateMachineArn=app.machine)["executions"]
    return [item["name"] for item in found]


def dropped(version: str = "v1", key: str = "incoming/a b+ü.csv") -> dict:
    return {
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "data"}, "object": {"key": key, "version-id": version, "etag": "e"}},
    }


def alarm(at: str, name: str = ALARM, state: str = "ALARM", message_id: str = "m") -> dict:
    message = {"AlarmName": name, "NewStateValue": state, "NewStateReason": "drift", "StateChangeTime": at}
    return {"Records": [{"Sns": {"MessageId": message_id, "Message": json.dumps(message)}}]}


@pytest.mark.fault(
    "events",
    "the event of a dropped file",
    "a key with blanks and letters that URLs encode",
    "the key is taken as it is, the object is found",
)
def test_a_dropped_file_starts_one_execution_with_the_key_as_it_is(trigger, lambda_context):
    assert trigger.handler(dropped(), lambda_context) == {"outcomes": ["started"]}

    arn = boto3.client("stepfunctions").list_executions(stateMachineArn=trigger.machine)["executions"][0][
        "executionArn"
    ]
    document = json.loads(boto3.client("stepfunctions").describe_execution(executionArn=arn)["input"])
    assert document["reason"] == "new_data"
    assert document["source"] == {"bucket": "data", "key": "incoming/a b+ü.csv", "version_id": "v1"}


@pytest.mark.fault("events", "the event of a dropped file", "it comes twice", "one execution")
def test_the_same_event_twice_starts_one_execution(trigger, lambda_context):
    trigger.handler(dropped(), lambda_context)

    assert trigger.handler(dropped(), lambda_context) == {"outcomes": ["duplicate"]}
    assert len(executions(trigger)) == 1


def test_a_new_version_of_the_file_is_another_request(trigger, lambda_context):
    trigger.handler(dropped("v1"), lambda_context)

    assert trigger.handler(dropped("v2"), lambda_context) == {"outcomes": ["started"]}
    assert len(executions(trigger)) == 2


def land(app, name: str) -> None:
    """The execution ends, as the notify function tells the trigger."""
    starts.land("control", execution=name)


def test_of_many_alarms_one_starts_and_the_others_are_coalesced_into_it(trigger, lambda_context):
    outcomes = [
        trigger.handler(alarm(f"2026-01-01T00:00:{second:02}Z"), lambda_context)["outcomes"][0] for second in range(20)
    ]

    assert outcomes == ["started"] + ["coalesced"] * 19
    (name,) = executions(trigger)
    assert {entry.get("into") for entry in audit.audit_trail("control")} == {None, name}


def test_a_storm_without_a_cooldown_starts_one_at_a_time(trigger, lambda_context, monkeypatch):
    monkeypatch.setenv("COOLDOWN_MINUTES", "0")
    first = [trigger.handler(alarm(f"2026-01-01T00:00:{n:02}Z"), lambda_context)["outcomes"][0] for n in (5, 3, 5, 9)]
    land(trigger, executions(trigger)[0])

    assert first == ["started", "coalesced", "duplicate", "coalesced"]
    assert trigger.handler(alarm("2026-01-01T00:00:05Z"), lambda_context) == {"outcomes": ["duplicate"]}
    assert trigger.handler(alarm("2026-01-01T01:00:00Z"), lambda_context) == {"outcomes": ["started"]}
    assert len(executions(trigger)) == 2


@pytest.mark.fault(
    "events",
    "alarm messages",
    "many at once, repeated and out of order",
    "one training, every message is in the audit trail",
)
def test_of_many_messages_with_repeats_and_out_of_order_one_starts_and_each_is_recorded(
    trigger, lambda_context, monkeypatch
):
    monkeypatch.setenv("COOLDOWN_MINUTES", "0")
    numbers = [*range(80), *random.Random(7).choices(range(80), k=20)]
    random.Random(8).shuffle(numbers)
    records = [alarm(f"2026-01-01T00:00:{number * 0.7:06.3f}Z")["Records"][0] for number in numbers]
    outcomes = [trigger.handler({"Records": [record]}, lambda_context)["outcomes"][0] for record in records[:50]]
    files = [trigger.handler(dropped(key=f"incoming/{name}.csv"), lambda_context)["outcomes"] for name in ("a", "b")]
    person = trigger.handler({"reason": "manual", "id": "ann-1"}, lambda_context)["outcomes"]
    outcomes += [trigger.handler({"Records": [record]}, lambda_context)["outcomes"][0] for record in records[50:]]

    assert outcomes.count("started") == 1
    assert set(outcomes) <= {"started", "coalesced", "duplicate"}
    assert (files, person) == ([["started"], ["started"]], ["coalesced"])
    assert len(executions(trigger)) == 3
    assert len(audit.audit_trail("control")) == 103


def test_after_a_start_alarms_cool_down(trigger, lambda_context):
    trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context)
    land(trigger, executions(trigger)[0])

    assert trigger.handler(alarm("2026-01-01T00:10:00Z"), lambda_context) == {"outcomes": ["cooldown"]}


@pytest.mark.fault("events", "two requests", "they reach the trigger at the same moment", "one training")
def test_two_triggers_at_once_start_one(trigger, lambda_context, monkeypatch):
    """Both have looked before either has claimed."""
    from trigger import admission

    monkeypatch.setattr(admission, "_refused", lambda *_: None)
    outcomes = [trigger.handler(alarm(f"2026-01-01T00:00:0{n}Z"), lambda_context)["outcomes"][0] for n in range(2)]

    assert outcomes == ["started", "coalesced"]
    assert len(executions(trigger)) == 1


def test_a_trigger_that_crashed_between_claim_and_start_starts_when_it_is_tried_again(
    trigger, lambda_context, monkeypatch
):
    from trigger import executions as starting

    whole = starting.start
    monkeypatch.setattr(starting, "start", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context)
    monkeypatch.setattr(starting, "start", whole)

    assert trigger.handler(alarm("2026-01-01T00:00:07Z"), lambda_context) == {"outcomes": ["coalesced"]}
    assert trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context) == {"outcomes": ["started"]}


@pytest.mark.fault(
    "events", "the claim of a training", "whoever has it dies", "after two hours the next request passes"
)
def test_a_claim_that_nobody_gave_back_runs_out(trigger, lambda_context):
    now = datetime.now(UTC)
    long_ago = now - starts.FLIGHT - timedelta(minutes=1)
    assert starts.claim_start("control", now=long_ago, cutoff=long_ago, execution="crashed")

    assert trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context) == {"outcomes": ["started"]}


def test_an_alarm_stays_open_until_it_is_over(trigger, lambda_context):
    trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context)
    trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context)
    opened = alarms.open_alarms("control")
    over = trigger.handler(alarm("2026-01-01T00:05:00Z", state="OK"), lambda_context)

    assert (opened, over, alarms.open_alarms("control")) == ([ALARM], {"outcomes": ["ok"]}, [])
    assert len(executions(trigger)) == 1


def test_a_challenger_that_lost_starts_the_cooldown_anew_and_leaves_the_alarm_open(trigger, lambda_context):
    trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context)
    (name,) = executions(trigger)
    started = starts.flight("control", datetime.now(UTC)).started_at
    starts.restart_cooldown("control", execution=name, now=datetime.now(UTC))
    land(trigger, name)

    assert starts.flight("control", datetime.now(UTC)).started_at > started
    assert alarms.open_alarms("control") == [ALARM]
    assert trigger.handler(alarm("2026-01-01T00:30:00Z"), lambda_context) == {"outcomes": ["cooldown"]}


def test_an_alarm_during_a_training_is_coalesced(trigger, lambda_context):
    boto3.client("dynamodb").put_item(
        TableName="control",
        Item={
            "pk": {"S": "LEASE"},
            "sk": {"S": "training"},
            "holder": {"S": "other"},
            "expires_at_ms": {"N": "99999999999999"},
        },
    )

    assert trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context) == {"outcomes": ["coalesced"]}
    assert executions(trigger) == []


@pytest.mark.fault(
    "events", "the training lease", "whoever holds it dies", "once it has run out the next request passes"
)
def test_a_lease_that_ran_out_holds_nobody_up(trigger, lambda_context):
    boto3.client("dynamodb").put_item(
        TableName="control",
        Item={
            "pk": {"S": "LEASE"},
            "sk": {"S": "training"},
            "holder": {"S": "crashed"},
            "expires_at_ms": {"N": "1"},
        },
    )

    assert trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context) == {"outcomes": ["started"]}


@pytest.mark.parametrize(
    "event",
    [
        alarm("2026-01-01T00:00:00Z", name="slipcast-api-errors"),
        alarm("2026-01-01T00:00:00Z", state="INSUFFICIENT_DATA"),
        {"Records": [{"Sns": {"MessageId": "m", "Message": "Slipcast: a new model is live"}}]},
        {"Records": [{"Sns": {"MessageId": "m", "Message": "[]"}}]},
    ],
)
def test_other_messages_of_the_topic_start_nothing(trigger, lambda_context, event):
    assert trigger.handler(event, lambda_context) == {"outcomes": []}
    assert executions(trigger) == []


def test_a_schedule_and_a_person_may_start_too(trigger, lambda_context):
    scheduled = {"detail-type": "Scheduled Event", "id": "1", "resources": ["arn:aws:events:r:a:rule/periodic"]}

    assert trigger.handler(scheduled, lambda_context) == {"outcomes": ["started"]}
    assert trigger.handler(scheduled, lambda_context) == {"outcomes": ["duplicate"]}
    assert trigger.handler({"reason": "manual", "id": "ann-1"}, lambda_context) == {"outcomes": ["coalesced"]}
    land(trigger, executions(trigger)[0])
    assert trigger.handler(scheduled | {"id": "2"}, lambda_context) == {"outcomes": ["cooldown"]}
    assert trigger.handler({"reason": "manual", "id": "ann-1"}, lambda_context) == {"outcomes": ["started"]}
    assert len(executions(trigger)) == 2


def test_a_failed_start_gives_its_claim_back(trigger, lambda_context, monkeypatch, permissions):
    monkeypatch.setenv("STATE_MACHINE_ARN", trigger.machine.replace("slipcast-pipeline", "nowhere"))
    with pytest.raises(Exception, match="nowhere"):
        trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context)
    permissions.refused.clear()
    monkeypatch.setenv("STATE_MACHINE_ARN", trigger.machine)

    assert trigger.handler(alarm("2026-01-01T00:00:00Z"), lambda_context) == {"outcomes": ["started"]}


def test_every_answer_is_in_the_audit_trail(trigger, lambda_context):
    trigger.handler(dropped(), lambda_context)
    trigger.handler(dropped(), lambda_context)

    trail = audit.audit_trail("control")
    assert [entry["outcome"] for entry in trail] == ["started", "duplicate"]
    assert {entry["reason"] for entry in trail} == {"new_data"}


@pytest.mark.parametrize("event", [{}, {"reason": "manual"}, {"detail-type": "Object Deleted"}])
@pytest.mark.fault("events", "an event", "it is of no known kind", "an error, so that Lambda sets it aside")
def test_an_unknown_event_is_an_error_so_that_it_reaches_the_dead_letter_queue(trigger, lambda_context, event):
    with pytest.raises(ValueError, match=r"not an S3 object event|needs an"):
        trigger.handler(event, lambda_context)
