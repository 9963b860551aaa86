"""Effect of each kind of recalibration on what comes next, on three real histories and on simulated shifts.

``nice .venv/bin/python benchmarks/calibration.py RAW.csv [--snapshots FILE]`` takes the fits of ``history_replay.py``
(made where they are missing). At each look a recalibration is fitted to the out-of-fold probabilities and the holdout
of the held-out twin, applied to the refitted model, and judged by what started within a year after. Beta calibration
(Kull, Silva Filho and Flach 2017) and isotonic regression are not in Slipcast: this is why.

``--dslib FOLDER`` judges on your download of DSLIB (`slipcast bench dslib`): a forest of what is planned tells
activities over 30 days late, trained on projects that had ended before a cut, judged on those that began after it;
``--simulated`` on made-up models whose level or slope is off by the same amount in all folds and afterwards.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from history_replay import ROOT, History, SchoolConstruction, Snapshots, all_fits
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier
from sklearn.isotonic import IsotonicRegression

from slipcast.datasets.calendars import DAY
from slipcast.forecast import network_state, relative
from slipcast.metrics.scores import brier
from slipcast.probability_arrays import expits
from slipcast.schedule.network import CycleError
from slipcast.training.calibration import fit, fit_level, recalibrate
from slipcast_cli import dslib
from slipcast_cli.bench_dslib_methods import AT_START

CLIP = 1e-6
# Shares of the projects of DSLIB, in the order of their first days, at which the cuts are.
CUTS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TOLERANCE_DAYS = 30
ROWS, SIMULATED = 1000, 100
SHIFTS = (("nothing off", 0.0, 1.0), ("level off by .5", 0.5, 1.0), ("slope .6", 0.0, 0.6), ("both", 0.5, 0.6))
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
    parser.add_argument("raw", type=Path, nargs="?")
    parser.add_argument("--snapshots", type=Path)
    parser.add_argument("--dslib", type=Path)
    parser.add_argument("--simulated", action="store_true")
    arguments = parser.parse_args()
    if arguments.dslib:
        of_projects(arguments.dslib)
    if arguments.simulated:
        simulated()
    if arguments.raw is None:
        return
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
        look(found, (y, p, fold), history.outcome[rows], fits.refitted[rows])
    told(history.name, found)


def look(
    found: dict[str, list[tuple[float, float]]],
    past: tuple[np.ndarray, np.ndarray, np.ndarray],
    outcome: np.ndarray,
    later: np.ndarray,
) -> None:
    """Add what each kind, fitted to the past (outcomes, probabilities, folds), does to later probabilities."""
    for name, kind in KINDS.items():
        q = kind(*past)(later)
        found[name].append((brier(outcome, q), float(q.mean() - outcome.mean())))


def told(title: str, found: dict[str, list[tuple[float, float]]]) -> None:
    """Print the means over the looks."""
    none = np.array(found["none"])
    print(f"{title}: {len(none)} looks")
    for name, pairs in found.items():
        scores = np.array(pairs)
        worse = float(np.mean(scores[:, 0] > none[:, 0] + 1e-9))
        print(
            f"  {name:<28} Brier {scores[:, 0].mean():.4f} ({(scores[:, 0] - none[:, 0]).mean():+.4f}, worse in "
            f"{worse:.0%}) mean |score - late rate| {np.abs(scores[:, 1]).mean():.3f}",
            flush=True,
        )


def of_projects(folder: Path) -> None:
    """Judge on DSLIB: folds are projects in the order of their first status dates."""
    rows = dslib_rows(folder)
    begins = rows.groupby("project_id")["begin"].min().sort_values()
    cuts = [begins.iloc[int(len(begins) * share)] for share in CUTS]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
    for begin, end in pairwise([*cuts, rows["begin"].max() + 1]):
        past = rows[rows["end"] < begin].sort_values("begin", kind="stable")
        later = rows[(rows["begin"] >= begin) & (rows["begin"] < end)]
        # The first fold has no projects before it.
        fold = np.searchsorted(past["begin"].quantile([0.4, 0.52, 0.64, 0.76, 0.88]), past["begin"], side="right") - 1
        oof = np.full(len(past), np.nan)
        for number in range(5):
            before, now = past["begin"] < past["begin"][fold == number].min(), fold == number
            oof[now] = late_forest(past[before], past[now])
        judged = fold >= 0
        past_rows = past["late"].to_numpy()[judged], oof[judged], fold[judged]
        look(found, past_rows, later["late"].to_numpy(), late_forest(past, later))
    told(f"DSLIB, {rows['project_id'].nunique()} projects, {len(rows):,} activities", found)


def dslib_rows(folder: Path) -> pd.DataFrame:
    """Return the activities of usable projects as planned, whether they were late, and first and last day."""
    tables = []
    for project in dslib.read_folder(folder):
        if dslib.unusable(project):
            continue
        finished = dslib.finishes(project)
        try:
            state = network_state.state(project.network, project.value)
        except CycleError:
            continue
        table = state.activities
        table = table[[key in finished for key in table["key"]]]
        planned = [project.network.activities[key].planned_finish or 0 for key in table["key"]]
        ends = [finished[key][1] // DAY for key in table["key"]]
        late = [end - day // DAY > TOLERANCE_DAYS for end, day in zip(ends, planned, strict=True)]
        days = {"begin": state.data_date // DAY, "end": max(end for _, end in finished.values()) // DAY}
        tables.append(table[[*AT_START]].assign(project_id=project.name, late=np.array(late, dtype=int), **days))
    return pd.concat(tables, ignore_index=True)


def late_forest(past: pd.DataFrame, later: pd.DataFrame) -> np.ndarray:
    """Return the probability of being late of later activities, projects of the past counting the same."""
    forest = RandomForestClassifier(100, min_samples_leaf=10, max_features=0.4, random_state=0)
    forest.fit(past[[*AT_START]], past["late"], relative.project_weights(past["project_id"]))
    if len(forest.classes_) < 2:
        return np.full(len(later), float(forest.classes_[0]))
    p: np.ndarray = forest.predict_proba(later[[*AT_START]])[:, 1]
    return p


def simulated() -> None:
    """Judge on models whose log-odds are off by a level or a slope, in five folds and in what follows."""
    rng = np.random.default_rng(0)
    for title, level, slope in SHIFTS:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
        for _ in range(SIMULATED):
            odds = rng.normal(-0.7, 1.1, 2 * ROWS)
            y = (rng.random(2 * ROWS) < expits(level + slope * odds)).astype(int)
            p = expits(odds)
            look(found, (y[:ROWS], p[:ROWS], np.arange(ROWS) * 5 // ROWS), y[ROWS:], p[ROWS:])
        told(f"simulated, {title}", found)


if __name__ == "__main__":
    main()
