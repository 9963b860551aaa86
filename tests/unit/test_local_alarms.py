"""The state of an alarm by its periods."""

import pytest

from local.alarms import state

ALARM = {"ComparisonOperator": "GreaterThanOrEqualToThreshold", "Threshold": 1, "StateValue": "OK"}


@pytest.mark.parametrize(
    ("periods", "needed", "missing", "expected"),
    [
        ([1.0, 0.0, 0.0], 2, "notBreaching", "OK"),
        ([1.0, 0.0, 1.0], 2, "notBreaching", "ALARM"),
        ([1.0, None, None], 2, "notBreaching", "OK"),
        ([1.0, None, None], 2, "breaching", "ALARM"),
        ([None, None, None], 2, "breaching", "ALARM"),
        ([None, None, None], 2, "notBreaching", "OK"),
        ([None, None, None], 2, "missing", "INSUFFICIENT_DATA"),
        ([None, None, None], 2, "ignore", "OK"),
        ([1.0, None, 1.0], 2, "missing", "ALARM"),
    ],
)
def test_m_of_n_with_missing_data(periods, needed, missing, expected):
    alarm = ALARM | {"DatapointsToAlarm": needed, "TreatMissingData": missing}

    assert state(alarm, periods) == expected


def test_without_datapoints_to_alarm_every_period_must_breach():
    assert state(ALARM, [1.0, 0.0]) == "OK"
    assert state(ALARM, [1.0, 1.0]) == "ALARM"


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", 1.1),
        ("GreaterThanOrEqualToThreshold", 1.0),
        ("LessThanThreshold", 0.9),
        ("LessThanOrEqualToThreshold", 1.0),
    ],
)
def test_each_comparison(comparison, breaching):
    assert state(ALARM | {"ComparisonOperator": comparison}, [breaching]) == "ALARM"
