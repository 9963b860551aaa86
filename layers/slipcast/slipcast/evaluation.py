"""Metrics of probabilities on a holdout, with bootstrap intervals."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

CLIP = 1e-6


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Return the area under the ROC curve by ranks (Mann-Whitney U), .5 if only one class is there.

    The same as ``sklearn.metrics.roc_auc_score``, fast enough for thousands of bootstrap samples.
    """
    late = int(y.sum())
    timely = len(y) - late
    if not late or not timely:
        return 0.5
    return float((rankdata(p)[y == 1].sum() - late * (late + 1) / 2) / (late * timely))


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Return the mean squared difference between probability and outcome (Brier 1950)."""
    return float(np.mean((p - y) ** 2))


def accuracy(y: np.ndarray, p: np.ndarray) -> float:
    """Return the share of outcomes that the probability, cut at one half, gets right."""
    return float(np.mean((p >= 0.5) == y))


def resamples(n: int, n_boot: int, seed: int) -> np.ndarray:
    """Return bootstrap samples: row numbers of shape (n_boot, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(n_boot, n))


def interval(values: np.ndarray) -> list[float]:
    """Return the 95 % percentile interval of bootstrap values (Efron 1979)."""
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def evaluate(y: np.ndarray, p: np.ndarray, *, seed: int, n_boot: int = 1000) -> dict[str, Any]:
    """Measure probabilities against outcomes.

    Parameters
    ----------
    y : outcomes of shape (n_activities,), 1 late
    p : probabilities of being late, same shape
    n_boot : bootstrap samples for the intervals

    Returns
    -------
    ``n``, ``n_late``, ``late_rate``, ``mean_score``, ``auc``, ``average_precision``, ``brier``, ``log_loss``,
    ``accuracy`` (cut at .5), ``majority_accuracy``, ``calibration_slope`` and ``calibration_intercept`` (logistic
    regression of the outcome on the log-odds; 1 and 0 are ideal, None where undefined), and ``auc_ci``, ``brier_ci``,
    ``accuracy_ci``
    """
    y, p = np.asarray(y), np.asarray(p, dtype="float64")
    rate = float(y.mean())
    slope, intercept = _calibration(y, p)
    measured: dict[str, Any] = {
        "n": len(y),
        "n_late": int(y.sum()),
        "late_rate": rate,
        "mean_score": float(p.mean()),
        "average_precision": float(average_precision_score(y, p)) if y.any() else None,
        "log_loss": float(log_loss(y, np.clip(p, CLIP, 1 - CLIP), labels=[0, 1])),
        "majority_accuracy": max(rate, 1 - rate),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }
    samples = resamples(len(y), n_boot, seed)
    metrics: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"auc": auc, "brier": brier, "accuracy": accuracy}
    for name, metric in metrics.items():
        measured[name] = metric(y, p)
        measured[f"{name}_ci"] = interval(np.array([metric(y[rows], p[rows]) for rows in samples]))
    return measured


def _calibration(y: np.ndarray, p: np.ndarray) -> tuple[float | None, float | None]:
    clipped = np.clip(p, CLIP, 1 - CLIP)
    odds = np.log(clipped / (1 - clipped))
    if len(np.unique(y)) < 2 or np.ptp(odds) < 1e-9:
        return None, None
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(odds.reshape(-1, 1), y)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def cost_threshold(missed_delay_cost: float, false_alarm_cost: float) -> float:
    """Return the probability from which a warning costs less than silence (Elkan 2001, equation 2).

    A warning is worth it when ``p * missed_delay_cost >= (1 - p) * false_alarm_cost``.

    Raises
    ------
    ValueError
        If a cost is not positive.
    """
    if missed_delay_cost <= 0 or false_alarm_cost <= 0:
        raise ValueError(f"costs are {missed_delay_cost} and {false_alarm_cost}: both must be positive")
    return false_alarm_cost / (false_alarm_cost + missed_delay_cost)
