"""Null distributions of a window without drift: moments of the stability index, and tails of shares.

The index of a window without drift is not 0. Times the harmonic size 1 / (1/n + 1/m) of a window of n and a reference
of m it is about chi-square for large counts (Yurdakul and Naranjo 2020), but not with a handful in a bin. So its mean
and variance are found by a parametric bootstrap of both samples, once, when the profile is made; a gamma distribution
with these moments gives p-values and limits at any size, interpolated in log n. Against 100,000 simulated windows its
.001 tail holds .0002 to .0024 of them (sizes 20 to 100,000; 6 shapes of distributions).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import gammaln
from scipy.stats import gamma

from slipcast.monitoring.distances import psi

SIZES = (20, 50, 100, 200, 500, 1_000, 10_000, 100_000)
SAMPLES = 2_000
# Maximum number of rows for the comparison of shares: more rows add nothing to the certainty.
MOST = 5_000
# Windows of all sizes use the same stream of random numbers: the same counts have the same moments.
SEED = 20_240_229


def moments(counts: np.ndarray, sizes: Sequence[float] = SIZES) -> dict[str, list[float]]:
    """Return mean and variance of the index times the harmonic size, for each of `sizes` of the window.

    Parameters
    ----------
    counts
        of the reference, shape (n_bins,)
    """
    counts = np.asarray(counts, dtype="float64")
    m = counts.sum()
    if m == 0 or (counts > 0).sum() < 2:
        return {"mean": [0.0] * len(sizes), "var": [0.0] * len(sizes)}
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(max(int(m), 1), counts / m, size=SAMPLES)
    found: dict[str, list[float]] = {"mean": [], "var": []}
    for n in sizes:
        scaled = psi(drawn, rng.multinomial(max(int(n), 1), counts / m, size=SAMPLES)) / (1 / n + 1 / m)
        found["mean"].append(round(float(scaled.mean()), 4))
        found["var"].append(round(float(scaled.var()), 4))
    return found


class Chance:
    """Null distribution of the index without drift, for a window of `n` and a reference of `m` rows.

    Parameters
    ----------
    known
        as `moments` returned it for `sizes`
    n, m
        effective sizes above 0
    """

    def __init__(self, known: dict[str, list[float]], n: float, m: float, sizes: Sequence[float] = SIZES) -> None:
        at, grid = np.log(n), np.log(sizes)
        scale = 1 / n + 1 / m
        self.mean = float(np.interp(at, grid, known["mean"])) * scale
        self.var = float(np.interp(at, grid, known["var"])) * scale**2

    def p_value(self, index: np.ndarray) -> np.ndarray:
        """Return the probability of an index this large or larger."""
        if self.var <= 0:
            # The reference has one value only: other values are left to the tests of shares.
            return np.ones(np.shape(index))
        values: np.ndarray = gamma.sf(index, self.mean**2 / self.var, scale=self.var / self.mean)
        return values

    def limit(self, level: float) -> float:
        """Return the index that is exceeded with probability `level`."""
        if self.var <= 0:
            return 0.0
        return float(gamma.isf(level, self.mean**2 / self.var, scale=self.var / self.mean))


@lru_cache(maxsize=512)
def tail(n: int, seen: float, m: float) -> np.ndarray:
    """Return for each count x of 0..n the probability of x or more of n rows, after `seen` of `m` in the reference.

    The beta-binomial predictive distribution with the prior of Jeffreys, so that the reference's own sampling error
    counts too.
    """
    a, b = seen + 0.5, max(m - seen, 0) + 0.5
    x = np.arange(n + 1)
    log_pmf = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    log_pmf += gammaln(x + a) + gammaln(n - x + b) - gammaln(n + a + b)
    log_pmf += gammaln(a + b) - gammaln(a) - gammaln(b)
    values: np.ndarray = np.minimum(np.cumsum(np.exp(log_pmf)[::-1])[::-1], 1.0)
    return values


def share_p_value(count: np.ndarray, n: float, seen: float, m: float) -> np.ndarray:
    """Return the probability of `count` or more of `n` window rows, after `seen` of `m` reference rows; see `tail`."""
    rows = max(1, min(int(n), MOST))
    # Rounded down: the reduced sample must not become more certain.
    scaled = np.floor(np.asarray(count) * (rows / n) + 1e-9).astype("int64")
    values: np.ndarray = tail(rows, float(seen), float(m))[np.clip(scaled, 0, rows)]
    return values


def described(entry: dict[str, Any]) -> dict[str, list[float]]:
    """Return the moments that a profile has for a feature; profiles of earlier versions have none."""
    return entry.get("chance") or moments(np.array(entry["counts"]))
