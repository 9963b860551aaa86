"""Composite alarms as requests of CloudWatch's API."""

from pathlib import Path

import pytest

from local.emulator import composite
from support.template_text import template

ROOT = Path(__file__).resolve().parents[3]


def test_the_templates_composite_alarm_names_the_alarms_of_the_stack():
    parsed = template()
    physical = {name: f"slipcast-{name}" for name in parsed["Resources"]} | {"Topic": "arn:aws:sns:r:a:topic"}

    (request,) = composite.requests(parsed, physical, "slipcast")

    assert request["AlarmName"] == "slipcast-model-unhealthy"
    assert request["AlarmActions"] == ["arn:aws:sns:r:a:topic"]
    assert 'ALARM("slipcast-DegradedAlarm") OR ' in request["AlarmRule"]
    assert "$" not in request["AlarmRule"]


def test_a_template_without_one_asks_for_none():
    assert composite.requests({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}, {}, "slipcast") == []


def test_what_is_not_understood_is_refused():
    alarm = {"Type": composite.TYPE, "Properties": {"AlarmName": {"Fn::Join": ["-", ["a", "b"]]}}}

    with pytest.raises(ValueError, match="Fn::Join"):
        composite.requests({"Resources": {"Alarm": alarm}}, {}, "slipcast")
