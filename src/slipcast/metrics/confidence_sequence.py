"""Confidence sequences: bounds for means that hold at all times together, at any number of looks.

A test at 5 % that is repeated whenever labels arrive rejects sooner or later, even if nothing is wrong. The bounds here
are a confidence sequence: the probability that they ever exclude the truth is 5 % over all looks (normal mixture,
Robbins 1970; with an estimated variance asymptotically valid, Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024,
theorem 2.2).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from slipcast.metrics.scores import auc

ALPHA = 0.05
# The number of observations at which the bounds are tightest; they hold at every number.
TIGHTEST_AT = 200


@dataclass(frozen=True)
class Mean:
    """A mean with its uncertainty.

    Attributes
    ----------
    value
        the mean
    error
        standard error, clustered
    n
        observations
    """

    value: float
    error: float
    n: int

    def interval(self, alpha: float = ALPHA) -> list[float]:
        """Return the interval for a single look."""
        half = float(norm.isf(alpha / 2)) * self.error
        return [self.value - half, self.value + half]

    def bounds(self, alpha: float = ALPHA) -> list[float]:
        """Return the bounds that hold at all times together."""
        # Both in units of the variance of the sum: v, and the mixture's variance, which sets where the bounds are
        # tightest.
        log = -2 * np.log(alpha)
        mixture = TIGHTEST_AT / (log + np.log1p(log))
        half = np.sqrt((self.n + mixture) * (np.log((self.n + mixture) / mixture) + log) / self.n) * self.error
        return [self.value - float(half), self.value + float(half)]


def mean_of(values: np.ndarray, clusters: np.ndarray | None = None) -> Mean:
    """Return the mean of `values`.

    Parameters
    ----------
    values
        shape (n,), at least one
    clusters
        group numbers of correlated values, such as activities of one project; None: all independent. The standard error
        is that of the sums of the groups (Liang and Zeger 1986)

    Examples
    --------
    >>> mean_of(np.array([0.0, 1.0, 1.0, 0.0])).value
    0.5
    """
    values = np.asarray(values, dtype="float64")
    n, value = len(values), float(np.mean(values))
    apart = values - value
    sums = apart if clusters is None else np.bincount(clusters, apart)
    groups = n if clusters is None else len(np.unique(clusters))
    spread = float(np.sum(sums**2)) * (groups / (groups - 1) if groups > 1 else 1.0)
    return Mean(value, float(np.sqrt(spread)) / n, n)


def area(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return values whose mean is the AUC and whose spread is that of the AUC (placements, DeLong et al. 1988).

    Parameters
    ----------
    y, p
        outcomes and probabilities of shape (n,), both outcomes among them
    """
    y, p = np.asarray(y), np.asarray(p, dtype="float64")
    value, late = auc(y, p), y == 1
    placed = np.empty(len(p))
    for mask, others, sign in ((late, p[~late], 1), (~late, p[late], -1)):
        ordered = np.sort(others)
        below = np.searchsorted(ordered, p[mask], side="left")
        ties = np.searchsorted(ordered, p[mask], side="right") - below
        share = (below + ties / 2) / len(ordered)
        placed[mask] = share if sign > 0 else 1 - share
    rate = late.mean()
    values: np.ndarray = value + np.where(late, (placed - value) / rate, (placed - value) / (1 - rate))
    return values
