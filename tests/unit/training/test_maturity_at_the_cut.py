"""Where the true late rate never changes, nothing that learns from a part of the past may see it change."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from slipcast.datasets.labels import label
from slipcast.datasets.splits import split
from slipcast.features.point_in_time import PORTFOLIO
from slipcast.features.point_in_time_table import build_series
from slipcast.training.search.folds import time_folds

RATE, TOLERANCE = 0.3, 30
CUT = date(2021, 1, 1)


@pytest.fixture(scope="module")
def schedule() -> pd.DataFrame:
    """Return activities of one kind, 30 % of them late whenever they start; timely ones finish early."""
    rng = np.random.default_rng(4)
    n = 20_000
    start = pd.Timestamp("2016-01-01") + pd.to_timedelta(rng.integers(0, 2400, n), unit="D")
    planned = pd.to_timedelta(rng.integers(30, 400, n), unit="D")
    baseline = start + planned
    late = rng.random(n) < RATE
    early = start + planned * rng.uniform(0.3, 1.0, n)
    overdue = baseline + pd.to_timedelta(TOLERANCE + rng.integers(1, 500, n), unit="D")
    finish = pd.Series(np.where(late, overdue, early)).dt.normalize()
    data_date = pd.Timestamp("2022-06-30")
    return pd.DataFrame(
        {
            "activity_id": [f"A{i}" for i in range(n)],
            "project_id": [f"P{i}" for i in rng.integers(0, n * 5, n)],
            "start": start,
            "baseline_finish": baseline,
            "actual_finish": finish.where(finish <= data_date),
            "data_date": data_date,
        }
    )


def as_constant(late: pd.Series) -> bool:
    """Return whether outcomes are what a rate of 30 % gives, within four standard errors."""
    assert len(late) > 200
    return bool(abs(late.mean() - RATE) < 4 * np.sqrt(RATE * (1 - RATE) / len(late)))


def test_neither_split_nor_folds_see_a_trend_where_there_is_none(schedule):
    train, holdout = split(label(schedule, TOLERANCE), CUT)
    parts = {"training": train, "holdout": holdout}
    for number, fold in enumerate(time_folds(train)):
        parts[f"test rows of fold {number}"] = train.iloc[fold.test]
        edge = pd.Timestamp(fold.begin) - pd.Timedelta(days=200)
        before = train.iloc[fold.train]
        parts[f"last training rows of fold {number}"] = before[before["start"] >= edge]
    # What started last before the cut is where an early label would be missed.
    parts["last training rows"] = train[train["start"] >= pd.Timestamp(CUT) - pd.Timedelta(days=200)]

    rates = {name: round(float(part["is_late"].mean()), 3) for name, part in parts.items()}
    assert len(parts) == 13
    assert {name: rates[name] for name, part in parts.items() if not as_constant(part["is_late"])} == {}


def test_the_history_of_the_portfolio_knows_the_constant_rate_on_every_day(schedule):
    series = build_series(schedule, TOLERANCE, [PORTFOLIO])[PORTFOLIO]
    labels, late = (np.array(column) for column in (series.totals.labels, series.totals.late))
    yearly = [(labels[i] - labels[i - 365], late[i] - late[i - 365]) for i in range(500, len(labels), 200)]

    assert len(yearly) > 5
    assert all(abs(bad / n - RATE) < 4 * np.sqrt(RATE * (1 - RATE) / n) for n, bad in yearly)
