"""Two-sample tests with the standard library alone.

The function that releases, their only user, has no scipy: `scipy.stats` would add a layer of 200 MB to it. Tests
compare them with scipy's.
"""

import math
from collections.abc import Sequence


def fisher(events: int, n: int, other_events: int, other_n: int) -> float:
    """Return the one-sided p-value that the first sample has events no more often than the other.

    Fisher's exact test: the upper tail of the hypergeometric distribution given all totals (Fisher 1935).

    Examples
    --------
    >>> round(fisher(8, 100, 1, 100), 4)
    0.0174
    """
    total, drawn = n + other_n, events + other_events
    everything = _log_choose(total, n)
    tail = 0.0
    for k in range(events, min(drawn, n) + 1):
        if n - k <= total - drawn:
            tail += math.exp(_log_choose(drawn, k) + _log_choose(total - drawn, n - k) - everything)
    return min(1.0, tail)


def binomial(events: int, n: int, share: float) -> float:
    """Return the probability of at least `events` among `n` if each has the probability `share`.

    Examples
    --------
    >>> round(binomial(8, 10, 0.5), 4)
    0.0547
    """
    if events <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    log, inverse = math.log(share), math.log1p(-share)
    # The shorter tail of the distribution is summed.
    below = events <= n * share
    terms = range(events) if below else range(events, n + 1)
    side = math.fsum(math.exp(_log_choose(n, k) + k * log + (n - k) * inverse) for k in terms)
    return min(1.0, max(0.0, 1.0 - side if below else side))


def shift(sample: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the difference of the two means and its standard error.

    Parameters
    ----------
    sample, other
        the values of each cluster. The values of one request are correlated, so the error counts requests: the ratio
        estimator of a cluster sample (Cochran, Sampling Techniques, 1977, section 6.3).

    Examples
    --------
    >>> shift([[0.4], [0.6]], [[0.1], [0.3]])[0]
    0.3
    """
    mean, variance = _ratio(sample)
    other_mean, other_variance = _ratio(other)
    return mean - other_mean, math.sqrt(variance + other_variance)


def normal(z: float) -> float:
    """Return the two-sided p-value of a standard normal `z`.

    Examples
    --------
    >>> round(normal(1.96), 3)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def kolmogorov_smirnov(sample: Sequence[float], other: Sequence[float], beyond: float = 0.0) -> tuple[float, float]:
    """Return the largest distance of the two empirical distributions and its asymptotic two-sided p-value.

    With `beyond` it tests the hypothesis that the distributions are at most this far apart: the rest of the distance
    must come by chance (triangle inequality), so the p-value is too large, never too small.

    The p-value is Kolmogorov's series with the correction for small samples of Stephens (1970); with ties it is too
    large, never too small.
    """
    a, b = sorted(sample), sorted(other)
    i = j = 0
    distance = 0.0
    while i < len(a) and j < len(b):
        value = min(a[i], b[j])
        while i < len(a) and a[i] == value:
            i += 1
        while j < len(b) and b[j] == value:
            j += 1
        distance = max(distance, abs(i / len(a) - j / len(b)))
    size = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    x = (size + 0.12 + 0.11 / size) * max(0.0, distance - beyond)
    # For smaller values the series converges slowly, to 1.
    if x < 0.2:
        return distance, 1.0
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 101))
    return distance, min(1.0, max(0.0, p))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of `values`, interpolated between neighbours.

    Examples
    --------
    >>> quantile([1, 2, 3, 4], 0.5)
    2.5
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _ratio(clusters: Sequence[Sequence[float]]) -> tuple[float, float]:
    count, size = len(clusters), sum(map(len, clusters))
    mean = math.fsum(map(math.fsum, clusters)) / size
    if count < 2:
        return mean, math.inf
    squares = math.fsum((math.fsum(values) - len(values) * mean) ** 2 for values in clusters)
    return mean, squares / size**2 * count / (count - 1)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
