"""Every function is given the settings that it reads, and no parameter's default is refused by its own limits."""

import re
from pathlib import Path

import pytest
import yaml

from slipcast.release import canary
from tests.infrastructure.test_template import FUNCTIONS, TEMPLATE

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"\b(?:setting|number)\(\s*\"([A-Z0-9_]+)\"\s*\)")
PREDICT = ("PredictFunction", "PredictBatchFunction", "BatchFunction")
# Given by a release.
PINNED = {f"MODEL_{name}" for name in ("EXECUTION", "ID", "PATH", "SHA256", "TRAINED_AT", "URI")}
FIELD = re.compile(r"^    ([a-z0-9_]+): ", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_is_given_every_setting_that_it_reads(name):
    properties = FUNCTIONS[name]
    given = properties.get("Environment", {}).get("Variables", {}).keys()
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].keys()
    folder = ROOT / properties["CodeUri"]
    read = {found for path in folder.rglob("*.py") for found in READ.findall(path.read_text())}
    # A field of FunctionSettings is the variable of its name.
    fields = {found.upper() for path in folder.glob("settings.py") for found in FIELD.findall(path.read_text())}
    assert bool(fields) is (folder / "settings.py").exists()
    if name in PREDICT:
        # Three functions have one settings object; each field is for one of them at least.
        together = {name for each in PREDICT for name in FUNCTIONS[each]["Environment"]["Variables"]}
        fields -= PINNED | {"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE"}
        assert fields - {"POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME", "WORTH_A_CALL"} <= together
        fields = set()
    read |= fields

    assert read <= {*given, *shared}


def test_the_gates_limits_reach_the_evaluation():
    given = FUNCTIONS["EvaluateFunction"]["Environment"]["Variables"]

    assert {given[name]["Ref"] for name in given if isinstance(given[name], dict) and "Ref" in given[name]} >= {
        *("NonInferiorityMargin", "MaxModelAgeDays", "FairnessColumns", "MaxSelectionRateGap"),
        *("MaxFalseNegativeRateGap", "MaxCalibrationGap", "MissedDelayCost", "FalseAlarmCost"),
        *("MinForecastCoverage", "MaxForecastCoverage"),
    }


def test_every_parameter_of_the_release_reaches_it():
    (group,) = [
        group["Parameters"]
        for group in TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        if group["Label"]["default"] == "Release"
    ]
    given = FUNCTIONS["ReleaseFunction"]["Environment"]["Variables"].values()

    assert set(group) <= {value["Ref"] for value in given if "Ref" in value}


@pytest.mark.parametrize(
    ("steps", "accepted"), [("10,50", True), ("", True), ("5,20,50,80,99", True), ("0", False), ("10, 50", False)]
)
def test_canary_steps_are_percentages(steps, accepted):
    pattern = TEMPLATE["Parameters"]["CanarySteps"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, steps)) is accepted


def test_the_defaults_of_a_canary_are_a_plan_and_its_longest_run_fits_into_an_execution():
    parameters = TEMPLATE["Parameters"]
    longest = 5 * parameters["CanaryMaxMinutes"]["MaxValue"] * 60
    machine = yaml.safe_load((ROOT / "statemachine" / "pipeline.asl.yaml").read_text())

    assert canary.steps(parameters["CanarySteps"]["Default"]) == (10, 50)
    assert machine["TimeoutSeconds"] >= parameters["ApprovalHours"]["MaxValue"] * 3600 + longest + 12 * 3600
    # A loop of a canary adds some twenty events to the 25,000 that an execution's history may have.
    assert 5 * (canary.LOOKS + 2) * 25 < 5000


@pytest.mark.parametrize("name", sorted(TEMPLATE["Parameters"]))
def test_a_default_keeps_the_limits_of_its_parameter(name):
    parameter = TEMPLATE["Parameters"][name]
    default = parameter["Default"]
    if parameter["Type"] == "Number":
        assert parameter.get("MinValue", float("-inf")) <= float(default) <= parameter.get("MaxValue", float("inf"))
    if "AllowedValues" in parameter:
        assert default in parameter["AllowedValues"]
    if "AllowedPattern" in parameter:
        assert re.fullmatch(parameter["AllowedPattern"], default)
