"""Distances of two distributions over the same bins. All functions work on the last axis, for many windows at once."""

import numpy as np


def shares(reference: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of both over the bins that at least one of them uses, 0 elsewhere.

    Half a count is added to each bin in use, so that empty bins have a share above 0 (Jeffreys 1946).
    """
    reference, window = np.broadcast_arrays(np.asarray(reference, "float64"), np.asarray(window, "float64"))
    used = (reference + window) > 0
    r, w = np.where(used, reference + 0.5, 0.0), np.where(used, window + 0.5, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return r / r.sum(axis=-1, keepdims=True), w / w.sum(axis=-1, keepdims=True)


def psi(reference: np.ndarray, window: np.ndarray) -> np.ndarray | float:
    """Return the population stability index of counts over the same bins.

    Sum of (w - r) * ln(w / r) over the bins' shares (Siddiqi, Credit Risk Scorecards, 2006; twice the symmetrised
    Kullback-Leibler divergence of Jeffreys 1946).

    Parameters
    ----------
    reference, window
        counts of shape (..., n_bins)

    Examples
    --------
    >>> round(psi(np.array([50, 50]), np.array([80, 20])), 3)
    0.406
    """
    r, w = shares(reference, window)
    found = np.sum((w - r) * (_log(w) - _log(r)), axis=-1)
    return float(found) if np.ndim(found) == 0 else found


def js_distance(reference: np.ndarray, window: np.ndarray) -> np.ndarray | float:
    """Return the Jensen-Shannon distance to base 2: 0 the same, 1 nothing in common (Endres and Schindelin 2003).

    The square root of the mean Kullback-Leibler divergence to the mean distribution, of counts as for `psi`.

    Examples
    --------
    >>> round(js_distance(np.array([50, 50]), np.array([80, 20])), 3)
    0.267
    """
    r, w = shares(reference, window)
    # Not scipy's jensenshannon: it is NaN for two distributions that differ by rounding alone.
    log_middle = _log((r + w) / 2)
    divergence = np.sum(r * (_log(r) - log_middle) + w * (_log(w) - log_middle), axis=-1) / (2 * np.log(2))
    found = np.sqrt(np.maximum(divergence, 0))
    return float(found) if np.ndim(found) == 0 else found


def wasserstein(
    reference: np.ndarray,
    window: np.ndarray,
    edges: np.ndarray,
    limits: tuple[float, float],
    seen: tuple[float, float],
    means: tuple[float, float],
) -> float:
    """Return the first Wasserstein distance of numbers given as counts between edges and as means.

    It is the area between both distribution functions. The part above minus the part below is the difference of the
    means, so only the smaller of the two areas is taken from the counts, as if the functions were straight lines
    between the edges. The result is exact if one distribution lies above the other, and too large if only the tails
    differ.

    Parameters
    ----------
    reference, window
        counts of known values, shape (n_edges + 1,)
    edges
        inner edges, a value on an edge lies below it
    limits, seen
        smallest and largest value of the reference and of the window
    means
        of the reference and of the window
    """
    low, high = min(limits[0], seen[0]), max(limits[1], seen[1])
    knots = np.concatenate([[low], np.clip(edges, low, high), [high]])
    below = [np.concatenate([[0.0], np.cumsum(counts) / counts.sum()]) for counts in (reference, window)]
    apart = below[0] - below[1]
    areas = [
        np.sum(np.diff(knots) * (part[1:] + part[:-1]) / 2) for part in (np.maximum(apart, 0), np.maximum(-apart, 0))
    ]
    return float(abs(means[0] - means[1]) + 2 * min(areas))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number (Holm 1979), along the last axis of shape (..., n_tests).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, "float64")
    order = np.argsort(p_values, axis=-1, kind="stable")
    weights = np.arange(p_values.shape[-1], 0, -1)
    stepped = np.maximum.accumulate(np.minimum(np.take_along_axis(p_values, order, -1) * weights, 1.0), axis=-1)
    corrected = np.empty_like(stepped)
    np.put_along_axis(corrected, order, stepped, -1)
    return corrected


def _log(shares: np.ndarray) -> np.ndarray:
    return np.log(np.where(shares > 0, shares, 1.0))
