"""Made-up portfolios: schedules, and landmark tables whose truth is known."""

import numpy as np
import pandas as pd

from slipcast.features.row import CATEGORICAL
from slipcast.forecast.landmarks import FEATURE_NAMES, stages

# Data date of `schedule`.
LAST = pd.Timestamp("2025-06-30")
# Mean remaining days by phase: exponential, so that time elapsed says nothing.
MEAN = {"Design": 60.0, "Scope": 180.0}


def landmarks(count: int, seed: int, follow_up: tuple[int, int] = (30, 900)) -> pd.DataFrame:
    """Return landmarks of activities with exponential remaining times, of which many are still open at the cut."""
    rng = np.random.default_rng(seed)
    phase = rng.choice(list(MEAN), count)
    remaining = np.ceil(rng.exponential([MEAN[name] for name in phase]))
    follow = rng.integers(*follow_up, count).astype("float64")
    to_finish = rng.integers(-60, 200, count).astype("float64")
    table = pd.DataFrame({name: np.full(count, np.nan) for name in FEATURE_NAMES})
    table = table.assign(**dict.fromkeys(CATEGORICAL, "(missing)"))
    return table.assign(
        row=np.arange(count),
        landmark=pd.Timestamp("2024-12-31") - pd.to_timedelta(follow, unit="D"),
        project_id=[f"P{number % 80}" for number in range(count)],
        phase=phase,
        elapsed=rng.integers(1, 300, count).astype("float64"),
        to_finish=to_finish,
        limit=to_finish + 30,
        stage=stages(np.ones(count, dtype=bool), to_finish, 30),
        remaining=np.where(remaining <= follow, remaining, np.nan),
        follow_up=follow,
        truth=remaining,
    )


def schedule(count: int = 60, seed: int = 0, begin: str = "2023-06-01", days: int = 900) -> pd.DataFrame:
    """Return a merged table of three projects; some activities are planned after its data date."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp(begin) + pd.to_timedelta(rng.integers(0, days, count), unit="D")
    duration = pd.to_timedelta(rng.integers(20, 200, count), unit="D")
    finish = start + duration + pd.to_timedelta(rng.integers(-10, 300, count), unit="D")
    begun = start <= LAST
    return pd.DataFrame(
        {
            "activity_id": [f"A{number}" for number in range(count)],
            "project_id": rng.choice(["P1", "P2", "P3"], count),
            "phase": rng.choice(["Design", "Scope"], count),
            "data_date": LAST,
            "status": np.where(begun, np.where(finish <= LAST, "complete", "in_progress"), "not_started"),
            "start": start,
            "baseline_start": start - pd.Timedelta(days=5),
            "baseline_finish": start + duration,
            "baseline_data_date": start - pd.Timedelta(days=90),
            "actual_finish": pd.Series(finish).where(begun & (finish <= LAST)),
            "budget": rng.uniform(1e4, 1e6, count),
        }
    )
