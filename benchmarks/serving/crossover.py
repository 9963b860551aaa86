"""From how many rows on the function for large batches is worth its call, both in the Lambda runtime over loopback."""

import json
import time
from statistics import median

import pandas as pd

from benchmarks.serving import loopback, models, runtime

ROWS = (10, 25, 50, 100, 200, 500, 1000, 3000)


def measure(case: models.Case, rows: pd.DataFrame, calls: int) -> dict[int, tuple[float, float]]:
    """Return by number of rows the median ms of the predict function alone, and with a call of the other one."""
    found = {}
    with loopback.slipcast(case, batches=False) as alone, loopback.slipcast(case, always=True) as both:
        for count in ROWS:
            event = json.dumps(runtime.event(models.body(rows.head(count)))).encode()
            times: dict[int, list[float]] = {alone: [], both: []}
            for turn in range(calls + 1):
                for port, taken in times.items():
                    began = time.perf_counter()
                    runtime.predictions(runtime.ask(port, runtime.INVOKE, event))
                    if turn:
                        taken.append((time.perf_counter() - began) * 1000)
            found[count] = (median(times[alone]), median(times[both]))
    return found
