"""The pipeline's definition: valid, nothing without a limit, every failure on the failure path."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from jsonata import jsonata
from statelint.linter import Linter

from local.demo import TRIED_FROM, TRIED_UNTIL
from slipcast_aws import waiting
from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8").replace("${Partition}", "aws")
DEFINITION = yaml.safe_load(TEXT)
TEMPLATE = template()
MACHINE = TEMPLATE["Resources"]["Pipeline"]["Properties"]


def states(definition: dict) -> Iterator[tuple[str, dict]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states(state["ItemProcessor"])


STATES = dict(states(DEFINITION))
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


def expressions(node) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)
    elif isinstance(node, str) and node.startswith("{%"):
        yield node.removeprefix("{%").removesuffix("%}")


def test_statelint_finds_nothing():
    # It does not know that times may be JSONata: https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
    # and https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
    computed = ("AskApproval.TimeoutSeconds is", "Bake.Seconds is", ".MaxConcurrency is")
    found = Linter().validate(DEFINITION)
    assert [each for each in found if not any(known in each for known in computed)] == []


def test_the_demo_sends_its_requests_between_states_that_there_are():
    assert {TRIED_FROM, TRIED_UNTIL} <= DEFINITION["States"].keys()


def test_every_expression_is_jsonata():
    found = list(expressions(DEFINITION))

    assert len(found) > 30
    for expression in found:
        jsonata.Jsonata(expression)


def test_every_state_can_be_reached_and_none_is_named_in_vain():
    text = yaml.safe_dump(DEFINITION)
    named = set(re.findall(r"(?:Next|Default|StartAt): (\w+)", text))

    assert named == set(STATES)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "AskApproval"])
def test_a_task_has_a_time_limit_and_catches_what_goes_wrong(name):
    task = TASKS[name]

    assert 0 < task["TimeoutSeconds"] <= 900
    assert any("States.ALL" in catcher["ErrorEquals"] for catcher in task["Catch"])


def test_nothing_names_the_partition_of_one_kind_of_region():
    text = (ROOT / MACHINE["DefinitionUri"]).read_text(encoding="utf-8")

    assert not re.findall(r"arn:aws[\w-]*:", text)
    assert set(re.findall(r"arn:(\S+?):states", text)) == {"${Partition}"}
    assert MACHINE["DefinitionSubstitutions"]["Partition"] == {"Ref": "AWS::Partition"}


def function_of(state: dict) -> dict:
    """Return the template's function that a task calls."""
    name = re.fullmatch(r"\$\{(\w+)\}", state["Arguments"]["FunctionName"])[1]
    return TEMPLATE["Resources"][MACHINE["DefinitionSubstitutions"][name]["Fn::GetAtt"][0]]["Properties"]


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task["Resource"].endswith("lambda:invoke")])
def test_a_task_does_not_give_up_while_its_function_still_works(name):
    """Else a second try runs next to the first."""
    assert TASKS[name]["TimeoutSeconds"] >= function_of(TASKS[name])["Timeout"]


RELEASE_STEPS = [
    name for name, task in TASKS.items() if "${ReleaseFunctionArn}" in str(task["Arguments"].get("FunctionName"))
]


@pytest.mark.parametrize("name", [*RELEASE_STEPS, "AskApproval", "ConcludeApproval"])
def test_a_step_that_met_load_or_another_change_or_its_time_limit_is_repeated(name):
    again = {error for retrier in TASKS[name]["Retry"] for error in retrier["ErrorEquals"]}

    # Lambda reports an exception of a Python function by its class, see tests/integration/test_release_states.py.
    assert {waiting.NotReadyError.__name__, "Sandbox.Timedout"} <= again


LAMBDA_ERRORS = {
    *("Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"),
    "Lambda.TooManyRequestsException",
}


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if ":lambda:" in task["Resource"]])
def test_a_lambda_task_retries_the_services_own_errors(name):
    assert {error for retrier in TASKS[name]["Retry"] for error in retrier["ErrorEquals"]} >= LAMBDA_ERRORS


WORK = (
    "Prepare",
    "AcquireLease",
    "Plan",
    "SearchInline",
    "SearchDistributed",
    "NextRound",
    "HoldLease",
    "Evaluate",
    "PublishVersion",
    "VerifyVersion",
    "ShadowReplay",
    "RollBack",
)
# From here on the new version has a weight, which the failure path takes away first.
CANARY = ("SetWeight", "RenewLease", "Judge", "Promote")


@pytest.mark.parametrize("name", WORK)
@pytest.mark.fault(
    "pipeline", "a state", "it fails after all retries", "the failure path: lease freed, recorded, notified"
)
def test_a_failed_step_of_the_work_goes_to_the_failure_path(name):
    assert STATES[name]["Catch"] == [{"ErrorEquals": ["States.ALL"], "Next": "Failure"}]
    assert [STATES[name]["Next"] for name in ("Failure", "FreeLease", "Notify")] == ["FreeLease", "Freed", "Notified"]
    assert STATES["Freed"]["Default"] == "Notify"
    assert STATES["Failed"]["Type"] == "Fail"


@pytest.mark.parametrize("name", CANARY)
def test_a_failed_step_of_a_canary_takes_its_weight_away_on_the_way_to_the_failure_path(name):
    assert STATES[name]["Catch"] == [{"ErrorEquals": ["States.ALL"], "Next": "UndoCanary"}]
    assert STATES["UndoCanary"]["Arguments"]["Payload"]["step"] == "roll_back"
    assert STATES["UndoCanary"]["Next"] == STATES["UndoCanary"]["Catch"][0]["Next"] == "Failure"


def test_there_is_one_way_out():
    """One state frees the lease, one notifies, one fails, one succeeds: no ending can forget a part of it."""
    calls = [str(task.get("Arguments")) + task["Resource"] for task in TASKS.values()]

    assert sum("dynamodb:deleteItem" in call for call in calls) == 1
    assert sum("${NotifyFunctionArn}" in call for call in calls) == 1
    assert sorted(state["Type"] for state in STATES.values() if state["Type"] in ("Fail", "Succeed")) == [
        *("Fail", "Succeed")
    ]


@pytest.mark.parametrize("name", ["RenewLease", "HoldLease"])
def test_a_lost_lease_ends_a_canary_and_a_search_at_once(name):
    lost, _ = STATES[name]["Retry"]

    assert STATES[name]["Arguments"] == STATES["AcquireLease"]["Arguments"]
    assert (lost["ErrorEquals"], lost["MaxAttempts"]) == (["DynamoDB.ConditionalCheckFailedException"], 0)


def test_a_canary_is_judged_in_a_loop_that_renews_the_lease():
    choices = {choice["Condition"].split("'")[1]: choice["Next"] for choice in STATES["Judged"]["Choices"]}

    assert choices == {"wait": "Bake", "advance": "SetWeight", "promote": "Promote"}
    assert STATES["Judged"]["Default"] == "RollBack"
    assert [STATES[name]["Next"] for name in ("SetWeight", "Bake", "RenewLease", "Judge")] == [
        *("Bake", "RenewLease", "Judge", "Judged")
    ]


def test_only_a_rollback_that_is_complete_is_told_as_one():
    way = ["RollBack", "TrackRollBack", "FreeLease"]

    assert [STATES[name]["Next"] for name in way[:-1]] == way[1:]
    told = [name for name, state in STATES.items() if "rolled_back" in str(state.get("Assign"))]
    assert told == ["RollBack"]
    assert "Assign" not in STATES["RollBack"]["Catch"][0]


def test_a_page_that_cannot_be_drawn_stops_no_release_and_is_seen_in_the_history():
    (caught,) = STATES["WriteReport"]["Catch"]

    assert STATES["Evaluate"]["Next"] == "WriteReport"
    assert caught["Next"] == STATES["WriteReport"]["Next"] == "TrackRun"
    assert caught["Assign"] == {"reportFailure": "{% $states.errorOutput %}"}


@pytest.mark.parametrize("name", ["TrackRun", "TrackRelease", "TrackRollBack"])
@pytest.mark.fault("tracking", "MLflow, at each state that calls it", "the function fails", "the release goes on")
def test_mlflow_stops_no_release(name):
    assert STATES[name]["Catch"][0]["Next"] == STATES[name]["Next"]


@pytest.mark.parametrize(("around", "name"), [("SearchInline", "Train"), ("SearchDistributed", "TrainTask")])
@pytest.mark.fault("pipeline", "a task of a search", "it fails after all retries", "the others go on")
def test_a_task_that_fails_does_not_stop_the_others(around, name):
    inside = STATES[around]["ItemProcessor"]["States"]
    catch = inside[name]["Catch"][0]

    assert catch["ErrorEquals"] == ["States.ALL"]
    assert inside[catch["Next"]]["Type"] == "Pass"
    assert inside[catch["Next"]]["End"] is True


def test_a_distributed_search_survives_any_number_of_failed_children():
    """How many are too many is for the function that knows what failed."""
    assert STATES["SearchDistributed"]["ToleratedFailurePercentage"] == 100


def test_both_ways_of_searching_hand_a_task_the_same():
    inline, distributed = STATES["SearchInline"], STATES["SearchDistributed"]

    for part in ("Items", "ItemSelector"):
        assert inline[part] == distributed[part]
    # All results of a Map together must fit into 256 KiB.
    for name in ("Train", "TrainTask"):
        assert STATES[name]["Arguments"]["Payload"] == "{% $states.input %}"
        assert STATES[name]["Output"] == "{% $states.result.Payload.task %}"
    assert inline["Next"] == distributed["Next"] == "NextRound"
    assert inline["MaxConcurrency"] == distributed["MaxConcurrency"] == "{% $number('${SearchConcurrency}') %}"
    assert STATES["NextRound"]["Next"] == "HoldLease"
    assert STATES["HoldLease"]["Next"] == STATES["Plan"]["Next"] == "HowToSearch"


def test_the_alias_moves_only_after_the_new_version_was_verified():
    order = ["Gate", "PublishVersion", "VerifyVersion", "ShadowReplay", "AfterShadow"]

    assert STATES["Gate"]["Choices"][0]["Next"] == order[1]
    for before, after in pairwise(order[1:]):
        assert STATES[before]["Next"] == after


def test_every_substitution_is_given_and_used():
    used = set(re.findall(r"\$\{(\w+)\}", (ROOT / MACHINE["DefinitionUri"]).read_text(encoding="utf-8")))

    assert used == set(MACHINE["DefinitionSubstitutions"])


def test_logging_and_tracing_are_on():
    assert MACHINE["Logging"]["Level"] != "OFF"
    assert MACHINE["Tracing"]["Enabled"] is True


def test_the_state_machine_may_call_exactly_the_functions_it_names():
    (allowed,) = [s["Resource"] for s in MACHINE["Policies"][0]["Statement"] if s["Action"] == "lambda:InvokeFunction"]
    named = [value for value in MACHINE["DefinitionSubstitutions"].values() if "Fn::GetAtt" in value]

    assert sorted(map(str, allowed)) == sorted(map(str, named))


def test_an_edge_bundle_that_cannot_be_made_stops_no_release_and_holds_up_no_training():
    (caught,) = STATES["PublishEdge"]["Catch"]

    assert caught["Next"] == STATES["CompleteReport"]["Next"] == "Notify"
    # Either way there is something to tell.
    assert STATES["PublishEdge"]["Assign"].keys() - {"edgeRecord"} == caught["Assign"].keys() == {"edge"}
    assert STATES["Notify"]["Arguments"]["Payload"]["edge"] == "{% $edge %}"
    before = [name for name, state in STATES.items() if "'PublishEdge'" in str(state)]
    assert before == ["Freed"]
    assert [name for name, state in STATES.items() if state.get("Next") == "Freed"] == ["FreeLease"]


@pytest.mark.fault(
    "pipeline",
    "an execution that holds the training lease",
    "it is stopped and never frees it",
    "the next one waits for longer than the lease holds",
)
def test_who_waits_for_the_lease_waits_for_longer_than_it_holds():
    state = STATES["AcquireLease"]
    (held,) = re.findall(r"\$millis\(\) \+ (\d+)", state["Arguments"]["Item"]["expires_at_ms"]["N"])
    retry = next(item for item in state["Retry"] if "DynamoDB.ConditionalCheckFailedException" in item["ErrorEquals"])

    assert retry["BackoffRate"] == 1
    assert retry["IntervalSeconds"] * retry["MaxAttempts"] > int(held) / 1000


def test_what_the_bundle_takes_is_on_the_page_of_the_training_only_if_there_is_a_bundle():
    (caught,) = STATES["CompleteReport"]["Catch"]

    assert caught["Next"] == STATES["CompleteReport"]["Next"] == "Notify"
    assert [name for name, state in STATES.items() if "CompleteReport" in str(state)] == ["PublishEdge"]
    assert STATES["PublishEdge"]["Next"] == "CompleteReport"
