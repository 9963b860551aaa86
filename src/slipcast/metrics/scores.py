"""Metrics of probabilities on a holdout, with bootstrap intervals.

A bootstrap sample is a vector of multiplicities: the number of times each activity was drawn. Every metric is a
function of these weights, so all samples are measured in one pass of matrix arithmetic and the scores are sorted once.
"""

from typing import Any

import numpy as np
from scipy.stats import rankdata

from slipcast.metrics.bootstrap import BLOCK, counted, interval_or_none, multiplicities
from slipcast.probability import CLIP
from slipcast.probability_arrays import log_odds

MEASURED = (
    *("auc", "average_precision", "brier", "log_loss", "accuracy", "balanced_accuracy", "majority_accuracy"),
    *("calibration_slope", "calibration_intercept"),
)


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Return the area under the ROC curve by ranks (Mann-Whitney U), .5 if there is only one class.

    The same as ``sklearn.metrics.roc_auc_score``, fast enough for thousands of bootstrap samples.

    Examples
    --------
    >>> auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.6, 0.5]))
    0.75
    """
    late = int(y.sum())
    timely = len(y) - late
    if not late or not timely:
        return 0.5
    return float((rankdata(p)[y == 1].sum() - late * (late + 1) / 2) / (late * timely))


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Return the mean squared difference between probability and outcome (Brier 1950).

    Examples
    --------
    >>> round(brier(np.array([0, 1]), np.array([0.2, 0.7])), 3)
    0.065
    """
    return float(np.mean((p - y) ** 2))


def losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the log loss of each activity; probabilities are held in [1e-6, 1 - 1e-6].

    Examples
    --------
    >>> losses(np.array([0, 1]), np.array([0.2, 0.7])).round(3).tolist()
    [0.223, 0.357]
    """
    held = np.clip(p, CLIP, 1 - CLIP)
    values: np.ndarray = -np.where(y == 1, np.log(held), np.log1p(-held))
    return values


def resampled_auc(y: np.ndarray, p: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of each bootstrap sample of `resamples`, as `auc` gives it."""
    size = max(1, BLOCK // len(y))
    blocks = (counted(samples[begin : begin + size], len(y)) for begin in range(0, len(samples), size))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([ranking(y, p, weights)[0] for weights in blocks])


def evaluate(y: np.ndarray, p: np.ndarray, *, seed: int, n_boot: int = 1000) -> dict[str, Any]:
    """Measure probabilities against outcomes.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    p
        probabilities of being late, same shape
    n_boot
        bootstrap samples for the intervals

    Returns
    -------
    dict[str, Any]
        ``n``, ``n_late``, ``late_rate``, ``mean_score`` and, each with its 95 % percentile interval as ``<name>_ci``:

        - ``auc``: area under the ROC curve; .5 without both classes.
        - ``average_precision``: sum of precision times gain in recall over the distinct scores, as scikit-learn
          computes it; None without a late activity.
        - ``brier``, ``log_loss``: means of (p - y)^2 (Brier 1950) and of -log of the probability that was given to the
          outcome (Good 1952).
        - ``accuracy``, ``balanced_accuracy``: share of correct classifications with the cut at .5; mean of that share
          among late and among timely activities.
        - ``majority_accuracy``: accuracy of always predicting the more frequent class.
        - ``calibration_slope``, ``calibration_intercept``: logistic regression of the outcome on the log-odds (Cox
          1958); 1 and 0 are ideal, a slope below 1 means scores that are too extreme. None where undefined: one class,
          constant scores, or classes that a cut separates.

        An interval is None where more than 5 % of the samples leave the metric undefined.
    """
    y, p = np.asarray(y, dtype="int64"), np.asarray(p, dtype="float64")
    measured = {name: float(values[0]) for name, values in weighted(y, p, np.ones((1, len(y)))).items()}
    start = np.array([measured["calibration_intercept"], measured["calibration_slope"]])
    samples = [weighted(y, p, weights, start) for weights in multiplicities(len(y), n_boot, seed)]
    found: dict[str, Any] = {
        "n": len(y),
        "n_late": int(y.sum()),
        "late_rate": float(y.mean()),
        "mean_score": float(p.mean()),
    }
    for name in MEASURED:
        defined = bool(np.isfinite(measured[name]))
        values = np.concatenate([sample[name] for sample in samples])
        found[name] = measured[name] if defined else None
        found[f"{name}_ci"] = interval_or_none(values) if defined else None
    return found


def weighted(
    y: np.ndarray, p: np.ndarray, weights: np.ndarray, start: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the metrics of `MEASURED` for each row of `weights`, NaN where undefined.

    Parameters
    ----------
    y, p
        outcomes and probabilities of shape (n_activities,)
    weights
        weight of each activity, shape (n_samples, n_activities)
    start
        intercept and slope from which the calibration's iterations begin
    """
    total, late = weights.sum(axis=1), weights @ y
    right = ((p >= 0.5) == y).astype("float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        balanced = (weights @ (right * y) / late + weights @ (right * (1 - y)) / (total - late)) / 2
        means = weights @ np.column_stack([(p - y) ** 2, losses(y, p), right]) / total[:, None]
        rate = late / total
        area, precision = ranking(y, p, weights)
    intercept, slope = logistic(log_odds(p), y, weights, start)
    return {
        "auc": area,
        "average_precision": precision,
        "brier": means[:, 0],
        "log_loss": means[:, 1],
        "accuracy": means[:, 2],
        "balanced_accuracy": balanced,
        "majority_accuracy": np.maximum(rate, 1 - rate),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
    }


def ranking(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return AUC and average precision of each sample; activities with the same score count as one threshold."""
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    ordered = weights[:, order]
    hits = np.cumsum(ordered * y[order], axis=1)[:, ends]
    warned = np.cumsum(ordered, axis=1)[:, ends]
    alarms = warned - hits
    late, timely = hits[:, -1], alarms[:, -1]
    before = np.concatenate([np.zeros((len(weights), 1)), hits[:, :-1]], axis=1)
    gained = np.diff(alarms, axis=1, prepend=0.0)
    area = (gained * (before + hits) / 2).sum(axis=1) / (late * timely)
    area = np.where((late == 0) | (timely == 0), 0.5, area)
    # A sample may have no rows above a threshold: then precision is undefined and no recall is gained.
    precision = ((hits - before) * np.divide(hits, warned, out=np.zeros_like(hits), where=warned > 0)).sum(axis=1)
    return area, precision / late


def logistic(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, start: np.ndarray | None = None, *, steps: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """Fit log-odds = intercept + slope * x by maximum likelihood for each row of weights.

    Newton's method for the two parameters (McCullagh and Nelder 1989, section 2.5), all samples at once. A step that
    would change a log-odds by r > 1 is shortened to log(1 + r) / r of itself: then each step raises the likelihood,
    however far the start is from the maximum (Bach 2010, "Self-concordant analysis for logistic regression").

    Parameters
    ----------
    x, y
        predictor and outcome (0 or 1) of shape (n_activities,)
    weights
        shape (n_samples, n_activities)
    start
        intercept and slope to begin with; 0 and 1 by default

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        intercept and slope, each of shape (n_samples,), NaN where the likelihood has no maximum (one class, constant
        `x`, separated classes)
    """
    begin = np.array([0.0, 1.0]) if start is None or not np.isfinite(start).all() else start
    found = np.tile(begin, (len(weights), 1))
    done = np.zeros(len(weights), dtype=bool)
    design = np.column_stack([np.ones_like(x), x, x * x])
    ends = np.array([[1.0, 1.0], [x.min(), x.max()]])
    for _ in range(steps):
        open_ = np.flatnonzero(~done)
        if not len(open_):
            break
        sample = weights[open_]
        p = 1 / (1 + np.exp(-np.clip(found[open_, :1] + found[open_, 1:] * x, -500, 500)))
        gradient = (sample * (y - p)) @ design[:, :2]
        curve = (sample * (p * (1 - p))) @ design
        determinant = curve[:, 0] * curve[:, 2] - curve[:, 1] ** 2
        flat = determinant <= 1e-9 * np.maximum(curve[:, 0] * curve[:, 2], 1e-12)
        determinant = np.where(flat, np.nan, determinant)
        step = np.column_stack(
            [
                curve[:, 2] * gradient[:, 0] - curve[:, 1] * gradient[:, 1],
                curve[:, 0] * gradient[:, 1] - curve[:, 1] * gradient[:, 0],
            ]
        )
        step = step / determinant[:, None]
        change = np.abs(step @ ends).max(axis=1)
        found[open_] += step * np.where(change > 1, np.log1p(change) / np.maximum(change, 1), 1.0)[:, None]
        done[open_] = flat | (np.abs(step).max(axis=1) < 1e-7)
    found[~done] = np.nan
    return found[:, 0], found[:, 1]
