"""Recalibration: a shift or a straight line on the log-odds, where the past shows that it serves what comes next.

Platt (1999) fits a logistic function to a classifier's scores; with the log-odds as score that is the recalibration of
Cox (1958). It cannot change the order of scores, so AUC and average precision stay. Beta calibration and isotonic
regression were measured too (``benchmarks/calibration.py``): both fit the past better and what follows worse.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from slipcast.metrics.scores import brier, logistic, losses
from slipcast.probability import CLIP
from slipcast.probability_arrays import level_shift, log_odds

# Number of blocks if no folds were recorded.
BLOCKS = 5
# Number of activities at which a fitted recalibration has the same weight as none.
PRIOR_COUNT = 200
# Probability with which the gain has to be above 0.
CONFIDENCE = 0.95


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


def fit_level(y: np.ndarray, p: np.ndarray) -> Calibration:
    """Fit the intercept alone by maximum likelihood, the slope held at 1: the mean becomes the late rate."""
    y, logits = np.asarray(y), log_odds(np.asarray(p, dtype="float64"))
    if not 0 < y.mean() < 1:
        return IDENTITY
    return Calibration(1.0, level_shift(logits, float(y.mean())))


# From the simplest on: of two that gain the same the first is taken.
KINDS = {"intercept": fit_level, "slope and intercept": fit}


def recalibrate(y: np.ndarray, p: np.ndarray, fold: np.ndarray) -> tuple[Calibration, dict[str, Any]]:
    """Return the recalibration of a model from its out-of-fold probabilities, or the identity if none surely helps.

    Folds follow each other in time. From the second on, each is recalibrated by what was fitted to the folds before it,
    shrunk towards none by n / (n + `PRIOR_COUNT`): the judge is what came next, as it will be for the model. The kind
    with the largest mean gain in log loss is used, if a t-test over the folds says at `CONFIDENCE` that it gains
    anything. It is then fitted to all folds.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    p
        out-of-fold probabilities of the same activities
    fold
        fold of each activity, ascending in time; with fewer than four folds, of which two would judge, the rows are cut
        into five blocks in their order

    Returns
    -------
    tuple[Calibration, dict[str, Any]]
        the recalibration, and ``used``, ``kind`` (``none`` or one of `KINDS`), ``slope``, ``intercept``, ``clip``,
        ``n`` (activities), ``before`` and ``after``: ``brier``, ``log_loss``, ``slope``, ``intercept`` of the folds
        from the second on, as they are and recalibrated; ``gain`` and ``gain_error``: by how much the best kind lowers
        the log loss of a fold, and the standard error of that
    """
    y, p, fold = np.asarray(y), np.asarray(p, dtype="float64"), np.asarray(fold)
    if len(np.unique(fold)) < 4:
        fold = np.arange(len(y)) * BLOCKS // len(y)
    numbers = np.unique(fold)
    judged = fold > numbers[0]
    forward = {name: p.copy() for name in KINDS}
    gains: dict[str, np.ndarray] = {}
    for name, fitted in KINDS.items():
        for number in numbers[1:]:
            before, now = fold < number, fold == number
            forward[name][now] = _shrunk(fitted(y[before], p[before]), int(before.sum())).apply(p[now])
        lowered = losses(y, p) - losses(y, forward[name])
        gains[name] = np.array([lowered[fold == number].mean() for number in numbers[1:]])
    kind = max(gains, key=lambda name: float(gains[name].mean()))
    gain, error = float(gains[kind].mean()), float(gains[kind].std(ddof=1) / np.sqrt(len(gains[kind])))
    used = gain > 0 and gain > float(t.isf(1 - CONFIDENCE, len(gains[kind]) - 1)) * error
    found = _shrunk(KINDS[kind](y, p), len(y)) if used else IDENTITY
    return found, {
        "used": found.used,
        "kind": kind if found.used else "none",
        "slope": found.slope,
        "intercept": found.intercept,
        "clip": found.clip,
        "n": len(y),
        "gain": gain,
        "gain_error": error,
        "before": describe(y[judged], p[judged]),
        "after": describe(y[judged], (forward[kind] if found.used else p)[judged]),
    }


def _shrunk(found: Calibration, n: int) -> Calibration:
    weight = n / (n + PRIOR_COUNT)
    return Calibration(1 + weight * (found.slope - 1), weight * found.intercept, found.clip)


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
