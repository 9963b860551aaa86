"""Stages of a request in the handler: their time, with the processor's caches warm and filled by others."""

import array
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import pandas as pd

from benchmarks.serving import models, runtime, warm

# Stage, and where its function is called from; `prediction` contains the three above it, `all` everything.
STAGES = (
    ("body", "predict.api.core", "_read"),
    ("facts", "predict.api.predictions", "known_of_columns"),
    ("features", "predict.api.predictions", "feature_columns"),
    ("model", "", "score_columns"),
    ("prediction", "predict.api.predictions", "score"),
    ("answer", "predict.api.core", "answer"),
    ("headers", "predict.transport.envelope", "finish"),
    ("log and metrics", "predict.serving.log_writer", "finish"),
    ("all", "predict.answering", "answer"),
)
CALLS = {1: 400, 1000: 20, 10_000: 5}
# More than the caches of a processor hold.
OTHERS_BYTES = 64 * 2**20


def measure(case: models.Case, rows: pd.DataFrame, share: float = 1.0) -> dict[str, dict[str, float]]:
    """Return the median µs of processor time of each stage, by number of rows and state of the caches."""
    handler = warm.handler(case)
    times: dict[str, list[float]] = {name: [] for name, _, _ in STAGES}
    for name, module, function in STAGES:
        owner = importlib.import_module(module) if module else type(_scorer())
        setattr(owner, function, _timed(getattr(owner, function), times[name]))
    others = array.array("d", bytes(OTHERS_BYTES))
    found = {}
    with warm.log_to_nowhere():
        for count, calls in CALLS.items():
            event = runtime.event(models.body(rows.head(count)))
            for state in ("warm", "filled") if count == 1 else ("warm",):
                for number in range(max(3, round(calls * share)) + 1):
                    if state == "filled":
                        others = array.array("d", others)
                    if number == 1:
                        # The first call is not counted.
                        for each in times.values():
                            each.clear()
                    handler(event, None)
                found[f"{count}, caches {state}"] = {name: statistics.median(each) for name, each in times.items()}
    return found


def _scorer() -> Any:
    return importlib.import_module("predict.app").serving.model().scorer


def _timed(function: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time_ns()
        try:
            return function(*arguments, **named)
        finally:
            times.append((time.thread_time_ns() - began) / 1000)

    return timed
