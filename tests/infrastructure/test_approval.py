"""Approval of a release: who may do what, which way a release takes, and that without approval nothing waits."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonata import jsonata

from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8")
TEMPLATE = template()
RESOURCES, PARAMETERS = TEMPLATE["Resources"], TEMPLATE["Parameters"]
FUNCTION = RESOURCES["ApproveFunction"]["Properties"]
STATEMENTS = FUNCTION["Policies"][0]["Statement"]
MACHINE = {
    "Fn::Sub": "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-pipeline"
}
# A lease that is not held is not freed: the condition of FreeLease fails.
OUT = ["FreeLease", "Freed", "Notify"]
VERDICT = {"release": True, "why": "better", "model": {}, "evaluation_uri": "s3://data/e"}


def machine(*, required: str, hours: str = "72") -> dict[str, Any]:
    """Return the definition as CloudFormation fills it in."""
    given = {"ApprovalRequired": required, "ApprovalHours": hours}
    return yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: given.get(found[1], found[0]), TEXT))


def evaluated(expression: str, **variables: Any) -> Any:
    """Return the value of a state's ``{% expression %}``."""
    compiled = jsonata.Jsonata(expression.removeprefix("{%").removesuffix("%}"))
    for name, value in variables.items():
        compiled.assign(name, value)
    return compiled.evaluate(variables.get("states"))


def way(definition: dict[str, Any], start: str, ends: set[str], **variables: Any) -> list[str]:
    """Return the states from `start` to one of `ends`, every task a success."""
    variables = {"outcome": ""} | variables
    passed = [start]
    while passed[-1] not in ends:
        state = definition["States"][passed[-1]]
        following = state.get("Next")
        for choice in state.get("Choices", []):
            if evaluated(choice["Condition"], **variables):
                following, state = choice["Next"], choice
                break
        # What the ways out assign is a literal.
        variables |= {name: value for name, value in state.get("Assign", {}).items() if "{%" not in str(value)}
        passed.append(following or state["Default"])
    return passed


def test_without_approval_a_release_never_waits():
    assert way(machine(required="false"), "Gate", {"PublishVersion"}, verdict=VERDICT) == ["Gate", "PublishVersion"]
    assert PARAMETERS["ApprovalRequired"]["Default"] == "false"


def test_with_approval_no_release_goes_past_the_question():
    definition = machine(required="true")
    approved = {"verdict": VERDICT, "decision": "approved", "inTime": True, "approval": {"release": True}}

    assert way(definition, "Gate", {"PublishVersion"}, **approved) == [
        *("Gate", "FreeLease", "Freed", "AskApproval", "Decided", "RetakeLease", "ConcludeApproval", "Approved"),
        "PublishVersion",
    ]


@pytest.mark.parametrize("required", ["true", "false"])
def test_what_the_gate_refuses_is_not_asked_for(required):
    refused = way(machine(required=required), "Gate", {"Notify"}, verdict=VERDICT | {"release": False})

    assert refused == ["Gate", "FreeLease", "Freed", "Notify"]


@pytest.mark.parametrize(
    ("start", "variables", "expected"),
    [
        ("Decided", {"decision": "rejected", "inTime": True}, ["ConcludeApproval", "Approved", *OUT]),
        # The way of an expiry begins in a Catch.
        ("ConcludeApproval", {"inTime": False, "decision": "none"}, ["Approved", *OUT]),
        (
            "Decided",
            {"decision": "approved", "inTime": True},
            ["RetakeLease", "ConcludeApproval", "Approved", *OUT],
        ),
    ],
    ids=["rejected", "expired", "superseded"],
)
def test_everything_but_a_valid_approval_keeps_the_live_model(start, variables, expected):
    passed = way(machine(required="true"), start, {"Notify"}, approval={"release": False}, **variables)

    assert passed[1:] == expected


def test_the_lease_is_free_while_a_person_thinks_and_held_while_it_is_released():
    states = machine(required="true")["States"]

    assert states["FreeLease"]["Arguments"]["Key"].items() <= states["RetakeLease"]["Arguments"]["Item"].items()
    for part in ("Resource", "Arguments"):
        assert states["RetakeLease"][part] == states["AcquireLease"][part]
    asked, waiting = (states[name]["Retry"][0]["IntervalSeconds"] for name in ("RetakeLease", "AcquireLease"))
    assert asked < waiting


@pytest.mark.parametrize("hours", ["1", "72", "336"])
def test_the_state_waits_longer_than_the_link_holds_and_the_execution_longer_than_the_state(hours):
    definition = machine(required="true", hours=hours)
    seconds = evaluated(definition["States"]["AskApproval"]["TimeoutSeconds"])

    assert seconds == int(hours) * 3600 + 60
    assert definition["TimeoutSeconds"] >= PARAMETERS["ApprovalHours"]["MaxValue"] * 3600 + 12 * 3600


def test_the_end_of_the_time_is_no_failure_but_a_failure_is():
    timeout, rest = machine(required="true")["States"]["AskApproval"]["Catch"]

    assert (timeout["ErrorEquals"], timeout["Next"]) == (["States.Timeout"], "ConcludeApproval")
    assert timeout["Assign"] == {"inTime": False, "decision": "none"}
    assert (rest["ErrorEquals"], rest["Next"]) == (["States.ALL"], "Failure")


def test_the_message_says_what_became_of_the_approval():
    assign = machine(required="true")["States"]["ConcludeApproval"]["Assign"]
    states = {"result": {"Payload": {"release": False, "why": "rejected by Ann"}}}

    assert evaluated(assign["why"].replace("$states.", "$given."), given=states) == "rejected by Ann"
    assert machine(required="true")["States"]["Notify"]["Arguments"]["Payload"]["why"] == "{% $why %}"


def test_only_approve_may_let_the_pipeline_go_on_and_only_this_one():
    allowed = {
        name: statement["Resource"]
        for name, resource in RESOURCES.items()
        for policy in resource.get("Properties", {}).get("Policies", [])
        for part in (policy["Fn::If"][1:2] if "Fn::If" in policy else [policy])
        for statement in (part.get("Statement", []) if isinstance(part, dict) else [])
        if "states:SendTask" in str(statement["Action"])
    }

    assert allowed == {"ApproveFunction": MACHINE}


def test_approve_reaches_its_own_items_of_the_control_table_alone():
    keys = {
        (str(statement["Action"]), *statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"])
        for statement in STATEMENTS
        if "dynamodb" in str(statement["Action"])
    }

    assert keys == {
        (str(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]), "APPROVAL"),
        ("dynamodb:PutItem", "AUDIT"),
    }


def test_approve_may_write_its_record_and_no_report():
    (written,) = [statement["Resource"] for statement in STATEMENTS if statement["Action"] == "s3:PutObject"]

    assert [item["Fn::Sub"] for item in written] == [
        *("${DataBucket.Arn}/reports/*/approval.json", "${DataBucket.Arn}/tracking/*")
    ]


def test_a_browser_reaches_the_page_and_the_button_and_nothing_else():
    methods = RESOURCES["Api"]["Properties"]["DefinitionBody"]["paths"]["/approvals/{id}"]

    assert set(methods) == {"get", "post"}
    assert all(operation["security"] == [] for operation in methods.values())
    permission = RESOURCES["ApiMayInvokeApprove"]["Properties"]
    assert permission["FunctionName"] == {"Ref": "ApproveFunction"}
    assert permission["SourceArn"]["Fn::Sub"].endswith("${Api}/*/*/approvals/*")


def test_requests_for_approvals_are_throttled_as_all_others():
    (settings,) = RESOURCES["Api"]["Properties"]["MethodSettings"]

    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["ThrottlingRateLimit"] == {"Ref": "ApiRateLimit"}
    # What is logged of a request would hold the key.
    assert "LoggingLevel" not in settings
    assert "AccessLogSetting" not in RESOURCES["Api"]["Properties"]


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        *[("", True), ("https://ml.example.com", True), ("http://127.0.0.1:4566/a/_b_", True)],
        *[("javascript:alert(1)", False), ("https://a.example?x=", False), ("https://a b", False), ("ftp://a", False)],
    ],
)
def test_a_base_url_is_one_to_which_a_path_can_be_added(url, accepted):
    assert bool(re.fullmatch(PARAMETERS["PublicBaseUrl"]["AllowedPattern"], url)) is accepted


def test_the_link_begins_with_the_apis_own_url_unless_another_is_given():
    condition, own, given = FUNCTION["Environment"]["Variables"]["PUBLIC_BASE_URL"]["Fn::If"]

    assert TEMPLATE["Conditions"][condition] == {"Fn::Equals": [{"Ref": "PublicBaseUrl"}, ""]}
    assert own["Fn::Sub"] == TEMPLATE["Outputs"]["ApiUrl"]["Value"]["Fn::Sub"]
    assert given == {"Ref": "PublicBaseUrl"}
