"""The state of an alarm by its periods."""

import pytest

from local.emulator.alarms import by_period, state

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


def test_fewer_known_periods_than_needed_are_no_alarm():
    assert state(ALARM | {"DatapointsToAlarm": 2, "TreatMissingData": "missing"}, [1.0, None, None]) == "OK"


def points(*seconds: float) -> list[dict[str, float]]:
    return [{"Timestamp": second} for second in seconds]


def test_periods_begin_at_multiples_of_their_length():
    assert by_period(points(0, 59.9, 60, 125), seconds=60, count=3, now=130) == [
        points(125),
        points(60),
        points(0, 59.9),
    ]


def test_a_period_that_has_only_begun_counts_once_it_has_data():
    assert by_period(points(30, 70), seconds=60, count=2, now=121) == [points(70), points(30)]
    assert by_period(points(30, 70, 121), seconds=60, count=2, now=121) == [points(121), points(70)]


def test_old_data_leaves_the_periods_empty():
    assert by_period(points(30), seconds=60, count=2, now=600) == [[], []]
