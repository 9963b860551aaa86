"""Online correction of the level: small steps of the intercept on the log-odds, taken from matured labels.

A portfolio whose late rate moves makes every model too pessimistic or too optimistic until the next training. A step
is taken only when the confidence sequence of the calibration gap excludes 0, so that looking every hour does not make
steps out of chance, and it goes half of the way between what is sure and what is likely. Steps of one model add up to
an offset that is bounded, too.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from slipcast.metrics.confidence_sequence import mean_of
from slipcast.metrics.groups import project_codes
from slipcast.probability_arrays import level_shift, log_odds, shifted

# Labels that a step needs, and the days of maturity that it looks back on.
MIN_LABELS = 50
DAYS = 365
# The most that one step and all steps of a model together move the log-odds: .5 is about 12 points of the late rate.
MAX_STEP = 0.5
MAX_OFFSET = 1.0
# Smaller steps are not worth a change of every answer.
MIN_STEP = 0.05
ALPHA = 0.05


@dataclass(frozen=True)
class LevelStep:
    """Step of the level.

    Attributes
    ----------
    size
        what is added to the log-odds
    offset
        sum of the steps of the model after this one
    n
        labels that it rests on
    late_rate, mean_score
        of these, before the step
    gap_bounds
        bounds of mean score less late rate that hold at all looks together
    """

    size: float
    offset: float
    n: int
    late_rate: float
    mean_score: float
    gap_bounds: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Return the step as JSON-able fields."""
        return asdict(self)


def step(
    late: np.ndarray | pd.Series,
    p: np.ndarray,
    offset: float,
    projects: pd.Series,
    matured_at: pd.Series,
) -> LevelStep | None:
    """Return the step that matured labels call for; None if they are too few or the level may be right.

    Parameters
    ----------
    late
        outcomes of shape (n_activities,), 1 late, of activities that the model was asked about and has not learned from
    p
        probabilities of the model without any offset
    offset
        offset so far
    projects
        project of each activity: outcomes of one project go together
    matured_at
        last day in time of each activity; the last `DAYS` count
    """
    recent = (
        (matured_at > matured_at.max() - pd.Timedelta(days=DAYS)).to_numpy() if len(matured_at) else np.zeros(0, bool)
    )
    y, now = np.asarray(late, dtype="float64")[recent], shifted(np.asarray(p)[recent], offset)
    if len(y) < MIN_LABELS or not 0 < y.mean() < 1:
        return None
    gap = mean_of(now - y, project_codes(projects[recent]))
    low, high = gap.bounds(ALPHA)
    if low <= 0 <= high:
        return None
    # Between the nearer bound, which is sure and would never arrive, and the gap itself.
    sure = low if low > 0 else high
    target = float(now.mean()) - (sure + gap.value) / 2
    size = float(np.clip(level_shift(log_odds(now), target), -MAX_STEP, MAX_STEP))
    size = float(np.clip(offset + size, -MAX_OFFSET, MAX_OFFSET)) - offset
    if abs(size) < MIN_STEP:
        return None
    return LevelStep(size, offset + size, len(y), float(y.mean()), float(now.mean()), [low, high])
