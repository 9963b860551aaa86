"""Warm, in one process: a bare handler, Slipcast's, the pipeline with a DataFrame and MLflow's pyfunc, in turn."""

import contextlib
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd

from benchmarks.serving import models, runtime
from slipcast.model import native

# Calls for each number of rows: enough for a 99th percentile where a call is short.
CALLS = {1: 300, 100: 60, 1000: 15, 10_000: 5}


def measure(
    case: models.Case, rows: pd.DataFrame, share: float = 1.0
) -> dict[int | str, dict[str, tuple[float, float]]]:
    """Return median and 99th percentile in ms of each way by number of rows; of one row also without the others."""
    import mlflow.pyfunc

    pipeline, logged = joblib.load(case.pipeline), mlflow.pyfunc.load_model(str(case.mlflow))
    predict = handler(case)
    constant = json.dumps({"probability": 0.5})
    found: dict[int | str, dict[str, tuple[float, float]]] = {}
    for count, calls in CALLS.items():
        chosen = rows.head(count)
        frame, body = models.frame(chosen), models.body(chosen)
        event = runtime.event(body)
        ways: dict[str, Callable[[], Any]] = {
            "bare": lambda: {"statusCode": 200, "body": constant},
            "slipcast": lambda event=event: predict(event, None),
            "scikit_learn": lambda frame=frame: pipeline.predict_proba(frame),
            "scikit_learn_json": lambda body=body: _pipeline_handler(pipeline, body),
            "pyfunc": lambda frame=frame: logged.predict(frame),
        }
        expected = pipeline.predict_proba(frame)[:, 1]
        with log_to_nowhere():
            answered = json.loads(ways["slipcast"]()["body"])["predictions"]
        assert np.abs(np.array([item["probability"] for item in answered]) - expected).max() <= 1e-9
        found[count] = in_turn(ways, max(3, round(calls * share)))
        if count == 1:
            found["1, alone"] = alone(ways, max(3, round(calls * share)))
    return found


def in_turn(ways: dict[str, Callable[[], Any]], calls: int) -> dict[str, tuple[float, float]]:
    """Return median and 99th percentile in ms of each way, called one after the other, after a call not counted.

    All of it is work of one process, so it is timed by its processor: another process on the machine adds nothing.
    """
    return _timed(ways, [name for _ in range(calls) for name in ways])


def alone(ways: dict[str, Callable[[], Any]], calls: int) -> dict[str, tuple[float, float]]:
    """Return the same of each way called again and again: the processor's caches hold nothing of the others.

    So does a function's own machine on Lambda.
    """
    return _timed(ways, [name for name in ways for _ in range(calls)])


def _timed(ways: dict[str, Callable[[], Any]], order: list[str]) -> dict[str, tuple[float, float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    with log_to_nowhere():
        for call in ways.values():
            call()
        for name in order:
            began = time.process_time()
            ways[name]()
            times[name].append((time.process_time() - began) * 1000)
    return {name: (statistics.median(each), float(np.percentile(each, 99))) for name, each in times.items()}


@contextlib.contextmanager
def log_to_nowhere() -> Iterator[None]:
    """Have the log written, but not shown."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        yield


def handler(case: models.Case) -> Any:
    """Return the entry of the predict function, with this model and no function for batches."""
    # With the trees' compiled code, as it is deployed.
    native.PLACE = str(runtime.layers(("slipcast",))[0] / "slipcast" / "model" / native.FILE)
    native.library.cache_clear()
    os.environ |= runtime.environment(
        MODEL_PATH=str(case.model), MODEL_SHA256=case.sha256, MODEL_TRAINED_AT="", MODEL_EXECUTION=""
    )
    folder = runtime.ROOT / "functions"
    for name in [name for name in sys.modules if name.partition(".")[0] == "predict"]:
        del sys.modules[name]
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module("predict.app").handler


def _pipeline_handler(pipeline: Any, body: str) -> str:
    """Return the answer of a handler around the pipeline: JSON to DataFrame to JSON, nothing validated or logged."""
    from slipcast.features.row import feature_row

    document = json.loads(body)
    activities = document.get("activities", [document])
    frame = pd.DataFrame([feature_row(activity) for activity in activities])
    numeric = list(pipeline.feature_names_in_[:-3])
    frame[numeric] = frame[numeric].astype("float64")
    late = pipeline.predict_proba(frame)[:, 1].tolist()
    named = [activity["activity_id"] for activity in activities]
    answer = [{"activity_id": name, "probability": p} for name, p in zip(named, late, strict=True)]
    return json.dumps({"predictions": answer})
