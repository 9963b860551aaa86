"""Each role is granted what its code or definition asks for: no action less, none more.

The actions are read from the code (tests/permissions/call_graph.py). Which part of a bucket or table they are for is
known when the code runs: tests/integration asks the policies at every call and at its end looks for grants without one.
"""

import re

import pytest

from permissions import indirect
from permissions.call_graph import actions_of, reached
from permissions.evaluation import ALLOWED, decide
from permissions.machines import needs_of
from permissions.reasons import broad
from permissions.recording import grants
from permissions.template import FUNCTIONS, MACHINES, RESOURCES, Stack, named_by, of_type, pairs

STACK = Stack()
ROLES = [name for name in of_type("AWS::IAM::Role") if STACK.exists(name)]
# A function that reads an object by version needs a second name for the same right: the integration tests decide.
BY_VERSION = {"s3:GetObjectVersion"}
# Tables whose partition keys are kinds of records, each with functions of its own.
KEYED = {"ControlTable"}


def granted(role: str) -> set[str]:
    return {action for action, _, _ in pairs(STACK.statements(role))}


def derived(function: str) -> set[str]:
    packages = [needed for package, needed in indirect.OF_PACKAGES.items() if package in reached(function)]
    sources = [indirect.OF_EVENT_SOURCES[kind] for kind in event_sources(function)]
    return actions_of(function).union(*packages, *sources)


def event_sources(function: str) -> list[str]:
    """Return the types of the resources that Lambda polls for a function, or for its alias."""
    found = []
    for mapping in of_type("AWS::Lambda::EventSourceMapping").values():
        called = mapping["Properties"]["FunctionName"]["Ref"]
        if RESOURCES[called]["Type"] == "AWS::Lambda::Alias":
            called = RESOURCES[called]["Properties"]["FunctionName"]["Ref"]
        if called == function:
            source = mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"]
            found.append(RESOURCES[source.split(".")[0] if isinstance(source, str) else source[0]]["Type"])
    return found


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_granted_the_actions_of_its_code(function):
    assert granted(function) - BY_VERSION == derived(function) - BY_VERSION


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reaches_the_tables_topics_and_buckets_that_its_settings_name(function):
    variables = FUNCTIONS[function]["Properties"].get("Environment", {}).get("Variables", {})
    named = {named_by(variable, function) for variable in variables} - {None} | indirect.BY_EVENT.get(function, set())
    named = {name for name in named if RESOURCES[name]["Type"].split("::")[1] in ("DynamoDB", "SNS", "SQS")}
    reaches = {
        resource
        for _, resource, _ in pairs(STACK.statements(function))
        if re.match(r"arn:aws:(dynamodb|sns|sqs):", resource)
    }

    assert reaches == {STACK.attribute(name, "Arn") for name in named}


OF_BUCKETS = ("s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation")


@pytest.mark.parametrize("role", [*FUNCTIONS, *MACHINES, *ROLES])
def test_a_grant_on_objects_names_a_part_of_the_bucket(role):
    for action, resource, _ in pairs(STACK.statements(role)):
        if action.startswith("s3:") and action not in OF_BUCKETS:
            assert re.fullmatch(r"arn:aws:s3:::[^/*]+/[^/*]+(/.*)?", resource), f"{action} on {resource}"


@pytest.mark.parametrize("role", [*FUNCTIONS, *MACHINES, *ROLES])
def test_a_grant_on_a_table_of_many_kinds_names_the_kinds(role):
    tables = {STACK.attribute(name, "Arn") for name in KEYED}
    for action, resource, condition in pairs(STACK.statements(role)):
        if resource in tables:
            assert condition.get("ForAllValues:StringEquals", {}).get("dynamodb:LeadingKeys"), f"{action} on {resource}"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_state_machine_may_do_what_its_definition_asks_for(machine):
    statements, needed = STACK.statements(machine), needs_of(machine, STACK)

    missing = [need for need in needed if decide(statements, need.action, need.resource, need.context) != ALLOWED]
    assert missing == []


@pytest.mark.parametrize("machine", MACHINES)
def test_a_state_machine_may_do_nothing_else(machine):
    needed = needs_of(machine, STACK)

    unasked = [
        grant
        for grant in grants(STACK.statements(machine))
        if not any(decide([grant], need.action, need.resource, need.context) == ALLOWED for need in needed)
    ]
    assert unasked == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_a_service_takes_has_a_reason(role):
    """Add it to tests/permissions/indirect.py, with the page that says what the service needs."""
    assert granted(role) == indirect.OF_SERVICES[role]


# Services that are not documented to send the key: template.yaml has the reason at the role.
WITHOUT_SOURCE_ACCOUNT = {"MlflowRole"}


@pytest.mark.parametrize("role", ROLES)
def test_a_service_takes_a_role_for_this_account_only(role):
    for statement in STACK.resolve(RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"])["Statement"]:
        if role in WITHOUT_SOURCE_ACCOUNT:
            assert "Condition" not in statement
        else:
            assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == STACK.reference("AWS::AccountId")


def test_no_statement_is_broad_without_a_reason_beside_it():
    found = list(broad())

    assert [item for item in found if len(item.reason) < 20] == []
    assert found


@pytest.mark.parametrize(
    "what", ["Action: s3:*\n  Resource: a", "Action: s3:Get\n  Resource: '*'", "Action: s3:ListBucket\n  Resource: a"]
)
def test_a_broad_statement_is_seen(what):
    statement = f"- Effect: Allow\n  {what}\n"

    assert [item.reason for item in broad(statement)] == [""]
    assert [item.reason for item in broad(f"# Some reason.\n{statement}")] == ["Some reason."]
    assert list(broad(statement.replace("Allow", "Deny"))) == []
