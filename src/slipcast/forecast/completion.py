"""Completion of a project: quantiles of the remaining time, learned from network, earned schedule and progress.

Neither the computed finish nor the earned schedule is calibrated by itself. A small quantile regression corrects the
mean of the two by the state of the project, and is calibrated by projects that it has not seen. Its target is relative
(log of true over computed remaining time), so that projects of weeks and of years teach each other.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from slipcast.forecast.training import project_folds

LEVELS = (0.1, 0.5, 0.8, 0.9)
FOLDS = 5
ITERATIONS = 60
# Logarithms of ratios beyond e^3 are errors of the data more often than projects.
LARGEST = 3.0
# Days below which an activity is a milestone.
SHORTEST = 1e-6


def earned_schedule(start: np.ndarray, finish: np.ndarray, weight: np.ndarray, earned: float) -> float:
    """Return the time at which the plan had earned the share `earned` (Lipke 2003, "Schedule is different").

    Parameters
    ----------
    start, finish
        planned start and finish of each activity, in days, shape (n_activities,); value is earned evenly between them
    weight
        planned value of each activity, shape (n_activities,)
    earned
        share of the total planned value, from 0 to 1

    Examples
    --------
    >>> earned_schedule(np.array([0.0, 10.0]), np.array([10.0, 30.0]), np.array([1.0, 1.0]), 0.75)
    20.0
    """
    times = np.unique(np.concatenate([start, finish]))
    length = finish - start
    milestone = length < SHORTEST
    spread = np.clip((times[:, None] - start) / np.where(milestone, 1.0, length), 0, 1)
    # A milestone earns all at once: the plan has two values on its day.
    before = np.where(milestone, times[:, None] > finish, spread) @ weight
    after = np.where(milestone, times[:, None] >= finish, spread) @ weight
    planned = np.maximum.accumulate(np.stack([before, after], axis=1).ravel() / weight.sum())
    at = np.repeat(times, 2)
    # Where the plan earns nothing for a while, the earliest time counts.
    place = int(np.searchsorted(planned, earned - 1e-12))
    if place == 0:
        return float(at[0])
    if place == len(at):
        return float(at[-1])
    rise = planned[place] - planned[place - 1]
    return float(at[place - 1] + (earned - planned[place - 1]) / rise * (at[place] - at[place - 1]))


@dataclass(frozen=True)
class CompletionModel:
    """Quantile regressions of the log ratio, one for each of `LEVELS`, and their corrections."""

    regressors: tuple[HistGradientBoostingRegressor, ...]
    shifts: tuple[float, ...]

    def quantiles(self, table: pd.DataFrame) -> np.ndarray:
        """Return the remaining days of each row at `LEVELS`, shape (n_rows, n_levels), ascending."""
        values = features(table)
        ratio = np.column_stack(
            [regressor.predict(values) + shift for regressor, shift in zip(self.regressors, self.shifts, strict=True)]
        )
        days: np.ndarray = base(table)[:, None] * np.exp(np.sort(ratio, axis=1))
        return days


def base(table: pd.DataFrame) -> np.ndarray:
    """Return the mean of the remaining days by network and by earned schedule, at least half a day."""
    days: np.ndarray = np.maximum((table["network_remaining"] + table["earned_remaining"]).to_numpy() / 2, 0.5)
    return days


def features(table: pd.DataFrame) -> np.ndarray:
    """Return what the regressions see: remaining times relative to `base`, and the state relative to the plan."""
    days = base(table)
    planned = table["planned_duration"].clip(lower=1).to_numpy()
    columns = [
        np.log(np.maximum(table["network_remaining"].to_numpy(), 0.5) / days),
        np.log(np.maximum(table["earned_remaining"].to_numpy(), 0.5) / days),
        np.log(days / planned),
        table["earned"],
        table["share_complete"],
        table["elapsed"] / planned,
        table["recent_delay"] / planned,
        table["start_delay"] / planned,
        np.log(table["duration_ratio"].clip(0.3, 4)),
        np.log(table["activities"]),
    ]
    return np.column_stack(columns)


def fit(table: pd.DataFrame, seed: int) -> CompletionModel:
    """Fit the model to the periods of completed projects.

    Parameters
    ----------
    table
        a row for each project and data date: ``project_id``, ``remaining`` (true days to completion),
        ``network_remaining`` and ``earned_remaining`` (days, by the critical path method and by earned schedule),
        ``planned_duration``, ``elapsed``, ``recent_delay`` (mean delay of the latest finishes) and ``start_delay``
        (median delay of the starts), all in days; ``earned`` and ``share_complete`` from 0 to 1; ``duration_ratio``
        (actual over planned duration of what is complete) and ``activities`` (number)
    """
    values = features(table)
    target = np.clip(np.log(np.maximum(table["remaining"].to_numpy(), 0.5) / base(table)), -LARGEST, LARGEST)
    # Each project counts once, however often it was updated.
    weight = 1 / table.groupby("project_id")["remaining"].transform("size").to_numpy()
    weight = weight / weight.mean()
    held_out = np.empty((len(table), len(LEVELS)))
    for train, held in project_folds(table["project_id"], FOLDS, seed):
        for place, level in enumerate(LEVELS):
            held_out[held, place] = (
                _regressor(level, seed).fit(values[train], target[train], weight[train]).predict(values[held])
            )
    count = table["project_id"].nunique()
    shifts = [
        _weighted_quantile(
            target - held_out[:, place], weight, min(level * (count + 1) / count, 1.0) if level > 0.5 else level
        )
        for place, level in enumerate(LEVELS)
    ]
    return CompletionModel(
        tuple(_regressor(level, seed).fit(values, target, weight) for level in LEVELS), tuple(shifts)
    )


def _regressor(level: float, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="quantile",
        quantile=level,
        max_iter=ITERATIONS,
        learning_rate=0.05,
        max_leaf_nodes=5,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=seed,
    )


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, level: float) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(share, level - 1e-12)), len(values) - 1)])
