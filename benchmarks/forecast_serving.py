"""Time of one forecast by the standard library and by scikit-learn, and whether both say the same.

``.venv/bin/python -m benchmarks.forecast_serving`` trains on the June 2025 example (cut at the end of 2022), forecasts
the activities open then, and prints medians of one activity at a time, both ways side by side in one run. Then it asks
the predict function's handler about one activity at a time, then about networks, and scores 10,000 activities as the
score function does. Trees descend
in compiled code as in the deployed layer, with ``--interpreter`` without it. Times are processor times, so that other
work on the machine counts less.
"""

import json
import os
import platform
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from layers.build import native as compile_native
from slipcast.datasets import labels
from slipcast.features.point_in_time import CURRENT, HISTORY, history_features
from slipcast.features.point_in_time_table import build_series, history_table
from slipcast.features.table import feature_table
from slipcast.forecast import batch, conformal, forest, training
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.landmarks import landmark_table, open_activities
from slipcast.model import artifact, native, scorer
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from slipcast_cli import bench

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
CUT = pd.Timestamp("2022-12-31")
MANY = 10_000
# Activities of a network, with twice as many relations.
NETWORKS = (200, 5_000)
FUNCTIONS = ROOT / "functions"


class _Context:
    function_name = function_version = invoked_function_arn = aws_request_id = "benchmark"
    memory_limit_in_mb = 1024


def main() -> None:
    """Train, compare and print."""
    with tempfile.TemporaryDirectory() as folder:
        native.PLACE = f"{folder}/{native.FILE}"
        if "--interpreter" not in sys.argv:
            compile_native.build(Path(native.PLACE), platform.machine())
        _measure()


def _measure() -> None:
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
    raw = model(table, text.encode())
    series = build_series(table, bench.TOLERANCE_DAYS)
    activities = sent(table, series)
    handler(raw, text.encode(), activities[:300])
    many(raw, forecaster, activities, series)
    sys.exit(largest > 1e-9)


def model(table: pd.DataFrame, forecast: bytes) -> bytes:
    """Return the artifact of a random forest for the probability at the start, which pins `forecast`."""
    labelled = labels.label(table[table["start"] <= CUT], bench.TOLERANCE_DAYS)
    rows = feature_table(labelled.join(history_table(table, labelled, bench.TOLERANCE_DAYS)))
    candidate = next(item for item in load_candidates() if item.name == "random_forest")
    fitted = build_pipeline(candidate, bench.SEED, n_estimators=100).fit(rows, labelled["is_late"])
    metadata = {
        **{"model_id": "benchmark", "dataset_id": "nyc-sca-2025-06", "tolerance_days": bench.TOLERANCE_DAYS},
        "forecast": {"sha256": artifact.digest(forecast), "tolerance_days": bench.TOLERANCE_DAYS},
    }
    return export(fitted, family="random_forest", threshold=1 / 3, metadata=metadata)


def sent(table: pd.DataFrame, series: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the activities open at the cut as a client sends them."""
    names = ("activity_id", "activity_name", "project_id", "phase", "work_type", "location", "start", "baseline_finish")
    rows = open_activities(table, CUT)[[*names, "budget"]].dropna(subset=["start"]).to_dict("records")
    return [
        {
            **{
                name: value.date().isoformat() if isinstance(value, pd.Timestamp) else value
                for name, value in row.items()
                if not pd.isna(value)
            },
            **{"status": "in_progress", "data_date": CUT.date().isoformat()},
            # The first day where the finish lies before the start, which no door takes.
            "baseline_start": min(row["start"], row["baseline_finish"]).date().isoformat(),
        }
        for row in rows
    ]


def handler(raw: bytes, forecast: bytes, activities: Sequence[dict[str, Any]]) -> None:
    """Print the time of the predict function's handler for one activity, features included in the request."""
    history = {**dict.fromkeys(HISTORY, 0.1), **dict.fromkeys((f"now_{name}" for name in CURRENT), 0.2)}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.json").write_bytes(raw)
        Path(folder, "forecast.json").write_bytes(forecast)
        os.environ |= {
            **{"MODEL_PATH": f"{folder}/model.json", "MODEL_SHA256": artifact.digest(raw)},
            **{"POWERTOOLS_METRICS_NAMESPACE": "Slipcast", "AWS_LAMBDA_FUNCTION_VERSION": "1"},
        }
        sys.path.insert(0, str(FUNCTIONS))
        from predict import app

        for path in ("/predictions", "/forecasts"):
            print(f"POST {path} {_median(app.handler, path, activities, history):.3f} ms")
        for count in NETWORKS:
            _network(app.handler, activities, count)


def _network(answer: Callable[..., Any], activities: Sequence[dict[str, Any]], count: int) -> None:
    """Print the time of a request with and without relations, medians of five in turn, and the peak of memory."""
    listed = [activities[place % len(activities)] | {"activity_id": f"A{place}"} for place in range(count)]
    drawn = random.Random(count)
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < 2 * count:
        # Networks are long rather than dense: an activity waits for others of the same part of a project.
        after = drawn.randrange(1, count)
        pairs[max(after - drawn.randint(1, 20), 0), after] = None
    relations = [{"predecessor_id": f"A{before}", "successor_id": f"A{after}"} for before, after in pairs]
    times: dict[str, list[float]] = {"without": [], "with": []}
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for _ in range(5):
            for name, sent_relations in (("without", []), ("with", relations)):
                event = _event("/forecasts", json.dumps({"activities": listed, "relations": sent_relations}))
                begin = time.thread_time()
                answered = answer(event, _Context())
                times[name].append(time.thread_time() - begin)
                if answered["statusCode"] != 200:
                    raise RuntimeError(str(answered))
    without, related = (1000 * statistics.median(values) for values in times.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"POST /forecasts of {count} activities {without:.0f} ms, with {len(relations)} relations {related:.0f} ms "
        f"({peak:.0f} MB at the peak, training included)"
    )


def _event(path: str, body: str) -> dict[str, Any]:
    return {
        **{"httpMethod": "POST", "path": path, "resource": path, "body": body},
        **{"headers": {"Content-Type": "application/json"}, "requestContext": {"requestId": "r", "path": path}},
    }


def _median(
    answer: Callable[..., Any], path: str, activities: Sequence[dict[str, Any]], history: dict[str, float]
) -> float:
    times = []
    # The handler writes the log of predictions to standard output.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for activity in activities:
            event = _event(path, json.dumps(activity | {"history": history}))
            begin = time.thread_time()
            answered = answer(event, _Context())
            times.append(time.thread_time() - begin)
            if answered["statusCode"] != 200:
                raise RuntimeError(str(answered))
    return 1000 * statistics.median(times)


def many(raw: bytes, forecaster: Forecaster, activities: Sequence[dict[str, Any]], series: Mapping[str, Any]) -> None:
    """Print the time and memory of `MANY` activities in batch scoring, without reasons."""

    def history(chunk: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Mapping[str, Any]]:
        return [{**one, "history": history_features(one, series, names)} for one in chunk]

    loaded = scorer.load(raw, artifact.digest(raw))
    listed = [activities[number % len(activities)] for number in range(MANY)]
    for name, model in (("probabilities", None), ("and forecasts", forecaster)):
        before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        rows = batch.score(
            listed, loaded, history, data_date=date(2022, 12, 31), model_version="1", forecaster=model, explained=0
        )
        batch.to_csv(rows)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{MANY} activities, {name}: {time.process_time() - begin:.1f} s, {grown:.0f} MB more at the peak")


if __name__ == "__main__":
    main()
