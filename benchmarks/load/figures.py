"""Percentiles, rates and slopes of what was found, with how far they can be trusted."""

from collections import Counter
from typing import Any

import numpy as np
from scipy import stats

QUANTILES = (0.5, 0.99, 0.999)
PARTS = 10
# Memory of the first so many requests is that of caches that fill and of an allocator that finds its size.
SETTLED = 10_000
MEANS = 12


def speed(found: dict[str, Any]) -> dict[str, float]:
    """Return requests a second while it was asked, and 50th, 99th and 99.9th percentile in ms.

    Its users ask without a pause, so they get through as many as their number over the mean duration.
    """
    ms = np.array(found["ms"])
    quantiles = {f"p{quantile * 100:g}": float(np.quantile(ms, quantile)) for quantile in QUANTILES}
    return {"a second": max(found["users"]) * 1000 / float(ms.mean()), **quantiles}


def ratios(found: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Return for each figure of `speed` found ÷ other, and least and greatest of tenths of the run.

    The tenths of one run are as far apart as chance and other work on the machine put them.
    """
    whole = _divided(speed(found), speed(other))
    end = max(found["at"][-1], other["at"][-1])
    parts = []
    for part in range(PARTS):
        left, right = (_between(item, part * end / PARTS, (part + 1) * end / PARTS) for item in (found, other))
        if left["ms"] and right["ms"]:
            parts.append(_divided(speed(left), speed(right)))
    return {
        name: (value, min(item[name] for item in parts), max(item[name] for item in parts))
        for name, value in whole.items()
    }


def _divided(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    return {name: left[name] / right[name] for name in left}


def _between(found: dict[str, Any], begin: float, end: float) -> dict[str, Any]:
    at = np.array(found["at"])
    inside = (at >= begin) & (at < end)
    return {"ms": np.array(found["ms"])[inside].tolist(), "at": at[inside].tolist(), "users": found["users"]}


def slope(samples: list[list[int]]) -> dict[str, float]:
    """Return how memory grows once it has settled, from ``[requests, RSS, PSS]`` in KiB.

    Returns
    -------
    first, pss, rss : MiB at the beginning and at the end; bytes : of PSS that each request adds, least squares over the
    means of twelve parts of the run; low, high : its 95 % interval by Student's t. Means of long parts hardly depend on
    one another, single samples do: memory goes by steps
    """
    table = np.array(samples, dtype=float)
    table = table[table[:, 0] >= min(SETTLED, table[-1, 0] / 2)]
    parts = np.array([part.mean(axis=0) for part in np.array_split(table, MEANS)])
    fit = stats.linregress(parts[:, 0], parts[:, 2] * 1024)
    half = stats.t.ppf(0.975, MEANS - 2) * fit.stderr
    return {
        **{"first": table[0, 2] / 1024, "pss": table[-1, 2] / 1024, "rss": table[-1, 1] / 1024},
        **{"bytes": fit.slope, "low": fit.slope - half, "high": fit.slope + half},
        "requests": table[-1, 0] - table[0, 0],
    }


def statuses(found: dict[str, Any]) -> dict[int, int]:
    """Return how often each status was answered."""
    return dict(sorted(Counter(found["statuses"]).items()))


def check(found: dict[str, dict[str, Any]]) -> None:
    """Raise what was answered otherwise than it has to be.

    Raises
    ------
    AssertionError
        With the first ten of each target.
    """
    wrong = {name: item["faults"] for name, item in found.items() if item["fault_count"]}
    assert not wrong, f"answers that must not be: {wrong}"
