"""Evaluators by kind of model, with the standard library: functions from prepared rows to probabilities.

Trees are evaluated by compiled code where there is some (:mod:`slipcast.model.native`), with the same result.
"""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from slipcast.model.preprocessing import Row
from slipcast.probability import expit, logit

Model = Callable[[Row], float]
# Times that the interpreter takes as long: the geometric mean of a forest's 19 and of boosting's 4.3 that
# benchmarks/trees.py measured (docs/serving.md).
COMPILED_GAIN = 9
ManyRows = Callable[[list[Row]], list[float]]


def single(row: Row) -> Row:
    """Return the row rounded to float32; values too large for it become infinity, which compares the same."""
    return array("f", row).tolist()


def calibrated(model: ManyRows, spec: Mapping[str, float]) -> ManyRows:
    """Return `model` with its log-odds recalibrated (Cox 1958)."""
    link = log_odds(spec)
    return lambda rows: [expit(link(probability)) for probability in model(rows)]


def log_odds(spec: Mapping[str, float]) -> Callable[[float], float]:
    """Return the function from the model's probability to the calibrated log-odds."""
    slope, intercept, clip = spec["slope"], spec["intercept"], spec["clip"]

    def link(probability: float) -> float:
        return slope * logit(probability, clip) + intercept

    return link


def _linear(model: Mapping[str, Any]) -> Model:
    coefficients, intercept = model["coefficients"], model["intercept"]
    return lambda row: expit(math.sumprod(row, coefficients) + intercept)


def gaussian_terms(model: Mapping[str, Any]) -> tuple[float, Callable[[Row], list[float]]]:
    """Return the log-odds of naive Bayes without any feature, and the term of each column of a row."""
    means, variances = zip(*model["mean"], strict=True), zip(*model["variance"], strict=True)
    columns = [
        (mean_0, mean_1, 0.5 / variance_0, 0.5 / variance_1, 0.5 * math.log(variance_0 / variance_1))
        for (mean_0, mean_1), (variance_0, variance_1) in zip(means, variances, strict=True)
    ]

    def terms(row: Row) -> list[float]:
        return [
            offset + (value - mean_0) ** 2 * half_0 - (value - mean_1) ** 2 * half_1
            for value, (mean_0, mean_1, half_0, half_1, offset) in zip(row, columns, strict=True)
        ]

    return model["log_prior"][1] - model["log_prior"][0], terms


def _gaussian(model: Mapping[str, Any]) -> Model:
    prior, terms = gaussian_terms(model)
    return lambda row: expit(prior + math.fsum(terms(row)))


_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "identity": float,
    "logistic": expit,
    "relu": lambda value: max(value, 0.0),
    "tanh": math.tanh,
}


def _mlp(model: Mapping[str, Any]) -> Model:
    activation = _ACTIVATIONS[model["activation"]]
    *hidden, last = [list(zip(layer["weights"], layer["bias"], strict=True)) for layer in model["layers"]]
    ((weights, bias),) = last

    def probability(row: Row) -> float:
        for layer in hidden:
            row = [activation(math.sumprod(row, inputs) + offset) for inputs, offset in layer]
        return expit(math.sumprod(row, weights) + bias)

    return probability


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


def compiled() -> Any:
    """Return `slipcast.model.native` where its library is built, else None."""
    # By name: the single file of the edge bundle contains the modules that are imported here, and has no library.
    try:
        native = import_module("slipcast.model.native")
    except ImportError:
        return None
    return native if native.library() is not None else None


def _sums(trees: Sequence[Mapping[str, Any]], *, single_precision: bool) -> Callable[[list[Row]], Sequence[float]]:
    """Return the function from rows to the sums over the trees of the values of their leaves."""
    native = compiled() if trees else None
    if native is not None:
        found: Callable[[list[Row]], Sequence[float]] = native.Trees(trees, single_precision=single_precision).sums
        return found
    arrays = _join(trees)
    if single_precision:
        return lambda rows: [_descend(*arrays, single(row)) for row in rows]
    missing_left = frozenset(
        root + node for root, tree in zip(arrays[0], trees, strict=True) for node in tree["missing_left"]
    )

    def total(row: Row) -> float:
        complete = all(value == value for value in row)
        return _descend(*arrays, row) if complete else _descend_missing(*arrays, missing_left, row)

    return lambda rows: [total(row) for row in rows]


def _forest(model: Mapping[str, Any]) -> ManyRows:
    sums = _sums(model["trees"], single_precision=True)
    count = len(model["trees"])
    return lambda rows: [total / count for total in sums(rows)]


def boosted(model: Mapping[str, Any]) -> ManyRows:
    """Return the function from prepared rows to the sums of a model of kind ``boosting``: a regression's values."""
    sums = _sums(model["trees"], single_precision=model.get("single_precision", False))
    baseline = model["baseline"]
    return lambda rows: [baseline + total for total in sums(rows)]


def _boosting(model: Mapping[str, Any]) -> ManyRows:
    values = boosted(model)
    return lambda rows: [expit(value) for value in values(rows)]


def _descend_missing(
    roots: list[int],
    feature: list[int],
    number: list[float],
    right: list[int],
    missing_left: frozenset[int],
    row: Sequence[float],
) -> float:
    """As :func:`_descend`, for a row with NaN: each node has a direction for missing values."""
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


_ROWS: dict[str, Callable[[Mapping[str, Any]], ManyRows]] = {"forest": _forest, "boosting": _boosting}
_ROW: dict[str, Callable[[Mapping[str, Any]], Model]] = {"linear": _linear, "gaussian": _gaussian, "mlp": _mlp}
KINDS = frozenset({*_ROWS, *_ROW})


def many_rows(model: Mapping[str, Any]) -> ManyRows:
    """Return the function from prepared rows to probabilities for a model of one of `KINDS`."""
    if model["kind"] in _ROWS:
        return _ROWS[model["kind"]](model)
    one = _ROW[model["kind"]](model)
    return lambda rows: [one(row) for row in rows]
