"""Product-limit estimates from censored times, with weights."""

import numpy as np


def kaplan_meier(
    times: np.ndarray, observed: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the product-limit estimate of a survival function (Kaplan and Meier 1958).

    `scipy.stats.ecdf` gives the same without weights.

    Parameters
    ----------
    times
        time of each event, or until which none was seen, shape (n,)
    observed
        whether the event was seen, shape (n,); an event counts before a censoring at the same time
    weights
        positive weight of each time, shape (n,)

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        distinct times of events, ascending, and the probability that no event has come by the end of each

    Examples
    --------
    >>> times, survival = kaplan_meier(np.array([1, 2, 2, 3]), np.array([True, True, False, True]))
    >>> times.tolist(), survival.round(3).tolist()
    ([1, 2, 3], [0.75, 0.5, 0.0])
    """
    weight = np.ones(len(times)) if weights is None else weights
    distinct, place = np.unique(times, return_inverse=True)
    total = np.bincount(place, weight, len(distinct))
    events = np.bincount(place, weight * observed, len(distinct))
    at_risk = np.cumsum(total[::-1])[::-1]
    survival = np.cumprod(1 - events / at_risk)
    seen = events > 0
    return distinct[seen], survival[seen]


def step(at: np.ndarray, times: np.ndarray, values: np.ndarray, before: float) -> np.ndarray:
    """Return the right-continuous step function with `values` from `times` on, `before` earlier."""
    padded: np.ndarray = np.concatenate([[before], values])[np.searchsorted(times, at, side="right")]
    return padded
