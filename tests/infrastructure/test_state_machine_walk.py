"""The whole pipeline walked by a strict interpreter (state_walk.py): every way through it, and every state failing.

The functions' answers are made up here and fit what the real ones return (state_contract.py).
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import state_contract
from support.state_walk import MISSING, Call, Interpreter, StateError, Walk

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8")
GIVEN = {"Partition": "aws", "ControlTableName": "control", "ApprovalHours": "72", "SearchConcurrency": "40"}


@cache
def definition(*, approval: bool = False) -> dict[str, Any]:
    """Return the definition as CloudFormation fills it in; a function is named as its folder."""
    given = GIVEN | {"ApprovalRequired": str(approval).lower()}
    return yaml.safe_load(
        re.sub(r"\$\{(\w+)\}", lambda m: given.get(m[1], m[1].removesuffix("FunctionArn").lower()), TEXT)
    )


def every_state(machine: dict[str, Any]):
    for name, state in machine["States"].items():
        yield name, state
        for inside in [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", []):
            yield from every_state(inside)


STATES = dict(every_state(definition()))
REFERENCE = {"uri": "s3://data/x", "sha256": "a" * 64}
DATASET = {**REFERENCE, "dataset_id": "d", "manifest_uri": "s3://data/m", "labels_uri": "s3://data/l", "dated": True}
DATASET |= {"data_date": "2022-12-31", "rows": 5, "labels": {"matured": 3}, "labels_digest": "q", "profile": "p"}
UPLOAD = {"source": "nyc", "data_date": "2022-12-31", "profile": "p", "counts": {"read": 3}, "changes": 0}
UPLOAD |= {"open": {"rows": 3, **REFERENCE}, "own_names": {}}
MODEL = {
    **{"model_id": "m", "family": "f", "runtime": None, "sha256": "s", "artefact_uri": "a", "profile_uri": "p"},
    **{"golden_uri": "g", "layer_key": "l", "dataset_id": "d", "trained_at": "t", "execution": "e1"},
}
FILE = {"reason": "new_data", "detail": "d", "source": {"bucket": "b", "key": "k", "version_id": "v"}}
SCHEDULE = {"reason": "schedule", "detail": "d", "source": None}


def prepared(outcome: str, upload: Any = UPLOAD, dataset: Any = DATASET) -> dict[str, Any]:
    hold = "nothing_new" if outcome == "ingested" else ""
    return {"outcome": outcome, "why": "w", "hold": hold, "reason": "new_data", "dataset": dataset, "upload": upload}


def step(action: str, index: int = 0) -> dict[str, Any]:
    started = "2026-01-01T00:00:00.000+00:00"
    return {"action": action, "index": index, "weight": 10, "started_at": started, "wait_seconds": 180} | {
        **{"why": f"why {action}", "notes": ["replayed"]}
    }


def verdict(release: bool) -> dict[str, Any]:
    return {"release": release, "why": "the gate's reason", "model": MODEL, "evaluation_uri": "s3://data/e"}


def a_round(following: str, *tasks: str) -> dict[str, Any]:
    return {"next": following, "tasks": list(tasks), "round": REFERENCE}


SHADOW = {
    "previous": "1",
    "canary": {"index": 0},
    "notes": ["replayed"],
    "predicted": None,
    "next": "canary",
    "why": "w",
}
FIRST_RELEASE = SHADOW | {"notes": [], "next": "promote", "why": "no model was live before"}
# What each function answers on the way to a release by canary; a list is one answer after the other.
RELEASED: dict[str, Any] = {
    "prepare": prepared("train"),
    "prepare confirm": prepared("train"),
    "refresh": {"keys": 1, "written": 1, "deleted": 0},
    "score": {"scored": []},
    "plan": [a_round("inline", "t0", "t1"), a_round("evaluate") | {"search": REFERENCE}],
    "train": lambda payload: {"task": payload["task"], "result": "s3://data/r"},
    "evaluate": verdict(True),
    "report": {"report_uri": "s3://data/r"},
    "track": {"logged": []},
    "approve ask": {"expires_at": "2026-01-04T00:00:00+00:00"},
    "approve conclude": {"release": True, "outcome": "approved", "why": "the gate's reason; approved by Ann"},
    "release publish": {"version": "2", "layer": "arn:layer"},
    "release verify": {"version": "2", "compared": 3},
    "release shadow": SHADOW,
    "release weigh": lambda payload: step("wait", payload["index"]),
    "release judge": [step("wait"), step("advance", 1), step("promote", 1)],
    "release promote": {"version": "2", "previous": "1"},
    "release prune": {"versions": [], "layers": []},
    "release roll_back": {"version": "2", "live": "1", "withdrawn": True, "why": "w"},
    "edge": {"bundle_uri": "s3://data/b", "record_uri": "s3://data/c", "onnx": {}},
    "notify": lambda payload: {name: payload.get(name) for name in ("outcome", "why", "version")},
}
# What an approval sends back with the token of a waiting task.
APPROVED = {"decision": "approved", "at": "2026-01-02T00:00:00+00:00"}


class World:
    """Answers a walk's calls as the functions do; `fails` says which call of which state ends how."""

    def __init__(self, decision: Any = APPROVED, fails: dict[str, StateError] | None = None, **answers: Any) -> None:
        self.decision, self.fails = decision, fails or {}
        self.answers = RELEASED | {name.replace("__", " "): answer for name, answer in answers.items()}
        self.asked: dict[str, int] = {}

    def __call__(self, call: Call) -> Any:
        if call.state in self.fails:
            raise self.fails[call.state]
        if not call.resource.startswith("lambda:"):
            return {}
        name = state_contract.name_of(call.arguments["FunctionName"], call.arguments["Payload"])
        answer = self.answers[name]
        if isinstance(answer, list):
            self.asked[name] = self.asked.get(name, 0) + 1
            answer = answer[min(self.asked[name], len(answer)) - 1]
        if callable(answer):
            answer = answer(call.arguments["Payload"])
        if isinstance(answer, StateError):
            raise answer
        assert state_contract.problems(name, answer) == []
        if call.resource.endswith("waitForTaskToken"):
            if isinstance(self.decision, StateError):
                raise self.decision
            return self.decision
        return answer


def walk(world: Callable[[Call], Any], given: dict[str, Any] = FILE, *, approval: bool = False) -> Walk:
    """Walk the pipeline; nothing that AWS refuses may have happened on the way."""
    found = Interpreter(definition(approval=approval), world).run(given)
    assert found.refused == []
    return found


def told(found: Walk) -> dict[str, Any]:
    """Return what the one message of an execution says, without what is empty."""
    (message,) = [call.arguments["Payload"] for call in found.calls if call.arguments.get("FunctionName") == "notify"]
    return {name: value for name, value in message.items() if value not in (None, "")}


UNDATED = DATASET | {"dated": False, "data_date": None}
NOTHING_OPEN = prepared("train", UPLOAD | {"open": {"rows": 0}})
TRAINED = {"dataset_id": "d", "reason": "new_data"}
ENDS = {
    "released": (World(), FILE, "released"),
    "released by approval": (World(), FILE, "released"),
    "first release": (World(release__shadow=FIRST_RELEASE), FILE, "released"),
    "distributed": (
        World(plan=[a_round("distributed", "t0", "t1"), a_round("evaluate") | {"search": REFERENCE}]),
        *(FILE, "released"),
    ),
    "no task left": (
        World(plan=[a_round("inline"), a_round("evaluate") | {"search": REFERENCE}]),
        *(FILE, "released"),
    ),
    "schedule, released": (
        World(prepare=prepared("train", None), prepare__confirm=prepared("train", None)),
        *(SCHEDULE, "released"),
    ),
    "schedule, nothing new": (World(prepare=prepared("ingested", None)), SCHEDULE, "ingested"),
    "file, nothing new": (World(prepare=prepared("ingested")), FILE, "ingested"),
    "learned from meanwhile": (World(prepare__confirm=prepared("ingested")), FILE, "ingested"),
    "nothing open": (World(prepare=NOTHING_OPEN, prepare__confirm=NOTHING_OPEN), FILE, "released"),
    "undated": (
        World(
            prepare=prepared("train", UPLOAD, UNDATED),
            prepare__confirm=prepared("train", UPLOAD, UNDATED),
            evaluate=verdict(False),
        ),
        *(FILE, "kept"),
    ),
    "refused": (World(prepare={"outcome": "refused", "why": "bad rows"}), FILE, "refused"),
    "kept": (World(evaluate=verdict(False)), FILE, "kept"),
    "shadow stops": (
        World(release__shadow=SHADOW | {"predicted": {"shift": 0.1, "distance": 0.2}, "next": "stop"}),
        *(FILE, "rolled_back"),
    ),
    "canary rolled back": (World(release__judge=step("roll_back")), FILE, "rolled_back"),
}
REJECTED = {"release": False, "outcome": "rejected", "why": "rejected by Ann"}
KEPT_BY_APPROVAL = {
    "rejected": World(decision=APPROVED | {"decision": "rejected"}, approve__conclude=REJECTED),
    "expired": World(decision=StateError("States.Timeout"), approve__conclude=REJECTED | {"outcome": "expired"}),
    "expired without a cause": World(
        decision=StateError("States.Timeout", MISSING), approve__conclude=REJECTED | {"outcome": "expired"}
    ),
    "superseded": World(approve__conclude=REJECTED | {"outcome": "superseded"}),
}


def fresh(world: World) -> World:
    """Return the same world from its beginning."""
    made = World(world.decision, world.fails)
    made.answers = world.answers
    return made


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("approval", [False, True], ids=["", "approval"])
def test_every_way_through_the_pipeline_ends_with_its_outcome(name, approval):
    world, given, outcome = ENDS[name]
    found = walk(fresh(world), given, approval=approval)

    message = told(found)
    assert (message["outcome"], message["execution"], message["reason"]) == (outcome, "e1", given["reason"])
    assert message.get("source") == given["source"]
    assert found.status == ("FAILED" if outcome == "refused" else "SUCCEEDED")
    if outcome != "refused":
        assert found.output["outcome"] == outcome
        assert message.get("upload") == world.answers["prepare"]["upload"]
    asked = any(state_call.resource.endswith("waitForTaskToken") for state_call in found.calls)
    assert asked == (approval and outcome in ("released", "rolled_back"))


@pytest.mark.parametrize("name", KEPT_BY_APPROVAL)
def test_what_is_not_approved_keeps_the_live_model(name):
    world = KEPT_BY_APPROVAL[name]
    found = walk(fresh(world), approval=True)

    assert told(found) == {
        **{"outcome": "kept", "execution": "e1", "reason": "new_data", "source": FILE["source"], "upload": UPLOAD},
        **{"trained": TRAINED, "why": "rejected by Ann"},
    }
    assert not [call for call in found.calls if call.arguments.get("FunctionName") == "release"]


STEPS = [
    *(
        "prepare",
        "refresh",
        "score",
        "prepare confirm",
        "plan",
        "train",
        "train",
        "plan",
        "evaluate",
        "report",
        "track",
    ),
    *("release publish", "release verify", "release shadow"),
]
AFTER = ["release promote", "track", "release prune", "score", "edge", "report", "notify"]


@pytest.mark.parametrize(
    ("name", "trial"),
    [
        (
            "released",
            ["release weigh", "release judge", "release judge", "release weigh", "release judge", *AFTER],
        ),
        # There is nothing to compare with.
        ("first release", AFTER),
        ("shadow stops", ["release roll_back", "track", "notify"]),
        ("canary rolled back", ["release weigh", "release judge", "release roll_back", "track", "notify"]),
    ],
)
def test_the_steps_of_a_release_are_called_in_their_order(name, trial):
    world, given, _ = ENDS[name]

    assert names(walk(fresh(world), given).calls) == [*STEPS, *trial]


def test_the_messages_say_what_became_of_the_execution():
    about = {"execution": "e1", "reason": "new_data", "source": FILE["source"], "upload": UPLOAD}
    said = {name: told(walk(fresh(ENDS[name][0]), ENDS[name][1])) for name in ENDS}

    assert said["released"] == about | {
        **{"outcome": "released", "why": "the gate's reason; replayed", "version": "2", "edge": "s3://data/b"},
        "trained": TRAINED,
    }
    assert said["kept"] == about | {"outcome": "kept", "why": "the gate's reason", "trained": TRAINED}
    # Nothing is learned from activities without dates.
    assert "trained" not in said["undated"]
    assert said["canary rolled back"] == about | {"outcome": "rolled_back", "why": "why roll_back", "version": "2"}
    assert said["shadow stops"] == about | {"outcome": "rolled_back", "why": "w", "version": "2"}
    for name in ("file, nothing new", "learned from meanwhile"):
        assert said[name] == about | {"outcome": "ingested", "why": "w", "hold": "nothing_new"}
    assert said["refused"] == {
        **{name: value for name, value in about.items() if name != "upload"},
        **{"outcome": "refused", "why": "bad rows"},
    }


ERRORS = {
    "an error": StateError("Boom", "it broke"),
    "a timeout": StateError("States.Timeout", ""),
    "a timeout without a cause": StateError("States.Timeout", MISSING),
}
WAYS = [(fresh(world), given, approval) for world, given, _ in ENDS.values() for approval in (False, True)] + [
    (fresh(world), FILE, True) for world in KEPT_BY_APPROVAL.values()
]
CALLING = [name for name, state in STATES.items() if state["Type"] in ("Task", "Map")]
# The release goes on without them: what they would have done is done later, by the schedule, or is not needed.
OPTIONAL = {"report", "track", "release prune", "edge", "train"}


@cache
def first_way_through() -> dict[str, tuple[int, Walk, Call]]:
    """Return for each state that calls the first of `WAYS` on which it does, the walk and the call."""
    found: dict[str, tuple[int, Walk, Call]] = {}
    for number, (world, given, approval) in enumerate(WAYS):
        walked = walk(fresh(world), given, approval=approval)
        for call in walked.calls:
            found.setdefault(call.state, (number, walked, call))
    return found


def walk_with_failure(state: str, error: StateError) -> tuple[Walk, Walk, Call]:
    """Walk with one state failing at its last try; return the walk, the same without the failure, and the call."""
    if state not in first_way_through():
        # It is reached by a failure alone.
        _, given, approval = WAYS[0]
        failing = World(fails={"Judge": StateError("Away", "S3 is away"), state: error})
        without = walk(World(fails={"Judge": StateError("Away", "S3 is away")}), given)
        (call,) = [call for call in without.calls if call.state == state]
        return walk(failing, given), without, call
    number, without, call = first_way_through()[state]
    world, given, approval = WAYS[number]
    failing = fresh(world)
    failing.fails = {state: error}
    return walk(failing, given, approval=approval), without, call


def is_optional(call: Call) -> bool:
    """Return whether the execution ends as it would have without a failure of this call."""
    if call.resource == "dynamodb:deleteItem":
        return True
    if not call.resource.startswith("lambda:"):
        return False
    name = state_contract.name_of(call.arguments["FunctionName"], call.arguments["Payload"])
    return name in OPTIONAL or (name == "score" and "upload" not in call.arguments["Payload"])


def names(calls: list[Call]) -> list[str]:
    return [
        state_contract.name_of(call.arguments["FunctionName"], call.arguments["Payload"])
        for call in calls
        if call.resource.startswith("lambda:")
    ]


def test_every_state_is_walked():
    passed = {name for world, given, approval in WAYS for name in walk(fresh(world), given, approval=approval).passed}
    for state in CALLING:
        passed |= set(walk_with_failure(state, ERRORS["an error"])[0].passed)

    assert set(STATES) - passed == set()


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("state", CALLING)
@pytest.mark.fault(
    "pipeline",
    "every state in turn",
    "it fails at its last try: with a cause, without one, by its time limit",
    "what is optional changes nothing; else the weight is taken away, the lease is free, it is recorded and notified",
)
def test_a_state_that_fails_leaves_nothing_behind_and_is_notified(state, error):
    raised = ERRORS[error]
    found, without, call = walk_with_failure(state, raised)

    if call.resource.endswith("waitForTaskToken") and raised.error == "States.Timeout":
        # The end of the time for an answer is an answer: `conclude` says what it means.
        assert found.status == "SUCCEEDED"
    elif call.arguments.get("FunctionName") == "notify" and call.arguments["Payload"]["outcome"] != "failed":
        assert (found.status, found.error) == ("FAILED", "NotificationFailed")
    elif is_optional(call) or without.status == "FAILED":
        # What fails within the undoing of a failure does not replace it.
        assert (found.status, found.error, found.cause) == (without.status, without.error, without.cause)
        assert told(found) == told(without) | ({"edge": told(found)["edge"]} if "edge" in told(found) else {})
    else:
        cause = "" if raised.cause is MISSING else raised.cause
        assert (found.status, found.error, found.cause) == ("FAILED", raised.error, cause)
        assert told(found) == {
            **{"outcome": "failed", "execution": "e1", "reason": without.calls[0].arguments["Payload"]["reason"]},
            "why": f"{raised.error}: {cause}",
        }
        at = [each.state for each in found.calls].index(call.state)
        freed = [each for each in found.calls[at:] if each.resource == "dynamodb:deleteItem"]
        assert [each.arguments["ExpressionAttributeValues"][":me"] for each in freed] == [{"S": "e1"}]
        # What has given the new version a weight, or may have, takes it away.
        assert ("release roll_back" in names(found.calls[at + 1 :])) == (
            "release weigh" in names(found.calls[: at + 1])
        )


def test_a_failure_to_notify_of_a_failure_does_not_hide_the_failure():
    world = World(fails={"Evaluate": StateError("Boom", "it broke")}, notify=StateError("Lost", "no topic"))

    found = walk(world)

    assert (found.status, found.error, found.cause) == ("FAILED", "Boom", "it broke")


def test_the_results_of_a_large_search_fit_into_the_state():
    """3,000 children that return more than the id of their task pass 256 KiB (States.DataLimitExceeded)."""
    tasks = [f"t{number}" for number in range(3_000)]
    world = World(plan=[a_round("distributed", *tasks), a_round("evaluate") | {"search": REFERENCE}])

    found = Interpreter(definition(), world, longest=10_000).run(FILE)

    assert found.refused == []
    assert (found.status, told(found)["outcome"]) == ("SUCCEEDED", "released")


def test_the_interpreter_refuses_what_aws_refuses():
    """A judge that lets everything through would make the tests above worthless."""
    end = {"Type": "Pass", "End": True}

    def refused(states: dict[str, Any], given: Any = None) -> str:
        machine = {"StartAt": next(iter(states)), "States": {**states, "End": end}}
        found = Interpreter(machine, lambda call: {"big": "x" * 300_000} if call.resource == "big" else 1).run(given)
        return " ".join(found.refused) or found.status

    def passes(**fields: Any) -> dict[str, Any]:
        return {"A": {"Type": "Pass", **fields, "Next": "End"}}

    def choice(condition: str) -> dict[str, Any]:
        return {"A": {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "End"}], "Default": "End"}}

    def task(**fields: Any) -> dict[str, Any]:
        return {"A": {"Type": "Task", "Resource": "arn:aws:states:::big", "Next": "End", **fields}}

    def searched(mode: str, inside: dict[str, Any], **fields: Any) -> dict[str, Any]:
        processor = {"ProcessorConfig": {"Mode": mode}, "StartAt": "In", "States": {"In": {**end, **inside}}}
        return {
            "A": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "B"},
            "B": {"Type": "Map", "Items": [1], "ItemProcessor": processor, **fields, "Next": "End"},
        }

    assert "gives nothing" in refused(passes(Output="{% $states.input.a %}"), {"b": 1})
    assert "$a was never assigned" in refused(passes(Output="{% $exists($a) %}"))
    assert "$a was never assigned" in refused(passes(Assign={"a": 1, "b": "{% $a %}"}))
    assert refused(passes(Output="{% $states.input.a %}"), {"a": None}) == "SUCCEEDED"
    assert "no boolean" in refused(choice("{% $states.input.a %}"), {"a": "true"})
    assert "gives nothing" in refused(choice("{% $states.input.b %}"), {"a": "true"})
    assert "Seconds is no whole number" in refused({"A": {"Type": "Wait", "Seconds": "{% 1.5 %}", "Next": "End"}})
    assert "TimeoutSeconds is no whole number" in refused(task(TimeoutSeconds="{% '60' %}"))
    assert "result has 300" in refused(task())
    assert "Items is no array" in refused(searched("INLINE", {}, Items="{% 'a' %}"))
    assert refused(searched("INLINE", {"Output": "{% $outer %}"})) == "SUCCEEDED"
    assert "$outer was never assigned" in refused(searched("DISTRIBUTED", {"Output": "{% $outer %}"}))
    assert "outer belongs to an outer scope" in refused(searched("INLINE", {"Assign": {"outer": 2}}))
    inner = searched("INLINE", {"Assign": {"inner": 2}})
    inner["B"]["Output"] = "{% $inner %}"
    assert "$inner was never assigned" in refused(inner)
    fails = {"A": {"Type": "Fail", "Error": "{% $states.input.Error %}", "Cause": "{% $states.input.Cause %}"}}
    assert "gives nothing" in refused(fails, {"Error": "States.Timeout"})
