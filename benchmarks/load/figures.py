"""Percentiles, rates and slopes of what was found, with how far they can be trusted."""

from collections import Counter
from typing import Any

import numpy as np

QUANTILES = (0.5, 0.99, 0.999)
PARTS = 10
# Memory of the first so many requests is that of caches that fill and of an allocator that finds its size.
SETTLED = 10_000
BLOCK, RESAMPLED = 10, 2_000


def speed(found: dict[str, Any]) -> dict[str, float]:
    """Return requests a second of one user at a time, and 50th, 99th and 99.9th percentile in ms."""
    ms = np.array(found["ms"])
    quantiles = {f"p{quantile * 100:g}": float(np.quantile(ms, quantile)) for quantile in QUANTILES}
    return {"a second": 1000 / float(ms.mean()), **quantiles}


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
    return {"ms": np.array(found["ms"])[inside].tolist(), "at": at[inside].tolist()}


def slope(samples: list[list[int]]) -> dict[str, float]:
    """Return how memory grows once it has settled, from ``[requests, RSS, PSS]`` in KiB.

    Returns
    -------
    rss, pss : MiB at the end; bytes : of PSS that each request adds (least squares); low, high : its 95 % interval by a
    circular block bootstrap of the residuals (Politis and Romano 1992), for memory goes by steps that depend on one another
    """
    table = np.array(samples, dtype=float)
    table = table[table[:, 0] >= min(SETTLED, table[-1, 0] / 2)]
    n, pss = table[:, 0], table[:, 2] * 1024
    line = np.polynomial.polynomial.polyfit(n, pss, 1)
    fitted = np.polynomial.polynomial.polyval(n, line)
    residuals, rng = pss - fitted, np.random.default_rng(0)
    block = min(BLOCK, len(n) - 1)
    starts = rng.integers(0, len(n), size=(RESAMPLED, -(-len(n) // block)))
    # Around the end: otherwise what lies at the ends comes less often, and the slopes lean to one side.
    places = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLED, -1)[:, : len(n)] % len(n)
    centred = n - n.mean()
    slopes = line[1] + (residuals[places] @ centred) / (centred @ centred)
    low, high = np.quantile(slopes, (0.025, 0.975))
    return {
        **{"rss": table[-1, 1] / 1024, "pss": table[-1, 2] / 1024, "first": table[0, 2] / 1024},
        **{"bytes": float(line[1]), "low": float(low), "high": float(high), "requests": float(n[-1] - n[0])},
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
