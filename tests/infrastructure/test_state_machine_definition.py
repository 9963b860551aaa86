"""The check of definitions in `make lint`: each kind of fault that AWS refuses is named with its line and state."""

from pathlib import Path

import pytest

from audit import definition

ROOT = Path(__file__).resolve().parents[2]
MACHINES = sorted((ROOT / "statemachine").iterdir())
# A machine with every kind of state, without a fault.
SOUND = """\
QueryLanguage: JSONata
StartAt: Order
States:
  Order:
    Type: Task
    Resource: arn:${Partition}:states:::lambda:invoke
    Arguments:
      FunctionName: ${OrderFunctionArn}
      Payload: { load: "{% $states.input.load %}", deep: [{ on: "yes" }] }
    Assign: { load: "{% $states.result.Payload.load %}" }
    TimeoutSeconds: "{% $number('${Hours}') * 3600 %}"
    Retry:
      - { ErrorEquals: [Lambda.ServiceException], IntervalSeconds: 2, MaxAttempts: 6, BackoffRate: 2.0 }
    Catch:
      - { ErrorEquals: [States.ALL], Assign: { failure: "{% $states.errorOutput %}" }, Next: Broken }
    Next: Note
  Note:
    Type: Task
    Resource: arn:aws:states:::dynamodb:putItem
    Arguments:
      TableName: ${Table}
      Item:
        pk: { S: LOAD }
        size: { N: "{% $string($load) %}" }
      ReturnValues: NONE
    Next: Much
  Much:
    Type: Choice
    Choices:
      - { Condition: "{% $load > 3 %}", Assign: { much: true }, Next: Pour }
    Default: Rest
  Rest: { Type: Wait, Seconds: 5, Next: Ask }
  Ask:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke.waitForTaskToken
    Arguments:
      FunctionName: ${AskFunctionArn}
      Payload: { token: "{% $states.context.Task.Token %}" }
    Next: Pour
  Pour:
    Type: Map
    Items: "{% $states.input.loads %}"
    ItemSelector: { load: "{% $states.context.Map.Item.Value %}" }
    MaxConcurrency: "{% $number('${Cranes}') %}"
    ItemProcessor:
      ProcessorConfig: { Mode: DISTRIBUTED, ExecutionType: STANDARD }
      StartAt: Lift
      States:
        Lift: { Type: Pass, Output: "{% $states.input %}", End: true }
    Next: Told
  Told:
    Type: Task
    Resource: arn:aws:states:::aws-sdk:sfn:startExecution
    Arguments: { StateMachineArn: "${Other}", Input: "{}" }
    Next: Done
  Done: { Type: Succeed }
  Broken: { Type: Fail, Error: "{% $failure.Error %}", Cause: broken }
"""


def planted(old: str, new: str) -> tuple[list[definition.Finding], int]:
    """Return what is found with `old` replaced by `new`, and the line of the change."""
    assert SOUND.count(old) == 1, old
    return definition.check(SOUND.replace(old, new)), SOUND[: SOUND.index(old)].count("\n") + 1


def test_a_sound_definition_has_no_finding():
    assert definition.check(SOUND) == []


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.name)
def test_the_definitions_have_no_finding(path):
    assert definition.check(path.read_text(encoding="utf-8")) == []


PATH = "  Rest: { Type: Wait, Seconds: 5, Next: Ask }"
READER = "ItemReader: { Resource: 'arn:aws:states:::s3:listObjectsV2', Arguments: { %s } }"
FAULTS = [
    # A state in JSONPath, and its remains
    (PATH, "  Rest: { Type: Wait, QueryLanguage: JSONPath, Seconds: 5, Next: Ask }", "Rest", "QueryLanguage JSONPath"),
    (PATH, "  Rest: { Type: Wait, SecondsPath: $.s, Next: Ask }", "Rest", "a Wait state in JSONata has no field Sec"),
    ("QueryLanguage: JSONata\n", "QueryLanguage: JSONPath\n", "", "the machine's QueryLanguage is not JSONata"),
    ('Items: "{% $states.input.loads %}"', "ItemsPath: $.loads", "Pour", "has no field ItemsPath"),
    ('{ load: "{% $states.context.Map', '{ load.$: "{% $states.context.Map', "Pour", "the key load.$ is JSONPath"),
    ('load: "{% $states.input.load %}"', "load: $.load", "Order", "$.load is JSONPath"),
    ('load: "{% $states.input.load %}"', "load: $$.Execution.Name", "Order", "$$.Execution.Name is JSONPath"),
    ('load: "{% $states.input.load %}"', "load: States.UUID()", "Order", "is JSONPath"),
    ("    TimeoutSeconds:", "    ResultPath: null\n    TimeoutSeconds:", "Order", "no field ResultPath"),
    ('Condition: "{% $load > 3 %}"', "Variable: $.load, NumericGreaterThan: 3", "Much", "has no field Variable"),
    # Fields that are not there for this type of state
    ("Type: Succeed", "Type: Succeed, Assign: {}", "Done", "a Succeed state in JSONata has no field Assign"),
    ("Cause: broken", "Cause: broken, Output: a", "Broken", "a Fail state in JSONata has no field Output"),
    ("Type: Pass, Output", "Type: Pass, Result: 3, Output", "Lift", "a Pass state in JSONata has no field Result"),
    ("BackoffRate: 2.0 }", "BackoffRate: 2.0, MaxDelay: 9 }", "Order", "a Retry has no field MaxDelay"),
    ("Type: Succeed", "Type: Success", "Done", "there is no state of Type Success"),
    # Arguments that the API does not have
    ("FunctionName: ${OrderF", "FunctionNames: ${OrderF", "Order", "lambda:invoke has no argument FunctionNames"),
    ("TableName: ${Table}", "Table: ${Table}", "Note", "dynamodb:putItem has no argument Table"),
    ("{ S: LOAD }", "{ Str: LOAD }", "Note", "dynamodb:putItem.Item.pk has no argument Str"),
    ("{ S: LOAD }", "{ S: LOAD, N: '1' }", "Note", "dynamodb:putItem.Item.pk takes exactly one of"),
    ("{ S: LOAD }", "{ N: 4 }", "Note", "dynamodb:putItem.Item.pk.N is of type string, not 4"),
    ("ReturnValues: NONE", "ReturnValues: NOTHING", "Note", "dynamodb:putItem.ReturnValues is one of"),
    ("ReturnValues: NONE", "ReturnValues: [NONE]", "Note", "dynamodb:putItem.ReturnValues is of type string"),
    ("      ReturnValues: NONE", "      ReturnValue: NONE", "Note", "dynamodb:putItem has no argument ReturnValue"),
    ("StateMachineArn:", "stateMachineArn:", "Told", "sfn:startExecution has no argument stateMachineArn"),
    ('Items: "{% $states.input.loads %}"', READER % "Buckets: b", "Pour", "s3:listObjectsV2 has no argument Buckets"),
    ('Items: "{% $states.input.loads %}"', READER % "Prefix: p", "Pour", "s3:listObjectsV2 needs the argument Bucket"),
    ("dynamodb:putItem\n", "dynamodb:putItems\n", "Note", "there is no dynamodb:putItems"),
    ("states:::dynamodb", "states:::dynamo", "Note", "there is no dynamo:putItem"),
    ("aws-sdk:sfn:startExecution", "http", "Told", "Resource arn:aws:states:::http is no service integration"),
    (
        "    Arguments:\n      FunctionName: ${AskFunctionArn}\n"
        '      Payload: { token: "{% $states.context.Task.Token %}" }\n',
        "    Arguments:\n      FunctionName: ${AskFunctionArn}\n",
        *("Ask", ".waitForTaskToken without $states.context.Task.Token"),
    ),
    # YAML that Jackson reads otherwise
    (
        '{ load: "{% $states.result.Payload.load %}" }',
        "{ load: &load 1, more: *load }",
        "Order",
        "alias or anchor *load",
    ),
    ("    Retry:\n", "    Retry: &again\n", "Order", "alias or anchor &again"),
    ("    Default: Rest\n", "    Default: Rest\n    <<: {}\n", "Much", "merge key"),
    ("    Default: Rest\n", "    Default: Rest\n    Default: Pour\n", "Much", "duplicate key Default"),
    ("much: true", "much: on", "Much", "on means something else"),
    ("Seconds: 5,", "Seconds: 1:30,", "Rest", "1:30 means something else"),
    ("Cause: broken", "Cause: !Ref Broken", "Broken", "YAML tag !Ref"),
    ("Type: Succeed }", "Type: Succeed: }", "", "not YAML"),
    # Expressions
    ("{% $load > 3 %}", "{% $load > %}", "Much", "not JSONata"),
    ("{% $load > 3 %}", "$load > 3", "Much", "Condition is an expression or a boolean"),
    ("{% $load > 3 %}", "{% $load > 3", "Much", "an expression is the whole text"),
    ("Next: Told", 'Next: "{% $told %}"', "Pour", "Next cannot be an expression"),
    ("$states.input.load %}", "$states.result.load %}", "Order", "$states.result is not there in Arguments"),
    ("{% $states.errorOutput %}", "{% $states.result %}", "Order", "$states.result is not there in Assign"),
    ('Output: "{% $states.input %}"', "Output: \"{% $eval('1') %}\"", "Lift", "AWS has no $eval"),
    ('{ load: "{% $states.result', '{ states: "{% $states.result', "Order", "states cannot be the name of a variable"),
    ("Seconds: 5,", "Seconds: '5',", "Rest", "Seconds is a whole number or an expression"),
    ("\"{% $number('${Cranes}') %}\"", "${Cranes}", "Pour", "MaxConcurrency is a whole number or an expression"),
    # The way from state to state, and what is tried again
    ("Next: Told", "Next: Tell", "Pour", "Next: there is no state Tell here"),
    ("Next: Told", "Next: Lift", "Pour", "Next: there is no state Lift here"),
    ('Output: "{% $states.input %}", End: true', "Output: 1", "Lift", "a state has either Next or End: true"),
    ("[States.ALL]", "[States.ALL, Boom]", "Order", "States.ALL stands alone"),
    ("IntervalSeconds: 2,", "IntervalSeconds: 2, MaxDelaySeconds: 2,", "Order", "MaxDelaySeconds is above"),
    ("MaxAttempts: 6", "MaxAttempts: -1", "Order", "MaxAttempts is a whole number"),
    ("BackoffRate: 2.0 }", "BackoffRate: 0.5 }", "Order", "BackoffRate is a number, 1.0 or more"),
    ("BackoffRate: 2.0 }", "JitterStrategy: HALF }", "Order", "JitterStrategy is FULL or NONE"),
]


@pytest.mark.parametrize(("old", "new", "state", "message"), FAULTS, ids=[fault[3] for fault in FAULTS])
def test_a_fault_is_named_with_its_state_and_line(old, new, state, message):
    found, line = planted(old, new)

    assert [finding for finding in found if message in finding.message], found
    (finding,) = [finding for finding in found if message in finding.message]
    assert finding.state == state
    assert line <= finding.line <= line + new.count("\n")


def test_a_required_argument_that_is_missing_is_named():
    found = definition.check(SOUND.replace("      TableName: ${Table}\n", ""))

    assert [(finding.state, finding.message) for finding in found] == [
        ("Note", "dynamodb:putItem needs the argument TableName")
    ]


def test_the_command_names_file_line_and_state_and_fails(tmp_path, capsys):
    broken, sound = tmp_path / "broken.yaml", tmp_path / "sound.yaml"
    broken.write_text(SOUND.replace("{ S: LOAD }", "{ Str: LOAD }"), encoding="utf-8")
    sound.write_text(SOUND, encoding="utf-8")

    assert definition.main([str(sound)]) == 0
    assert definition.main([str(sound), str(broken)]) == 1
    line = SOUND[: SOUND.index("{ S: LOAD }")].count("\n") + 1
    assert f"{broken}:{line}: Note: dynamodb:putItem.Item.pk has no argument Str\n" in capsys.readouterr().out


def test_make_lint_checks_every_definition():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile.partition("\nlint-machine:")[2].partition("\n\n")[0]

    assert "lint-machine" in makefile.partition("\nLINTS := ")[2].partition("\n")[0].split()
    assert "audit/definition.py statemachine/*.yaml" in recipe
    assert all(path.suffix == ".yaml" for path in MACHINES)
