"""Report: the page of an execution, from the evaluation that the evaluate function wrote."""

import json

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation import assessment
from slipcast.reports import training
from slipcast_aws import storage
from slipcast_aws.release import versions
from support.monitor_records import record as monitor_record
from support.once import once
from support.page import Page
from support.search_records import in_memory, search_record, tables

SETTINGS = {
    **{"DATA_BUCKET": "data", "PREDICT_FUNCTION": "slipcast-predict", "TOLERANCE_DAYS": "30"},
    **{"MISSED_DELAY_COST": "2", "FALSE_ALARM_COST": "1", "FAIRNESS_COLUMNS": "location, phase"},
    **{"MAX_SELECTION_RATE_GAP": "1", "MAX_FALSE_NEGATIVE_RATE_GAP": "1", "MAX_CALIBRATION_GAP": "1"},
    **{"MIN_FORECAST_COVERAGE": "0.7", "MAX_FORECAST_COVERAGE": "0.9"},
    **{"MAX_MODEL_AGE_DAYS": "365", "NON_INFERIORITY_MARGIN": "0.005"},
}
DATASET = {"dataset_id": "d1", "data_date": "2022-12-31", "rows": 900, "manifest_uri": "s3://data/datasets/d1/m.json"}


@pytest.fixture(scope="module", autouse=True)
def computed_once():
    """Those seconds are of what other files test."""
    with once((assessment, "permutation"), (assessment, "dependence"), (training, "render")):
        yield


@pytest.fixture
def evaluate(s3, load_app, lambda_context, monkeypatch):
    """Write an evaluation as the function before this one leaves it, and return its URI."""
    live: list[versions.LiveModel | None] = [None]
    monkeypatch.setattr(versions, "live_model", lambda function: live[0])

    def run(execution: str = "first", champion: versions.LiveModel | None = None, parts=None, **searched) -> str:
        live[0] = champion
        objects, write = in_memory()
        search = search_record(parts or tables(), write, execution=execution, **searched)
        for uri, raw in objects.items():
            storage.write_bytes(uri, raw)
        uri = f"s3://data/runs/{execution}/search/search.json"
        found = {"uri": uri, "sha256": storage.write_json(uri, search)}
        event = {"execution": execution, "reason": "new_data", "dataset": DATASET, "search": found}
        return load_app("evaluate", **SETTINGS).handler(event, lambda_context)["evaluation_uri"]

    return run


@pytest.fixture
def evaluation_uri(evaluate) -> str:
    """The evaluation of a first model."""
    return evaluate()


@pytest.fixture
def report(load_app, s3, lambda_context):
    app = load_app("report")
    return lambda event: app.handler(event, lambda_context)


def test_the_page_is_completed_with_the_record_of_the_bundle(evaluation_uri, report, s3):
    report({"evaluation_uri": evaluation_uri})
    without = s3.get_object(Bucket="data", Key="reports/first/report.html")["Body"].read().decode()
    edge = {"version": "3", "bundle_uri": "s3://data/edge/3-m/b.zip", "check": "agrees", "bytes": {"zip": 1200}}
    edge |= {"measured": {"rows": 5, "seconds": 0.5, "peak_mb": 20.0}, "onnx": {"published": False, "why": "too new"}}
    storage.write_json("s3://data/edge/3-m/edge.json", edge)

    report({"evaluation_uri": evaluation_uri, "edge_record_uri": "s3://data/edge/3-m/edge.json"})

    page = s3.get_object(Bucket="data", Key="reports/first/report.html")["Body"].read().decode()
    assert "not published: too new" in page
    assert "Edge bundle" not in without


def test_the_page_lies_beside_the_evaluation(evaluation_uri, report, s3):
    answer = report({"evaluation_uri": evaluation_uri})

    assert answer == {"report_uri": "s3://data/reports/first/report.html"}
    stored = s3.get_object(Bucket="data", Key="reports/first/report.html")
    assert stored["ContentType"] == "text/html; charset=utf-8"
    page = Page(stored["Body"].read().decode())
    assert page.problems == []
    evaluation = storage.read_json(evaluation_uri)
    assert evaluation["decision"]["reasons"][0] in page.text
    assert evaluation["model"]["sha256"] in page.text
    assert [row[:2] for row in page.tables["Families that are out, and why"]] == [["RBF SVC", "failed"]]


def test_drawn_again_the_page_is_the_same(evaluation_uri, report):
    first = storage.read_bytes(report({"evaluation_uri": evaluation_uri})["report_uri"])

    assert storage.read_bytes(report({"evaluation_uri": evaluation_uri})["report_uri"]) == first


def test_beside_a_live_model_the_page_compares(evaluate, report):
    model = storage.read_json(evaluate())["model"]
    known = ("model_id", "sha256", "artefact_uri", "profile_uri", "dataset_id", "trained_at")
    live = versions.LiveModel(version="3", **{name: model[name] for name in known})

    page = Page(storage.read_bytes(report({"evaluation_uri": evaluate("second", live)})["report_uri"]).decode())

    assert page.problems == []
    assert "Kept: version 3 stays live" in page.text
    assert page.tables["Population stability index"]


def test_without_dates_the_page_says_that_nothing_is_released(evaluate, report):
    rng = np.random.default_rng(0)
    late = {"train": rng.integers(0, 2, 400), "holdout": rng.integers(0, 2, 200)}
    parts = {name: pd.DataFrame({"crew_days": y + rng.normal(0, 1, len(y)), "is_late": y}) for name, y in late.items()}
    features = {"numeric": ["crew_days"], "categorical": []}
    uri = evaluate(parts=parts, protocol="paper", features=features)

    page = Page(storage.read_bytes(report({"evaluation_uri": uri})["report_uri"]).decode())

    assert page.problems == []
    assert "Rejected: no model goes live" in page.text
    assert "The dataset has no dates" in page.text


def test_an_evaluation_that_lacks_a_part_writes_no_page(evaluation_uri, report):
    evaluation = storage.read_json(evaluation_uri)
    del evaluation["metrics"]
    storage.write_json(evaluation_uri, evaluation)

    with pytest.raises(KeyError, match="metrics"):
        report({"evaluation_uri": evaluation_uri})
    assert not storage.exists("s3://data/reports/first/report.html")


# --- The page of a run of the monitor ---------------------------------------------------------------------------------


def recorded(at: str, **changed) -> str:
    """Write a record of the monitor as its function does, and return its key."""
    document = monitor_record(at=f"{at[:13]}:00:00+00:00", **changed).as_dict()
    key = f"monitoring/{at}.json"
    storage.write_json(f"s3://data/{key}", document)
    return key


def created(key: str) -> dict:
    return {"detail-type": "Object Created", "detail": {"bucket": {"name": "data"}, "object": {"key": key}}}


def test_the_page_of_a_run_lies_beside_its_record(report, s3, capsys, caplog):
    key = recorded("2026-11-24T07-00-00")

    answer = report(created(key))

    assert answer == {"report_uri": "s3://data/monitoring/2026-11-24T07-00-00.html"}
    stored = s3.get_object(Bucket="data", Key="monitoring/2026-11-24T07-00-00.html")
    assert stored["ContentType"] == "text/html; charset=utf-8"
    assert Page(stored["Body"].read().decode()).problems == []
    (metrics,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert (metrics["ModelVersion"], metrics["service"]) == ([4.0], "slipcast")
    # What the dashboard's table asks the log for.
    (moved,) = [line for line in caplog.records if line.getMessage() == "moved"]
    assert (moved.conclusion, moved.first) == ("miscalibrated", "baseline_duration_days 0.410 (drifted)")


def test_the_timeline_shows_the_runs_before_and_none_after(report, s3):
    for day, version in ((20, "3"), (21, "3"), (25, "5")):
        days = [{"day": f"2026-11-{day}", "n": 10, "mean": 0.3}]
        recorded(f"2026-11-{day}T07-00-00", version=version, scores_by_day=days)
    storage.write_bytes("s3://data/monitoring/2026-11-22T07-00-00.json", b"{cut")
    storage.write_json("s3://data/monitoring/2026-11-22T08-00-00.json", {"state": "drift", "at": "before this schema"})
    recorded("2025-11-20T07-00-00", scores_by_day=[{"day": "2025-11-20", "n": 10, "mean": 0.9}])

    report(created(recorded("2026-11-24T07-00-00")))

    text = s3.get_object(Bucket="data", Key="monitoring/2026-11-24T07-00-00.html")["Body"].read().decode()
    assert "Mean score 30.0 % on 2026-11-20, 44.0 % on 2026-11-24" in text
    assert "version 4" in text
    assert "version 5" not in text


@pytest.mark.parametrize("conclusion", ["insufficient_data", "no_model"])
def test_a_run_without_a_conclusion_has_no_page(report, s3, conclusion):
    key = recorded("2026-11-24T07-00-00", conclusion=conclusion, drift=None, realised=None, estimated=None)

    assert report(created(key)) == {"report_uri": None}
    assert "Contents" not in s3.list_objects_v2(Bucket="data", Prefix="monitoring/2026-11-24T07-00-00.html")


def test_a_record_of_before_has_no_page_and_is_no_error(report, s3):
    storage.write_json(
        "s3://data/monitoring/2026-01-01T00-00-00.json", {"state": "drift", "version": "2", "features": {}}
    )

    assert report(created("monitoring/2026-01-01T00-00-00.json")) == {"report_uri": None}


def test_the_page_of_the_scoreboard_lies_next_to_it(report, s3):
    row = {"forecasts": 0, "undercoverage": None, "model_id": "m"}
    board = {"verdict": row, "metrics": {}, "as_of": None, "total": None, "groups": {}}
    board |= {"at": "2026-11-24T07:00:00+00:00", "dataset_id": "d1"}
    storage.write_json("s3://data/reports/scoreboard/scoreboard.json", board)

    answer = report(created("reports/scoreboard/scoreboard.json"))

    assert answer == {"report_uri": "s3://data/reports/scoreboard/index.html"}
    stored = s3.get_object(Bucket="data", Key="reports/scoreboard/index.html")
    assert stored["ContentType"] == "text/html; charset=utf-8"
    assert Page(stored["Body"].read().decode()).problems == []
