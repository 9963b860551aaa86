"""The monitor, the log that it reads and the model that is live, as moto plays them."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.monitoring.reference_profile import profile
from slipcast_aws import storage
from slipcast_aws.release import versions

PROFILE_URI = "s3://data/models/m/profile.json"
# The monitor's time: in the middle of an hour of a day, whenever the tests run and however long they take.
NOW = datetime(2026, 11, 3, 12, 40, 20, tzinfo=UTC)


def features(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(shift, 1, rows) for name in NUMERIC})
    for name in CATEGORICAL:
        table[name] = rng.choice(["a", "b", "c"], rows)
    return table


def scores(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.6, rows)


def predictions(rows: int, *, seed: int = 2, shift: float = 0.0, at=None, version="4", name="r") -> list[dict]:
    at = at or NOW - timedelta(hours=1)
    return [
        {
            **{"prediction_id": f"{name}:{number}", "activity_id": f"A{number}", "model_version": version},
            "at": at.isoformat(),
            **{"features": row, "score": float(score)},
        }
        for number, (row, score) in enumerate(
            zip(features(rows, seed, shift).to_dict("records"), scores(rows, seed), strict=True)
        )
    ]


@cache
def reference() -> dict[str, Any]:
    """Return the profile of the live model."""
    holdout = {"n": 300, "late_rate": 0.4, "mean_score": 0.4, "auc": 0.5, "brier": 0.255}
    holdout |= {"auc_ci": [0.45, 0.55], "brier_ci": [0.24, 0.27]}
    found = profile(features(2000, 1), scores(2000, 1), np.arange(2000) % 2, holdout=holdout)
    return {**found, "data_date": "2024-12-31"}


@pytest.fixture
def profiled(s3):
    """The bucket, with the profile of the live model in it."""
    storage.write_json(PROFILE_URI, reference())
    return s3


@pytest.fixture
def live(monkeypatch):
    """The live model; a test sets it to None to have none."""
    state = {
        "model": versions.LiveModel(
            version="4",
            model_id="m",
            sha256="0",
            artefact_uri="-",
            profile_uri=PROFILE_URI,
            dataset_id="d",
            trained_at=(NOW - timedelta(days=20)).isoformat(),
        )
    }
    monkeypatch.setattr(versions, "live_model", lambda function: state["model"])
    return state


@pytest.fixture
def monitor(load_app, profiled, live, control_table, lambda_context, capsys, monkeypatch):
    app = load_app(
        "monitor",
        DATA_BUCKET="data",
        PREDICT_FUNCTION="slipcast-predict",
        MONITOR_WINDOW_HOURS="48",
        CONTROL_TABLE=control_table,
        DRIFT_MIN_ROWS="200",
        REDACT_COLUMNS="",
        ID_SALT="salt",
        DRIFT_PERIODS="3",
        DRIFT_DATAPOINTS="2",
        DRIFT_FALSE_ALARMS="1",
        CALIBRATION_TOLERANCE="0.05",
    )
    seconds = count()

    def run(event: dict | None = None, at: datetime = NOW) -> tuple[dict, dict]:
        """The report, and the metrics that CloudWatch reads off the log."""
        # A second later at each run: records are named by the second.
        moment = at + timedelta(seconds=next(seconds))
        monkeypatch.setattr(app, "datetime", type("Clock", (datetime,), {"now": lambda tz=None: moment}))
        capsys.readouterr()
        record = app.handler({"detail-type": "Scheduled Event"} if event is None else event, lambda_context)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (embedded,) = [line for line in lines if "_aws" in line]
        (declared,) = embedded["_aws"]["CloudWatchMetrics"]
        assert declared["Namespace"] == "Slipcast"
        # The alarms ask for this one dimension and no other.
        assert declared["Dimensions"] == [["service"]]
        assert embedded["service"] == "slipcast"
        return record, {item["Name"]: embedded[item["Name"]][0] for item in declared["Metrics"]}

    return run


def folder(moment: datetime) -> str:
    """The folder of an hour, as the collect function names it."""
    return f"prediction-log/{moment:dt=%Y-%m-%d/hour=%H}"


def log(s3, rows: list[dict], *, name: str = "one", at: datetime | None = None) -> None:
    body = gzip.compress("\n".join(json.dumps(row, sort_keys=True) for row in rows).encode())
    hour = folder(at or datetime.fromisoformat(rows[0]["at"]))
    s3.put_object(Bucket="data", Key=f"{hour}/{name}.jsonl.gz", Body=body)


def logged(s3) -> list[str]:
    found = s3.list_objects_v2(Bucket="data", Prefix="prediction-log/").get("Contents", [])
    return [item["Key"] for item in found]


def reports(s3) -> list[dict]:
    found = s3.list_objects_v2(Bucket="data", Prefix="monitoring/").get("Contents", [])
    return [json.loads(s3.get_object(Bucket="data", Key=item["Key"])["Body"].read()) for item in found]
