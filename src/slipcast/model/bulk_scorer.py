"""Scorer for many activities at once, with scikit-learn's compiled tree kernels.

The artifact is the same that :mod:`slipcast.model.scorer` evaluates. Its trees are copied into scikit-learn's own
structures, so nothing is unpickled. Each model is verified: its first rows are also scored by the standard library.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import NODE_DTYPE, Tree

from slipcast.model import artifact
from slipcast.model.preprocessing import LARGEST
from slipcast.model.scorer import Scorer
from slipcast.probability_arrays import expits, log_odds

# Number of rows of the first batch that are scored twice, and the tolerated difference.
PROOF_ROWS = 20
SAME = 1e-9

Matrix = np.ndarray
Sums = Callable[[Matrix], np.ndarray]


def load(raw: bytes, sha256: str) -> "BulkScorer":
    """Return the scorer for the artifact `raw`, whose SHA-256 must be `sha256` (hexadecimal).

    Raises
    ------
    ArtifactError
        As `scorer.load`.
    """
    return BulkScorer(artifact.decode(raw, sha256))


class BulkScorer(Scorer):
    """`Scorer` for many rows, whose trees are evaluated by scikit-learn's kernels."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document)
        model = document["model"]
        self._many = _KINDS[model["kind"]](model, len(self.prepare.columns)) if model["kind"] in _KINDS else None
        self._link = _calibration(document.get("calibration"))
        self._proven = False

    def scores(self, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        """Return the scores as the model gives them."""
        if self._many is None:
            return super().scores(columns)
        scores: list[float] = self._link(self._many(self.matrix(columns))).tolist()
        if not self._proven:
            expected = super().scores({name: columns[name][:PROOF_ROWS] for name in self.names})
            if not all(abs(a - b) <= SAME for a, b in zip(scores, expected, strict=False)):
                # A scikit-learn version that gives other results: correctness is more important than speed.
                self._many = None
                return super().scores(columns)
            self._proven = True
        return scores

    def matrix(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        """Return the prepared rows, of shape (n_rows, n_columns), equal to those of `prepare`."""
        spec, names = self.document["preparation"], self.document["features"]
        numeric = spec["numeric"]
        known = np.array([columns[name] for name in names["numeric"]], dtype="float64").T
        absent = np.isnan(known)
        known = np.clip(known, -LARGEST, LARGEST)
        if numeric["medians"] is not None:
            known = np.where(absent, np.array(numeric["medians"]), known)
        known = np.hstack([known, absent[:, numeric["indicators"]]])
        if numeric["mean"] is not None:
            known = (known - np.array(numeric["mean"])) / np.array(numeric["scale"])
        prepared = np.zeros((len(known), len(self.prepare.columns)))
        start = known.shape[1]
        prepared[:, :start] = known
        for name, block in zip(names["categorical"], spec["categorical"], strict=True):
            offsets, other = block["columns"], -1 if block["other"] is None else block["other"]
            column = np.array([offsets.get(value, other) for value in columns[name]])
            (hit,) = np.nonzero(column >= 0)
            prepared[hit, start + column[hit]] = 1.0
            start += block["width"]
        return prepared


def _calibration(spec: Mapping[str, float] | None) -> Callable[[np.ndarray], np.ndarray]:
    if spec is None:
        return lambda p: p
    slope, intercept, clip = spec["slope"], spec["intercept"], spec["clip"]

    def link(p: np.ndarray) -> np.ndarray:
        return expits(slope * log_odds(p, clip) + intercept)

    return link


def _forest(model: Mapping[str, Any], columns: int) -> Sums:
    total = _single_precision(model["trees"], columns)
    return lambda matrix: total(matrix) / len(model["trees"])


def _boosting(model: Mapping[str, Any], columns: int) -> Sums:
    baseline = model["baseline"]
    total = (_single_precision if model.get("single_precision") else _double_precision)(model["trees"], columns)
    return lambda matrix: expits(baseline + total(matrix))


_KINDS: dict[str, Callable[[Mapping[str, Any], int], Sums]] = {"forest": _forest, "boosting": _boosting}


def _single_precision(trees: Sequence[Mapping[str, Any]], columns: int) -> Sums:
    """Return the sum of the leaves of trees that compare inputs rounded to float32."""
    built = [_tree(tree, columns) for tree in trees]

    def total(matrix: Matrix) -> np.ndarray:
        with np.errstate(over="ignore"):
            rounded = np.ascontiguousarray(matrix, dtype=np.float32)
        # scikit-learn refuses infinities; the largest float32 compares the same.
        largest = np.finfo(np.float32).max
        np.clip(rounded, -largest, largest, out=rounded)
        found = np.zeros(len(matrix))
        for tree, values in built:
            found += values[tree.apply(rounded)]
        return found

    return total


def _tree(tree: Mapping[str, Any], columns: int) -> tuple[Tree, np.ndarray]:
    feature, number = np.array(tree["feature"]), np.array(tree["number"], dtype="float64")
    leaf = feature < 0
    nodes = np.zeros(len(feature), dtype=NODE_DTYPE)
    nodes["left_child"] = np.where(leaf, -1, np.arange(1, len(feature) + 1))
    nodes["right_child"] = np.where(leaf, -1, tree["right"])
    nodes["feature"] = np.where(leaf, -2, feature)
    nodes["threshold"] = np.where(leaf, -2.0, number)
    built = Tree(columns, np.array([1], dtype=np.intp), 1)
    values = np.where(leaf, number, 0.0)
    # The depth is only used for drawing a tree.
    built.__setstate__({"max_depth": 1, "node_count": len(nodes), "nodes": nodes, "values": values.reshape(-1, 1, 1)})
    return built, values


def _double_precision(trees: Sequence[Mapping[str, Any]], columns: int) -> Sums:
    """Return the sum of the leaves of trees that compare in float64 and know where missing values go."""
    none = np.empty((0, 8), dtype=np.uint32)
    built = [TreePredictor(_nodes(tree), none, none) for tree in trees]
    unused = np.zeros(columns, dtype=np.uint32)

    def total(matrix: Matrix) -> np.ndarray:
        found = np.zeros(len(matrix))
        for tree in built:
            found += tree.predict(matrix, none, unused, n_threads=1)
        return found

    return total


def _nodes(tree: Mapping[str, Any]) -> np.ndarray:
    feature, number = np.array(tree["feature"]), np.array(tree["number"], dtype="float64")
    leaf = feature < 0
    nodes = np.zeros(len(feature), dtype=PREDICTOR_RECORD_DTYPE)
    nodes["is_leaf"] = leaf
    nodes["value"] = np.where(leaf, number, 0.0)
    nodes["num_threshold"] = np.where(leaf, 0.0, number)
    nodes["feature_idx"] = np.where(leaf, 0, feature)
    nodes["left"] = np.where(leaf, 0, np.arange(1, len(feature) + 1))
    nodes["right"] = tree["right"]
    nodes["missing_go_to_left"][tree["missing_left"]] = 1
    return nodes
