"""A portable bundle of a small model with a forecast, and the host that serves it."""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from slipcast.edge import bundle, portable
from slipcast.features.point_in_time import HISTORY
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.monitoring import reference_profile
from support.forecast_models import forecast_json, with_forecast
from support.predict_api import METADATA
from support.serving_cases import fitted, records

VERSION = "7"


@cache
def artifact(family: str = "random_forest", *, forecast: bool = True) -> bytes:
    """Return a small model as it is released, with a forecast that it pins."""
    estimator, _, _ = fitted(family)
    raw = export(estimator, family=family, threshold=1 / 3, metadata=METADATA | {"family": family})
    return with_forecast(raw) if forecast else raw


@cache
def golden(family: str = "random_forest") -> dict[str, Any]:
    """Return known activities and their probabilities by scikit-learn."""
    estimator, frame, _ = fitted(family)
    activities, rows = [], frame.head(40).copy()
    # What an activity can hold: durations above 0, budgets from 0 on.
    rows["baseline_duration_days"] = rows["baseline_duration_days"].abs().fillna(20.0).clip(1.0, 3000.0)
    rows["log_budget"] = None
    for name in ("total_float_days", "predecessor_count"):
        rows[name] = None if name == "predecessor_count" else rows[name].clip(-1e9, 1e9)
    rows = rows.astype({"log_budget": float, "predecessor_count": float})
    for number, row in enumerate(records(rows)):
        activity = {"activity_id": f"A{number}", "project_id": "P 1", "start": "2022-03-01"}
        activity |= {
            name: row[name] for name in ("baseline_duration_days", "total_float_days") if row[name] is not None
        }
        activity |= {name: row[name] for name in ("phase", "work_type", "location") if row[name] != "(missing)"}
        activity["history"] = {name: row[name] for name in HISTORY if row[name] is not None}
        activities.append(activity)
    loaded = scorer.load(artifact(family, forecast=False), digest(artifact(family, forecast=False)))
    features = [loaded.features(activity) for activity in activities]
    frame = rows.assign(**{name: [row[name] for row in features] for name in HISTORY}).astype(
        dict.fromkeys(HISTORY, float)
    )
    return {"activities": activities, "scores": estimator.predict_proba(frame)[:, 1].tolist()}


@cache
def files(family: str = "random_forest", *, profile: bool = False) -> dict[str, bytes]:
    """Return the files of the portable bundle, the reference profile of the training data among them if wished."""
    raw = artifact(family)
    loaded = scorer.load(raw, digest(raw))
    edge = bundle.files(raw, loaded, golden(family), None)
    described = None
    if profile:
        estimator, frame, labels = fitted(family)
        described = json.dumps(reference_profile.profile(frame, estimator.predict_proba(frame)[:, 1], labels)).encode()
    return portable.files(raw, forecast_json(), loaded, golden(family), version=VERSION, edge=edge, profile=described)


def unpack(folder: Path, family: str = "random_forest", *, profile: bool = False) -> Path:
    """Write the bundle into `folder` and return it; see `files`."""
    for name, raw in files(family, profile=profile).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


class Answer(NamedTuple):
    """An answer of the host; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


def ask(
    url: str, body: Any = None, kind: str = "application/json", method: str | None = None, **headers: str
) -> Answer:
    """Send a request; `body` is sent as it is if it is bytes, else as JSON."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(  # noqa: S310 - of the loopback interface
        url, raw, {"Content-Type": kind, **named} if raw is not None else named, method=method
    )
    try:
        found = urllib.request.urlopen(request, timeout=180)  # noqa: S310
    except urllib.error.HTTPError as error:
        found = error
    with found:
        return Answer(found.status, {name.lower(): value for name, value in found.headers.items()}, found.read())


@contextmanager
def served(folder: Path, *command: str, **environment: str) -> Iterator[str]:
    """Serve the bundle in `folder` by an isolated interpreter with nothing but the standard library; yield its URL."""
    python = [sys._base_executable, "-E", "-s", "-S", "-B", "-m", "slipcast_host", *command]
    process = subprocess.Popen(
        [*python, "--port", "0", "--host", "127.0.0.1"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    reader = None
    try:
        line = process.stderr.readline()
        if " at port " not in line:
            raise RuntimeError(line + process.stderr.read())
        # Read on: a full pipe would stop the host.
        reader = threading.Thread(target=process.stderr.read, daemon=True)
        reader.start()
        yield f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip()}"
    finally:
        process.terminate()
        process.wait(180)
        if reader is not None:
            reader.join(180)
        process.stderr.close()
