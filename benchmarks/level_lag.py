"""Error of matured labels as a guess of the late rate of what starts next: a bound for every correction of the level.

    .venv/bin/python benchmarks/level_lag.py examples/nyc_sca_2025-06.csv

At each quarter's end the late rate of the year that follows (activities by their start) is guessed from labels that
had matured by then. No model takes part, so what is missed no step of a model's level can reach. Printed are the mean
and the mean absolute error in points, and how long a label takes.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from slipcast.datasets import labels
from slipcast_cli import bench

FIRST, LAST = "2016-12-31", "2023-12-31"
FEWEST = 50


def recent(days: int) -> Callable[[pd.DataFrame, pd.Timestamp], float]:
    """Return the late rate of the labels of the last days."""

    def guess(known: pd.DataFrame, day: pd.Timestamp) -> float:
        rows = known[known["matured_at"] > day - pd.Timedelta(days=days)]
        return float(rows["is_late"].mean()) if len(rows) >= FEWEST else float("nan")

    return guess


def trend(known: pd.DataFrame, day: pd.Timestamp) -> float:
    """Return the late rate of the last year, moved on as it has moved since the year before."""
    before = known[known["matured_at"] <= day - pd.Timedelta(days=365)]
    last, earlier = recent(365)(known, day), recent(365)(before, day - pd.Timedelta(days=365))
    return float(np.clip(2 * last - earlier, 0, 1))


def latest_starts(known: pd.DataFrame, day: pd.Timestamp) -> float:
    """Return the late rate of the 100 activities that started last, of those whose label is known."""
    return float(known.nlargest(100, "start")["is_late"].mean())


GUESSES = {
    "labels of the last year": recent(365),
    "labels of the last half year": recent(182),
    "last year, trend carried on": trend,
    "last 100 starts with a label": latest_starts,
}


def main(path: Path) -> None:
    """Print the errors."""
    table = labels.label(bench.read(path), bench.TOLERANCE_DAYS)
    waits = (table["matured_at"] - table["start"]).dt.days
    print(f"a label takes {waits.median():.0f} days from the start (quartiles {waits.quantile(0.25):.0f} to ", end="")
    print(f"{waits.quantile(0.75):.0f})")
    for name, guess in GUESSES.items():
        errors = []
        for day in pd.date_range(FIRST, LAST, freq="QE"):
            started = table[(table["start"] > day) & (table["start"] <= day + pd.Timedelta(days=365))]
            if len(started) >= FEWEST:
                errors.append(100 * (guess(table[table["matured_at"] <= day], day) - started["is_late"].mean()))
        found = np.array(errors)[np.isfinite(errors)]
        print(
            f"{name}: {len(found)} quarters, mean {found.mean():+.1f}, mean absolute {np.abs(found).mean():.1f} points"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
