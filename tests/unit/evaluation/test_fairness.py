"""Gaps between groups: found where there are some, not where chance makes them."""

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation.fairness import MEASURES, fairness_report
from slipcast.metrics.groups import OTHER

LIMITS = dict.fromkeys(MEASURES, 0.1)


def case(n: int = 1200, groups: int = 4, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return calibrated scores that have nothing to do with the groups."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, n)
    table = pd.DataFrame({"location": [f"district {i}" for i in rng.integers(0, groups, n)]})
    return table, (rng.random(n) < p).astype(int), p


def report(table, y, p, **options):
    defaults = {"columns": ["location"], "threshold": 0.5, "limits": LIMITS, "seed": 1, "n_boot": 300}
    return fairness_report(table, y, p, **defaults | options)


def gap_of(found: dict, measure: str) -> dict:
    return next(item for item in found["gaps"] if item["measure"] == measure)


def test_the_figures_of_a_known_case():
    table = pd.DataFrame({"location": ["a"] * 40 + ["b"] * 40})
    y = np.tile([0, 1], 40)
    p = np.concatenate([np.tile([0.2, 0.9], 20), np.tile([0.2, 0.4], 10), np.tile([0.2, 0.8], 10)])
    found = report(table, y, p)

    first, second = found["groups"]
    assert (first["value"], first["n"], first["n_late"]) == ("a", 40, 20)
    assert (first["selection_rate"], second["selection_rate"]) == (0.5, 0.25)
    assert (first["false_negative_rate"], second["false_negative_rate"]) == (0, 0.5)
    assert first["calibration_gap"] == pytest.approx(0.55 - 0.5)
    assert second["calibration_gap"] == pytest.approx(0.4 - 0.5)
    missed = gap_of(found, "false_negative_rate")
    assert (missed["gap"], missed["highest"], missed["lowest"]) == (0.5, "b", "a")
    assert missed["broken"]
    assert missed["gap_ci"][0] > 0.1


def test_a_group_whose_delays_are_missed_breaks_the_limit():
    table, y, p = case()
    unfair = np.where(table["location"] == "district 2", p * 0.4, p)
    found = report(table, y, unfair)

    for measure in MEASURES:
        gap = gap_of(found, measure)
        assert gap["broken"]
        assert "district 2" in (gap["highest"], gap["lowest"])
    assert not any(gap["broken"] for gap in report(table, y, unfair, limits=dict.fromkeys(MEASURES, 1.0))["gaps"])


def test_the_largest_gap_between_groups_alike_is_far_from_zero_but_breaks_nothing():
    table, y, p = case(groups=12)
    found = report(table, y, p, limits=dict.fromkeys(MEASURES, 0.0))

    for measure in MEASURES:
        gap = gap_of(found, measure)
        assert gap["gap"] > 0.1
        assert gap["gap_ci"][0] <= gap["gap"] <= gap["gap_ci"][1]
        assert not gap["broken"]


def test_a_limit_of_zero_is_broken_by_chance_no_more_often_than_it_says():
    alarms = np.zeros(len(MEASURES))
    for seed in range(60):
        found = report(*case(400, groups=6, seed=seed), limits=dict.fromkeys(MEASURES, 0.0), n_boot=100)
        alarms += [gap_of(found, measure)["broken"] for measure in MEASURES]

    # 5 % of 60 is 3; more than 10 has a probability below one in a thousand.
    assert alarms.max() <= 10


def test_a_group_in_which_all_is_alike_is_not_known_exactly():
    table = pd.DataFrame({"location": ["a"] * 30 + ["b"] * 30})
    y = np.tile([0, 1, 1], 20)
    # Neither group has any spread: a bootstrap alone would be sure that none of the late are ever missed.
    p = np.concatenate([np.full(30, 0.9), np.where(np.arange(30) < 3, 0.1, 0.9)])
    missed = gap_of(report(table, y, p, limits=dict.fromkeys(MEASURES, 0.0)), "false_negative_rate")

    assert missed["gap"] == pytest.approx(0.1)
    assert not missed["broken"]
    assert missed["gap_ci"][1] > 0.2


def test_small_groups_are_shown_together_and_make_no_gap():
    table, y, p = case(400, groups=3)
    table.loc[:40, "location"] = [f"hamlet {i}" for i in range(41)]
    p[:41] = 0.99
    found = report(table, y, p)

    assert {row["value"] for row in found["groups"]} == {OTHER, "district 0", "district 1", "district 2"}
    assert all(OTHER not in (gap["highest"], gap["lowest"]) for gap in found["gaps"])
    assert not any(gap["broken"] for gap in found["gaps"])


def test_groups_without_late_activities_have_no_false_negative_rate():
    table, y, p = case(200, groups=2)
    found = report(table, np.where(table["location"] == "district 1", 0, y), p)

    assert found["groups"][1]["false_negative_rate"] is None
    assert {gap["measure"] for gap in found["gaps"]} == {"selection_rate", "calibration_gap"}


@pytest.mark.parametrize("columns", [[], ["borough"]])
def test_without_columns_there_is_nothing_to_compare(columns):
    found = report(*case(100), columns=columns)

    assert (found["columns"], found["groups"], found["gaps"]) == ([], [], [])
