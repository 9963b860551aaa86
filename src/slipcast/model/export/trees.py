"""Export of trees, forests and boosting: the values that the scorer needs."""

import math
import sys
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

from slipcast.model.export.errors import ExportError


def forest(model: RandomForestClassifier | ExtraTreesClassifier | DecisionTreeClassifier) -> dict[str, Any]:
    """Return a forest, or a tree as a forest of one: the mean of its leaves' shares of late activities."""
    trees = [model] if isinstance(model, DecisionTreeClassifier) else model.estimators_
    return {"kind": "forest", "trees": [_tree(tree.tree_, _late(tree)) for tree in trees]}


def gradient_boosting(model: GradientBoostingClassifier) -> dict[str, Any]:
    """Return gradient boosting: leaf values times the learning rate add up to log-odds."""
    if model.loss != "log_loss":
        raise ExportError(f"GradientBoostingClassifier(loss={model.loss!r}) cannot be exported: only log_loss")
    if not (model.init_ == "zero" or (isinstance(model.init_, DummyClassifier) and model.init_.strategy == "prior")):
        raise ExportError("GradientBoostingClassifier with another init than the prior cannot be exported")
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return {
        "kind": "boosting",
        "single_precision": True,
        "baseline": float(model._raw_predict_init(row)[0, 0]),
        "trees": [
            _tree(stage.tree_, model.learning_rate * stage.tree_.value[:, 0, 0]) for (stage,) in model.estimators_
        ],
    }


def ada_boost(model: AdaBoostClassifier) -> dict[str, Any]:
    """Return AdaBoost of trees (SAMME): a vote of weight w is 2 w / (sum of the weights) of log-odds.

    Source: Zhu, Zou, Rosset and Hastie 2009, equation 15, for two classes; as scikit-learn's ``predict_proba``.
    """
    kinds = {type(tree) for tree in model.estimators_}
    if kinds != {DecisionTreeClassifier}:
        raise ExportError("AdaBoostClassifier of anything but DecisionTreeClassifier cannot be exported")
    weights = model.estimator_weights_[: len(model.estimators_)]
    votes = 2.0 * weights / model.estimator_weights_.sum()
    trees = []
    for tree, vote in zip(model.estimators_, votes, strict=True):
        if list(tree.classes_) != [0, 1]:
            raise ExportError("AdaBoostClassifier with a tree that knows one class only cannot be exported")
        # A tie is a vote for the first class.
        trees.append(_tree(tree.tree_, np.where(tree.tree_.value[:, 0, 1] > tree.tree_.value[:, 0, 0], vote, -vote)))
    return {"kind": "boosting", "single_precision": True, "baseline": 0.0, "trees": trees}


def hist_gradient_boosting(
    model: HistGradientBoostingClassifier | HistGradientBoostingRegressor,
) -> dict[str, Any]:
    """Return histogram gradient boosting, which splits in float64 and sends missing values one way."""
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        raise ExportError("histogram gradient boosting with categorical splits cannot be exported")
    return {
        "kind": "boosting",
        "single_precision": False,
        "baseline": float(np.ravel(model._baseline_prediction)[0]),
        "trees": [_histogram_tree(predictor) for (predictor,) in model._predictors],
    }


def _late(tree: DecisionTreeClassifier) -> np.ndarray:
    if tree.tree_.n_outputs != 1:
        raise ExportError("a model of several outputs cannot be exported")
    # Leaf values may be counts or shares, depending on scikit-learn; their ratio is the probability in both.
    values: np.ndarray = tree.tree_.value[:, 0, 1] / tree.tree_.value[:, 0, :].sum(axis=1)
    return values


def _tree(tree: Any, values: np.ndarray) -> dict[str, Any]:
    leaf = tree.children_left < 0
    exported = _preorder(
        np.where(leaf, -1, tree.feature).tolist(),
        np.where(leaf, values, tree.threshold).tolist(),
        tree.children_left.tolist(),
        tree.children_right.tolist(),
        tree.weighted_n_node_samples.tolist(),
        set(),
    )
    del exported["missing_left"]
    return exported


def _histogram_tree(predictor: Any) -> dict[str, Any]:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    if nodes["is_categorical"][~leaf].any():
        raise ExportError("histogram gradient boosting with categorical splits cannot be exported")
    # A split of missing from present has the threshold infinity, which JSON lacks; every number is <= the maximum.
    thresholds = np.minimum(nodes["num_threshold"], sys.float_info.max)
    return _preorder(
        np.where(leaf, -1, nodes["feature_idx"].astype(np.int64)).tolist(),
        np.where(leaf, nodes["value"], thresholds).tolist(),
        nodes["left"].tolist(),
        nodes["right"].tolist(),
        nodes["count"].tolist(),
        set(np.flatnonzero(~leaf & nodes["missing_go_to_left"].astype(bool)).tolist()),
    )


def _preorder(
    feature: list[int],
    number: list[float],
    left: list[int],
    right: list[int],
    weight: list[float],
    missing_left: set[int],
) -> dict[str, Any]:
    """Renumber a tree's nodes depth first, left before right, so that left children need no pointer."""
    tree: dict[str, Any] = {"feature": [], "number": [], "right": [], "cover": [], "missing_left": []}
    # An entry of `stack` is a node and the new number of the parent that it is the right child of.
    stack = [(0, -1)]
    while stack:
        node, parent = stack.pop()
        place = len(tree["feature"])
        if parent >= 0:
            tree["right"][parent] = place
        tree["feature"].append(feature[node])
        tree["number"].append(number[node])
        tree["right"].append(0)
        if node in missing_left:
            tree["missing_left"].append(place)
        if feature[node] >= 0:
            stack += [(right[node], place), (left[node], -1)]
        else:
            tree["cover"].append(_compact(weight[node]))
    return tree


def _compact(weight: float) -> float:
    """Return a weight with as few digits as reasons need; most are counts."""
    return int(weight) if weight == math.floor(weight) else float(f"{weight:.9g}")
