"""Training of a forecast model.

Two forests share the features. One gives the distribution of the remaining time (`forest`); its trees are grown to
tell times apart, and so say less about one limit. The other is grown to tell late from timely and gives the probability
of being late, mixed with the one judged at the start where that helps. The distribution keeps its shape on both sides
of the limit and takes its probability there from the second, so there is one distribution and no contradiction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

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
    late
        forest of the probability of being late; None if all activities were late, or none
    blend
        weight of the probability judged at the start, by stage
    """

    grown: forest.Grown
    curves: Mapping[str, list[float]]
    late: RandomForestClassifier | None
    blend: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """Return the model as plain values for `Forecaster`."""
        return document(self.grown, self.curves, self.late, self.blend)

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
        parameters of both forests that replace the defaults

    Raises
    ------
    ValueError
        If no landmark is early enough to be followed (`forest.grow`).
    """
    cdf, p_late = out_of_fold(table, seed, **params)
    curves = conformal.calibration_curves(
        transforms(table, cdf),
        table["remaining"].notna().to_numpy(),
        project_codes(table["project_id"]),
        table["stage"].to_numpy(),
        forest.activity_weights(table),
    )
    blend = {} if p_at_start is None else blend_weights(table, p_late, p_at_start)
    return Fitted(forest.grow(table, seed, **params), curves, late_forest(table, seed, **params), blend)


def out_of_fold(table: pd.DataFrame, seed: int, **params: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's cdf at `forest.knots`, and probability of being late, by forests without its project.

    Where no late forest can be fitted, the probability is the cdf's.
    """
    cdf, p_late = np.empty((len(table), len(forest.knots()))), np.empty(len(table))
    limit = table["limit"].clip(lower=0).to_numpy()
    for train, held in project_folds(table["project_id"], FOLDS, seed):
        rest, rows = table.iloc[train], table.iloc[held]
        grown = forest.grow(rest, seed, **params)
        cdf[held] = grown.cdf(rows)
        late = late_forest(rest, seed, **params)
        if late is None:
            p_late[held] = 1 - at_days(cdf[held], limit[held])
        else:
            p_late[held] = late.predict_proba(forest.matrix(rows, forest.COLUMNS, grown.categories))[:, 1]
    return cdf, p_late


def late_forest(table: pd.DataFrame, seed: int, **params: Any) -> RandomForestClassifier | None:
    """Fit the forest of the probability of being late; None if the rows have one class only.

    It learns from undecided landmarks whose last day in time lay before the cut: of the others the timely are known
    earlier than the late.
    """
    rows = (matured(table) & (table["limit"] > 0)).to_numpy()
    late = outcomes(table)[rows] == 1
    if late.all() or not late.any():
        return None
    values = forest.matrix(table[rows], forest.COLUMNS, forest.category_codes(table))
    chosen = {"n_estimators": 100, "min_samples_leaf": 15, "max_features": 0.4, **params}
    classifier = RandomForestClassifier(random_state=seed, **chosen)
    return classifier.fit(values, late, sample_weight=forest.activity_weights(table)[rows])


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


def matured(table: pd.DataFrame) -> pd.Series:
    """Return which rows had their last day in time by the cut."""
    return table["limit"] <= table["follow_up"]


def blend_weights(table: pd.DataFrame, p_late: np.ndarray, p_at_start: np.ndarray) -> dict[str, float]:
    """Return for each undecided stage the weight in `WEIGHTS` with the lowest Brier score, if it is not 0.

    Parameters
    ----------
    p_late
        out-of-fold probability of being late as of the landmark, shape (n_rows,)
    p_at_start
        the same, judged at the start
    """
    late, known = outcomes(table), matured(table).to_numpy()
    weights, stages = forest.activity_weights(table), table["stage"].to_numpy()
    blend = {}
    for stage in UNDECIDED:
        rows = known & (stages == stage)
        if not rows.any():
            continue
        scores = [
            np.average((weight * p_at_start + (1 - weight) * p_late - late)[rows] ** 2, weights=weights[rows])
            for weight in WEIGHTS
        ]
        if best := WEIGHTS[int(np.argmin(scores))]:
            blend[stage] = best
    return blend
