"""Completion of a project: quantiles of the remaining time, learned from network, earned schedule and progress.

Neither the computed finish nor the earned schedule is calibrated by itself. A small quantile regression corrects the
mean of the two by the state of the project, and is calibrated by projects that it has not seen. Its target is relative
(log of true over computed remaining time), so that projects of weeks and of years teach each other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from slipcast.forecast import network_model
from slipcast.forecast.training import project_folds
from slipcast.model.export.trees import hist_gradient_boosting

LEVELS = network_model.COMPLETION_LEVELS
FOLDS = 5
ITERATIONS = 60
# Logarithms of ratios beyond e^3 are errors of the data more often than projects.
LARGEST = 3.0


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

    def document(self) -> list[dict[str, Any]]:
        """Return a regression for each level as JSON values, its correction in the baseline."""
        found = []
        for regressor, shift in zip(self.regressors, self.shifts, strict=True):
            exported = hist_gradient_boosting(regressor)
            found.append({**exported, "baseline": exported["baseline"] + shift})
        return found


def base(table: pd.DataFrame) -> np.ndarray:
    """Return the mean of the remaining days by network and by earned schedule, at least half a day."""
    return np.array([network_model.completion_base(row) for row in table.to_dict("records")])


def features(table: pd.DataFrame) -> np.ndarray:
    """Return what the regressions see of each row (`network_model.completion_features`)."""
    return np.array([network_model.completion_features(row) for row in table.to_dict("records")])


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
