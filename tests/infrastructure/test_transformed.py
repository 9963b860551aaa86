"""audit/transformed.py finds what it is there for: each kind of fault is planted once and has to be found."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audit import transformed

SOURCE = transformed.source()
TRANSFORMED = transformed.transformed(SOURCE)
# cfn-lint takes ten seconds for a whole stack; `make lint` asks it about each form of each resource.
lints = pytest.mark.slow


def copied(node: Any) -> Any:
    return json.loads(json.dumps(node))


PREPARE = "Resources/Pipeline/Properties/Definition/States/Prepare"
# Where, what, and cfn-lint's rule. All in one template, as cfn-lint takes seconds.
PLANTED = {
    "Resources/DataBucket/Properties/Foo": (1, "E3002"),
    "Resources/ControlTable/Properties/SSESpecification/KmsKey": ("x", "E3002"),
    "Resources/Topic/DeletionPolcy": ("Retain", "E3001"),
    "Resources/TopicPolicy/Properties/PolicyDocument/Statement/0/Effekt": ("Allow", "E3512"),
    f"{PREPARE}/QueryLanguage": ("JSONPath", "E3601"),
    f"{PREPARE}/ResultPath": ("$.x", "E3601"),
    f"{PREPARE}/Argument": ({}, "E3601"),
    f"{PREPARE}/TimeoutSeconds": ("soon", "E3601"),
}


@pytest.fixture(scope="module")
def settings() -> transformed.Combinations:
    return transformed.Combinations(TRANSFORMED)


@pytest.fixture(scope="module")
def stacks(settings) -> dict[tuple[bool, ...], transformed.Setting]:
    return settings.distinct()


@pytest.fixture(scope="module")
def rows(stacks) -> list[transformed.Setting]:
    return transformed.chosen(TRANSFORMED, stacks)


@pytest.fixture(scope="module")
def found(settings) -> list[str]:
    template = copied(TRANSFORMED)
    for path, (value, _) in PLANTED.items():
        *steps, last = path.split("/")
        node = template
        for step in steps:
            node = node[int(step) if isinstance(node, list) else step]
        node[last] = value
    return transformed.lint(template, settings[0])


@lints
@pytest.mark.parametrize("path", PLANTED)
def test_what_aws_refuses_is_found_in_the_transformed_template(found, path):
    assert any(line.startswith(f"{PLANTED[path][1]} {path}: ") for line in found), found


@lints
def test_the_template_is_fine_as_it_is(settings):
    """For the defaults; `make lint` looks at all other combinations and regions."""
    assert transformed.lint(TRANSFORMED, settings[0]) == []


def test_each_form_of_a_resource_is_linted_once_and_with_what_it_refers_to(stacks, rows):
    linted: dict[str, list[tuple]] = {}
    for row, names in transformed.unlinted(TRANSFORMED, rows):
        one = transformed.stack(TRANSFORMED, row)
        shapes = transformed.forms(TRANSFORMED, [one.conditions()])
        linted.setdefault(row.kind, []).extend(form for form in shapes if form[1] in names)
    # The last is one of few.
    made = one.resolved(names)
    there = set(made["Resources"]) | set(made["Parameters"])
    assert names & set(one.resources()) <= there
    assert {name for name, _ in transformed.references(made) if not name.startswith("AWS::")} <= there
    assert len(made["Resources"]) < len(one.resources()) / 2

    assert set().union(*linted.values()) == transformed.forms(TRANSFORMED, stacks)
    assert all(len(forms) == len(set(forms)) for forms in linted.values())


@pytest.mark.parametrize(
    ("kind", "field", "value", "let_pass"),
    [
        ("Task", "TimeoutSeconds", "{% 60 * 2 %}", True),
        ("Map", "MaxConcurrency", "{% $number('40') %}", True),
        ("Task", "TimeoutSeconds", "60", False),
        ("Map", "ToleratedFailureCount", "{% 1 %}", False),
        ("Wait", "TimeoutSeconds", "{% 60 %}", False),
    ],
)
def test_a_number_that_jsonata_computes_is_all_that_is_let_pass(kind, field, value, let_pass):
    rule = SimpleNamespace(id="E3601")
    match = SimpleNamespace(rule=rule, message=f"{value!r} is not of type 'number'", path=["States", "One", field])

    assert transformed._known(match, {"States": {"One": {"Type": kind, field: value}}}) is let_pass
    rule.id = "E3002"
    assert not transformed._known(match, {"States": {"One": {"Type": kind, field: value}}})


def test_every_combination_of_conditions_is_there_and_both_sides_of_each(stacks, rows):
    order = list(TRANSFORMED["Conditions"])
    rows = {transformed.stack(TRANSFORMED, row).conditions() for row in rows}

    def pairs(vectors):
        places = [(i, j) for i in range(len(order)) for j in range(i)]
        return {(i, j, vector[i], vector[j]) for vector in vectors for i, j in places}

    assert pairs(rows) == pairs(stacks)
    assert all({vector[i] for vector in rows} == {True, False} for i in range(len(order)))
    assert transformed.forms(TRANSFORMED, rows) == transformed.forms(TRANSFORMED, stacks)


def test_no_stack_refers_to_what_it_does_not_have(stacks):
    assert transformed.dangling(TRANSFORMED, stacks) == {}


def test_a_reference_is_followed_in_every_stack(stacks):
    """The stream is off and the composite alarm too: a pair of two conditions, a reference from one to the other."""
    template = copied(TRANSFORMED)
    template["Resources"]["ModelUnhealthyAlarm"]["DependsOn"] = "UpdatesAgeAlarm"
    template["Resources"]["TriggerFunction"]["Properties"]["Environment"]["Variables"]["QUEUE"] = {
        "Fn::If": ["CreateCompositeAlarm", {"Fn::Sub": "${UpdatesQueue.Arn}"}, "x"]
    }
    problems = transformed.dangling(template, stacks)

    assert set(problems) == {
        "Resources/ModelUnhealthyAlarm: DependsOn UpdatesAgeAlarm, which is not there",
        "Resources/TriggerFunction: Fn::Sub UpdatesQueue, which is not there",
    }
    for settings in problems.values():
        assert all(dict(each.parameters)["Streaming"] == "false" for each in settings)


def test_a_condition_that_nothing_switches_is_an_error():
    template = copied(TRANSFORMED)
    template["Conditions"]["Never"] = {"Fn::Equals": [{"Ref": "Streaming"}, "perhaps"]}

    with pytest.raises(transformed.TransformError, match="no combination switches Never"):
        transformed.Combinations(template)


def test_a_parameter_that_nobody_gave_an_example_of_is_an_error():
    template = copied(TRANSFORMED)
    template["Conditions"]["Odd"] = {"Fn::Equals": [{"Ref": "RetrainSchedule"}, "never"]}

    with pytest.raises(transformed.TransformError, match="RetrainSchedule: give examples"):
        transformed.Combinations(template)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda t: t["Resources"]["PlanFunction"]["Properties"].update(Foo=1), "PlanFunction.*Foo"),
        (lambda t: t["Resources"]["Pipeline"]["Properties"].update(Foo=1), "Pipeline.*Foo"),
    ],
)
def test_what_sam_refuses_is_an_error(fault, message):
    template = copied(SOURCE)
    fault(template)

    with pytest.raises(transformed.TransformError, match=message):
        transformed.transformed(template)


def planted(folder: Path, before: str, after: str) -> Path:
    """Return a copy of the template whose definition is another in one place."""
    definition = Path("statemachine", "pipeline.asl.yaml")
    text = (transformed.ROOT / definition).read_text(encoding="utf-8")
    assert before in text
    (folder / definition).parent.mkdir()
    (folder / definition).write_text(text.replace(before, after, 1), encoding="utf-8")
    (folder / "api").symlink_to(transformed.ROOT / "api")
    return Path(shutil.copy(transformed.ROOT / "template.yaml", folder / "template.yaml"))


def test_a_placeholder_without_a_substitution_is_an_error(tmp_path):
    with pytest.raises(transformed.TransformError, match="DefinitionSubstitutions differ: PlannedFunctionArn"):
        transformed.source(planted(tmp_path, "${PlanFunctionArn}", "${PlannedFunctionArn}"))


def test_a_file_that_is_included_and_missing_is_an_error(tmp_path):
    template = planted(tmp_path, "${PlanFunctionArn}", "${PlanFunctionArn}")
    (tmp_path / "api").unlink()

    with pytest.raises(
        transformed.TransformError, match=r"^api/openapi\.yaml, which the template includes, cannot be read"
    ):
        transformed.source(template)


def test_the_command_names_a_fault_and_fails(tmp_path):
    """As `make lint` runs it, with a fault that needs no cfn-lint: all combinations take it a minute."""
    template = planted(tmp_path, "${PlanFunctionArn}", "${PlannedFunctionArn}")
    command = [sys.executable, str(transformed.ROOT / "audit" / "transformed.py"), str(template)]
    answer = subprocess.run(command, capture_output=True, text=True)

    assert answer.returncode == 1
    assert answer.stderr.startswith("error: Pipeline: placeholders and DefinitionSubstitutions differ")
