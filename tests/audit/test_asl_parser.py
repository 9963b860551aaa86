"""LocalStack's parser refuses what AWS refuses and what the other checks of a definition let pass."""

import copy
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = yaml.safe_load((ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8"))
LAMBDA = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Prepare"}
# A state that is added to the definition, and what the parser says of it.
FAULTS = {
    "jsonpath_state": ({"Type": "Pass", "QueryLanguage": "JSONPath", "Next": "Prepare"}, "Cannot downgrade"),
    "jsonpath_state_in_a_map": (
        {
            "Type": "Map",
            "Items": "{% [1] %}",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Inner",
                "States": {"Inner": {"Type": "Pass", "QueryLanguage": "JSONPath", "End": True}},
            },
            "Next": "Prepare",
        },
        "Cannot downgrade",
    ),
    "parameters_in_jsonata": ({**LAMBDA, "Parameters": {"FunctionName": "f"}}, '"Parameters"'),
    "result_path_in_jsonata": ({**LAMBDA, "Arguments": {"FunctionName": "f"}, "ResultPath": "$.x"}, '"ResultPath"'),
    "unknown_field": ({**LAMBDA, "Arguments": {"FunctionName": "f"}, "Timeout": 3}, '"Timeout"'),
    "unknown_type": ({"Type": "Pas", "Next": "Prepare"}, '"Pas"'),
    "unknown_resource": ({**LAMBDA, "Resource": "arn:aws:states:::lambda:invok"}, "lambda:invok not recognized"),
    "retrier_of_no_error": ({**LAMBDA, "Retry": [{"MaxAttempts": 2}]}, "Missing ErrorEquals"),
}


@pytest.fixture(scope="module")
def said(tool, tmp_path_factory) -> subprocess.CompletedProcess:
    """What the script says of a definition for each fault, and of one with a whole percentage and no fault.

    The distributed Map of the pipeline is left out: of this file's faults it is the one that the pipeline itself had.
    """
    folder = tmp_path_factory.mktemp("definitions")
    sound = copy.deepcopy(DEFINITION)
    for name, state in DEFINITION["States"].items():
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            sound["States"][name] = {"Type": "Pass", "Next": state["Next"]}
    inline = next(state for state in sound["States"].values() if state["Type"] == "Map")
    inline["ToleratedFailurePercentage"] = 100
    (folder / "sound.yaml").write_text(yaml.safe_dump(sound), encoding="utf-8")
    for name, (state, _) in FAULTS.items():
        faulty = {**sound, "States": {**sound["States"], "Planted": state}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(faulty), encoding="utf-8")
    files = sorted(folder.glob("*.yaml"))
    return subprocess.run(
        [tool("asl"), ROOT / "audit" / "asl_parser.py", *files], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_its_state_is_named(fault, said):
    (line,) = [line for line in said.stderr.splitlines() if f"/{fault}.yaml: " in line]
    assert "refuses Planted: " in line
    assert FAULTS[fault][1] in line


def test_a_sound_definition_is_accepted_and_refused_ones_end_with_an_error(said):
    assert "/sound.yaml" not in said.stderr
    assert f"1 of {len(FAULTS) + 1} state machine definitions accepted" in said.stdout
    assert said.returncode == 1
