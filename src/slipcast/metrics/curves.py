"""Points of a report's curves: ROC, precision and recall, reliability."""

from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve, roc_curve

# More points than a figure can show.
MAX_POINTS = 200
BINS = 10


def curves(y: np.ndarray, p: np.ndarray, *, bins: int = BINS) -> dict[str, Any]:
    """Return the curves of probabilities against outcomes.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    p
        probabilities of the same activities
    bins
        number of bins of the reliability curve, with equal counts; equal probabilities stay together

    Returns
    -------
    dict[str, Any]
        - ``roc``: [false positive rate, true positive rate] pairs, ``pr``: [recall, precision] pairs; both by
          scikit-learn, thinned to 200 points and empty without both classes.
        - ``reliability``: for each bin ``mean_score``, ``late_rate``, ``late_rate_ci`` (95 %, Wilson 1927) and ``n``.
    """
    y, p = np.asarray(y), np.asarray(p)
    roc, pr = [], []
    if 0 < y.sum() < len(y):
        false_positive, true_positive, _ = roc_curve(y, p)
        precision, recall, _ = precision_recall_curve(y, p)
        roc = _thinned(false_positive, true_positive)
        pr = _thinned(recall, precision)
    return {"roc": roc, "pr": pr, "reliability": _reliability(y, p, bins)}


def wilson(successes: int, n: int) -> list[float]:
    """Return the 95 % interval of a share (Wilson 1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    interval = binomtest(successes, n).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


def _thinned(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int))
    return [[float(x[at]), float(y[at])] for at in kept]


def _reliability(y: np.ndarray, p: np.ndarray, bins: int) -> list[dict[str, Any]]:
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, p, side="left")
    found = []
    for number in np.unique(place):
        inside = place == number
        n, late = int(inside.sum()), int(y[inside].sum())
        found.append(
            {
                "mean_score": float(p[inside].mean()),
                "late_rate": late / n,
                "late_rate_ci": wilson(late, n),
                "n": n,
            }
        )
    return found
