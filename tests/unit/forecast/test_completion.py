"""Completion of a project: earned schedule, and quantiles that hold for projects that were not seen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.forecast.completion import LEVELS, CompletionModel, fit
from slipcast.forecast.earned import earned_schedule
from support.budgets import examples

# Milestones, and lengths of minutes and more.
LENGTH = st.one_of(st.just(0.0), st.floats(0.01, 50))


def periods(projects, seed):
    """Return three updates of each project; all take longer than computed, by a factor of their own (median 1.5)."""
    rng = np.random.default_rng(seed)
    factor = 1.5 * np.exp(rng.normal(0, 0.3, projects)).repeat(3)
    count = 3 * projects
    network = rng.uniform(20, 300, count)
    elapsed = rng.uniform(20, 300, count)
    return pd.DataFrame(
        {
            "project_id": [f"P{number}" for number in range(projects) for _ in range(3)],
            "network_remaining": network,
            "earned_remaining": network,
            "remaining": network * factor,
            "planned_duration": network + elapsed,
            "elapsed": elapsed,
            "earned": elapsed / (network + elapsed),
            "share_complete": 0.5,
            "recent_delay": 0.0,
            "start_delay": 0.0,
            "duration_ratio": 1.0,
            "activities": 40,
        }
    )


def test_quantiles_hold_for_projects_that_were_not_seen():
    model = fit(periods(90, seed=1), seed=0)
    fresh = periods(300, seed=2)
    days = model.quantiles(fresh)
    assert (np.diff(days, axis=1) >= 0).all()
    for place, level in enumerate(LEVELS):
        held = (fresh["remaining"].to_numpy() <= days[:, place]).mean()
        assert held == pytest.approx(level, abs=0.1), level
    other = CompletionModel(model.regressors, (0.5,) * len(LEVELS)).quantiles(fresh)
    moved = (np.log(other) - np.log(days)).sum(axis=1)
    assert moved == pytest.approx(sum(0.5 - shift for shift in model.shifts)), "the calibration is part of it"
    # The computed date itself holds in less than a tenth.
    assert (fresh["remaining"] <= fresh["network_remaining"]).mean() < 0.15


def test_a_project_counts_once_however_often_it_was_updated():
    # One project of ten reports a hundred times and takes ten times as long as computed.
    few = periods(40, seed=3)
    loud = pd.concat([few.iloc[:1].assign(project_id="loud")] * 100, ignore_index=True)
    loud["remaining"] = loud["network_remaining"] * 10
    model = fit(pd.concat([few, loud], ignore_index=True), seed=0)
    usual = np.median(model.quantiles(few)[:, LEVELS.index(0.5)] / few["network_remaining"])
    assert usual < 2.5


@settings(max_examples=examples(30, 300))
@given(
    plan=st.lists(st.tuples(st.integers(0, 100), LENGTH, st.floats(0.1, 10)), min_size=1, max_size=12),
    share=st.floats(0, 1),
)
def test_the_plan_had_earned_the_share_at_the_earned_schedule(plan, share):
    start, length, weight = (np.array(column, dtype="float64") for column in zip(*plan, strict=True))

    def planned(time):
        done = np.where(length > 0, np.clip((time - start) / np.where(length > 0, length, 1), 0, 1), time >= start)
        return float((done * weight).sum() / weight.sum())

    time = earned_schedule(start, start + length, weight, share)
    assert planned(time + 1e-6) >= share - 1e-9
    assert time <= start.min() + 1e-9 or planned(time - 1e-3) <= share + 1e-9
    assert start.min() <= time <= (start + length).max()


def test_earned_schedule_is_the_earliest_time_where_the_plan_rests():
    start, finish, weight = np.array([0.0, 50.0]), np.array([10.0, 60.0]), np.array([1.0, 3.0])
    assert earned_schedule(start, finish, weight, 0.25) == 10
    assert earned_schedule(start, finish, weight, 0.0) == 0
    assert earned_schedule(start, finish, weight, 1.0) == 60


def test_a_milestone_earns_all_at_once():
    start, finish, weight = np.array([0.0, 10.0]), np.array([20.0, 10.0]), np.array([1.0, 1.0])
    assert earned_schedule(start, finish, weight, 0.2) == pytest.approx(8)
    assert earned_schedule(start, finish, weight, 0.3) == earned_schedule(start, finish, weight, 0.7) == 10
    assert earned_schedule(start, finish, weight, 0.8) == pytest.approx(12)
