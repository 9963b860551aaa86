"""Signed contributions of the features to the log-odds of a probability, with the standard library alone.

They add up: the base and all contributions together are the log-odds of the final, calibrated probability.
docs/reasons.md explains the meaning and the limits of a contribution.

- linear models and Gaussian naive Bayes: a column's own term less its mean over the training rows;
- boosting and AdaBoost, whose trees add up to log-odds: path-dependent TreeSHAP
(:mod:`slipcast.model.explain.tree_shap`);
- forests and trees, whose leaves are probabilities: TreeSHAP of the probability, each value times
  (logit(p) - logit(base)) / (p - base);
- neural networks, and models that scikit-learn itself evaluates: none.

The columns of a category and the indicator of a missing value count for the feature that they come from.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from slipcast.model import evaluators
from slipcast.model.explain.tree_shap import TreeShap
from slipcast.model.preprocessing import Row
from slipcast.model.scorer import Scorer
from slipcast.probability import CLIP

_UNCALIBRATED = {"slope": 1.0, "intercept": 0.0, "clip": CLIP}
# If two values are closer than this, rounding makes the secant between them useless.
_CLOSE = 1e-7

Terms = Callable[[Row], list[float]]


class Contributions(NamedTuple):
    """Contributions to a probability.

    Attributes
    ----------
    base
        log-odds of the model without any feature of the activity
    features
        contribution of each feature to the log-odds; positive ones increase the probability of delay
    """

    base: float
    features: dict[str, float]


class Reason(NamedTuple):
    """A feature, its value, and its contribution to the log-odds of a delay."""

    feature: str
    value: float | str | None
    contribution: float


def unavailable(model: Scorer) -> str | None:
    """Return in words why a model gives no reasons; None if it gives them."""
    described = model.document["model"]
    kind = described["kind"]
    if kind == "mlp":
        return "a neural network has no exact reasons"
    if kind == "estimator":
        return f"a model that scikit-learn itself evaluates ({described['estimator']}) has no exact reasons"
    if kind in ("forest", "boosting"):
        if all("cover" in tree for tree in described["trees"]):
            return None
        return "the model was stored without the training weights of its leaves"
    if described.get("reference") is None:
        return "the model was stored without the means of its training rows"
    return None


def contributions(model: Scorer, activity: Mapping[str, Any]) -> Contributions | None:
    """Return the base and each feature's contribution for one activity, given by canonical columns.

    ``base + sum(features.values())`` is the log-odds of the predicted probability. The log-odds before calibration are
    clipped to ±13.8, that is a probability in [1e-6, 1 - 1e-6]; beyond these limits, all contributions shrink in
    proportion.

    Returns
    -------
    Contributions | None
        None if the model gives no reasons (`unavailable` says why)

    Raises
    ------
    ValueError
        If a date of the activity is not an ISO 8601 day.
    """
    return contributions_of(model, model.features(activity))


def contributions_of(model: Scorer, features: Mapping[str, Any]) -> Contributions | None:
    """Return the same as `contributions`, for a row of features as `Scorer.features` computes them."""
    if unavailable(model) is not None:
        return None
    base, terms, link = _explainer(model)
    found = terms(model.prepare(features))
    value = base + math.fsum(found)
    slope = _slope(link, base, value)
    by_feature = dict.fromkeys(model.prepare.columns, 0.0)
    for name, term in zip(model.prepare.columns, found, strict=True):
        by_feature[name] += slope * term
    return Contributions(link(base), by_feature)


def top(found: Contributions, features: Mapping[str, Any], count: int = 3) -> list[Reason]:
    """Return the `count` largest contributions, either sign, with the features' values; none that is 0."""
    order = sorted(found.features.items(), key=lambda item: (-abs(item[1]), item[0]))
    return [Reason(name, features[name], value) for name, value in order[:count] if value]


# The explainer of a model is built for the first reason and cached: for a forest this takes a third of a second.
@lru_cache(maxsize=2)
def _explainer(model: Scorer) -> tuple[float, Terms, Callable[[float], float]]:
    """Return base value, terms of a prepared row, and the function from base + terms to the final log-odds."""
    described = model.document["model"]
    calibration = model.document.get("calibration") or _UNCALIBRATED
    if described["kind"] == "forest":
        trees = described["trees"]
        shap = TreeShap(trees, 1 / len(trees))
        return shap.expected, lambda row: shap(evaluators.single(row)), evaluators.log_odds(calibration)
    base, terms = _ADDITIVE[described["kind"]](described)
    return base, terms, _recalibrated(calibration)


def _linear(model: Mapping[str, Any]) -> tuple[float, Terms]:
    coefficients, reference = model["coefficients"], model["reference"]

    def terms(row: Row) -> list[float]:
        return [a * value - mean for a, value, mean in zip(coefficients, row, reference, strict=True)]

    return model["intercept"] + math.fsum(reference), terms


def _gaussian(model: Mapping[str, Any]) -> tuple[float, Terms]:
    prior, of_row = evaluators.gaussian_terms(model)
    reference = model["reference"]

    def terms(row: Row) -> list[float]:
        return [term - mean for term, mean in zip(of_row(row), reference, strict=True)]

    return prior + math.fsum(reference), terms


def _boosting(model: Mapping[str, Any]) -> tuple[float, Terms]:
    shap = TreeShap(model["trees"])
    rounded = model.get("single_precision", False)
    return model["baseline"] + shap.expected, lambda row: shap(evaluators.single(row) if rounded else row)


_ADDITIVE: dict[str, Callable[[Mapping[str, Any]], tuple[float, Terms]]] = {
    "linear": _linear,
    "gaussian": _gaussian,
    "boosting": _boosting,
}


def _recalibrated(calibration: Mapping[str, float]) -> Callable[[float], float]:
    """Return the function from a model's log-odds to the calibrated ones, without the detour over probabilities."""
    slope, intercept, clip = calibration["slope"], calibration["intercept"], calibration["clip"]
    limit = math.log((1 - clip) / clip)
    return lambda value: slope * min(max(value, -limit), limit) + intercept


def _slope(link: Callable[[float], float], base: float, value: float) -> float:
    """Return the final log-odds per unit of a term: the slope of the secant of `link` from `base` to `value`."""
    if abs(value - base) > _CLOSE:
        return (link(value) - link(base)) / (value - base)
    middle = (base + value) / 2
    return (link(middle + _CLOSE) - link(middle - _CLOSE)) / (2 * _CLOSE)
