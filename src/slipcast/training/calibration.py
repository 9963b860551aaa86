"""Recalibration: a straight line on the log-odds, learned from probabilities of rows that the model had not seen.

Platt (1999) fits a logistic function to a classifier's scores; with the log-odds as score that is the recalibration of
Cox (1958). It cannot change the order of scores, so AUC and average precision stay.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from slipcast.metrics.scores import brier, logistic, losses
from slipcast.probability import CLIP
from slipcast.probability_arrays import log_odds

# Number of blocks for cross-fitting if no folds were recorded.
BLOCKS = 5


@dataclass(frozen=True)
class Calibration:
    """p' = expit(slope * logit(p) + intercept), p held in [clip, 1 - clip]; slope 1 and intercept 0 do not change p."""

    slope: float = 1.0
    intercept: float = 0.0
    clip: float = CLIP

    @property
    def used(self) -> bool:
        """True if the calibration changes probabilities."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def apply(self, p: np.ndarray) -> np.ndarray:
        """Return the recalibrated probabilities, as the artifact's scorer computes them."""
        p = np.asarray(p, dtype="float64")
        if not self.used:
            return p
        # expit(x) without overflow, and without scipy's ufunc, which cannot be pickled by value.
        return (1 + np.tanh((self.slope * log_odds(p, self.clip) + self.intercept) / 2)) / 2


IDENTITY = Calibration()


def fit(y: np.ndarray, p: np.ndarray) -> Calibration:
    """Fit slope and intercept by maximum likelihood; the identity if there is no maximum or the slope is not above 0.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    p
        probabilities of the same activities by models that were not fitted to them
    """
    intercepts, slopes = logistic(log_odds(p), np.asarray(y), np.ones((1, len(p))))
    slope, intercept = float(slopes[0]), float(intercepts[0])
    # A slope below 0 would reverse the order: then the scores contain no signal, and no line can fix that.
    return Calibration(slope, intercept) if np.isfinite(slope) and slope > 0 else IDENTITY


def recalibrate(y: np.ndarray, p: np.ndarray, fold: np.ndarray) -> tuple[Calibration, dict[str, Any]]:
    """Return the recalibration of a model from its out-of-fold probabilities, or the identity if none helps.

    Each fold is recalibrated by a line that was fitted to the other folds. Only if that lowers the log loss of a fold,
    on average, by more than one standard error over the folds is the line that is fitted to all of them used: the
    simpler model unless the other is surely better (Breiman, Friedman, Olshen and Stone 1984, chapter 3). Folds follow
    each other in time, so a line that serves some years and harms others is not used.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    p
        out-of-fold probabilities of the same activities
    fold
        fold of each activity; with fewer than two folds the rows are cut into five blocks in their order

    Returns
    -------
    tuple[Calibration, dict[str, Any]]
        the recalibration, and ``used``, ``slope``, ``intercept``, ``clip``, ``n`` (activities), ``before`` and
        ``after``: ``brier``, ``log_loss``, ``slope``, ``intercept`` of the probabilities as they are and cross-fitted;
        ``gain`` and ``gain_error``: by how much the line lowers the log loss of a fold, and the standard error of that
    """
    y, p, fold = np.asarray(y), np.asarray(p, dtype="float64"), np.asarray(fold)
    if len(np.unique(fold)) < 2:
        fold = np.arange(len(y)) * BLOCKS // len(y)
    crossed = p.copy()
    for number in np.unique(fold):
        held = fold == number
        crossed[held] = fit(y[~held], p[~held]).apply(p[held])
    lowered = losses(y, p) - losses(y, crossed)
    gains = np.array([lowered[fold == number].mean() for number in np.unique(fold)])
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    found = fit(y, p) if gain > error else IDENTITY
    return found, {
        "used": found.used,
        "slope": found.slope,
        "intercept": found.intercept,
        "clip": found.clip,
        "n": len(y),
        "gain": gain,
        "gain_error": error,
        "before": describe(y, p),
        "after": describe(y, crossed if found.used else p),
    }


def describe(y: np.ndarray, p: np.ndarray) -> dict[str, float | None]:
    """Return ``brier``, ``log_loss`` and calibration ``slope`` and ``intercept`` (None where undefined)."""
    intercepts, slopes = logistic(log_odds(p), np.asarray(y), np.ones((1, len(p))))
    slope, intercept = float(slopes[0]), float(intercepts[0])
    return {
        "brier": brier(y, p),
        "log_loss": float(losses(y, p).mean()),
        "slope": slope if np.isfinite(slope) else None,
        "intercept": intercept if np.isfinite(intercept) else None,
    }


class CalibratedPipeline(ClassifierMixin, BaseEstimator):
    """Scikit-learn classifier with recalibrated probabilities, equal to those that the artifact scores.

    Parameters
    ----------
    pipeline
        classes 0 (on time) and 1 (late)
    slope, intercept, clip
        as of :class:`Calibration`
    """

    def __init__(self, pipeline: Pipeline, slope: float = 1.0, intercept: float = 0.0, clip: float = CLIP) -> None:
        self.pipeline = pipeline
        self.slope = slope
        self.intercept = intercept
        self.clip = clip

    def fit(self, features: pd.DataFrame, y: np.ndarray) -> "CalibratedPipeline":
        """Fit the pipeline only: slope and intercept cannot be learned from the rows that it is fitted to."""
        self.pipeline.fit(features, y)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the pipeline is fitted."""
        result: bool = self.pipeline.__sklearn_is_fitted__()
        return result

    @property
    def classes_(self) -> np.ndarray:
        """Classes of the pipeline."""
        values: np.ndarray = self.pipeline.classes_
        return values

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of on time and late, of shape (n_activities, 2)."""
        raw = self.pipeline.predict_proba(features)[:, 1]
        late = Calibration(self.slope, self.intercept, self.clip).apply(raw)
        return np.column_stack([1 - late, late])

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Return 1 (late) from a probability of one half, else 0."""
        return (self.predict_proba(features)[:, 1] >= 0.5).astype("int64")
