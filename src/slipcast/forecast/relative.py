"""Distribution of the remaining time of an activity relative to what its network says.

Two forests, of which neither is surely better, are averaged (Clemen 1989, "Combining forecasts"): random forests and
extremely randomized trees. They are grown on the logarithm of true over computed remaining time, so that projects of
weeks and of years teach each other. Each leaf counts, for every piece of this scale, the finishes and what could still
be seen; the counts of an activity's leaves are added up and give its distribution by the product-limit estimate, as in
`slipcast.forecast.forest`. Projects count the same, however many activities and updates they have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from slipcast.forecast.export import tree as exported_tree
from slipcast.forecast.network_state import FEATURES, LEAST_DAYS

# Ends of the pieces of the logarithm of true over computed remaining time; what is beyond is held at the last knot.
EDGES = np.linspace(-3, 3.5, 53)
LARGEST = 4.0
KNOTS = np.array([-LARGEST, *EDGES, LARGEST])
# A project counts at most this many times the mean: one with few rows says little.
MOST_WEIGHT = 8.0
MISSING = -1e6
# Weight of a whole leaf of the exported forests, whose counts are whole numbers.
UNIT = 4_000
TREES = 60
type Forest = ExtraTreesRegressor | RandomForestRegressor


@dataclass(frozen=True)
class RelativeForest:
    """Fitted forests and what their leaves count.

    Attributes
    ----------
    columns
        features
    forests
        forests that take these columns
    finished, seen
        for each forest and tree an array of shape (n_nodes, n_edges): weights of the finishes in a piece, and of what
        could be seen at its end
    """

    columns: Sequence[str]
    forests: Sequence[Forest]
    finished: Sequence[Sequence[np.ndarray]]
    seen: Sequence[Sequence[np.ndarray]]

    def cdf(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the probability of each row's finish by `KNOTS` (logarithms), shape (n_rows, n_knots)."""
        values = _matrix(rows, self.columns)
        total = np.zeros((len(rows), len(KNOTS)))
        for forest, finished, seen in zip(self.forests, self.finished, self.seen, strict=True):
            leaves = forest.apply(values)
            events, at_risk = (
                sum(counts[tree][leaf] for tree, leaf in enumerate(leaves.T)) for counts in (finished, seen)
            )
            hazard = np.divide(events, at_risk, out=np.zeros(np.shape(events)), where=at_risk > 0)
            total[:, 1:-1] += 1 - np.cumprod(1 - hazard, axis=1)
        total /= len(self.forests)
        total[:, -1] = 1
        return total

    def document(self) -> dict[str, Any]:
        """Return the forests as JSON values for `network_model.NetworkModel`."""
        return {
            "columns": list(self.columns),
            "missing": MISSING,
            "knots": KNOTS.tolist(),
            "forests": [
                [
                    exported_tree(tree.tree_, np.rint(UNIT * np.hstack([events, at_risk])))
                    for tree, events, at_risk in zip(forest.estimators_, finished, seen, strict=True)
                ]
                for forest, finished, seen in zip(self.forests, self.finished, self.seen, strict=True)
            ],
        }


def fit(
    table: pd.DataFrame,
    seed: int,
    *,
    base: str = "network_remaining",
    columns: Sequence[str] = FEATURES,
    trees: int | None = None,
) -> RelativeForest:
    """Fit the forests to the states of projects.

    Parameters
    ----------
    table
        rows such as those of `network_state.State.activities`, of several projects and data dates, with ``project_id``,
        ``true_remaining`` (days to the finish, NaN where the activity was open when it was last seen) and ``follow_up``
        (days until it was last seen)
    seed
        of the random numbers
    base
        column with the computed remaining days, in the same unit, above 0
    columns
        features
    trees
        number of trees of each forest; None: `TREES`

    Raises
    ------
    ValueError
        If no finish is known.
    """
    computed = table[base].to_numpy()
    target = log_ratio(table["true_remaining"].to_numpy(), computed)
    known = np.isfinite(target)
    if not known.any():
        raise ValueError("no finish is known: there is nothing to learn from yet")
    weight = project_weights(table["project_id"])
    values = _matrix(table, columns)
    followed = np.where(known, np.inf, log_ratio(table["follow_up"].to_numpy(), computed))
    entered = np.where(known, target, np.inf)[:, None] > np.array([-np.inf, *EDGES[:-1]])
    seen = entered & (followed[:, None] >= EDGES)
    finished = seen & (np.where(known, target, np.inf)[:, None] <= EDGES)
    forests: list[Forest] = [
        ExtraTreesRegressor(trees or TREES, min_samples_leaf=8, max_features=0.7, random_state=seed),
        RandomForestRegressor(trees or TREES, min_samples_leaf=12, max_features=0.35, random_state=seed),
    ]
    counts = []
    for forest in forests:
        forest.fit(values[known], target[known], sample_weight=weight[known])
        leaves = forest.apply(values)
        counts.append(
            [
                _counts(leaf, tree.tree_.node_count, finished, seen, weight)
                for leaf, tree in zip(leaves.T, forest.estimators_, strict=True)
            ]
        )
    return RelativeForest(
        tuple(columns),
        forests,
        [[tree[0] for tree in forest] for forest in counts],
        [[tree[1] for tree in forest] for forest in counts],
    )


def quantiles(cdf: np.ndarray, base: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Return the remaining working days of each row at `levels`, shape (n_rows, n_levels).

    Parameters
    ----------
    cdf
        as `RelativeForest.cdf` returns it
    base
        computed remaining working days, shape (n_rows,)
    """
    # Flat pieces get the least slope, so that each level has one place.
    rising = cdf + np.arange(len(KNOTS)) * 1e-9
    logs = np.array([np.interp(levels, row, KNOTS) for row in rising])
    days: np.ndarray = base[:, None] * np.exp(logs)
    return days


def at_days(cdf: np.ndarray, base: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return each row's probability of a finish within `days`, of shape (n_days,) or (n_rows, n_days)."""
    at = np.clip(np.log(np.maximum(days, 1e-3) / base[:, None]), -LARGEST, LARGEST)
    found: np.ndarray = np.array([np.interp(places, KNOTS, row) for places, row in zip(at, cdf, strict=True)])
    return found


def p_late(cdf: np.ndarray, base: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Return the probability of more than `limit` remaining working days, shape (n_rows,); 1 where it has passed."""
    values: np.ndarray = np.where(limit <= 0, 1.0, 1 - at_days(cdf, base, limit[:, None])[:, 0])
    return values


def log_ratio(days: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Return the logarithm of days over computed days, held within `LARGEST`; NaN where `days` is."""
    ratio: np.ndarray = np.clip(np.log(np.maximum(days, LEAST_DAYS / 2) / base), -LARGEST, LARGEST - 1e-6)
    return ratio


def project_weights(projects: pd.Series) -> np.ndarray:
    """Return the weight of each row: projects count the same, with a mean of 1."""
    weights = 1 / projects.groupby(projects).transform("size").to_numpy(dtype="float64")
    capped: np.ndarray = np.minimum(weights / weights.mean(), MOST_WEIGHT)
    return capped


def _matrix(rows: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    values: np.ndarray = rows[list(columns)].astype("float64").fillna(MISSING).to_numpy()
    return values


def _counts(
    leaf: np.ndarray, nodes: int, finished: np.ndarray, seen: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # Leaves count the same, as in an average of their distributions.
    share = weight / np.bincount(leaf, weight, nodes)[leaf]
    shape = (nodes, len(EDGES))
    events, at_risk = np.zeros(shape, dtype="float32"), np.zeros(shape, dtype="float32")
    order = np.argsort(leaf, kind="stable")
    found, begins = np.unique(leaf[order], return_index=True)
    for counts, what in ((events, finished), (at_risk, seen)):
        counts[found] = np.add.reduceat((share[:, None] * what)[order], begins)
    return events, at_risk
