"""Censored quantile forest: the distribution of the remaining time, learned from finished and from open activities.

Trees are grown on activities that could be followed for the whole horizon (log of the remaining time, held at the
horizon). Each leaf then counts, for every piece of time, the finishes and the activities that could still be seen, of
all training rows: the recent ones, of which many are open, count as long as they were seen. For an activity the counts
of its leaves are added up; finishes over seen is the hazard of a piece, and the product-limit estimate (Kaplan and
Meier 1958) of these hazards is the distribution. Sources: Meinshausen 2006, "Quantile regression forests"; Hothorn
et al. 2004, "Bagging survival trees", for adding up counts instead of averaging curves.

Rows are weighted so that each activity counts once, however many landmarks it was open at: else those that took longest
would count most.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor

from slipcast.features.row import CATEGORICAL
from slipcast.forecast.landmarks import FEATURE_NAMES

# Ends of the pieces of time, in days from the data date.
EDGES = (7.0, 15.0, 30.0, 45.0, 61.0, 91.0, 122.0, 152.0, 183.0, 243.0, 304.0, 365.0, 540.0, 730.0)
# Trees are grown on what could be followed this long: a finish that comes later is held here.
HORIZON_DAYS = 365
# Finishes later than the last edge: a tail of constant density up to here.
LAST_DAY = 1460.0
# Weight of a whole leaf. Counts are whole numbers of 16 bits, so that every evaluator adds up the same.
UNIT = 60_000
COLUMNS = (*FEATURE_NAMES, *CATEGORICAL)
# Codes of categories that are missing or rare. Below every number, so that a tree can tell a missing one apart.
MISSING = -1e6
CATEGORIES = 40


@dataclass(frozen=True)
class Grown:
    """A fitted forest and what its leaves count.

    Attributes
    ----------
    forest
        trees; they take the columns `columns` in this order
    columns
        names of the features
    categories
        for each categorical feature the code of each category
    finished, seen
        for each tree an array of shape (n_nodes, n_edges): weight of finishes in a piece of time, and of what could be
        seen at its end, in units of 1 / `UNIT` of the leaf's weight
    """

    forest: ExtraTreesRegressor
    columns: tuple[str, ...]
    categories: dict[str, dict[str, int]]
    finished: list[np.ndarray]
    seen: list[np.ndarray]

    def cdf(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the cdf of each row at `knots`, shape (n_rows, n_knots)."""
        leaves = self.forest.apply(matrix(rows, self.columns, self.categories))
        shape = (len(rows), len(EDGES))
        finished, seen = np.zeros(shape, dtype="int64"), np.zeros(shape, dtype="int64")
        for tree, leaf in enumerate(leaves.T):
            finished += self.finished[tree][leaf]
            seen += self.seen[tree][leaf]
        return from_hazards(np.divide(finished, seen, out=np.zeros(shape), where=seen > 0))


def knots() -> np.ndarray:
    """Return the knots of the cdfs, in days from the data date."""
    return np.array([0.0, *EDGES, LAST_DAY])


def from_hazards(hazards: np.ndarray) -> np.ndarray:
    """Return the cdfs at `knots` of hazards of the pieces of time, shape (n_rows, n_edges)."""
    ends = np.zeros(len(hazards)), np.ones(len(hazards))
    return np.column_stack([ends[0], 1 - np.cumprod(1 - hazards, axis=1), ends[1]])


def grow(table: pd.DataFrame, seed: int, **params: Any) -> Grown:
    """Fit a forest to a landmark table.

    Parameters
    ----------
    table
        as `landmarks.landmark_table` returns it
    params
        parameters of `sklearn.ensemble.ExtraTreesRegressor` that replace the defaults here

    Raises
    ------
    ValueError
        If no row could be followed for `HORIZON_DAYS`.
    """
    columns, categories = COLUMNS, category_codes(table)
    values = matrix(table, columns, categories)
    weight = activity_weights(table)
    complete = (table["follow_up"] >= HORIZON_DAYS).to_numpy()
    if not complete.any():
        raise ValueError(f"no landmark is {HORIZON_DAYS} days before the cut: there is nothing to learn from yet")
    target = np.log(table["remaining"].fillna(np.inf).clip(upper=HORIZON_DAYS).to_numpy())
    # Random thresholds: of the forests tried, the one with the lowest CRPS (docs/forecast.md).
    chosen = {"n_estimators": 100, "min_samples_leaf": 10, "max_features": 0.5, **params}
    forest = ExtraTreesRegressor(random_state=seed, **chosen)
    forest.fit(values[complete], target[complete], sample_weight=weight[complete])
    finished, seen = pieces(table)
    leaves = forest.apply(values)
    counts = [
        _leaf_counts(leaf, tree.tree_.node_count, finished, seen, weight)
        for leaf, tree in zip(leaves.T, forest.estimators_, strict=True)
    ]
    return Grown(forest, columns, categories, [a for a, _ in counts], [b for _, b in counts])


def pieces(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row and piece of time whether the activity finished in it, and whether that could be seen.

    A row is seen in a piece that it entered open and whose end lies before the cut.
    """
    edges = np.array(EDGES)
    remaining = table["remaining"].fillna(np.inf).to_numpy()[:, None]
    entered = remaining > np.array([0.0, *EDGES[:-1]])
    seen = entered & (table["follow_up"].to_numpy()[:, None] >= edges)
    return seen & (remaining <= edges), seen


def category_codes(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return for each categorical feature the codes of its most frequent categories; names break ties."""
    codes = {}
    for name in CATEGORICAL:
        counts = table[name].value_counts().sort_index().sort_values(ascending=False, kind="stable")
        codes[name] = {str(value): code for code, value in enumerate(counts.index[:CATEGORIES])}
    return codes


def activity_weights(table: pd.DataFrame) -> np.ndarray:
    """Return the weight of each row: those of an activity add up to the same for all, with a mean of 1."""
    weights: np.ndarray = 1 / table.groupby("row")["landmark"].transform("size").to_numpy(copy=True)
    weights /= weights.mean()
    return weights


def matrix(rows: pd.DataFrame, columns: tuple[str, ...], categories: dict[str, dict[str, int]]) -> np.ndarray:
    """Return the features as float64 of shape (n_rows, n_columns); `MISSING` where a value is missing."""
    coded = {name: rows[name].map(codes) for name, codes in categories.items()}
    return np.column_stack([coded.get(name, rows[name]).astype("float64").fillna(MISSING) for name in columns])


def _leaf_counts(
    leaf: np.ndarray, nodes: int, finished: np.ndarray, seen: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    share = weight / np.bincount(leaf, weight, nodes)[leaf] * UNIT
    finish = np.stack([np.bincount(leaf, share * column, nodes) for column in finished.T], axis=1)
    observe = np.stack([np.bincount(leaf, share * column, nodes) for column in seen.T], axis=1)
    return finish.round().astype("int64"), observe.round().astype("int64")
