"""Turn a fitted scikit-learn pipeline into a model artefact (layout: :mod:`slipcast.artefact`).

Everything is copied in float64, so that the standard-library scorer repeats scikit-learn's arithmetic.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from slipcast import artefact


class ExportError(ValueError):
    """The pipeline holds something that the scorer cannot repeat exactly."""


def export(pipeline: Pipeline, *, family: str, threshold: float, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Return the artefact of a fitted pipeline; the same fitted pipeline always gives the same bytes.

    Parameters
    ----------
    pipeline : steps ``prepare`` (ColumnTransformer of ``numeric`` and ``categorical``) and ``model`` (classes 0 and 1)
    family : name of the candidate family
    threshold : probability in [0, 1] from which an activity counts as at risk
    metadata : JSON object that travels with the model

    Raises
    ------
    ExportError
        If the estimator, a step or an option is one that the scorer cannot repeat exactly.
    """
    if not 0 <= threshold <= 1:
        raise ExportError(f"the threshold {threshold} is not a probability")
    if [name for name, _ in pipeline.steps] != ["prepare", "model"]:
        raise ExportError(f"the steps are {[name for name, _ in pipeline.steps]}, not prepare and model")
    estimator = pipeline.named_steps["model"]
    describe = _MODELS.get(type(estimator))
    if describe is None:
        known = ", ".join(sorted(each.__name__ for each in _MODELS))
        raise ExportError(f"{type(estimator).__name__} cannot be exported; known estimators: {known}")
    classes = list(estimator.classes_)
    if classes != [0, 1]:
        raise ExportError(f"the model was fitted to the classes {classes}, not 0 (on time) and 1 (late)")
    features, preparation = _preparation(pipeline.named_steps["prepare"])
    model = describe(estimator)
    if preparation["numeric"]["medians"] is None and model["kind"] != "boosting":
        raise ExportError(f"{type(estimator).__name__} needs imputed numbers: only boosting takes missing values")
    return artefact.encode(
        {
            "format": artefact.FORMAT,
            "format_version": artefact.FORMAT_VERSION,
            "family": family,
            "threshold": float(threshold),
            "metadata": dict(metadata or {}),
            "features": features,
            "preparation": preparation,
            "model": model,
        }
    )


def _floats(values: Any) -> list[float]:
    return [float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def _preparation(prepare: ColumnTransformer) -> tuple[dict[str, Any], dict[str, Any]]:
    fitted = [(name, step, list(columns)) for name, step, columns in prepare.transformers_ if name != "remainder"]
    if [name for name, _, _ in fitted] != ["numeric", "categorical"] or prepare.remainder != "drop":
        raise ExportError("the preparation must be exactly a numeric and a categorical block, all else dropped")
    if prepare.transformer_weights:
        raise ExportError("transformer weights cannot be exported")
    (_, numeric, numeric_names), (_, encoder, categorical_names) = fitted
    return (
        {"numeric": numeric_names, "categorical": categorical_names},
        {
            "numeric": _numeric(numeric, len(numeric_names)),
            "categorical": _categorical(encoder, len(categorical_names)),
        },
    )


def _numeric(block: Any, width: int) -> dict[str, Any]:
    spec: dict[str, Any] = {"medians": None, "indicators": [], "mean": None, "scale": None}
    # ColumnTransformer holds "passthrough" as an identity FunctionTransformer once it is fitted.
    if block == "passthrough" or (type(block).__name__ == "FunctionTransformer" and block.func is None):
        return spec
    steps = dict(block.steps) if isinstance(block, Pipeline) else {"impute": block}
    if list(steps) not in (["impute"], ["impute", "scale"]):
        raise ExportError(f"the numeric steps are {list(steps)}, not impute or impute and scale")
    imputer, scaler = steps["impute"], steps.get("scale")
    if not isinstance(imputer, SimpleImputer) or not np.isnan(imputer.missing_values):
        raise ExportError("numbers must be imputed by a SimpleImputer for NaN")
    medians = _floats(imputer.statistics_)
    if imputer.keep_empty_features:
        medians = [0.0 if np.isnan(median) else median for median in medians]
    if len(medians) != width or not np.isfinite(medians).all():
        raise ExportError("a numeric feature had no value at all in training (set keep_empty_features=True)")
    spec["medians"] = medians
    if imputer.indicator_ is not None:
        spec["indicators"] = [int(index) for index in imputer.indicator_.features_]
    if scaler is not None:
        if not isinstance(scaler, StandardScaler) or not (scaler.with_mean and scaler.with_std):
            raise ExportError("numbers must be scaled by a StandardScaler with mean and standard deviation")
        spec["mean"], spec["scale"] = _floats(scaler.mean_), _floats(scaler.scale_)
    return spec


def _categorical(encoder: Any, width: int) -> list[dict[str, Any]]:
    if not isinstance(encoder, OneHotEncoder) or encoder.drop is not None:
        raise ExportError("categories must be encoded by a OneHotEncoder that drops no column")
    if encoder.handle_unknown not in ("infrequent_if_exist", "ignore"):
        raise ExportError(f"handle_unknown={encoder.handle_unknown!r} would refuse categories unseen in training")
    pool = encoder.handle_unknown == "infrequent_if_exist"
    # The property exists only where pooling was asked for.
    pooling = encoder.min_frequency is not None or encoder.max_categories is not None
    infrequent = encoder.infrequent_categories_ if pooling else [None] * width
    return [_block(list(seen), rare, pool) for seen, rare in zip(encoder.categories_, infrequent, strict=True)]


def _block(categories: list[Any], infrequent: Any, pool: bool) -> dict[str, Any]:
    if not all(isinstance(category, str) for category in categories):
        raise ExportError(f"categories must be text, found {categories[:5]}")
    rare = set() if infrequent is None else set(infrequent)
    frequent = [category for category in categories if category not in rare]
    columns = {str(category): offset for offset, category in enumerate(frequent)}
    last = len(frequent) if rare else None
    if not pool:
        columns |= {str(category): last for category in rare}
    return {"columns": columns, "other": last if pool else None, "width": len(frequent) + bool(rare)}


def _linear(model: LogisticRegression) -> dict[str, Any]:
    return {
        "kind": "linear",
        "coefficients": _floats(model.coef_[0]),
        "intercept": float(np.ravel(model.intercept_)[0]),
    }


def _preorder(
    feature: list[int], number: list[float], left: list[int], right: list[int], missing_left: set[int]
) -> dict[str, Any]:
    """Renumber a tree's nodes depth first, left before right, so that left children need no pointer."""
    tree: dict[str, Any] = {"feature": [], "number": [], "right": [], "missing_left": []}
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
    return tree


def _decision_tree(model: DecisionTreeClassifier) -> dict[str, Any]:
    tree = model.tree_
    if tree.n_outputs != 1:
        raise ExportError("a model of several outputs cannot be exported")
    leaf = tree.children_left < 0
    # Leaf values may be counts or shares, depending on scikit-learn; their ratio is the probability in both.
    late = tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1)
    exported = _preorder(
        np.where(leaf, -1, tree.feature).tolist(),
        np.where(leaf, late, tree.threshold).tolist(),
        tree.children_left.tolist(),
        tree.children_right.tolist(),
        set(),
    )
    del exported["missing_left"]
    return exported


def _forest(model: RandomForestClassifier | DecisionTreeClassifier) -> dict[str, Any]:
    trees = [model] if isinstance(model, DecisionTreeClassifier) else model.estimators_
    return {"kind": "forest", "trees": [_decision_tree(tree) for tree in trees]}


def _boosting_tree(predictor: Any) -> dict[str, Any]:
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
        set(np.flatnonzero(~leaf & nodes["missing_go_to_left"].astype(bool)).tolist()),
    )


def _boosting(model: HistGradientBoostingClassifier) -> dict[str, Any]:
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        raise ExportError("histogram gradient boosting with categorical splits cannot be exported")
    return {
        "kind": "boosting",
        "baseline": float(np.ravel(model._baseline_prediction)[0]),
        "trees": [_boosting_tree(predictor) for (predictor,) in model._predictors],
    }


_MODELS: dict[type, Callable[[Any], dict[str, Any]]] = {
    LogisticRegression: _linear,
    DecisionTreeClassifier: _forest,
    RandomForestClassifier: _forest,
    HistGradientBoostingClassifier: _boosting,
}
