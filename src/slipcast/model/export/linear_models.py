"""Export of models without trees: the values that the scorer needs."""

import math
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from slipcast.model.export.errors import ExportError


def floats(values: Any) -> list[float]:
    """Return the values as one list of floats."""
    return [float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def logistic(model: LogisticRegression) -> dict[str, Any]:
    """Return a logistic regression."""
    return _linear(model.coef_[0], np.ravel(model.intercept_)[0])


def calibrated_svc(model: CalibratedClassifierCV) -> dict[str, Any]:
    """Return a linear support vector classifier whose decisions a sigmoid turns into probabilities (Platt 1999).

    The probability is expit(-(a * decision + b)), so it is linear in the log-odds as well.
    """
    fitted = model.calibrated_classifiers_
    if model.method != "sigmoid" or len(fitted) != 1 or type(fitted[0].estimator) is not LinearSVC:
        raise ExportError(
            f"CalibratedClassifierCV of {type(model.estimator).__name__} cannot be exported: only of LinearSVC, with "
            'method="sigmoid" and ensemble=False'
        )
    svc, (sigmoid,) = fitted[0].estimator, fitted[0].calibrators
    intercept = -(sigmoid.a_ * float(np.ravel(svc.intercept_)[0]) + sigmoid.b_)
    return _linear(-sigmoid.a_ * svc.coef_[0], intercept)


def prior(model: DummyClassifier) -> dict[str, Any]:
    """Return a model that predicts the share of late activities for every row."""
    if model.strategy != "prior":
        raise ExportError(f"DummyClassifier(strategy={model.strategy!r}) cannot be exported: only the prior")
    timely, late = floats(model.class_prior_)
    # Stored as boosting without a tree.
    return {"kind": "boosting", "single_precision": True, "baseline": math.log(late / timely), "trees": []}


def _linear(coefficients: Any, intercept: Any) -> dict[str, Any]:
    return {
        "kind": "linear",
        "coefficients": floats(coefficients),
        "intercept": float(intercept),
        "reference": None,
    }


def gaussian(model: GaussianNB) -> dict[str, Any]:
    """Return Gaussian naive Bayes.

    The mean of a column's term over the training rows follows from the moments that the model stores for each class.
    """
    mean, variance = model.theta_, model.var_
    share = model.class_count_ / model.class_count_.sum()
    spread = variance - model.epsilon_
    # Mean over the training rows of (value - mean of a class)², for each class and column.
    squares = np.array([share @ (spread + (mean - centre) ** 2) for centre in mean])
    terms = -0.5 * (np.log(variance) + squares / variance)
    return {
        "kind": "gaussian",
        "log_prior": floats(np.log(model.class_prior_)),
        "mean": [floats(row) for row in mean],
        "variance": [floats(row) for row in variance],
        "reference": floats(terms[1] - terms[0]),
    }


def mlp(model: MLPClassifier) -> dict[str, Any]:
    """Return a multilayer perceptron with one logistic output."""
    if model.out_activation_ != "logistic":
        raise ExportError(f"MLPClassifier with the output {model.out_activation_!r} cannot be exported: only logistic")
    return {
        "kind": "mlp",
        "activation": model.activation,
        "layers": [
            {"weights": [floats(column) for column in weights.T], "bias": floats(bias)}
            for weights, bias in zip(model.coefs_, model.intercepts_, strict=True)
        ],
    }
