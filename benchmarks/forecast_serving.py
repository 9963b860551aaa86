"""Time of one forecast by the standard library and by scikit-learn, and whether both say the same.

``.venv/bin/python benchmarks/forecast_serving.py`` trains on the June 2025 example (cut at the end of 2022), forecasts
the activities open then, and prints medians of one activity at a time, both ways side by side in one run. Times are
processor times of the thread, so that other work on the machine counts less.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from slipcast.forecast import conformal, forest, training
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.landmarks import landmark_table
from slipcast_cli import bench

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "nyc_sca_2025-06.csv"
CUT = pd.Timestamp("2022-12-31")


def main() -> None:
    """Train, compare and print."""
    table = bench.read(EXAMPLE)
    days = list(pd.date_range("2014-03-31", "2022-09-30", freq="QE"))
    train = landmark_table(table, days, bench.TOLERANCE_DAYS, CUT)
    rows = landmark_table(table, [CUT], bench.TOLERANCE_DAYS).head(300)
    fitted = training.fit(train, bench.SEED)
    text = json.dumps(fitted.document())
    began = time.perf_counter()
    forecaster = Forecaster(json.loads(text))
    loading = time.perf_counter() - began
    records = rows.to_dict("records")
    # One way after the other: alternating, each would find the other's data in the processor's cache.
    ours, theirs, said, largest = [], [], [], 0.0
    for row in records:
        begin = time.thread_time()
        finish = forecaster.forecast(row, row["stage"], row["limit"])
        for level in (0.1, 0.5, 0.8, 0.9):
            finish.quantile(level)
        finish.p_late(row["limit"])
        finish.expected_days_late(row["limit"] - bench.TOLERANCE_DAYS)
        ours.append(time.thread_time() - begin)
        said.append(finish)
    for number, (row, finish) in enumerate(zip(records, said, strict=True)):
        begin = time.thread_time()
        one = rows.iloc[number : number + 1]
        cdf = conformal.calibrated(fitted.grown.cdf(one), one["stage"].to_numpy(), fitted.curves)
        values = forest.matrix(one, forest.COLUMNS, fitted.grown.categories)
        p_late = float(fitted.late.predict_proba(values)[0, 1])
        theirs.append(time.thread_time() - begin)
        if row["limit"] > 0:
            largest = max(largest, abs(finish.p_late(row["limit"]) - p_late))
        else:
            largest = max(largest, float(np.abs(np.array(finish.probability) - cdf[0]).max()))
    print(
        f"{len(records)} activities, {len(train)} training landmarks, {fitted.grown.forest.n_estimators} + "
        f"{fitted.late.n_estimators} trees, {len(text) / 1e6:.1f} MB as JSON, loaded in {1000 * loading:.0f} ms"
    )
    print(f"standard library {1000 * statistics.median(ours):.3f} ms (P10 to P90, P(late) and days late included)")
    print(f"scikit-learn     {1000 * statistics.median(theirs):.3f} ms, one row at a time")
    print(f"largest difference {largest:.1e}")
    sys.exit(largest > 1e-9)


if __name__ == "__main__":
    main()
