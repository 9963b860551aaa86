"""The monitor: the prediction log in the bucket against the training profile, and the metrics that come of it."""

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from slipcast import redaction
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.monitoring import pending_outcomes
from slipcast_aws import storage
from slipcast_aws.control import datasets
from support import kept_forecasts
from support.monitoring_site import NOW, folder, log, logged, predictions, reports


def test_before_the_first_release_the_run_is_counted_and_nothing_compared(monitor, s3, live):
    live["model"] = None

    record, metrics = monitor()

    assert record == {"conclusion": "no_model"}
    assert metrics == {"MonitorRuns": 1.0}
    assert reports(s3) == []


def test_run_by_hand_it_is_counted_and_leaves_its_record(monitor, s3):
    log(s3, predictions(300))

    record, metrics = monitor({})

    assert metrics["MonitorRuns"] == 1.0
    assert [found["n"] for found in reports(s3)] == [record["n"]] == [300]


def test_a_shorter_window_reads_less_of_the_log(monitor, s3, monkeypatch):
    log(s3, predictions(300))
    log(s3, predictions(300, seed=9, at=NOW - timedelta(hours=40), name="old"), name="old")
    assert monitor()[0]["n"] == 600

    monkeypatch.setenv("MONITOR_WINDOW_HOURS", "24")

    assert monitor()[0]["n"] == 300


def test_no_predictions_are_no_drift(monitor, s3):
    record, metrics = monitor()

    assert record["conclusion"] == "insufficient_data"
    assert metrics == {"MonitorRuns": 1.0, "MonitoredPredictions": 0.0}
    assert reports(s3) == [record]


def test_too_few_predictions_give_no_verdict(monitor, s3):
    log(s3, predictions(199, shift=3.0))

    record, metrics = monitor()

    assert record["drift"]["state"] == "insufficient_data"
    assert record["n"] == 199
    assert metrics == {"MonitorRuns": 1.0, "MonitoredPredictions": 199.0, "LabelCoverage": 0.0}


def test_predictions_like_the_training_data_are_no_drift(monitor, s3):
    log(s3, predictions(400))

    record, metrics = monitor()

    assert record["drift"]["state"] == "ok"
    assert record["conclusion"] == "healthy"
    assert metrics["Drift"] == 0.0
    assert metrics["DriftedFeatureShare"] == 0.0
    assert metrics["MonitoredPredictions"] == 400.0
    assert abs(metrics["ScoreShift"]) < 0.02


def test_drift_is_reported_with_its_metrics(monitor, s3):
    log(s3, predictions(400, shift=2.0))

    record, metrics = monitor()

    drift = record["drift"]
    assert (drift["state"], drift["confirmed"], record["conclusion"]) == ("drift", False, "healthy")
    assert record["version"] == "4"
    assert reports(s3) == [record]
    assert set(drift["drifted"]) == set(NUMERIC)
    assert metrics["MonitorRuns"] == 1.0
    assert (metrics["Drift"], metrics["DriftInWindow"]) == (0.0, 1.0)
    assert metrics["MaxPSI"] == pytest.approx(drift["max_psi"])
    assert metrics["MaxPSI"] > 0.2
    assert metrics["DriftedFeatureShare"] == pytest.approx(len(NUMERIC) / len([*NUMERIC, *CATEGORICAL]))
    assert metrics["ScoreMean"] == pytest.approx(record["score_mean"])


def earlier(s3, record: dict, hours: float, **changed) -> None:
    """A record of a window that ended so many hours ago."""
    until = NOW - timedelta(hours=hours)
    storage.write_json(
        f"s3://data/monitoring/{until:%Y-%m-%dT%H-%M-%S}.json", record | {"until": until.isoformat()} | changed
    )


def test_drift_is_confirmed_by_a_window_before_that_does_not_overlap(monitor, s3):
    log(s3, predictions(400, shift=2.0))
    first, _ = monitor()
    earlier(s3, first, 1)
    earlier(s3, first, 47)
    assert monitor()[0]["drift"]["earlier"] == []
    earlier(s3, first, 49)

    record, metrics = monitor()

    assert record["conclusion"] == "drift"
    assert len(record["drift"]["earlier"]) == 1
    assert record["drift"]["confirmed_features"] == record["drift"]["drifted"]
    assert metrics["Drift"] == 1.0


def test_windows_before_are_found_over_gaps_and_not_beyond_another_model(monitor, s3):
    log(s3, predictions(400, shift=2.0))
    first, _ = monitor()
    quiet = first["drift"] | {"features": {}, "score": None}
    earlier(s3, first, 60, drift=quiet, name="gap")
    earlier(s3, first, 60 + 55)
    earlier(s3, first, 60 + 55 + 55)

    record, _ = monitor()
    assert [item["findings"] == [] for item in record["drift"]["earlier"]] == [True, False]
    assert record["drift"]["confirmed"]

    earlier(s3, first, 50, version="3")
    assert monitor()[0]["drift"]["earlier"] == []


def dataset(labels: str | None) -> None:
    """Make a dataset with these labels the latest."""
    reference = {"dataset_id": "new", "data_date": "2026-12-31"}
    if labels is not None:
        reference["labels_uri"] = "s3://data/datasets/new/labels.csv.gz"
        head = "project_id,activity_id,phase,work_type,location,matured_at,is_late\n"
        storage.write_bytes(reference["labels_uri"], gzip.compress((head + labels).encode()))
    datasets.move_latest("control", reference, previous=None)


def outcomes(late_share: float, *, of: int = 400, matured: str = "2099-01-01") -> str:
    late = np.random.default_rng(3).random(of) < late_share
    return "".join(f"p,A{number},Design,,,{matured},{int(is_late)}\n" for number, is_late in enumerate(late))


def test_a_model_that_is_too_pessimistic_is_miscalibrated(monitor, s3):
    log(s3, predictions(400))
    dataset(outcomes(0.15))

    record, metrics = monitor()

    assert record["conclusion"] == "miscalibrated"
    realised = record["realised"]
    assert (realised["n"], realised["coverage"], realised["dataset_id"]) == (400, 1.0, "new")
    assert metrics["Miscalibrated"] == 1.0
    assert metrics["CalibrationGap"] == pytest.approx(realised["mean_score"] - realised["late_rate"])
    assert realised["calibration_gap"] == pytest.approx(0.25, abs=0.05)
    assert record["estimated"]["state"] == "estimate_invalid"


def test_a_model_that_is_right_stays_healthy_when_labels_come(monitor, s3):
    log(s3, predictions(400))
    dataset(outcomes(0.4, of=300))

    record, metrics = monitor()

    assert (record["realised"]["state"], record["realised"]["n"], record["realised"]["awaiting"]) == ("ok", 300, 100)
    assert metrics["LabelCoverage"] == 0.75
    assert record["conclusion"] == "healthy"


def test_identifiers_that_the_log_has_as_hashes_meet_their_outcomes(monitor, s3, monkeypatch):
    monkeypatch.setenv("REDACT_COLUMNS", "activity_id, project_id")
    monkeypatch.setenv("ID_SALT", "salt")
    kept = redaction.from_text("activity_id, project_id", "salt")
    rows = [row | {"project_id": "p"} for row in predictions(400)]
    hashed = [row | {name: kept.identity(name, row[name]) for name in redaction.IDENTIFIERS} for row in rows]
    log(s3, hashed)
    dataset(outcomes(0.4, of=300))

    assert monitor()[0]["realised"]["n"] == 300


@pytest.mark.parametrize("mark", [{"survivor": True}, {"stage": "already_late", "score": 1.0}])
def test_what_has_survived_until_it_was_asked_about_or_is_late_already_is_another_population(monitor, s3, mark):
    log(s3, predictions(300) + [row | mark for row in predictions(300, shift=5.0, name="b")])

    record, _ = monitor()

    assert (record["n"], record["drift"]["state"]) == (300, "ok")


@pytest.mark.parametrize("matured", ["2024-12-31", "2026-01-01"])
def test_outcomes_that_the_model_learned_or_that_were_plain_when_asked_do_not_count(monitor, s3, matured):
    log(s3, predictions(400))
    dataset(outcomes(0.1, matured=matured))

    assert monitor()[0]["realised"]["n"] == 0


def test_a_dataset_of_an_earlier_version_has_no_labels_to_read(monitor, s3):
    log(s3, predictions(400))
    dataset(None)

    record, _ = monitor()

    assert (record["realised"]["state"], record["realised"]["awaiting"]) == ("insufficient_data", 400)


def test_what_was_asked_weeks_ago_meets_its_outcome(monitor, s3):
    """Days that are over are kept apart from the log, those that the window missed are caught up on."""
    old = [predictions(30, at=NOW - timedelta(days=day), name=f"d{day}") for day in (10, 9, 8)]
    for number, rows in enumerate(old):
        rows = [row | {"activity_id": f"A{number * 30 + at}"} for at, row in enumerate(rows)]
        log(s3, rows, name=f"old{number}")
    log(s3, [row | {"activity_id": f"A{90 + at}"} for at, row in enumerate(predictions(30))], name="now")
    dataset(outcomes(0.4, of=120))

    counts = [monitor()[0]["realised"]["n"] for _ in range(8)]

    assert counts[0] == 30
    assert counts == sorted(counts)
    assert counts[-1] == 120
    kept = [item["Key"] for item in s3.list_objects_v2(Bucket="data", Prefix="asked/")["Contents"]]
    assert f"asked/dt={(NOW - timedelta(days=9)):%Y-%m-%d}.npz" in kept
    assert f"asked/dt={NOW:%Y-%m-%d}.npz" not in kept
    assert sum(len(pending_outcomes.unpack(s3.get_object(Bucket="data", Key=key)["Body"].read())) for key in kept) == 90
    # What is kept is enough: the log itself may be gone.
    for key in logged(s3):
        if f"dt={NOW:%Y-%m-%d}" not in key and f"dt={NOW - timedelta(hours=1):%Y-%m-%d}" not in key:
            s3.delete_object(Bucket="data", Key=key)
    assert monitor()[0]["realised"]["n"] == 120


def test_a_prediction_that_was_delivered_twice_counts_once(monitor, s3):
    rows = predictions(150, shift=3.0)
    log(s3, rows, name="one")
    log(s3, rows, name="two")

    record, _ = monitor()

    assert record["n"] == 150
    assert record["drift"]["state"] == "insufficient_data"


def test_predictions_outside_the_window_are_left_out(monitor, s3):
    log(s3, predictions(300), name="inside")
    # In the folder of the window's first hour, before its minute.
    begin = NOW - timedelta(hours=48)
    log(s3, predictions(300, shift=5.0, at=begin - timedelta(seconds=1), name="old"), name="edge", at=begin)
    log(s3, predictions(300, shift=5.0, at=NOW - timedelta(days=9), name="older"), name="long-ago")
    log(s3, predictions(300, shift=5.0, at=NOW + timedelta(minutes=9), name="next"), name="ahead", at=NOW)

    record, _ = monitor()

    assert record["n"] == 300
    assert record["drift"]["state"] == "ok"


def test_every_day_of_the_window_is_read(monitor, s3):
    for day in (0, 1):
        at = NOW - timedelta(days=day, minutes=1)
        log(s3, predictions(120, seed=day + 5, at=at, name=f"day{day}"))
    log(s3, predictions(120, seed=9, at=NOW - timedelta(hours=47, minutes=59), name="first"), name="first")

    record, _ = monitor()

    assert record["n"] == 360


def test_predictions_of_another_version_are_left_out(monitor, s3):
    log(s3, predictions(300) + predictions(300, shift=5.0, version="3", name="before"))

    record, _ = monitor()

    assert record["n"] == 300
    assert record["drift"]["state"] == "ok"


@pytest.mark.parametrize(
    "raw",
    [b"not gzip", gzip.compress(b"{}")[:-3], gzip.compress(b"[1]"), gzip.compress(b"\xff")],
    # gzip writes the time: each worker would name the tests otherwise.
    ids=["not gzip", "cut short", "a list", "not text"],
)
@pytest.mark.fault(
    "watching",
    "an object of the log",
    "it is damaged in the bucket",
    "put aside as it is, counted for the alarm, the others are used",
)
def test_an_object_that_cannot_be_read_is_put_aside_and_counted(monitor, s3, raw):
    hour = folder(NOW)
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


def test_an_object_that_was_mended_and_put_back_counts(monitor, s3):
    rows = predictions(300)
    hour = folder(datetime.fromisoformat(rows[0]["at"]))
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    s3.put_object(Bucket="data", Key=f"{hour}/x.jsonl.gz", Body=lines)
    assert monitor()[1]["LogLinesUnreadable"] == 1.0
    aside = f"{hour}/x.jsonl.gz".replace("prediction-log/", "prediction-log/unreadable/")
    kept = s3.get_object(Bucket="data", Key=aside)["Body"].read()

    s3.put_object(Bucket="data", Key=f"{hour}/x.jsonl.gz", Body=gzip.compress(kept))

    record, metrics = monitor()
    assert record["n"] == 300
    assert "LogLinesUnreadable" not in metrics


def test_of_an_object_with_bad_lines_the_others_count(monitor, s3):
    rows = predictions(300)
    del rows[7]["features"], rows[9]["score"]
    rows[11]["at"] = "yesterday"
    log(s3, rows)

    record, metrics = monitor()

    assert (record["n"], metrics["LogLinesUnreadable"]) == (297, 3.0)
    assert len(logged(s3)) == 2
    assert monitor()[0]["n"] == 297


@pytest.mark.fault(
    "watching", "the bucket during a run of the monitor", "503", "nothing is put aside, the next run reads it"
)
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
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
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
    hour = NOW.replace(minute=30) - timedelta(hours=5)
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
    for name, item in before["drift"]["features"].items():
        assert item["bins"] == after["drift"]["features"][name]["bins"]


def test_what_comes_late_is_put_to_the_others(monitor, s3):
    hour = NOW.replace(minute=30) - timedelta(hours=5)
    rows = predictions(300, at=hour)
    log(s3, rows[:100], name="a")
    log(s3, rows[100:200], name="b")
    monitor()
    log(s3, rows[200:], name="late")

    monitor()

    assert len(logged(s3)) == 1
    assert monitor()[0]["n"] == 300


def test_an_object_that_another_run_has_just_put_together_is_no_error(monitor, s3, monkeypatch):
    hour = NOW.replace(minute=30) - timedelta(hours=5)
    log(s3, predictions(300, at=hour), name="here")
    from slipcast_aws import storage

    listed = storage.list_uris
    gone = f"s3://data/{folder(hour)}/gone.jsonl.gz"
    monkeypatch.setattr(storage, "list_uris", lambda prefix: [*listed(prefix), *([gone] if "log" in prefix else [])])

    assert monitor()[0]["n"] == 300


def test_the_objects_of_an_hour_under_way_stay(monitor, s3):
    rows = predictions(200, at=NOW)
    log(s3, rows[:100], name="a", at=NOW)
    log(s3, rows[100:], name="b", at=NOW)

    assert monitor()[0]["n"] == 200
    assert logged(s3) == [f"{folder(NOW)}/a.jsonl.gz", f"{folder(NOW)}/b.jsonl.gz"]


def forecast_dataset() -> None:
    """Make a dataset whose activities were last seen with the kept forecasts' finishes the latest."""
    reference = {"dataset_id": "new", "data_date": "2026-03-07", "last_seen_uri": kept_forecasts.LAST_SEEN}
    datasets.move_latest("control", reference, previous=datasets.latest_dataset("control"))


def test_forecasts_that_hold_are_no_alarm_and_have_a_scoreboard(monitor, s3):
    rows, finishes = kept_forecasts.portfolio(1.0)
    kept_forecasts.keep(rows)
    kept_forecasts.see(finishes)
    forecast_dataset()

    record, metrics = monitor()

    assert 0.75 < metrics["CoverageP80"] < 0.85
    assert (metrics["Undercoverage"], metrics["PinballRatio"] < 1) == (0.0, True)
    assert {name: record["metrics"][name] for name in metrics} == metrics
    board = storage.read_json("s3://data/reports/scoreboard/scoreboard.json")
    assert (board["dataset_id"], board["total"]["forecasts"], board["verdict"]["model_id"]) == ("new", 240, "m")
    lines = storage.read_bytes("s3://data/reports/scoreboard/scoreboard.csv").decode().splitlines()
    assert sum(line.startswith("project_id,P") for line in lines) == 12


def test_a_p80_that_holds_too_rarely_raises_the_metric_of_the_alarm_until_another_model_is_live(monitor, s3, live):
    rows, finishes = kept_forecasts.portfolio(0.5)
    kept_forecasts.keep(rows)
    kept_forecasts.see(finishes)
    forecast_dataset()

    _, metrics = monitor()

    assert metrics["CoverageP80"] < 0.7
    assert metrics["Undercoverage"] == 1.0
    live["model"] = replace(live["model"], model_id="next")
    assert not {"CoverageP80", "Undercoverage"} & set(monitor()[1])


def test_the_scoreboard_is_made_again_only_if_forecasts_or_outcomes_changed(monitor, s3):
    rows, finishes = kept_forecasts.portfolio(1.0, projects=3)
    kept_forecasts.keep(rows)
    kept_forecasts.see(finishes)
    forecast_dataset()
    _, first = monitor()
    made = storage.read_json("s3://data/reports/scoreboard/scoreboard.json")

    _, second = monitor()

    assert second == first
    assert storage.read_json("s3://data/reports/scoreboard/scoreboard.json") == made
    kept_forecasts.keep(rows[:20], data_date="2025-01-31")
    monitor()
    assert storage.read_json("s3://data/reports/scoreboard/scoreboard.json")["total"]["forecasts"] == 20
    s3.put_object(Bucket="data", Key="reports/scoreboard/scoreboard.json", Body=b"{")
    monitor()
    assert storage.read_json("s3://data/reports/scoreboard/scoreboard.json")["total"]["forecasts"] == 20


def test_what_is_no_table_of_forecasts_costs_the_scoreboard_that_object_alone(monitor, s3):
    rows, finishes = kept_forecasts.portfolio(1.0, projects=2)
    # Of a model without a forecast the columns are empty.
    blank = [row | dict.fromkeys(("p10", "p50", "p80", "p90"), "") for row in rows[:5]]
    kept_forecasts.keep(rows[5:] + blank)
    s3.put_object(Bucket="data", Key="forecasts/towers/2025-02-28/damaged.csv.gz", Body=kept_forecasts.table(rows)[:90])
    s3.put_object(Bucket="data", Key="forecasts/towers/2025-03-31/other.csv.gz", Body=gzip.compress(b"a,b\n1,2\n"))
    s3.put_object(Bucket="data", Key="forecasts/towers/2025-01-31/projects.json", Body=b"{}")
    kept_forecasts.see(finishes)
    forecast_dataset()

    monitor()

    assert storage.read_json("s3://data/reports/scoreboard/scoreboard.json")["total"]["forecasts"] == 35


def test_without_a_date_of_the_planners_the_baseline_stands_next_to_the_forecast(monitor, s3):
    kept_forecasts.keep([kept_forecasts.forecast("A", planned=""), kept_forecasts.forecast("NA")])
    kept_forecasts.see({("P1", "A"): 12, ("P1", "NA"): 16})
    forecast_dataset()

    monitor()

    total = storage.read_json("s3://data/reports/scoreboard/scoreboard.json")["total"]
    assert (total["planned_finish_judged"], total["planned_finish_held"], total["finished"]) == (2, 0.5, 2)
