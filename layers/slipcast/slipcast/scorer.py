"""Score activities with a model artefact, by the standard library alone.

The prediction function starts with this module: importing scikit-learn would take it over a second. The arithmetic is
scikit-learn's own, in float64, except that forests compare inputs rounded to float32, as scikit-learn does.
"""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slipcast import artefact, features
from slipcast.artefact import ArtefactError
from slipcast.history import HISTORY

Row = list[float]


def load(raw: bytes, sha256: str) -> "Scorer":
    """Return the scorer for the artefact `raw`, whose SHA-256 must be `sha256` (hexadecimal).

    Raises
    ------
    ArtefactError
        If the digest differs, the format is unknown, or the model needs a feature that this version does not compute.
    """
    return Scorer(artefact.decode(raw, sha256))


class Scorer:
    """A model that is ready to score.

    Attributes
    ----------
    family : candidate family of the model
    threshold : probability from which an activity counts as at risk
    metadata : what the training recorded about the model
    history : point-in-time features that it needs
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.family: str = document["family"]
        self.threshold: float = document["threshold"]
        self.metadata: dict[str, Any] = document["metadata"]
        names = document["features"]
        unknown = {*names["numeric"], *names["categorical"]} - {*features.NUMERIC, *features.CATEGORICAL}
        if unknown:
            raise ArtefactError(f"the model needs features that are not computed here: {sorted(unknown)}")
        self.history = tuple(name for name in names["numeric"] if name in HISTORY)
        self._prepare = _Preparation(names, document["preparation"])
        self._model = _MODELS[document["model"]["kind"]](document["model"])

    def features(self, activity: Mapping[str, Any]) -> dict[str, float | str | None]:
        """Return the features of one activity given by canonical columns, as the model sees them."""
        return features.feature_row(activity)

    def score(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the probability of delay for each row of features (a missing number is None or NaN)."""
        prepare, model = self._prepare, self._model
        return [model(prepare(row)) for row in rows]

    def predict_proba(self, activities: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the probability of delay for each activity given by canonical columns."""
        return self.score([features.feature_row(activity) for activity in activities])


class _Preparation:
    """Imputation, indicators, scaling and one-hot encoding: features to the prepared row."""

    def __init__(self, names: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        numeric = spec["numeric"]
        self._numeric: list[str] = names["numeric"]
        self._medians = numeric["medians"] or [math.nan] * len(self._numeric)
        self._indicators: list[int] = numeric["indicators"]
        self._scaling = None if numeric["mean"] is None else (numeric["mean"], numeric["scale"])
        self._blocks: list[tuple[str, dict[str, int], int | None]] = []
        start = len(self._numeric) + len(self._indicators)
        for name, block in zip(names["categorical"], spec["categorical"], strict=True):
            columns = {category: start + offset for category, offset in block["columns"].items()}
            self._blocks.append((name, columns, None if block["other"] is None else start + block["other"]))
            start += block["width"]
        self._zeros = [0.0] * (start - len(self._numeric) - len(self._indicators))

    def __call__(self, features_of: Mapping[str, Any]) -> Row:
        row: Row = []
        missing: list[bool] = []
        for name, median in zip(self._numeric, self._medians, strict=True):
            value = features_of[name]
            absent = value is None or value != value
            missing.append(absent)
            row.append(median if absent else float(value))
        row += [1.0 if missing[index] else 0.0 for index in self._indicators]
        if self._scaling is not None:
            row = [(value - mean) / scale for value, mean, scale in zip(row, *self._scaling, strict=True)]
        row += self._zeros
        for name, columns, other in self._blocks:
            column = columns.get(features_of[name], other)
            if column is not None:
                row[column] = 1.0
        return row


def _expit(value: float) -> float:
    """Return 1 / (1 + exp(-value)) without overflow."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    power = math.exp(value)
    return power / (1.0 + power)


def _linear(model: Mapping[str, Any]) -> Callable[[Row], float]:
    coefficients, intercept = model["coefficients"], model["intercept"]
    return lambda row: _expit(math.sumprod(row, coefficients) + intercept)


def _join(trees: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int], list[float], list[int]]:
    """Return the roots, and the three arrays of all trees one after the other."""
    roots: list[int] = []
    feature: list[int] = []
    number: list[float] = []
    right: list[int] = []
    for tree in trees:
        root = len(feature)
        roots.append(root)
        feature += tree["feature"]
        number += tree["number"]
        right += [root + child for child in tree["right"]]
    return roots, feature, number, right


def _descend(
    roots: list[int], feature: list[int], number: list[float], right: list[int], row: Sequence[float]
) -> float:
    """Return the sum over the trees of the value of the leaf that `row` falls into."""
    total = 0.0
    for node in roots:
        column = feature[node]
        while column >= 0:
            if row[column] <= number[node]:
                node += 1
            else:
                node = right[node]
            column = feature[node]
        total += number[node]
    return total


def _forest(model: Mapping[str, Any]) -> Callable[[Row], float]:
    arrays = _join(model["trees"])
    count = len(model["trees"])
    # array("f") rounds to float32, and turns what is too large for it into an infinity, which compares the same.
    return lambda row: _descend(*arrays, array("f", row).tolist()) / count


def _boosting(model: Mapping[str, Any]) -> Callable[[Row], float]:
    arrays = _join(model["trees"])
    baseline = model["baseline"]
    roots = arrays[0]
    missing_left = frozenset(
        root + node for root, tree in zip(roots, model["trees"], strict=True) for node in tree["missing_left"]
    )

    def probability(row: Row) -> float:
        complete = all(value == value for value in row)
        total = _descend(*arrays, row) if complete else _descend_missing(*arrays, missing_left, row)
        return _expit(baseline + total)

    return probability


def _descend_missing(
    roots: list[int],
    feature: list[int],
    number: list[float],
    right: list[int],
    missing_left: frozenset[int],
    row: Sequence[float],
) -> float:
    """As :func:`_descend`, for a row with NaN: each node says which way a missing value goes."""
    total = 0.0
    for node in roots:
        column = feature[node]
        while column >= 0:
            value = row[column]
            left = value <= number[node] if value == value else node in missing_left
            node = node + 1 if left else right[node]
            column = feature[node]
        total += number[node]
    return total


_MODELS: dict[str, Callable[[Mapping[str, Any]], Callable[[Row], float]]] = {
    "linear": _linear,
    "forest": _forest,
    "boosting": _boosting,
}
