"""Landmark tables of made-up portfolios whose truth is known."""

import numpy as np
import pandas as pd

from slipcast.features.row import CATEGORICAL
from slipcast.forecast.landmarks import FEATURE_NAMES, stages

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
