"""Bootstrap by whole projects: samples, their multiplicities, intervals."""

from collections.abc import Iterator

import numpy as np

# Number of rows times samples held in memory at once: 16 MB for each array.
BLOCK = 2_000_000
# If more samples than this are undefined, an interval would ignore too many of them.
MAX_UNDEFINED = 0.05


def resamples(n: int, n_boot: int, seed: int) -> np.ndarray:
    """Return bootstrap samples: row numbers of shape (n_boot, n)."""
    return np.random.default_rng(seed).integers(0, n, size=(n_boot, n))


def multiplicities(n: int, n_boot: int, seed: int) -> Iterator[np.ndarray]:
    """Yield bootstrap samples as multiplicities of each row: blocks of shape (n_samples, n), `n_boot` in total."""
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK // n)
    for begin in range(0, n_boot, size):
        rows = rng.integers(0, n, size=(min(size, n_boot - begin), n))
        yield counted(rows, n)


def counted(rows: np.ndarray, n: int) -> np.ndarray:
    """Return the multiplicity of each of `n` rows in each sample of row numbers: float64 of shape (n_samples, n).

    Examples
    --------
    >>> counted(np.array([[0, 0, 2]]), 3).tolist()
    [[2.0, 0.0, 1.0]]
    """
    return np.stack([np.bincount(sample, minlength=n) for sample in rows]).astype("float64")


def interval(values: np.ndarray) -> list[float]:
    """Return the 95 % percentile interval of bootstrap values (Efron 1979).

    Examples
    --------
    >>> interval(np.arange(101))
    [2.5, 97.5]
    """
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def interval_or_none(values: np.ndarray) -> list[float] | None:
    """Return the interval of the defined values; None if more than 5 % of the samples leave the metric undefined.

    Examples
    --------
    >>> interval_or_none(np.array([0.5, np.nan])) is None
    True
    """
    defined = values[np.isfinite(values)]
    return interval(defined) if len(defined) and len(defined) >= (1 - MAX_UNDEFINED) * len(values) else None
