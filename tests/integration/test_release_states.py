"""The states from PublishVersion on, run by the emulator: which way a release takes for each answer of its steps."""

import io
import json
import re
import time
import uuid
import zipfile
from pathlib import Path

import pytest
import yaml

from local.cloud import LocalCloud
from local.watch import until

TEXT = (Path(__file__).resolve().parents[2] / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8")
# Stands for every function: what a step of a release answers is in its model, one answer after the other.
HANDLER = """
answered = {}
def handler(event, context):
    if "outcome" in event and "step" not in event:
        return event
    if "step" not in event:
        return {"bundle_uri": "s3://bundle", "record_uri": "s3://record"}
    script = event["model"]["answers"].get(event["step"], {})
    if isinstance(script, list):
        key = event["model"]["model_id"], event["step"]
        script = script[min(answered.get(key, 0), len(script) - 1)]
        answered[key] = answered.get(key, 0) + 1
    if "once" in script:
        # A file, because the next attempt may find another environment.
        try:
            open(script["once"], "x").close()
        except FileExistsError:
            del script["raise"]
    if "raise" in script:
        raise type(script.get("as", "RuntimeError"), (Exception,), {})(script["raise"])
    return {**script, "asked": {name: event[name] for name in event if name != "model"}}
"""
ROLE = "arn:aws:iam::000000000000:role/any"
SHADOW = {
    "next": "canary",
    "previous": "1",
    "predicted": None,
    "canary": {"index": 0},
    "notes": ["20 requests replayed"],
    "why": "fine",
}
PUBLISHED = {"version": "2"}


def step(action: str, index: int = 0, **more):
    return {"action": action, "index": index, "wait_seconds": 1, "why": f"why {action}", "notes": ["n"], **more}


class Machine:
    """The part of the pipeline that releases, with one function for all."""

    def __init__(self, cloud):
        self.states, self.dynamodb = cloud.client("stepfunctions"), cloud.client("dynamodb")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", HANDLER)
        function = cloud.client("lambda").create_function(
            FunctionName="all",
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
            Timeout=180,
        )["FunctionArn"]
        self.dynamodb.create_table(
            TableName="control",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        given = {
            "ControlTableName": "control",
            "Partition": "aws",
            "SearchConcurrency": "2",
            "ApprovalRequired": "false",
            "ApprovalHours": "1",
        }
        definition = yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: given.get(found[1], function), TEXT))
        begin = definition["States"]["Begin"]
        begin["Assign"] |= {
            **{"reason": "test", "source": {}, "prepared": {"upload": None}},
            **{"verdict": "{% $states.input %}", "why": "{% $states.input.why %}"},
        }
        begin["Next"] = "PublishVersion"
        self.arn = self.states.create_state_machine(name="release", definition=json.dumps(definition), roleArn=ROLE)[
            "stateMachineArn"
        ]

    def start(self, **answers):
        """Start the release of a model whose steps answer so; return the execution's ARN."""
        name = f"r-{uuid.uuid4().hex[:8]}"
        model = {"model_id": name, "answers": {"publish": PUBLISHED, "shadow": SHADOW, **answers}}
        verdict = {"release": True, "why": "better", "model": model, "reason": "test", "evaluation_uri": "s3://e"}
        started = self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(verdict))
        return started["executionArn"]

    def lease(self):
        """Return the item of the training lease, or None."""
        found = self.dynamodb.scan(TableName="control")["Items"]
        return found[0] if found else None

    def run(self, **answers):
        """Release a model whose steps answer so; return the states that were passed and the execution."""
        arn = self.start(**answers)

        def ended():
            found = self.states.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        found = until(ended, seconds=300, what="end of the execution", every=0.1)
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=arn)
        events = [event for page in pages for event in page["events"]]
        self.last = {}
        for event in events:
            if "stateEnteredEventDetails" in event:
                entered = event["stateEnteredEventDetails"]["name"]
            if "taskSucceededEventDetails" in event:
                self.last[entered] = event["taskSucceededEventDetails"]["output"]
        passed = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        return passed[2:], found

    def asked(self, state):
        """Return what a state of the last run asked its function for."""
        return json.loads(self.last[state])["Payload"]["asked"]


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), say=lambda _: None)
    cloud.start_emulator()
    yield Machine(cloud)
    assert cloud.down() == ["emulator"]


END = [
    *("TrackRelease", "Prune", "ScoreAgain", "FreeLease", "Freed", "PublishEdge", "CompleteReport", "Notify"),
    *("Notified", "Done"),
]
LOOK = ["Bake", "RenewLease", "Judge", "Judged"]


def test_a_good_canary_goes_up_step_by_step_and_is_promoted(machine):
    passed, found = machine.run(
        weigh=[step("wait", 0), step("wait", 1)],
        judge=[step("wait", 0), step("advance", 1), step("promote", 1, notes=["first", "second"])],
    )

    assert found["status"] == "SUCCEEDED", found
    assert passed == [
        *("VerifyVersion", "ShadowReplay", "AfterShadow", "SetWeight", *LOOK, *LOOK, "SetWeight", *LOOK, "Promote"),
        *END,
    ]
    assert machine.asked("SetWeight")["index"] == 1
    assert machine.asked("Promote") == {
        **{"step": "promote", "version": "2", "previous": "1", "canary": True},
        "why": "better; first; second",
    }
    output = json.loads(found["output"])
    assert (output["outcome"], output["version"], output["why"]) == ("released", "2", "better; first; second")
    assert machine.dynamodb.scan(TableName="control")["Items"] == []


def test_without_a_live_model_there_is_no_trial(machine):
    passed, _ = machine.run(shadow=SHADOW | {"next": "promote", "notes": []})

    assert passed == ["VerifyVersion", "ShadowReplay", "AfterShadow", "Promote", *END]
    asked = machine.asked("Promote")
    assert (asked["canary"], asked["why"]) == (False, "better")


BACK = ["RollBack", "TrackRollBack", "FreeLease", "Freed", "Notify", "Notified", "Done"]
FAILING = ["Failure", "FreeLease", "Freed", "Notify", "Notified", "Failed"]


def test_a_bad_replay_ends_without_any_weight(machine):
    passed, found = machine.run(shadow=SHADOW | {"next": "stop", "why": "it fails"})

    assert passed == ["VerifyVersion", "ShadowReplay", "AfterShadow", *BACK]
    assert found["status"] == "SUCCEEDED", found
    output = json.loads(found["output"])
    assert (output["outcome"], output["why"], output["version"]) == ("rolled_back", "it fails", "2")


def test_a_bad_canary_is_rolled_back_with_its_reason(machine):
    passed, found = machine.run(weigh=step("wait"), judge=step("roll_back"))

    assert passed == ["VerifyVersion", "ShadowReplay", "AfterShadow", "SetWeight", *LOOK, *BACK]
    asked = machine.asked("RollBack")
    assert (asked["outcome"], asked["why"]) == ("rolled_back", "why roll_back")
    assert json.loads(found["output"])["outcome"] == "rolled_back"
    assert machine.dynamodb.scan(TableName="control")["Items"] == []


@pytest.mark.parametrize("where", ["weigh", "judge", "promote"])
@pytest.mark.fault(
    "release", "a step of a canary", "it fails after all retries", "the weight is taken away, the lease is free"
)
def test_what_fails_during_a_canary_takes_its_weight_away(machine, where):
    answers = {"weigh": step("wait"), "judge": step("promote"), where: {"raise": "S3 is away"}}
    passed, found = machine.run(**answers)

    assert passed[-7:] == ["UndoCanary", *FAILING]
    assert "S3 is away" in machine.asked("UndoCanary")["why"]
    assert found["status"] == "FAILED"


@pytest.mark.fault(
    "release",
    "the predict function",
    "another change of it is under way",
    "the step is repeated and the release goes on",
)
def test_a_conflict_with_another_change_of_the_function_is_waited_for(machine, tmp_path):
    tried = tmp_path / "tried"
    passed, found = machine.run(
        publish=PUBLISHED | {"raise": "an update is in progress", "as": "NotReadyError", "once": str(tried)},
        shadow=SHADOW | {"next": "promote", "notes": []},
    )

    assert (found["status"], passed[-1]) == ("SUCCEEDED", "Done"), found
    assert tried.exists()


@pytest.mark.fault("release", "a canary and its undoing", "both fail", "the execution fails loudly, the lease is free")
def test_a_canary_that_cannot_be_undone_ends_as_failed_all_the_same(machine):
    passed, found = machine.run(weigh=step("wait"), judge={"raise": "x"}, roll_back={"raise": "y"})

    assert passed[-7:] == ["UndoCanary", *FAILING]
    assert (found["error"], "x" in found["cause"]) == ("RuntimeError", True)
    assert found["status"] == "FAILED"


@pytest.mark.fault(
    "release",
    "the lease of a canary",
    "another execution has it",
    "its weight is taken away, the other keeps the lease",
)
def test_who_has_lost_the_lease_ends_its_canary_and_leaves_the_lease_to_the_other(machine):
    item = {"pk": {"S": "LEASE"}, "sk": {"S": "training"}, "holder": {"S": "other"}}
    later = {"N": str(int((time.time() + 3600) * 1000))}
    machine.dynamodb.put_item(TableName="control", Item=item | {"expires_at_ms": later})
    try:
        passed, found = machine.run(weigh=step("wait"))
        assert machine.dynamodb.scan(TableName="control")["Items"][0]["holder"] == {"S": "other"}
    finally:
        machine.dynamodb.delete_item(TableName="control", Key={name: item[name] for name in ("pk", "sk")})

    assert passed[3:] == [*("SetWeight", "Bake", "RenewLease", "UndoCanary", *FAILING)]
    assert found["error"] == "DynamoDB.ConditionalCheckFailedException"


@pytest.mark.fault(
    "release",
    "an execution in the middle of a canary",
    "it is stopped, then another one is started",
    "no other goes on while the lease holds; it runs out, and then the next releases and frees it",
)
def test_a_stopped_execution_keeps_its_lease_until_it_runs_out_and_then_the_next_goes_on(machine):
    stopped = machine.start(weigh=step("wait"), judge=step("wait", wait_seconds=60))
    lease = until(machine.lease, seconds=180, what="lease of the canary", every=0.05)
    machine.states.stop_execution(executionArn=stopped, error="Operator", cause="stopped by hand")
    assert machine.states.describe_execution(executionArn=stopped)["status"] == "ABORTED"

    passed, found = machine.run(weigh=step("wait"), judge=step("promote"))
    assert (found["status"], passed[-1]) == ("FAILED", "Failed")
    assert "UndoCanary" in passed
    assert machine.lease()["holder"] == lease["holder"]
    left = int(machine.lease()["expires_at_ms"]["N"]) / 1000 - time.time()
    assert 0 < left <= 10800

    over = {"expires_at_ms": {"N": str(int(time.time() * 1000) - 1)}}
    machine.dynamodb.put_item(TableName="control", Item=lease | over)
    passed, found = machine.run(weigh=step("wait"), judge=step("promote"))

    assert found["status"] == "SUCCEEDED", found
    assert "Promote" in passed
    assert machine.lease() is None
