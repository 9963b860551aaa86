"""Export of a fitted scikit-learn pipeline to a model artifact (layout: :mod:`slipcast.model.artifact`).

Everything is copied in float64, so that the standard-library scorer repeats scikit-learn's arithmetic. An estimator
that cannot be repeated is stored in the artifact by skops; the preparation never is.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from slipcast.model import artifact, sklearn_estimators
from slipcast.model.export import linear_models, preprocessing, trees
from slipcast.model.export.errors import ExportError
from slipcast.probability import CLIP

__all__ = ["ExportError", "compact", "export", "servable"]


class Recalibration(Protocol):
    """Straight line on the log-odds, such as :class:`slipcast.training.calibration.Calibration`."""

    slope: float
    intercept: float


def export(
    pipeline: Pipeline,
    *,
    family: str,
    threshold: float,
    metadata: Mapping[str, Any] | None = None,
    calibration: Recalibration | None = None,
    training: pd.DataFrame | None = None,
) -> bytes:
    """Return the artifact of a fitted pipeline; the same fitted pipeline always gives the same bytes.

    Parameters
    ----------
    pipeline
        steps ``prepare`` (ColumnTransformer of ``numeric`` and ``categorical``) and ``model`` (classes 0 and 1)
    family
        name of the candidate family
    threshold
        probability in [0, 1] from which an activity counts as at risk
    metadata
        JSON object that travels with the model
    calibration
        slope and intercept on the log-odds; slope 1 with intercept 0, or None, changes nothing
    training
        feature table of shape (n_rows, n_features) that the pipeline was fitted to. Reasons of linear models are
        deviations from its means; without it, linear models give no reasons. Other kinds do not need it.

    Raises
    ------
    ExportError
        If the scorer cannot repeat a step or an option exactly, or cannot store the estimator for scikit-learn.
    """
    if not 0 <= threshold <= 1:
        raise ExportError(f"the threshold {threshold} is not a probability")
    return artifact.encode(
        {
            "format": artifact.FORMAT,
            "format_version": artifact.FORMAT_VERSION,
            "family": family,
            "threshold": float(threshold),
            "metadata": dict(metadata or {}),
            "calibration": _calibration(calibration),
            **_contents(pipeline, training),
        }
    )


def servable(pipeline: Pipeline) -> str | None:
    """Return None if a fitted pipeline can be served, else the reason in words.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    """
    check_is_fitted(pipeline)
    try:
        _contents(pipeline, None)
    except ExportError as error:
        return str(error)
    return None


def _contents(pipeline: Pipeline, training: pd.DataFrame | None) -> dict[str, Any]:
    if [name for name, _ in pipeline.steps] != ["prepare", "model"]:
        raise ExportError(f"the steps are {[name for name, _ in pipeline.steps]}, not prepare and model")
    estimator = pipeline.named_steps["model"]
    classes = list(estimator.classes_)
    if classes != [0, 1]:
        raise ExportError(f"the model was fitted to the classes {classes}, not 0 (on time) and 1 (late)")
    prepare = pipeline.named_steps["prepare"]
    features, preparation = preprocessing.describe(prepare)
    model = _model(estimator, imputed=preparation["numeric"]["medians"] is not None)
    if model["kind"] == "linear" and training is not None:
        means = prepare.transform(training).mean(axis=0)
        model["reference"] = linear_models.floats(means * model["coefficients"])
    return {"features": features, "preparation": preparation, "model": model}


def _model(estimator: Any, *, imputed: bool) -> dict[str, Any]:
    try:
        return compact(estimator, imputed=imputed)
    except ExportError as error:
        # The other strategies of a dummy are random: no two answers would be the same.
        if isinstance(estimator, DummyClassifier) or not hasattr(estimator, "predict_proba"):
            raise
        why = error
    try:
        return sklearn_estimators.describe(estimator)
    except artifact.ArtifactError as error:
        raise ExportError(f"{why}; as it is it cannot be served either: {error}") from None


def compact(estimator: Any, *, imputed: bool = True) -> dict[str, Any]:
    """Return the values with which the standard library repeats a fitted estimator exactly.

    Raises
    ------
    ExportError
        If it cannot repeat it: then scikit-learn itself has to evaluate it.
    """
    describe = _MODELS.get(type(estimator))
    if describe is None:
        known = ", ".join(sorted(each.__name__ for each in _MODELS))
        raise ExportError(f"{type(estimator).__name__} cannot be exported; known estimators: {known}")
    if not imputed and not isinstance(estimator, HistGradientBoostingClassifier):
        raise ExportError(
            f"{type(estimator).__name__} needs imputed numbers: only histogram gradient boosting takes missing values"
        )
    return describe(estimator)


def _calibration(calibration: Recalibration | None) -> dict[str, float] | None:
    if calibration is None:
        return None
    slope, intercept = float(calibration.slope), float(calibration.intercept)
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise ExportError(f"the calibration {slope} * log-odds + {intercept} is not finite")
    if (slope, intercept) == (1.0, 0.0):
        return None
    return {"slope": slope, "intercept": intercept, "clip": float(getattr(calibration, "clip", CLIP))}


_MODELS: dict[type, Callable[[Any], dict[str, Any]]] = {
    AdaBoostClassifier: trees.ada_boost,
    CalibratedClassifierCV: linear_models.calibrated_svc,
    DecisionTreeClassifier: trees.forest,
    DummyClassifier: linear_models.prior,
    ExtraTreesClassifier: trees.forest,
    GaussianNB: linear_models.gaussian,
    GradientBoostingClassifier: trees.gradient_boosting,
    HistGradientBoostingClassifier: trees.hist_gradient_boosting,
    LogisticRegression: linear_models.logistic,
    MLPClassifier: linear_models.mlp,
    RandomForestClassifier: trees.forest,
}
