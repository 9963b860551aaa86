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
# Weight of the probability judged at the start. Two forecasts of different models, of which neither is surely better,
# are best averaged (Clemen 1989, "Combining forecasts"). Past the baseline finish the one of the start has missed the
# most important fact, so it gets none.
BLEND = {Stage.NOT_STARTED.value: 0.5, Stage.IN_PROGRESS.value: 0.5}


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
    """

    grown: forest.Grown
    curves: Mapping[str, list[float]]
    late: RandomForestClassifier | None

    def document(self) -> dict[str, Any]:
        """Return the model as plain values for `Forecaster`."""
        return document(self.grown, self.curves, self.late, BLEND)

    def forecaster(self) -> Forecaster:
        """Return the evaluator of the exported model."""
        return Forecaster(self.document())


def fit(table: pd.DataFrame, seed: int, **params: Any) -> Fitted:
    """Fit a forecast model to a landmark table.

    Parameters
    ----------
    table
        as `landmarks.landmark_table` returns it, cut where training ends
    params
        parameters of both forests that replace the defaults

    Raises
    ------
    ValueError
        If no landmark is early enough to be followed (`forest.grow`).
    """
    cdf = out_of_fold(table, seed, **params)
    curves = conformal.calibration_curves(
        transforms(table, cdf),
        table["remaining"].notna().to_numpy(),
        project_codes(table["project_id"]),
        table["stage"].to_numpy(),
        forest.activity_weights(table),
    )
    return Fitted(forest.grow(table, seed, **params), curves, late_forest(table, seed, **params))


def out_of_fold(table: pd.DataFrame, seed: int, **params: Any) -> np.ndarray:
    """Return the cdf of each row at `forest.knots` by a forest that has not seen its project."""
    cdf = np.empty((len(table), len(forest.knots())))
    for train, held in project_folds(table["project_id"], FOLDS, seed):
        cdf[held] = forest.grow(table.iloc[train], seed, **params).cdf(table.iloc[held])
    return cdf


def late_forest(table: pd.DataFrame, seed: int, **params: Any) -> RandomForestClassifier | None:
    """Fit the forest of the probability of being late; None if the rows have one class only.

    It learns from undecided landmarks whose last day in time lay before the cut: of the others the timely are known
    earlier than the late.
    """
    outcome = outcomes(table)
    rows = ~np.isnan(outcome) & (table["limit"] > 0).to_numpy()
    late = outcome[rows] == 1
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
    """Return for each row whether it was late (1 or 0), NaN where its last day in time lies after it was last seen.

    A finish before that counts no more than an open activity: the timely are known earlier than the late, and to take
    them alone would make everything look on time.
    """
    remaining, limit = table["remaining"], table["limit"]
    late = (remaining.isna() | (remaining > limit)).astype("float64")
    values: np.ndarray = late.where(limit <= table["follow_up"]).to_numpy()
    return values
