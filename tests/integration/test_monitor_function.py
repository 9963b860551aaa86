"""The monitor: the prediction log in the bucket against the training profile, and the metrics that come of it."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from slipcast.features import CATEGORICAL, NUMERIC
from slipcast.profile import profile
from slipcast_aws import releases, storage

PROFILE_URI = "s3://data/models/m/profile.json"


def features(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(shift, 1, rows) for name in NUMERIC})
    for name in CATEGORICAL:
        table[name] = rng.choice(["a", "b", "c"], rows)
    return table


def scores(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.6, rows)


def predictions(rows: int, *, seed: int = 2, shift: float = 0.0, at=None, version="4", name="r") -> list[dict]:
    at = at or datetime.now(UTC) - timedelta(hours=1)
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


@pytest.fixture
def s3(s3):
    reference = profile(features(2000, 1), scores(2000, 1), np.arange(2000) % 2)
    storage.write_json(PROFILE_URI, reference)
    return s3


@pytest.fixture
def live(monkeypatch):
    """The live model; a test sets it to None to have none."""
    state = {
        "model": releases.LiveModel(
            version="4", model_id="m", sha256="0", artefact_uri="-", profile_uri=PROFILE_URI, dataset_id="d"
        )
    }
    monkeypatch.setattr(releases, "live_model", lambda function: state["model"])
    return state


@pytest.fixture
def monitor(load_app, s3, live, lambda_context, capsys):
    app = load_app(
        "monitor",
        DATA_BUCKET="data",
        PREDICT_FUNCTION="slipcast-predict",
        MONITOR_WINDOW_HOURS="48",
        DRIFT_MIN_ROWS="200",
    )

    def run() -> tuple[dict, dict]:
        """The report, and the metrics that CloudWatch reads off the log."""
        capsys.readouterr()
        record = app.handler({"detail-type": "Scheduled Event"}, lambda_context)
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


def test_before_the_first_release_the_run_is_counted_and_nothing_compared(monitor, s3, live):
    live["model"] = None

    record, metrics = monitor()

    assert record == {"state": "no_model"}
    assert metrics == {"MonitorRuns": 1.0}
    assert reports(s3) == []


def test_no_predictions_are_no_drift(monitor, s3):
    record, metrics = monitor()

    assert record["state"] == "insufficient_data"
    assert metrics == {"MonitorRuns": 1.0, "MonitoredPredictions": 0.0}
    assert reports(s3) == [record]


def test_too_few_predictions_give_no_verdict(monitor, s3):
    log(s3, predictions(199, shift=3.0))

    record, metrics = monitor()

    assert record["state"] == "insufficient_data"
    assert record["n"] == 199
    assert metrics == {"MonitorRuns": 1.0, "MonitoredPredictions": 199.0}


def test_predictions_like_the_training_data_are_no_drift(monitor, s3):
    log(s3, predictions(400))

    record, metrics = monitor()

    assert record["state"] == "ok"
    assert metrics["Drift"] == 0.0
    assert metrics["DriftedFeatureShare"] == 0.0
    assert metrics["MonitoredPredictions"] == 400.0
    assert abs(metrics["ScoreShift"]) < 0.02


def test_drift_is_reported_with_its_metrics(monitor, s3):
    log(s3, predictions(400, shift=2.0))

    record, metrics = monitor()

    assert record["state"] == "drift"
    assert record["version"] == "4"
    assert reports(s3) == [record]
    assert {name for name in NUMERIC if record["features"][name]["drifted"]} == set(NUMERIC)
    assert not any(record["features"][name]["drifted"] for name in CATEGORICAL)
    assert metrics["MonitorRuns"] == 1.0
    assert metrics["Drift"] == 1.0
    assert metrics["MaxPSI"] == pytest.approx(record["max_psi"])
    assert metrics["MaxPSI"] > 0.2
    assert metrics["DriftedFeatureShare"] == pytest.approx(len(NUMERIC) / len([*NUMERIC, *CATEGORICAL]))
    assert metrics["ScoreMean"] == pytest.approx(record["score_mean"])


def test_a_prediction_that_was_delivered_twice_counts_once(monitor, s3):
    rows = predictions(150, shift=3.0)
    log(s3, rows, name="one")
    log(s3, rows, name="two")

    record, _ = monitor()

    assert record["n"] == 150
    assert record["state"] == "insufficient_data"


def test_predictions_outside_the_window_are_left_out(monitor, s3):
    now = datetime.now(UTC)
    log(s3, predictions(300), name="inside")
    # In the folder of the window's first hour, before its minute.
    begin = now - timedelta(hours=48)
    log(s3, predictions(300, shift=5.0, at=begin - timedelta(seconds=1), name="old"), name="edge", at=begin)
    log(s3, predictions(300, shift=5.0, at=now - timedelta(days=9), name="older"), name="long-ago")
    log(s3, predictions(300, shift=5.0, at=now + timedelta(minutes=9), name="next"), name="ahead", at=now)

    record, _ = monitor()

    assert record["n"] == 300
    assert record["state"] == "ok"


def test_every_day_of_the_window_is_read(monitor, s3):
    now = datetime.now(UTC)
    for day in (0, 1):
        at = now - timedelta(days=day, minutes=1)
        log(s3, predictions(120, seed=day + 5, at=at, name=f"day{day}"))
    log(s3, predictions(120, seed=9, at=now - timedelta(hours=47, minutes=59), name="first"), name="first")

    record, _ = monitor()

    assert record["n"] == 360


def test_predictions_of_another_version_are_left_out(monitor, s3):
    log(s3, predictions(300) + predictions(300, shift=5.0, version="3", name="before"))

    record, _ = monitor()

    assert record["n"] == 300
    assert record["state"] == "ok"


@pytest.mark.parametrize("raw", [b"not gzip", gzip.compress(b"{}")[:-3], gzip.compress(b"[1]"), gzip.compress(b"\xff")])
def test_an_object_that_cannot_be_read_is_put_aside_and_counted(monitor, s3, raw):
    hour = folder(datetime.now(UTC))
    s3.put_object(Bucket="data", Key=f"{hour}/x.jsonl.gz", Body=raw)
    log(s3, predictions(300))

    record, metrics = monitor()

    assert record["n"] == 300
    assert metrics["LogLinesUnreadable"] == 1.0
    aside = hour.replace("prediction-log/", "prediction-log/unreadable/")
    assert s3.get_object(Bucket="data", Key=f"{aside}/x.jsonl.gz")["Body"].read() == raw
    assert f"{hour}/x.jsonl.gz" not in logged(s3)
    again, quiet = monitor()
    assert again["n"] == 300
    assert "LogLinesUnreadable" not in quiet


def test_of_an_object_with_bad_lines_the_others_count(monitor, s3):
    rows = predictions(300)
    del rows[7]["features"], rows[9]["score"]
    rows[11]["at"] = "yesterday"
    log(s3, rows)

    record, metrics = monitor()

    assert (record["n"], metrics["LogLinesUnreadable"]) == (297, 3.0)
    assert len(logged(s3)) == 2
    assert monitor()[0]["n"] == 297


def test_an_error_of_the_bucket_puts_nothing_aside(monitor, s3, monkeypatch):
    log(s3, predictions(300))
    from slipcast_aws import storage

    read = storage.read_bytes

    def down(uri, **options):
        if "prediction-log" in uri:
            raise RuntimeError("503 Slow Down")
        return read(uri, **options)

    monkeypatch.setattr(storage, "read_bytes", down)
    with pytest.raises(RuntimeError, match="503"):
        monitor()

    assert len(logged(s3)) == 1


def test_the_same_prediction_under_two_hours_and_two_days_counts_once(monitor, s3):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = predictions(300, at=midnight + timedelta(seconds=1) - timedelta(days=1))
    log(s3, rows, name="first", at=midnight - timedelta(days=1))
    # With other features, so that nothing but the id tells.
    for row in rows:
        row["features"] = row["features"] | {"log_budget": 9.0}
    log(s3, rows, name="again", at=midnight - timedelta(days=1, hours=-1))
    log(s3, rows, name="day before", at=midnight - timedelta(days=1, hours=1))

    record, _ = monitor()

    assert record["n"] == 300


def test_the_objects_of_an_hour_that_is_over_become_one(monitor, s3):
    hour = datetime.now(UTC).replace(minute=30) - timedelta(hours=5)
    rows = predictions(300, at=hour)
    for number in range(3):
        log(s3, rows[number * 100 : number * 100 + 100], name=f"part{number}")
    log(s3, rows[:100], name="repeated")
    log(s3, predictions(20, at=hour - timedelta(hours=1), name="alone"), name="alone")

    before, _ = monitor()

    alone, together = logged(s3)
    assert alone == f"{folder(hour - timedelta(hours=1))}/alone.jsonl.gz"
    assert together.startswith(f"{folder(hour)}/all-")
    body = gzip.decompress(s3.get_object(Bucket="data", Key=together)["Body"].read())
    assert {json.loads(line)["prediction_id"] for line in body.splitlines()} == {f"r:{n}" for n in range(300)}
    assert len(body.splitlines()) == 300
    after, _ = monitor()
    assert before["n"] == after["n"] == 320
    assert before["features"] == after["features"]


def test_what_comes_late_is_put_to_the_others(monitor, s3):
    hour = datetime.now(UTC).replace(minute=30) - timedelta(hours=5)
    rows = predictions(300, at=hour)
    log(s3, rows[:100], name="a")
    log(s3, rows[100:200], name="b")
    monitor()
    log(s3, rows[200:], name="late")

    monitor()

    assert len(logged(s3)) == 1
    assert monitor()[0]["n"] == 300


def test_an_object_that_another_run_has_just_put_together_is_no_error(monitor, s3, monkeypatch):
    hour = datetime.now(UTC).replace(minute=30) - timedelta(hours=5)
    log(s3, predictions(300, at=hour), name="here")
    from slipcast_aws import storage

    listed = storage.list_uris
    gone = f"s3://data/{folder(hour)}/gone.jsonl.gz"
    monkeypatch.setattr(storage, "list_uris", lambda prefix: [*listed(prefix), gone])

    assert monitor()[0]["n"] == 300


def test_the_objects_of_an_hour_under_way_stay(monitor, s3):
    now = datetime.now(UTC)
    rows = predictions(200, at=now)
    log(s3, rows[:100], name="a", at=now)
    log(s3, rows[100:], name="b", at=now)

    assert monitor()[0]["n"] == 200
    assert logged(s3) == [f"{folder(now)}/a.jsonl.gz", f"{folder(now)}/b.jsonl.gz"]
