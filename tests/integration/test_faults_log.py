"""Collect and monitor, each call to AWS, each fault: every prediction is in the log, once for who reads it."""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest

from faults import worlds
from faults.explore import Scenario
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.monitoring.reference_profile import profile
from slipcast_aws import storage
from slipcast_aws.control import datasets
from slipcast_aws.release import versions
from slipcast_aws.serving import prediction_log

GROUP = "/aws/lambda/slipcast-predict"
# Noon of a day: all that happens here happens on it.
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Clock(datetime):
    """The clock of a function, which stands still."""

    @classmethod
    def now(cls, tz=None):
        return NOW


def features(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(0, 1, rows) for name in NUMERIC})
    return table.assign(**{name: rng.choice(["a", "b"], rows) for name in CATEGORICAL})


def line(request: str, at: datetime, items: int = 2) -> dict[str, Any]:
    """Return a line of the log, as the predict function writes it."""
    return {
        **{"log": "prediction", "v": 1, "request_id": request, "at": at.isoformat(timespec="milliseconds")},
        **{"model_version": "4", "model_id": "abc"},
        "items": [
            {"prediction_id": f"{request}:{number}", "activity_id": f"A{number}", "score": 0.3, "features": row}
            for number, row in enumerate(features(items, 3).to_dict("records"))
        ],
    }


def events(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    at = int((NOW - timedelta(hours=2)).timestamp() * 1000)
    texts = [json.dumps(item, separators=(",", ":")) for item in lines]
    return [{"id": f"{number:056}", "timestamp": at + number, "message": text} for number, text in enumerate(texts)]


@pytest.fixture
def delivery(load_app, lambda_context) -> Scenario:
    app = load_app("collect", DATA_BUCKET="data", PREDICT_LOG_GROUP=GROUP)
    failed = line("r2", NOW, 0) | {"status": 500}
    document = {"messageType": "DATA_MESSAGE", "logEvents": events(line("r1", NOW), failed)}
    event = {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()}}

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        return lambda: app.handler(event, lambda_context)

    return Scenario("collect", arrange)


@pytest.fixture
def check(load_app, lambda_context) -> Scenario:
    """Of three deliveries one is in the bucket."""
    app = load_app("collect", DATA_BUCKET="data", PREDICT_LOG_GROUP=GROUP)
    checking = app.checking
    begin = NOW - timedelta(hours=2)
    event = {"check": {"since": begin.isoformat(), "until": (begin + timedelta(minutes=10)).isoformat()}}

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        client = boto3.client("logs")
        client.create_log_group(logGroupName=GROUP)
        client.create_log_stream(logGroupName=GROUP, logStreamName="s")
        lines = [line(f"r{number}", begin + timedelta(minutes=number)) for number in (1, 3, 7)]
        for item in lines:
            at = int(datetime.fromisoformat(item["at"]).timestamp() * 1000)
            text = json.dumps(item, separators=(",", ":"))
            given = [{"timestamp": at, "message": text}]
            client.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=given)
        app.deliveries.store("data", events(lines[0]))
        return lambda: app.handler(event, lambda_context)

    return Scenario("collect, check", arrange, forget=(checking.client.cache_clear,))


@pytest.fixture
def monitor(load_app, lambda_context, monkeypatch) -> Scenario:
    """A window with an hour that is over, a day that is over, and labels."""
    settings = {"DATA_BUCKET": "data", "PREDICT_FUNCTION": "slipcast-predict", "CONTROL_TABLE": "control"}
    settings |= {"MONITOR_WINDOW_HOURS": "48", "DRIFT_MIN_ROWS": "5", "DRIFT_PERIODS": "3", "DRIFT_DATAPOINTS": "2"}
    settings |= {"DRIFT_FALSE_ALARMS": "1", "CALIBRATION_TOLERANCE": "0.05", "REDACT_COLUMNS": "", "ID_SALT": "salt"}
    app = load_app("monitor", **settings)
    monkeypatch.setattr(app, "datetime", Clock)
    uri = "s3://data/models/m/profile.json"
    live = {"sha256": "0", "artefact_uri": "-", "profile_uri": uri, "dataset_id": "d"}
    released = (NOW - timedelta(days=3)).isoformat()
    found = versions.LiveModel(version="4", model_id="abc", trained_at=released, **live)
    monkeypatch.setattr(versions, "live_model", lambda function: found)
    known = profile(features(300, 1), np.linspace(0.2, 0.6, 300), np.arange(300) % 2, holdout=None)

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        worlds.control_table()
        storage.write_json(uri, known | {"data_date": "2024-12-31"})
        for number, hours in enumerate((30, 30, 5, 5, 0.5)):
            at = NOW - timedelta(hours=hours)
            item = line(f"r{number}", at)
            rows = [
                {**{k: v for k, v in item.items() if k not in ("items", "log", "v")}, **row} for row in item["items"]
            ]
            storage.write_bytes(f"s3://data/{prediction_log.key(at, f'one-{number}')}", prediction_log.pack(rows))
        labels = "activity_id,project_id,phase,work_type,location,is_late,matured_at\nA0,,a,a,a,1,2026-11-19\n"
        reference = {"dataset_id": "d2", "data_date": "2026-11-20", "labels_uri": "s3://data/datasets/d2/labels.csv.gz"}
        storage.write_bytes(reference["labels_uri"], gzip.compress(labels.encode(), mtime=0))
        datasets.move_latest("control", reference, previous=None)
        return lambda: app.handler({"detail-type": "Scheduled Event"}, lambda_context)

    # S3's own checksums guard what nobody has a digest of; lines of the log are packed with one.
    return Scenario("monitor", arrange, unchecked=("models/", "asked/", "monitoring/"))


CALLS = "one of its calls to AWS"
SAME = "each prediction is in the log and counts once; the same event leads to the same record"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("delivery", marks=pytest.mark.fault("watching", "collect: a delivery of the log", CALLS, SAME)),
        pytest.param("check", marks=pytest.mark.fault("watching", "collect: is the log complete?", CALLS, SAME)),
        pytest.param("monitor", marks=pytest.mark.fault("watching", "monitor: a run", CALLS, SAME)),
    ],
)
def test_after_any_fault_the_log_is_complete(name, assert_survives, request):
    assert_survives(request.getfixturevalue(name))
