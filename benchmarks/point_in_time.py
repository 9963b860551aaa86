"""Gain by point-in-time features, by group and by family of models.

``.venv/bin/python benchmarks/point_in_time.py`` chooses groups of features by cross-validation in time inside the
training part of the June 2025 example, then reads the holdout once, with the chosen groups. Pass ``--skip-choice`` to
take the groups of `history.KEPT_GROUPS` as they are, ``--speed`` for the timings alone. The choice takes minutes.
"""

import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]

from slipcast.datasets import labels, splits  # noqa: E402 - the path is set above
from slipcast.features import point_in_time, series_codec  # noqa: E402
from slipcast.features.point_in_time_table import build_series, history_table  # noqa: E402
from slipcast.features.row import CATEGORICAL, NUMERIC  # noqa: E402
from slipcast.features.table import feature_table  # noqa: E402
from slipcast.metrics.bootstrap import interval, resamples  # noqa: E402
from slipcast.metrics.scores import auc, brier  # noqa: E402
from slipcast.training import candidates, pipeline  # noqa: E402
from slipcast.training.search.data import SearchData  # noqa: E402
from slipcast.training.search.folds import time_folds  # noqa: E402
from slipcast.training.search.worker import Worker  # noqa: E402

EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
TOLERANCE_DAYS = 30
HOLDOUT_MONTHS = 18
N_BOOT = 2000
SEEDS = (0, 1)
ALL = tuple(name for names in point_in_time.GROUPS.values() for name in names)
BASE = tuple(name for name in NUMERIC if name not in ALL)
# Near the best points of the searches without history: for choosing groups they stay fixed.
PARAMS = {
    "random_forest": {"min_samples_leaf": 10, "max_features": 0.3},
    "hist_gradient_boosting": {"learning_rate": 0.03, "max_leaf_nodes": 16},
}
FAMILIES = {candidate.name: candidate for candidate in candidates.load_candidates()}


def main() -> None:
    """Choose, measure and print."""
    if "--speed" not in sys.argv:
        experiment(choose="--skip-choice" not in sys.argv)
    speed()


def experiment(choose: bool) -> None:
    """Choose groups on the training part and measure them on the holdout."""
    table = read(EXAMPLE)
    cut = splits.holdout_cut(table["data_date"].max().date(), HOLDOUT_MONTHS)
    train, holdout = splits.split(labels.label(table, TOLERANCE_DAYS), cut)
    features, held = (with_history(table, part) for part in (train, holdout))
    print(
        f"{len(train)} training labels, {len(holdout)} holdout activities from {cut} on, tolerance {TOLERANCE_DAYS} d"
    )
    kept = choice(features, train, cut) if choose else list(point_in_time.KEPT_GROUPS)
    if set(kept) != set(point_in_time.KEPT_GROUPS):
        print(f"history.KEPT_GROUPS differs: {', '.join(point_in_time.KEPT_GROUPS)}")
    print("\nThe holdout, read once with the groups chosen above by cross-validation in the training part;")
    print(f"parameters searched again; difference with its 95 % paired bootstrap interval ({N_BOOT} samples)")
    holdout_report(features, train, held, holdout["is_late"].to_numpy(), kept)


def read(path: Path) -> pd.DataFrame:
    """Return the canonical CSV at `path` with dates as ``datetime64``."""
    days = ["data_date", "start", "baseline_finish", "actual_finish"]
    return pd.read_csv(path, parse_dates=days, dtype={"project_id": str, "activity_id": str})


def with_history(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features without history next to all that `history` knows."""
    plain = feature_table(rows)[[*BASE, *CATEGORICAL]]
    return pd.concat([plain, history_table(table, rows, TOLERANCE_DAYS, ALL)], axis=1)


def use(groups: list[str]) -> tuple[str, ...]:
    """Let the pipelines see the features of `groups` next to those without history; return their names."""
    names = tuple(name for group in groups for name in point_in_time.GROUPS[group])
    pipeline.NUMERIC = (*BASE, *names)
    return names


def choice(features: pd.DataFrame, train: pd.DataFrame, cut: date) -> list[str]:
    """Return the groups that forward selection keeps.

    A group enters if it lowers the mean Brier score of both families and the mean AUC of neither; of those that may,
    the one with the lowest Brier score goes first. The AUC is asked too because a lower Brier score alone may come
    from the level of one period.
    """
    print("\nChoice by cross-validation in time, training part only (mean of the folds; change to the set so far)")
    print(f"{'':28} {'random forest':^28} {'gradient boosting':^28}")
    print(f"{'':28} {'Brier':>13} {'AUC':>13}  {'Brier':>13} {'AUC':>13}")
    kept: list[str] = []
    now = cv(features, train, cut, kept)
    line("without history", now, None)
    while True:
        rest = [group for group in point_in_time.GROUPS if group not in kept]
        tried = {group: cv(features, train, cut, [*kept, group]) for group in rest}
        for group, scores in tried.items():
            line(f"  + {group}", scores, now)
        better = {group: scores for group, scores in tried.items() if enters(scores, now)}
        if not better:
            print(f"chosen: {', '.join(kept)}")
            return kept
        best = min(better, key=lambda group: better[group][:, 0].mean())
        kept, now = [*kept, best], tried[best]
        line(f"with {best}", now, None)


def enters(scores: np.ndarray, now: np.ndarray) -> bool:
    """Return whether both families' Brier scores fall and neither AUC does."""
    return bool((scores[:, 0] < now[:, 0]).all() and (scores[:, 1] >= now[:, 1]).all())


def cv(features: pd.DataFrame, train: pd.DataFrame, cut: date, groups: list[str]) -> np.ndarray:
    """Return mean Brier score and AUC over the time folds, of shape (n_families, 2).

    Judged on what had matured by the cut: of the latest starts only the timely are known before that, and a feature
    that tells the date would profit.
    """
    use(groups)
    matured = (train["baseline_finish"] + pd.Timedelta(days=TOLERANCE_DAYS) < pd.Timestamp(cut)).to_numpy()
    y = train["is_late"].to_numpy()
    scores = []
    for family, params in PARAMS.items():
        folds = []
        for fold in time_folds(train):
            fit, judged = fold.train, fold.test[matured[fold.test]]
            p = np.mean(
                [fitted(family, seed, params, features, y, fit)(features.iloc[judged]) for seed in SEEDS], axis=0
            )
            folds.append((brier(y[judged], p), auc(y[judged], p)))
        scores.append(np.mean(folds, axis=0))
    return np.array(scores)


def fitted(family: str, seed: int, params: dict[str, Any], features: pd.DataFrame, y: np.ndarray, rows: np.ndarray):
    """Return the function from features to probabilities of a model fitted on `rows`."""
    model = pipeline.build_pipeline(FAMILIES[family], seed, **params).fit(features.iloc[rows], y[rows])
    return lambda part: model.predict_proba(part)[:, 1]


def line(name: str, scores: np.ndarray, now: np.ndarray | None) -> None:
    """Print scores of both families, with the change to `now`."""
    cells = []
    for family, (brier_score, area) in enumerate(scores):
        change = ("", "") if now is None else (f"{value:+.4f}" for value in scores[family] - now[family])
        cells += [f"{value:>6.4f} {by:>7}" for value, by in zip((brier_score, area), change, strict=True)]
    print(f"{name:28} {cells[0]} {cells[1]}  {cells[2]} {cells[3]}", flush=True)


def holdout_report(
    features: pd.DataFrame, train: pd.DataFrame, held: pd.DataFrame, y: np.ndarray, kept: list[str]
) -> None:
    """Print each family on the holdout with and without history, then the ablation of the forest."""
    samples = resamples(len(y), N_BOOT, seed=1)
    print(f"{'':24} {'without':^14} {'with':^14} {'AUC difference':^25} {'Brier difference':^27} {'CV Brier':^13}")
    for family in FAMILIES:
        before, after = (searched(family, groups, features, train, held) for groups in ([], kept))
        compare(family, y, before, after, samples)
    print("\nAblation, random forest: without history, with one group alone, and with all chosen but one")
    family = "random_forest"
    none, full = (searched(family, groups, features, train, held) for groups in ([], kept))
    for group in kept:
        compare(f"+ {group}", y, none, searched(family, [group], features, train, held), samples)
    for group in kept:
        rest = [other for other in kept if other != group]
        compare(f"all but {group}", y, full, searched(family, rest, features, train, held), samples)


def searched(
    family: str, groups: list[str], features: pd.DataFrame, train: pd.DataFrame, held: pd.DataFrame
) -> tuple[np.ndarray, float]:
    """Return the holdout probabilities of the searched family, and its cross-validated Brier score."""
    # The search takes every column that it is given.
    columns = [*BASE, *use(groups), *CATEGORICAL]
    features, held = features[columns], held[columns]
    candidate, folds = FAMILIES[family], time_folds(train)
    late = np.concatenate([train["is_late"], np.zeros(len(held), dtype=int)])
    rows = SearchData(pd.concat([features, held], ignore_index=True), late, len(train), folds)
    worker, points = Worker(rows, seed=0), candidate.points()
    fits = [(point, fold) for point in range(len(points)) for fold in range(len(folds))]
    measured = pd.DataFrame(worker.search(candidate, fits, 1.0)[0])
    scores = measured.groupby("point")["brier"].mean()
    model = pipeline.build_pipeline(candidate, 0, **points[scores.idxmin()]).fit(features, train["is_late"])
    return model.predict_proba(held)[:, 1], float(scores.min())


def compare(
    name: str, y: np.ndarray, before: tuple[np.ndarray, float], after: tuple[np.ndarray, float], samples: np.ndarray
) -> None:
    """Print AUC and Brier score before and after, and their differences with intervals."""
    cells = []
    for metric in (auc, brier):
        ranges = interval(np.array([metric(y[i], after[0][i]) - metric(y[i], before[0][i]) for i in samples]))
        change = metric(y, after[0]) - metric(y, before[0])
        cells.append(f"{change:+.4f} [{ranges[0]:+.4f}, {ranges[1]:+.4f}]")
    scores = [f"{auc(y, p):.3f} / {brier(y, p):.4f}" for p, _ in (before, after)]
    print(f"{name:24} {scores[0]} {scores[1]} {cells[0]}  {cells[1]}  {before[1]:.4f} {after[1]:.4f}", flush=True)


def speed() -> None:
    """Print how long features and series of synthetic tables take."""
    print("\nTime for the kept features of a synthetic table (two activities a project, 40 locations, 25 years)")
    for rows in (10**5, 10**6):
        table = synthetic(rows)
        began = time.perf_counter()
        history_table(table, table, TOLERANCE_DAYS)
        features = time.perf_counter() - began
        began = time.perf_counter()
        series = build_series(table, TOLERANCE_DAYS, ("portfolio", "location"))
        largest = max(len(series_codec.encode(item)) for item in series.values())
        print(
            f"{rows:>8} rows: features {features:.1f} s; series of portfolio and locations, encoded, "
            f"{time.perf_counter() - began:.1f} s, the largest {largest / 1000:.0f} kB"
        )


def synthetic(rows: int) -> pd.DataFrame:
    """Return a canonical table of random activities."""
    rng = np.random.default_rng(1)
    start = np.datetime64("2000-01-01", "s") + rng.integers(0, 25 * 365, rows) * np.timedelta64(1, "D")
    days = rng.integers(10, 400, rows) * np.timedelta64(1, "D")
    finish = start + days + rng.integers(-100, 300, rows) * np.timedelta64(1, "D")
    data_day = np.datetime64("2025-01-01", "s")
    return pd.DataFrame(
        {
            "project_id": rng.integers(0, rows // 2, rows).astype(str),
            "phase": rng.choice(["Scope", "Design"], rows),
            "work_type": rng.choice([f"type {number}" for number in range(10)], rows),
            "location": rng.choice([f"district {number}" for number in range(40)], rows),
            "activity_name": rng.choice([f"name {number}" for number in range(1000)], rows),
            "data_date": data_day,
            "start": start,
            "baseline_finish": start + days,
            "actual_finish": np.where(finish <= data_day, finish, np.datetime64("NaT", "s")),
        }
    )


if __name__ == "__main__":
    main()
