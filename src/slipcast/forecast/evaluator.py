"""Forecasts by the standard library: from an exported model and a row of features to a distribution.

`forest.Grown.cdf` gives the same with scikit-learn; a test compares the two. Serving imports this module alone.
"""

import base64
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.stage import Stage
from slipcast.model.evaluators import compiled, many_rows, single

# Bytes of a count in a packed leaf: the sum of up to 65,536 trees fits.
_WIDTH = 4


class Counted:
    """Evaluator of an exported forest whose leaves count finishes and what could be seen, by piece of time.

    Parameters
    ----------
    trees
        as `export.document` returns them
    pieces
        number of pieces of time
    """

    def __init__(self, trees: Sequence[Mapping[str, Any]], pieces: int) -> None:
        self._pieces = pieces
        self._roots: list[int] = []
        self._feature: list[int] = []
        self._number: list[Any] = []
        self._right: list[int] = []
        for tree in trees:
            self._add(tree)
        native = compiled() if trees else None
        self._compiled = None if native is None else native.Trees([*map(_splits, trees)], single_precision=True)

    def cdf(self, row: list[float]) -> list[float]:
        """Return the probability of a finish by the end of each piece, the first one 0: shape (pieces + 1,)."""
        packed, pieces = self._leaves(single(row)), self._pieces
        counts = array("I", packed.to_bytes(2 * pieces * _WIDTH, "little"))
        open_, cdf = 1.0, [0.0]
        for finished, seen in zip(counts[:pieces], counts[pieces:], strict=True):
            open_ *= 1 - (finished / seen if seen else 0.0)
            cdf.append(1 - open_)
        return cdf

    def _leaves(self, row: Sequence[float]) -> int:
        """Return the sum of the packed counts of the leaves that `row` falls into."""
        feature, number, right = self._feature, self._number, self._right
        if self._compiled is not None:
            return sum(map(number.__getitem__, self._compiled.leaves(row)))
        total = 0
        for node in self._roots:
            column = feature[node]
            while column >= 0:
                node = node + 1 if row[column] <= number[node] else right[node]
                column = feature[node]
            total += number[node]
        return total

    def _add(self, tree: Mapping[str, Any]) -> None:
        """Append a tree; the counts of a leaf become one whole number, so that a leaf is one addition."""
        root = len(self._feature)
        counts = array("H", zlib.decompress(base64.b64decode(tree["counts"])))
        width, leaf = 2 * self._pieces, 0
        self._roots.append(root)
        self._feature += tree["feature"]
        self._right += [root + child for child in tree["right"]]
        thresholds = iter(tree["threshold"])
        for column in tree["feature"]:
            if column >= 0:
                self._number.append(next(thresholds))
            else:
                own = array("I", counts[leaf * width : (leaf + 1) * width])
                self._number.append(int.from_bytes(own.tobytes(), "little"))
                leaf += 1


class Forecaster:
    """Evaluator of an exported forecast model.

    Parameters
    ----------
    document
        as `export.document` returns it

    Attributes
    ----------
    columns
        features that it takes, in the order of the trees' indices
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.columns: tuple[str, ...] = tuple(document["columns"])
        self._categories = [document["categories"].get(name) for name in self.columns]
        self._missing: float = document["missing"]
        self._edges: list[float] = document["edges"]
        self._knots = [0.0, *self._edges, document["last_day"]]
        self._grid: list[float] = document["grid"]
        self._curves: Mapping[str, list[float]] = document["curves"]
        self._blend: Mapping[str, float] = document["blend"]
        late = document["late"]
        self._late = None if late is None else many_rows(late)
        self._forest = Counted(document["trees"], len(self._edges))

    def forecast(
        self, features: Mapping[str, Any], stage: str, limit: float, p_at_start: float | None = None
    ) -> FinishDistribution:
        """Return the distribution of the days until an open activity finishes.

        Parameters
        ----------
        features
            features as of the data date (`landmarks.landmark_features`); a missing number is None or NaN
        stage
            stage as of the data date
        limit
            calendar days from the data date to the last day in time
        p_at_start
            probability of being late, judged at the start; it counts where the model has a weight for the stage
        """
        row = self.row(features)
        finish = FinishDistribution(self._knots, self._calibrated([*self._forest.cdf(row), 1.0], stage))
        if self._late is None or stage == Stage.ALREADY_LATE or limit <= 0:
            return finish
        weight = self._blend.get(stage, 0.0) if p_at_start is not None else 0.0
        return finish.reweighted(limit, (1 - weight) * self._late([row])[0] + weight * (p_at_start or 0.0))

    def row(self, features: Mapping[str, Any]) -> list[float]:
        """Return the features as the trees take them: in the order of `columns`, categories as their codes."""
        missing, given = self._missing, map(features.get, self.columns)
        return [
            missing if value is None or value != value else float(value)
            for value in (
                value if codes is None else codes.get(value)
                for value, codes in zip(given, self._categories, strict=True)
            )
        ]

    def _calibrated(self, cdf: list[float], stage: str) -> list[float]:
        curve = self._curves.get(stage, self._curves.get("all"))
        return cdf if curve is None else [_interpolated(value, self._grid, curve) for value in cdf]


def _splits(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree with a number for each node, which is 0 at a leaf."""
    thresholds = iter(tree["threshold"])
    number = [next(thresholds) if column >= 0 else 0.0 for column in tree["feature"]]
    return {"feature": tree["feature"], "right": tree["right"], "number": number}


def _interpolated(value: float, knots: Sequence[float], targets: Sequence[float]) -> float:
    place = bisect_right(knots, value)
    if place == len(knots):
        return targets[-1]
    before = knots[place - 1]
    share = (value - before) / (knots[place] - before)
    return targets[place - 1] + share * (targets[place] - targets[place - 1])
