"""Effect of each kind of recalibration on what comes next, on two real histories.

``nice .venv/bin/python benchmarks/calibration.py RAW.csv [--snapshots FILE]`` takes the fits of ``history_replay.py``
(made where they are missing). At each look a recalibration is fitted to the out-of-fold probabilities and the holdout
of the held-out twin, applied to the refitted model, and judged by what started within a year after. Beta calibration
(Kull, Silva Filho and Flach 2017) and isotonic regression are not in Slipcast: this is why.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from history_replay import ROOT, History, SchoolConstruction, Snapshots, all_fits
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from slipcast.metrics.scores import brier
from slipcast.probability_arrays import expits
from slipcast.training.calibration import fit, fit_level, recalibrate

CLIP = 1e-6
type Fitted = Callable[[np.ndarray], np.ndarray]


def beta(y: np.ndarray, p: np.ndarray) -> Fitted:
    """Return beta calibration: log-odds = a ln p - b ln(1 - p) + c."""

    def logits(given: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        held = np.clip(given, CLIP, 1 - CLIP)
        return a * np.log(held) - b * np.log(1 - held) + c

    def loss(at: np.ndarray) -> float:
        z = logits(p, *at)
        return float(np.mean(np.logaddexp(0, z) - y * z))

    found = minimize(loss, [1.0, 1.0, 0.0]).x
    return lambda given: expits(logits(given, *found))


def isotonic(y: np.ndarray, p: np.ndarray) -> Fitted:
    """Return isotonic regression, held off 0 and 1."""
    fitted = IsotonicRegression(y_min=0.01, y_max=0.99, out_of_bounds="clip").fit(p, y)
    return lambda given: np.asarray(fitted.predict(given))


KINDS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], Fitted]] = {
    "none": lambda y, p, fold: lambda given: given,
    "as the pipeline": lambda y, p, fold: recalibrate(y, p, fold)[0].apply,
    "intercept, always": lambda y, p, fold: fit_level(y, p).apply,
    "slope and intercept, always": lambda y, p, fold: fit(y, p).apply,
    "beta, always": lambda y, p, fold: beta(y, p),
    "isotonic, always": lambda y, p, fold: isotonic(y, p),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("--snapshots", type=Path)
    arguments = parser.parse_args()
    cache = ROOT / ".cache" / "history_replay"
    cache.mkdir(parents=True, exist_ok=True)
    histories: list[History] = [SchoolConstruction(arguments.raw, "2015-03-31")]
    if arguments.snapshots:
        histories.append(Snapshots(arguments.snapshots))
    for history in histories:
        judge(history, cache)


def judge(history: History, cache: Path) -> None:
    """Print the mean over the looks of a history."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
    begin = history.rows["start"]
    for day, fits in all_fits(history, cache).items():
        later = (begin > day) & (begin <= day + pd.DateOffset(months=12)) & ~np.isnan(history.outcome)
        rows = np.flatnonzero(later)
        if len(rows) < 30:
            continue
        y = np.append(fits.y[fits.oof["row"]], fits.held_y)
        p = np.append(fits.oof["p"], fits.twin[fits.held])
        fold = np.append(fits.oof["fold"], np.full(len(fits.held), fits.oof["fold"].max() + 1))
        outcome = history.outcome[rows]
        for name, kind in KINDS.items():
            q = kind(y, p, fold)(fits.refitted[rows])
            found[name].append((brier(outcome, q), float(q.mean() - outcome.mean())))
    none = np.array(found["none"])
    print(f"{history.name}: {len(none)} looks")
    for name, pairs in found.items():
        scores = np.array(pairs)
        worse = float(np.mean(scores[:, 0] > none[:, 0] + 1e-9))
        print(
            f"  {name:<28} Brier {scores[:, 0].mean():.4f} ({(scores[:, 0] - none[:, 0]).mean():+.4f}, worse in "
            f"{worse:.0%}) mean |score - late rate| {np.abs(scores[:, 1]).mean():.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
