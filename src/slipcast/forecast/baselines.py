"""Baselines that a forecast has to beat: the plan, the plan and the delay so far, and the slips of the past."""

import numpy as np
import pandas as pd

from slipcast.forecast.survival import kaplan_meier, step


def plan(rows: pd.DataFrame) -> np.ndarray:
    """Return the days from the data date to the planned finish, the day after the data date where that has passed.

    Parameters
    ----------
    rows
        landmarks, as `landmarks.landmark_table` returns them
    """
    days: np.ndarray = np.maximum(rows["to_finish"].to_numpy(), 1.0)
    return days


def plan_and_delay(rows: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    """Return the days to the planned finish plus the delay so far.

    The delay is the project's own (``now_project_slip_days``), but not less than the median slip of the finished
    activities of `train`.
    """
    slips = (train["remaining"] - train["to_finish"])[~train.duplicated("row")]
    usual = float(slips.median())
    delay = rows["now_project_slip_days"].fillna(usual).clip(lower=usual, upper=365)
    days: np.ndarray = np.maximum(rows["to_finish"].to_numpy() + delay.to_numpy(), 1.0)
    return days


def slips_of_the_past(rows: pd.DataFrame, train: pd.DataFrame, days: np.ndarray) -> np.ndarray:
    """Return the cdf of each row at `days` from the slips of `train`, given that the activity is still open.

    The slip (days from the baseline finish to the finish) has a product-limit estimate, each activity counting once;
    its tail beyond the days by which an activity is over already is that activity's distribution.
    """
    once = train.drop_duplicates("row")
    slip = np.where(once["remaining"].notna(), once["remaining"], once["follow_up"]) - once["to_finish"].to_numpy()
    times, survival = kaplan_meier(slip, once["remaining"].notna().to_numpy())
    over = -rows["to_finish"].to_numpy()
    # Beyond the longest slip that was seen nothing is known: the share that is left stands for it.
    still_open = np.maximum(step(over, times, survival, 1.0), max(float(survival[-1]), 1e-6))
    later = step(over[:, None] + days, times, survival, 1.0)
    cdf: np.ndarray = 1 - np.minimum(later / still_open[:, None], 1.0)
    return cdf
