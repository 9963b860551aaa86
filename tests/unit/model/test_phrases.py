"""Reasons as text: names of the schedule, values as people write them."""

import math

import pytest

from slipcast.features import row as features
from slipcast.features.point_in_time import SEASON
from slipcast.model.explain import phrases
from slipcast.model.explain.contributions import Contributions
from slipcast.model.explain.phrases import sentence


def said(name: str, value, **own_names: str) -> str:
    text = sentence(Contributions(0.0, {name: 0.25}), {name: value}, own_names)
    return text.removesuffix(" (+0.25)")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("project_slip_days", 45.0, "project slip so far 45"),
        ("project_slip_days", None, "project slip so far unknown"),
        ("project_slip_days", math.nan, "project slip so far unknown"),
        ("project_slip_days", -3.456, "project slip so far -3.46"),
        ("log_budget", math.log1p(343300), "budget 343300"),
        ("log_budget", None, "budget unknown"),
        ("location_late_rate", 0.125, "late rate of the location above that of all 0.12"),
        ("project_late_rate", -0.05, "late rate of the project above that of all -0.05"),
        ("project_mean_slip", 12.5, "mean slip of the project above that of all, in days 12.5"),
        ("predecessor_count", 10.0, "number of predecessors 10"),
        ("phase", "Design", "phase Design"),
        ("phase", features.MISSING, "phase unknown"),
        ("work_type", "x" * 100, f"work type {'x' * 79}…"),
        ("new_feature", 1.0, "new feature 1"),
    ],
)
def test_values_are_written_as_people_write_them(name, value, text):
    assert said(name, value) == text


def test_the_schedules_own_names_come_first():
    assert said("log_budget", math.log1p(5), budget="Kosten Plan") == "Kosten Plan 5"
    assert said("location", "East", location="Bauteil") == "Bauteil East"
    assert said("baseline_duration_days", 30.0, baseline_duration_days="Original Duration") == (
        "Original Duration in days 30"
    )
    assert said("location", "East", location="y" * 90) == f"{'y' * 79}… East"


@pytest.mark.parametrize(("month", "name"), [(1, "January"), (6, "June"), (9, "September"), (12, "December")])
def test_the_season_is_a_month(month, name):
    sine, cosine = SEASON[month - 1]
    found = Contributions(0.0, {"finish_season_sin": 0.5, "phase": 0.3, "finish_season_cos": -0.1})
    values = {"finish_season_sin": sine, "finish_season_cos": cosine, "phase": "Design"}
    assert sentence(found, values) == f"month of the planned finish {name} (+0.40); phase Design (+0.30)"


def test_a_season_that_is_not_known_is_unknown():
    found = Contributions(0.0, {"finish_season_sin": 0.5, "finish_season_cos": 0.0})
    values = {"finish_season_sin": None, "finish_season_cos": None}
    assert sentence(found, values) == "month of the planned finish unknown (+0.50)"


def test_only_the_largest_are_told():
    found = Contributions(0.0, {"a": 0.1, "b": -0.4, "c": 0.3, "d": 0.2})
    assert sentence(found, dict.fromkeys("abcd", 1.0)) == "b 1 (-0.40); c 1 (+0.30); d 1 (+0.20)"
    assert sentence(Contributions(0.0, {"a": 0.0}), {"a": 1.0}) == ""


def test_every_feature_has_its_words():
    assert {*features.NUMERIC, *features.CATEGORICAL} <= {*phrases._PLAIN, *phrases._SEASON}
