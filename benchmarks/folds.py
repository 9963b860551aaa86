"""Quality of the choice by each kind of fold: holdout score of the point that it chooses.

``.venv/bin/python benchmarks/folds.py`` searches families on the June 2025 example with folds by time and project, by
time alone and shuffled, and prints for each the cross-validated Brier score of the best point, the point, and its Brier
score on the holdout. ``--families`` names others. A minute for each family on one core.
"""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

import numpy as np  # noqa: E402 - the path and the threads are set above

from slipcast.datasets import labels, splits  # noqa: E402
from slipcast.features.point_in_time_table import history_table  # noqa: E402
from slipcast.metrics.scores import brier  # noqa: E402
from slipcast.training.candidates import load_candidates  # noqa: E402
from slipcast.training.search.folds import ShuffledSplit, time_folds  # noqa: E402
from slipcast.training.search.protocols import FOLDS, time_protocol  # noqa: E402
from slipcast.training.search.worker import Worker  # noqa: E402
from support import schedules  # noqa: E402

SEED = 20240101


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    named = ["random_forest", "hist_gradient_boosting", "logistic_regression"]
    parser.add_argument("--families", nargs="+", default=named)
    options = parser.parse_args()
    example = schedules.example("nyc_sca_2025-06.csv")
    labelled = labels.label(example.table, 30)
    labelled = labelled.join(history_table(example.table, labelled, 30))
    train, holdout = splits.split(labelled, splits.holdout_cut(example.data_date))
    track = time_protocol(train, holdout)
    ways = {
        "time and project": track.data.folds,
        "time": time_folds(train, FOLDS, by_project=False),
        "shuffled": ShuffledSplit(FOLDS, SEED).folds(train["is_late"].to_numpy()),
    }
    for candidate in (item for item in load_candidates() if item.name in options.families):
        for way, folds in ways.items():
            worker = Worker(dataclasses.replace(track.data, folds=folds), SEED)
            points = candidate.points()
            units = [(point, fold) for point in range(len(points)) for fold in range(len(folds))]
            measured, _ = worker.search(candidate, units, 1.0)
            scores = [np.mean([each["brier"] for each in measured if each["point"] == n]) for n in range(len(points))]
            best = int(np.argmin(scores))
            _, p, _ = worker.fit(candidate, points[best])
            reached = brier(holdout["is_late"].to_numpy(), p)
            print(f"{candidate.name:24} {way:18} {scores[best]:.4f} {reached:.4f} {points[best]}", flush=True)


if __name__ == "__main__":
    main()
