"""Each way in which a column comes to know a part of the outcomes is found and named; honest columns pass."""

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation.guardrails import leakage_limits
from slipcast.evaluation.leakage import KINDS
from support.leaks import Leaky, clean

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def schedule() -> Leaky:
    return clean(7)


def is_late(table: pd.DataFrame) -> np.ndarray:
    return (table["true_finish"] > table["baseline_finish"] + pd.Timedelta(days=30)).to_numpy()


def broken(found: dict) -> list[str]:
    return [limit.name for limit in leakage_limits(found) if limit.broken]


def test_a_column_that_is_filled_in_only_after_the_award_is_named(schedule):
    table = schedule.table
    # The award comes at half of what the activity takes; a third of the late ones are never awarded.
    award = table["start"] + (table["true_finish"] - table["start"]) * 0.5
    awarded = (award <= table["data_date"]) & ~(is_late(table) & (RNG.random(len(table)) < 0.3))
    found = schedule.with_column("budget", table["budget"].fillna(1e5).where(awarded)).report()

    assert "leakage by missing values: budget" in broken(found)
    said = next(limit.why for limit in leakage_limits(found) if limit.name == "leakage by missing values: budget")
    assert "budget is missing in" in said
    assert "has not matured" in said
    assert max(item["auc"] for item in found["features"]) < found["max_feature_auc"]


def test_a_column_that_stays_empty_where_work_is_riskier_is_honest(schedule):
    table = schedule.table
    late = is_late(table)
    filled = table["budget"].fillna(1e5).where(RNG.random(len(table)) > np.where(late, 0.6, 0.1))

    assert broken(schedule.with_column("budget", filled).report()) == []


def test_a_column_that_is_constant_until_the_finish_is_named(schedule):
    table = schedule.table
    done = table["actual_finish"].notna()
    found = schedule.with_column("total_float_days", np.where(done, RNG.normal(0, 9, len(table)), 0.0)).report()

    assert "leakage by values of finished activities: total_float_days" in broken(found)
    assert (
        "is 0.0 in 100% of"
        in next(sign for sign in found["signs"] if sign["kind"] == "constant until finish")["evidence"]
    )


@pytest.mark.parametrize("column", ["location", "baseline_duration_days"])
def test_a_copy_of_the_outcome_in_some_rows_is_named(schedule, column):
    table = schedule.table
    late = is_late(table)
    marked = late & (RNG.random(len(table)) < 0.6)
    values = table[column].to_numpy().copy()
    values[marked] = "claims" if column == "location" else 9_999.0
    found = schedule.with_column(column, values).report()

    assert broken(found) == [f"leakage by a copy of the outcome: {column}"]
    assert max(item["auc"] for item in found["features"]) < found["max_feature_auc"]


def test_a_column_that_updates_fill_in_with_the_finish_is_named(schedule):
    updates = {
        "budget": {"changed": [70, 80], "unchanged": [3, 200]},
        "phase": {"changed": [9, 80], "unchanged": [20, 200]},
    }
    found = schedule.report(updates)

    assert broken(found) == ["leakage by values of a later state: budget"]
    assert "70 of 80 activities that had finished" in found["signs"][0]["evidence"]


def test_without_signs_each_kind_is_a_limit_that_holds(schedule):
    found = schedule.report()

    assert found["signs"] == []
    assert {limit.name for limit in leakage_limits(found)} > set(KINDS.values())


@pytest.mark.slow
def test_at_most_one_in_twenty_clean_schedules_is_refused():
    refused = [seed for seed in range(200) if clean(1000 + seed).report()["suspected"]]

    assert len(refused) <= 10, refused
