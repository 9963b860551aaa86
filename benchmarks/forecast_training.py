"""Costs that the forecast adds to a training: seconds of one processor, memory, bytes, and what its intervals cover.

    .venv/bin/python benchmarks/forecast_training.py [--table examples/nyc_sca_2025-06.csv] [--copies 1]

`--copies` repeats the portfolio under other names of its projects, to see how the steps grow.
"""

import argparse
import json
import resource
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipcast.datasets import splits, tables
from slipcast.evaluation import forecast as assessment
from slipcast.forecast import landmarks, training
from slipcast.model import artifact
from slipcast.training.search import forecast
from slipcast_cli import bench

TOLERANCE_DAYS, HOLDOUT_MONTHS, SEED = 30, 18, 20240101


def main() -> None:
    """Run the steps of plan, train and evaluate, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("examples/nyc_sca_2025-06.csv"))
    parser.add_argument("--copies", type=int, default=1)
    options = parser.parse_args()
    table = copies(bench.read(options.table), options.copies)
    until = table["data_date"].max()
    last = pd.Timestamp(splits.holdout_cut(until.date(), HOLDOUT_MONTHS) - timedelta(days=1))
    held = [last, *(day for day in landmarks.quarters(table, until) if day > last)]

    def landmark_table(days: list[pd.Timestamp], cut: pd.Timestamp) -> pd.DataFrame:
        found = landmarks.landmark_table(table, days, TOLERANCE_DAYS, cut, max_rows=forecast.MAX_ROWS, seed=SEED)
        return tables.from_bytes(tables.to_bytes(found))

    print("| step | function | seconds |\n|---|---|--:|")
    train = timed("landmarks before the cut", "plan", lambda: landmark_table(landmarks.quarters(table, last), last))
    holdout = timed("landmarks of the holdout", "plan", lambda: landmark_table(held, until))
    points = forecast.load_grid()
    plan = {"why": "", "points": points, "tables": {"train": {"rows": len(train)}}}
    measured = timed(
        f"{len(points)} points on {forecast.FOLDS} windows",
        "train",
        lambda: forecast.measure(train, plan, range(len(points)), SEED),
    )
    fitted = timed(
        "fit of the best, calibration included",
        "train",
        lambda: training.fit(train, SEED, **forecast.best(plan, measured)),
    )
    raw = artifact.encode(fitted.document())
    found = assessment.Found(train, holdout, raw, "", None, raw)
    judged = timed(
        "judging, the live forecast included",
        "evaluate",
        lambda: assessment.assess(found, half, half, assessment.Bounds(), seed=SEED, champion_live=True),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"\n{len(train):,} and {len(holdout):,} landmarks of {len(table):,} activities; peak memory {peak} MB")
    print(f"forecast.json: {len(raw):,} bytes, {len(zlib.compress(raw)):,} compressed")
    whole = judged.record["stages"][-1]
    low, high = whole["coverage_ci"]["cover_80"]
    print(f"80 % intervals hold in {whole['methods'][0]['cover_80']:.3f} of the finishes [{low:.3f}, {high:.3f}]")
    print(json.dumps([{**point["params"], "pinball": point["pinball"]} for point in measured]))


def copies(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the portfolio `count` times, each with projects and activities of other names."""
    parts = [
        table.assign(**{name: table[name] + f"-{number}" for name in ("project_id", "activity_id")})
        for number in range(count)
    ]
    return pd.concat(parts, ignore_index=True)


def half(rows: pd.DataFrame) -> np.ndarray:
    """Return one half for all: what the classifier says costs the same whatever it is."""
    return np.full(len(rows), 0.5)


def timed(step: str, function: str, run: Callable[[], Any]) -> Any:
    """Run a step, print its processor seconds and return its result."""
    began = time.process_time()
    found = run()
    print(f"| {step} | {function} | {time.process_time() - began:.1f} |", flush=True)
    return found


if __name__ == "__main__":
    main()
