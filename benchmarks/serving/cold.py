"""Cold: from the start of a process to its first answer, with the files in the page cache and without."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.serving import models, runtime

FIRST = Path(__file__).with_name("first.py")
WAYS: dict[str, tuple[str, ...]] = {
    "bare": (),
    "powertools": (),
    "powertools_validated": (),
    "slipcast": runtime.PREDICT,
    "slipcast_store": runtime.PREDICT,
    "slipcast_store_sdk": runtime.PREDICT,
    "other_paths": runtime.PREDICT,
    "scikit_learn": runtime.TRAINING,
    "pyfunc": runtime.TRAINING,
}


def measure(case: models.Case, rows: pd.DataFrame, rounds: int) -> dict[str, dict[str, Any]]:
    """Return for each way the medians in ms, page cache warm and dropped, and its size."""
    # A feature store that knows nothing: what is measured is the way to it.
    with runtime.answering(b'{"Responses": {"features": []}, "UnprocessedKeys": {}}') as store:
        return _measure(case, rows, rounds, store)


def _measure(case: models.Case, rows: pd.DataFrame, rounds: int, store: str) -> dict[str, dict[str, Any]]:
    code = runtime.code()
    event, blind = models.FOLDER / "event.json", models.FOLDER / "event-without-history.json"
    body = models.body(rows.head(1))
    event.write_text(json.dumps(runtime.event(body)))
    blind.write_text(json.dumps(runtime.event(json.dumps({**json.loads(body), "history": None}))))
    frame = models.frame(rows.head(1))
    asking = {"EVENT": str(blind), "FEATURE_TABLE": "features", "AWS_ENDPOINT_URL_DYNAMODB": store}
    # The credentials of a role have a token; without one the SDK is asked to find others.
    special = {"slipcast_store": asking | {"AWS_SESSION_TOKEN": "testing"}, "slipcast_store_sdk": asking}
    common = runtime.environment(
        EVENT=str(event),
        MODEL_PATH=str(case.model),
        MODEL_SHA256=case.sha256,
        MODEL_URI="",
        PIPELINE=str(case.pipeline),
        MLFLOW_MODEL=str(case.mlflow),
        ROWS=models.records(frame),
        TYPES=json.dumps(dict.fromkeys(frame.select_dtypes("number"), "float64")),
        MLFLOW_DISABLE_TELEMETRY="true",
    )
    paths = {
        way: [
            code,
            *runtime.layers(layers),
            *([runtime.powertools()] if way.startswith("powertools") else []),
            runtime.packages(),
        ]
        for way, layers in WAYS.items()
    }
    found: dict[str, dict[str, list[float]]] = {way: {"warm": [], "processor": [], "dropped": []} for way in WAYS}
    environments = {way: common | special.get(way, {}) for way in WAYS}
    for way in WAYS:
        _start(way, paths[way], environments[way])
    for _ in range(rounds):
        for way, path in paths.items():
            shared = environments[way]
            warm, processor = _start(way, path, shared)
            found[way]["warm"].append(warm)
            found[way]["processor"].append(processor)
            # After the start, so that what it leaves behind is dropped too.
            _drop([*path, case.model.parent, Path(sys._base_executable).resolve().parents[1] / "lib"])
            found[way]["dropped"].append(_start(way, path, shared)[0])
    return {
        way: {
            **{name: statistics.median(each) for name, each in times.items()},
            "bytes": runtime.size([*([code] if WAYS[way] is runtime.PREDICT else []), *paths[way][1:-1]]),
        }
        for way, times in found.items()
    }


def _start(way: str, path: list[Path], shared: dict[str, str]) -> tuple[float, float]:
    """Return the ms that passed, and those of them that a processor worked: a busy machine lengthens the first only."""
    # -P: the folder of the script holds modules of the same names as the function's.
    command = [sys._base_executable, "-P", "-S", "-B", str(FIRST), way]
    found = shared | {"PYTHONPATH": ":".join(map(str, path))}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=found, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    taken = (time.perf_counter() - began) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{way} failed, see above")
    return taken, (used.ru_utime + used.ru_stime) * 1000


def _drop(folders: list[Path]) -> None:
    """Have the kernel forget the files below `folders`; it keeps what another process has mapped."""
    for folder in folders:
        for name in (name for name in folder.rglob("*") if name.is_file()):
            handle = os.open(name, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
