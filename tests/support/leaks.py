"""Schedules whose columns are clean, and the same with a column that knows the outcome."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from slipcast.datasets import labels, splits
from slipcast.evaluation.leakage import Context, leakage_report

TOLERANCE = 30
NUMERIC, CATEGORICAL = ["baseline_duration_days", "budget", "total_float_days"], ["phase", "location"]


@dataclass(frozen=True)
class Leaky:
    """A schedule as of its data date, with ``true_finish`` of every activity."""

    table: pd.DataFrame
    cut: pd.Timestamp

    def with_column(self, name: str, values: np.ndarray) -> "Leaky":
        """Return the schedule with another column."""
        return replace(self, table=self.table.assign(**{name: values}))

    def report(self, updates: dict | None = None) -> dict:
        """Return the leakage report of the schedule, the challenger's scores being honest."""
        labelled = labels.label(self.table, TOLERANCE)
        train, holdout = splits.split(labelled, self.cut.date())
        pending = labels.pending(self.table, TOLERANCE)
        names = NUMERIC + CATEGORICAL
        p = np.random.default_rng(0).random(len(holdout)) * 0.5 + 0.1
        context = Context(train, holdout, pending, pending[names], updates or {})
        return leakage_report(
            train[names],
            train["is_late"].to_numpy(),
            holdout[names],
            holdout["is_late"].to_numpy(),
            p,
            numeric=NUMERIC,
            categorical=CATEGORICAL,
            context=context,
        )


def clean(seed: int) -> Leaky:
    """Return a schedule without a leak, but with what makes honest columns look odd.

    Late rates that move, projects whose outcomes go together, budgets that are missing more often where work is
    riskier, floats that are recorded from some year on or no longer, values that rank well.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(500, 3000))
    day = np.sort(rng.integers(0, 3600, n))
    project = rng.integers(0, max(n // int(rng.integers(2, 12)), 5), n)
    planned = np.exp(rng.normal(5.2, 0.6, n)).round() + 5
    trend = rng.normal(0, 0.6) * (day / 3600 - 0.5)
    effect = rng.normal(0, 0.7, project.max() + 1)[project]
    phase = rng.choice(["Scope", "Design", "Build"], n, p=[0.5, 0.4, 0.1])
    by_phase = dict(zip(["Scope", "Design", "Build"], rng.normal(0, 0.5, 3), strict=True))
    risk = rng.normal(-0.5, 0.4) + trend + effect + 0.5 * (np.log(planned) - 5.2) + np.vectorize(by_phase.get)(phase)
    late = rng.random(n) < 1 / (1 + np.exp(-risk))
    missing = rng.random(n) < np.clip(rng.uniform(0, 0.5) + rng.normal(0, 0.15) * risk, 0, 1)
    recorded_from = int(rng.integers(0, 3600))
    recorded = (day >= recorded_from) if rng.random() < 0.5 else (day < recorded_from)
    start = pd.Timestamp("2015-01-01") + pd.to_timedelta(day, unit="D")
    baseline = start + pd.to_timedelta(planned, unit="D")
    over = TOLERANCE + 1 + rng.exponential(150, n)
    took = np.where(late, planned + over, planned * rng.uniform(0.4, 1.0, n)).round()
    finish = pd.Series(start + pd.to_timedelta(took, unit="D"))
    data_date = pd.Timestamp("2024-12-31")
    table = pd.DataFrame(
        {
            "activity_id": [f"A{i}" for i in range(n)],
            "project_id": [f"P{i}" for i in project],
            "start": start,
            "baseline_finish": baseline,
            "actual_finish": finish.where(finish <= data_date),
            "true_finish": finish,
            "data_date": data_date,
            "baseline_duration_days": planned,
            "budget": np.where(missing, np.nan, np.exp(rng.normal(12, 1, n) + 0.3 * risk)),
            "total_float_days": np.where(recorded, rng.normal(20, 10, n) - 3 * risk, np.nan),
            "phase": phase,
            "location": rng.choice([f"district {i:02}" for i in range(20)], n),
        }
    )
    return Leaky(table, pd.Timestamp("2023-07-01"))
