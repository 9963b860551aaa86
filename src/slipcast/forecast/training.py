"""Training of a forecast model: forest, calibration by project, weight of the probability judged at the start."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from slipcast.forecast import conformal, forest
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.export import document
from slipcast.forecast.stage import Stage
from slipcast.metrics.groups import project_codes

FOLDS = 5
# Weights that are tried: quarters. Finer ones differ by less than their error.
WEIGHTS = (0.0, 0.25, 0.5, 0.75)
# Stages whose outcome is open, so that a probability says something.
UNDECIDED = (Stage.NOT_STARTED.value, Stage.IN_PROGRESS.value, Stage.OVERDUE.value)


@dataclass(frozen=True)
class Fitted:
    """A fitted forecast model.

    Attributes
    ----------
    grown
        forest of all rows
    curves
        calibration curves by stage
    blend
        weight of the probability judged at the start, by stage
    """

    grown: forest.Grown
    curves: Mapping[str, list[float]]
    blend: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """Return the model as plain values for `Forecaster`."""
        return document(self.grown, self.curves, self.blend)

    def forecaster(self) -> Forecaster:
        """Return the evaluator of the exported model."""
        return Forecaster(self.document())


def fit(table: pd.DataFrame, seed: int, p_at_start: np.ndarray | None = None, **params: Any) -> Fitted:
    """Fit a forecast model to a landmark table.

    Parameters
    ----------
    table
        as `landmarks.landmark_table` returns it, cut where training ends
    p_at_start
        for each row the probability of being late judged at the start, by models that have not seen its project;
        without it no stage gets a weight
    params
        parameters of the forest that replace the defaults

    Raises
    ------
    ValueError
        If no landmark is early enough to be followed (`forest.grow`).
    """
    cdf = out_of_fold(table, seed, **params)
    stages = table["stage"].to_numpy()
    curves = conformal.calibration_curves(
        transforms(table, cdf),
        table["remaining"].notna().to_numpy(),
        project_codes(table["project_id"]),
        stages,
        forest.activity_weights(table),
    )
    blend = {}
    if p_at_start is not None:
        blend = blend_weights(table, conformal.calibrated(cdf, stages, curves), p_at_start)
    return Fitted(forest.grow(table, seed, **params), curves, blend)


def out_of_fold(table: pd.DataFrame, seed: int, **params: Any) -> np.ndarray:
    """Return the cdf of each row at `forest.knots` by a forest that has not seen its project."""
    cdf = np.empty((len(table), len(forest.knots())))
    for train, rest in project_folds(table["project_id"], FOLDS, seed):
        cdf[rest] = forest.grow(table.iloc[train], seed, **params).cdf(table.iloc[rest])
    return cdf


def project_folds(projects: pd.Series, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions of training and held-out rows: each project is held out once, with all its rows."""
    codes = project_codes(projects)
    _, codes = np.unique(codes, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(codes.max() + 1) % count
    for number in range(count):
        held = fold[codes] == number
        if held.any():
            yield np.flatnonzero(~held), np.flatnonzero(held)


def transforms(table: pd.DataFrame, cdf: np.ndarray) -> np.ndarray:
    """Return each row's cdf at its finish, or at the cut if it was open then: shape (n_rows,)."""
    at = table["remaining"].fillna(table["follow_up"]).to_numpy()
    return at_days(cdf, at)


def at_days(cdf: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return each row's cdf, given at `forest.knots`, at its own number of days."""
    knots = forest.knots()
    return np.array([np.interp(day, knots, row) for day, row in zip(days, cdf, strict=True)])


def outcomes(table: pd.DataFrame) -> np.ndarray:
    """Return for each row whether it was late (1 or 0), NaN where the cut leaves it open."""
    remaining, limit = table["remaining"], table["limit"]
    known = remaining.notna() | (limit <= table["follow_up"])
    late = remaining.isna() | (remaining > limit)
    values: np.ndarray = np.where(known, late.astype("float64"), np.nan)
    return values


def blend_weights(table: pd.DataFrame, cdf: np.ndarray, p_at_start: np.ndarray) -> dict[str, float]:
    """Return for each undecided stage the weight in `WEIGHTS` with the lowest Brier score, if it is not 0.

    Only landmarks whose last day in time lay before the cut are judged: of the others the timely alone are known.
    """
    late = outcomes(table)
    matured = (table["limit"] <= table["follow_up"]).to_numpy()
    weights, stages = forest.activity_weights(table), table["stage"].to_numpy()
    p_now = 1 - at_days(cdf, table["limit"].clip(lower=0).to_numpy())
    blend = {}
    for stage in UNDECIDED:
        rows = matured & (stages == stage)
        if not rows.any():
            continue
        scores = [
            np.average((weight * p_at_start + (1 - weight) * p_now - late)[rows] ** 2, weights=weights[rows])
            for weight in WEIGHTS
        ]
        if best := WEIGHTS[int(np.argmin(scores))]:
            blend[stage] = best
    return blend
