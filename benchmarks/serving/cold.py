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
    "powertools": ("powertools",),
    "powertools_validated": ("powertools",),
    "slipcast": runtime.PREDICT,
    "application": runtime.PREDICT,
    "scikit_learn": runtime.FALLBACK,
    "pyfunc": runtime.FALLBACK,
}


def measure(case: models.Case, rows: pd.DataFrame, rounds: int) -> dict[str, dict[str, Any]]:
    """Return for each way the medians in ms, warm and dropped, its size, and how it compares to Powertools."""
    code = runtime.code()
    event = models.FOLDER / "event.json"
    event.write_text(json.dumps(runtime.event(models.body(rows.head(1)))))
    frame = models.frame(rows.head(1))
    shared = runtime.environment(
        EVENT=str(event),
        MODEL_PATH=str(case.model),
        MODEL_SHA256=case.sha256,
        MODEL_URI="",
        PIPELINE=str(case.pipeline),
        MLFLOW_MODEL=str(case.mlflow),
        ROWS=frame.to_json(orient="records"),
        TYPES=json.dumps(dict.fromkeys(frame.select_dtypes("number"), "float64")),
        MLFLOW_DISABLE_TELEMETRY="true",
    )
    paths = {way: [code, *runtime.layers(layers), runtime.packages()] for way, layers in WAYS.items()}
    found: dict[str, dict[str, list[float]]] = {way: {"warm": [], "dropped": []} for way in WAYS}
    for way in WAYS:
        _start(way, paths[way], shared)
    for _ in range(rounds):
        for way, path in paths.items():
            found[way]["warm"].append(_start(way, path, shared))
            # After the start, so that what it leaves behind is dropped too.
            _drop([*path, case.model.parent, Path(sys._base_executable).resolve().parents[1] / "lib"])
            found[way]["dropped"].append(_start(way, path, shared))
    return {
        way: {
            "warm": statistics.median(times["warm"]),
            "dropped": statistics.median(times["dropped"]),
            "bytes": runtime.size([*([code] if way in ("slipcast", "application") else []), *paths[way][1:-1]]),
        }
        for way, times in found.items()
    }


def _start(way: str, path: list[Path], shared: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [sys._base_executable, "-S", "-B", str(FIRST), way],
        env=shared | {"PYTHONPATH": ":".join(map(str, path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    taken = (time.perf_counter() - began) * 1000
    if done.returncode:
        raise RuntimeError(f"{way}: {done.stderr[-3000:]}")
    return taken


def _drop(folders: list[Path]) -> None:
    """Have the kernel forget the files below `folders`; it keeps what another process has mapped."""
    for folder in folders:
        for name in (name for name in folder.rglob("*") if name.is_file()):
            handle = os.open(name, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)
