"""Every function is given the settings that it reads, and no parameter's default is refused by its own limits."""

import re
from pathlib import Path

import pytest

from tests.infrastructure.test_template import FUNCTIONS, TEMPLATE

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"\b(?:setting|number)\(\s*\"([A-Z0-9_]+)\"\s*\)")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_is_given_every_setting_that_it_reads(name):
    properties = FUNCTIONS[name]
    given = properties.get("Environment", {}).get("Variables", {}).keys()
    shared = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"].keys()
    folder = ROOT / properties["CodeUri"]
    read = {found for path in folder.glob("*.py") for found in READ.findall(path.read_text())}

    assert read <= {*given, *shared}


def test_the_gates_limits_reach_the_evaluation():
    given = FUNCTIONS["EvaluateFunction"]["Environment"]["Variables"]

    assert {given[name]["Ref"] for name in given if isinstance(given[name], dict) and "Ref" in given[name]} >= {
        *("NonInferiorityMargin", "MaxModelAgeDays", "FairnessColumns", "MaxSelectionRateGap"),
        *("MaxFalseNegativeRateGap", "MaxCalibrationGap", "MissedDelayCost", "FalseAlarmCost"),
    }


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
