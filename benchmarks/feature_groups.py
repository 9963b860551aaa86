"""Gain by late rates of the project and by ranks of the planned duration as features, on two real histories.

``nice .venv/bin/python benchmarks/feature_groups.py RAW.csv SNAPSHOTS.csv`` takes the raw file of the New York School
Construction Authority (``examples/exports/nyc_sca_2025-06.csv.gz``) and the releases of "Capital Projects" (NYC Open
Data 95tx-snak), keeps what had matured before any holdout begins, and prints the cross-validated Brier score and AUC
with and without each set, as differences with 95 % intervals of a bootstrap by project. No holdout is read.

A set is adopted if the whole interval of the forest's Brier score lies below 0 on one history and not above 0 on the
other. *Ranks* are the share of the phase's earlier planned durations, and of its earlier actual ones, that are no
longer than the planned duration of the activity.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.history_replay import History, SchoolConstruction, Snapshots  # noqa: E402
from slipcast.features.point_in_time import GROUPS  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.metrics.bootstrap import counted, interval  # noqa: E402
from slipcast.metrics.scores import auc  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.pipeline import build_pipeline  # noqa: E402
from slipcast.training.search.folds import time_folds  # noqa: E402

TOLERANCE_DAYS = 30
RATES, RANKS = list(GROUPS["project rates"]), ["rank_of_planned", "rank_of_actual"]
SETS = {"rates of the project": RATES, "ranks": RANKS, "both": [*RATES, *RANKS]}
PARAMS = {
    "random_forest": {"min_samples_leaf": 10, "max_features": 0.3},
    "hist_gradient_boosting": {"learning_rate": 0.03, "max_leaf_nodes": 16},
}
SEEDS = (0, 1)
# Later releases are the holdout of the replay (docs/monitoring.md).
LAST_PERIOD = 202501
N_BOOT = 1000


def main(raw: str, snapshots: str) -> None:
    """Measure every set on both histories and print a table."""
    print(f"{'':22} {'':24} {'rows':>6} {'AUC':>6} {'Brier':>7} {'AUC difference':>27} {'Brier difference':>27}")
    schools = SchoolConstruction(Path(raw), "2015-03-31")
    report(schools, pd.Timestamp("2024-01-01"), schools.rows)
    projects = Snapshots(Path(snapshots))
    before = projects.released[projects.released.index <= LAST_PERIOD].max()
    raw_table = projects.table
    done = raw_table[raw_table["actual"] & (raw_table["date"] <= raw_table["data_date"])]
    finish = projects.rows["project_id"].map(done.groupby("project_id")["date"].first())
    known = projects.rows.assign(actual_finish=finish, phase=projects.features["phase"], data_date=projects.days[-1])
    report(projects, before, known)


def report(history: History, cut: pd.Timestamp, table: pd.DataFrame) -> None:
    """Print the figures of one history from what had matured by `cut`."""
    # History that became known on a day enters only activities that start after it.
    added = pd.concat([history_table(table, table, TOLERANCE_DAYS, RATES), ranks(table)], axis=1)
    features = pd.concat([history.features, added.loc[history.features.index]], axis=1)
    known = history.labelled(cut)
    known = known[known["matured_at"] < cut].sort_values("start", kind="stable").reset_index(drop=True)
    plain = list(history.features)
    for family in PARAMS:
        judged, y, without = out_of_fold(features[plain], known, family)
        projects = pd.factorize(known["project_id"].iloc[judged])[0]
        print(f"{history.name:22} {family:24} {len(y):>6} {auc(y, without):>6.3f} {np.mean((without - y) ** 2):>7.4f}")
        for name, columns in SETS.items():
            _, _, with_set = out_of_fold(features[[*plain, *columns]], known, family)
            areas, briers = differences(y, without, with_set, projects)
            print(f"{'':22} {'+ ' + name:24} {'':>6} {'':>6} {'':>7} {areas:>27} {briers:>27}", flush=True)


def out_of_fold(features: pd.DataFrame, known: pd.DataFrame, family: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the judged rows of `known`, their outcomes and probabilities, mean of the seeds."""
    candidate = next(item for item in load_candidates() if item.name == family)
    places, y = known["row"].to_numpy(), known["is_late"].to_numpy()
    judged, probabilities = [], []
    for fold in time_folds(known):
        train, test = features.iloc[places[fold.train]], features.iloc[places[fold.test]]
        fits = [
            build_pipeline(candidate, seed, columns=features, **PARAMS[family])
            .fit(train, y[fold.train])
            .predict_proba(test)[:, 1]
            for seed in SEEDS
        ]
        judged.append(fold.test)
        probabilities.append(np.mean(fits, axis=0))
    rows = np.concatenate(judged)
    return rows, y[rows].astype("float64"), np.concatenate(probabilities)


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Return the ranks of each planned duration among the phase's planned and actual ones known before its start."""
    start = table["start"].to_numpy("datetime64[D]")
    planned = (table["baseline_finish"] - table["start"]).dt.days.to_numpy("float64")
    actual = (table["actual_finish"] - table["start"]).dt.days.to_numpy("float64")
    finished = table["actual_finish"].to_numpy("datetime64[D]")
    out = {name: np.full(len(table), np.nan) for name in RANKS}
    for _, places in table.groupby("phase").indices.items():
        for name, values, known in ((RANKS[0], planned, start), (RANKS[1], actual, finished)):
            for day in np.unique(start[places]):
                earlier = np.sort(values[places[known[places] < day]])
                if len(earlier):
                    of = places[start[places] == day]
                    out[name][of] = np.searchsorted(earlier, planned[of], side="right") / len(earlier)
    return pd.DataFrame(out, index=table.index)


def differences(y: np.ndarray, without: np.ndarray, with_set: np.ndarray, projects: np.ndarray) -> tuple[str, str]:
    """Return the differences in AUC and Brier score with their intervals, as text."""
    samples = np.random.default_rng(1).integers(0, projects.max() + 1, size=(N_BOOT, projects.max() + 1))
    gain = (with_set - y) ** 2 - (without - y) ** 2
    areas, briers = [], []
    for weight in counted(samples, projects.max() + 1)[:, projects]:
        briers.append(np.average(gain, weights=weight))
        rows = np.repeat(np.arange(len(y)), weight.astype("int64"))
        areas.append(auc(y[rows], with_set[rows]) - auc(y[rows], without[rows]))
    found = ((auc(y, with_set) - auc(y, without), areas), (gain.mean(), briers))
    texts = [
        f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
        for value, (low, high) in ((v, interval(np.array(s))) for v, s in found)
    ]
    return texts[0], texts[1]


if __name__ == "__main__":
    main(*sys.argv[1:])
