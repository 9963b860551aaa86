"""POST /forecasts: when activities finish, from their data date; the same outputs by the protocols next to it."""

import csv
import io
import json
from datetime import date
from importlib import import_module

import pytest

from slipcast.features.point_in_time import CURRENT, HISTORY, NOW
from slipcast.features.point_in_time_table import build_series
from slipcast.forecast.serving import NO_MODEL
from slipcast.model.artifact import digest
from slipcast_aws.serving import feature_store
from support.forecast_models import forecast_json, with_forecast
from support.predict_api import ACTIVITY, artifact, call, environment
from support.schedules import example

OPEN = ACTIVITY | {"data_date": "2022-06-30", "status": "in_progress"}
QUANTILES = ("p10", "p50", "p80", "p90")


@pytest.fixture
def released(tmp_path):
    """The environment of a version whose model was released with a forecast."""
    raw = with_forecast(artifact())
    (tmp_path / "model.json").write_bytes(raw)
    (tmp_path / "forecast.json").write_bytes(forecast_json())
    return environment(tmp_path) | {"MODEL_PATH": str(tmp_path / "model.json"), "MODEL_SHA256": digest(raw)}


@pytest.fixture
def app(load_app, released):
    return load_app("predict.app", **released)


def forecast(app, *activities, **headers):
    answer = call(app, "POST", "/forecasts", {"activities": list(activities)}, **headers)
    assert answer.status == 200, answer.text
    return answer.json()


def test_each_activity_has_stage_and_dates(app, capsys):
    late = OPEN | {"activity_id": "A2", "data_date": "2022-10-30"}
    done = OPEN | {"activity_id": "A3", "status": "complete", "actual_finish": "2022-06-15"}
    to_come = OPEN | {"activity_id": "A4", "status": "not_started", "start": "2022-07-15"}

    answer = forecast(app, OPEN, late, done, to_come)

    found = {item["activity_id"]: item for item in answer["forecasts"]}
    assert answer["note"] is None
    assert {name: item["stage"] for name, item in found.items()} == {
        **{"A1": "in_progress", "A2": "already_late", "A3": "complete", "A4": "not_started"}
    }
    assert (found["A2"]["days_late"], found["A2"]["probability_late"]) == (30, 1.0)
    assert found["A2"]["expected_days_late"] > 30
    assert [found["A3"][name] for name in ("probability_late", *QUANTILES)] == [0.0, *["2022-06-15"] * 4]
    for name in ("A1", "A2", "A4"):
        dates = [found[name][level] for level in QUANTILES]
        assert dates == sorted(dates)
        assert dates[0] > found[name]["data_date"]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')]
    items = json.loads(line)["items"]
    assert [item["stage"] for item in items] == [item["stage"] for item in answer["forecasts"]]
    assert [item["p80"] for item in items] == [item["p80"] for item in answer["forecasts"]]
    asked = call(app, "POST", "/predictions", {"activities": [OPEN, late, done, to_come]}).json()["predictions"]
    assert [item["score"] for item in items] == [item["probability"] for item in asked]


def test_without_a_data_date_an_activity_is_taken_as_of_today(app, monkeypatch):
    bare = {name: value for name, value in ACTIVITY.items() if name != "data_date"}
    monkeypatch.setattr("slipcast.forecast.stage.today", lambda: date(2022, 10, 30))

    by_today, by_date = forecast(app, bare, bare | {"data_date": "2022-10-30"})["forecasts"]

    assert (by_today["data_date"], by_today["stage"]) == ("2022-10-30", "already_late")
    assert by_today | {"prediction_id": ""} == by_date | {"prediction_id": ""}
    (predicted,) = call(app, "POST", "/predictions", bare).json()["predictions"]
    assert (predicted["probability"], predicted["at_risk"], predicted["days_late"]) == (1.0, True, 30)
    (explained,) = call(app, "POST", "/predictions", bare | {"explain": True}).json()["predictions"]
    assert (explained["probability"], explained["base"], explained["reasons"]) == (1.0, None, None)


def test_a_wrong_activity_fails_no_other(app):
    answer = forecast(app, OPEN, OPEN | {"status": "begun"}, OPEN | {"status": "complete"})

    assert [item is None for item in answer["forecasts"]] == [False, True, True]
    assert [(item["index"], item["field"], item["type"]) for item in answer["errors"]] == [
        (1, "activities.1.status", "literal_error"),
        (2, "activities.2.actual_finish", "missing"),
    ]
    refused = call(app, "POST", "/forecasts", OPEN | {"status": "begun"})
    assert (refused.status, refused.headers["content-type"]) == (422, "application/problem+json")


def test_tables_are_taken_and_given(app):
    text = (
        "activity_id,data_date,status,start,baseline_finish\nA1,2022-06-30,In Progress,2022-03-01,2022-09-30\nA2,,,,\n"
    )

    answer = call(app, "POST", "/forecasts", raw=text, headers={"Content-Type": "text/csv"})
    lines = call(
        app, "POST", "/forecasts", raw=text, headers={"Content-Type": "text/csv", "Accept": "application/x-ndjson"}
    )

    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["stage"], first["error"]) == ("in_progress", "")
    assert first["p10"] <= first["p90"]
    assert second["p80"] == ""
    assert second["error"].startswith("start: ")
    listed = [json.loads(line) for line in lines.text.splitlines()]
    assert listed[0]["p80"] == first["p80"]
    assert [item["field"] for item in listed[1]["errors"]] == ["start"]


def test_without_a_forecast_model_stage_and_days_late_are_answered(load_app, tmp_path):
    app = load_app("predict.app", **environment(tmp_path))

    answer = forecast(app, OPEN, OPEN | {"data_date": "2022-12-31"})

    assert answer["note"] == NO_MODEL
    assert [(item["stage"], item["days_late"]) for item in answer["forecasts"]] == [
        ("in_progress", 0),
        ("already_late", 92),
    ]
    assert [item["probability_late"] for item in answer["forecasts"]] == [None, 1.0]
    assert {item[name] for item in answer["forecasts"] for name in QUANTILES} == {None}


def test_another_forecast_model_than_the_pinned_one_is_refused(load_app, released, tmp_path, capsys):
    (tmp_path / "forecast.json").write_bytes(forecast_json() + b" ")
    app = load_app("predict.app", **released)

    answer = call(app, "POST", "/forecasts", OPEN)

    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert '"ModelLoadFailed"' in capsys.readouterr().out
    assert call(app, "POST", "/predictions", OPEN).status == 200


def test_features_of_now_come_from_the_store_as_of_the_data_date_or_from_the_request(
    load_app, released, empty_store, capsys, monkeypatch
):
    table = example("nyc_sca_2022-12.csv").table
    series = build_series(table, 30)
    feature_store.refresh(empty_store, series, {})
    app = load_app("predict.app", **released, FEATURE_TABLE=empty_store)
    seen = []
    forecasts = import_module("predict.api.forecasts")
    features = forecasts.serving.features

    def spied(*parts):
        seen.append(features(*parts))
        return seen[-1]

    monkeypatch.setattr(forecasts.serving, "features", spied)
    row = table[(table["start"] < "2022-06-30") & (table["actual_finish"] > "2022-12-01")].iloc[0]
    activity = {
        **{name: row[name] for name in ("activity_id", "project_id", "phase", "work_type", "location")},
        **{name: row[name].date().isoformat() for name in ("start", "baseline_finish")},
        "data_date": "2022-06-30",
    }
    history = {**dict.fromkeys(HISTORY, 0.25), **dict.fromkeys(NOW[:3], 0.75)}

    forecast(app, activity, activity | {"history": history})

    looked_up, sent = seen
    expected = feature_store.point_in_time.history_features(activity | {"start": "2022-07-01"}, series, CURRENT)
    assert {name: looked_up[f"now_{name}"] for name in CURRENT} == expected
    at_start = feature_store.point_in_time.history_features(activity, series, HISTORY)
    assert {name: looked_up[name] for name in HISTORY} == at_start
    assert [sent[name] for name in NOW] == [0.75] * 3 + [None] * (len(NOW) - 3)
    assert {sent[name] for name in HISTORY} == {0.25}


def test_other_protocols_carry_the_forecast(app):
    expected = forecast(app, OPEN)["forecasts"][0]
    sent = {name: value for name, value in OPEN.items() if name != "budget"}
    tensors = [{"name": name, "datatype": "BYTES", "shape": [1], "data": [value]} for name, value in sent.items()] + [
        {"name": "budget", "datatype": "INT64", "shape": [1], "data": [OPEN["budget"]]}
    ]

    answer = call(app, "POST", "/v2/models/slipcast/infer", {"inputs": tensors}).json()
    row = call(app, "POST", "/invocations", {"dataframe_records": [OPEN]}).json()["predictions"][0]

    outputs = {item["name"]: item["data"][0] for item in answer["outputs"]}
    for name in ("data_date", "stage", "days_late", "probability_late", "expected_days_late", *QUANTILES):
        assert outputs[name] == row[name] == expected[name], name
    described = call(app, "GET", "/v2/models/slipcast").json()["outputs"]
    assert [item["name"] for item in described] == list(outputs)
    few = call(app, "POST", "/v2/models/slipcast/infer", {"inputs": tensors, "outputs": [{"name": "p80"}]}).json()
    assert few["outputs"] == [{"name": "p80", "shape": [1], "datatype": "BYTES", "data": [expected["p80"]]}]


def test_reasons_are_parts_of_the_probability_of_being_late(app):
    """All of them add up to it; the three largest are shown, with the probability judged at the start among them."""
    late = OPEN | {"activity_id": "A2", "data_date": "2022-10-30"}
    done = OPEN | {"activity_id": "A3", "status": "complete", "actual_finish": "2022-06-15"}
    wrong = OPEN | {"status": "begun"}
    activities = {"activities": [OPEN, late, wrong, done], "explain": True}
    answer = call(app, "POST", "/forecasts", activities)
    assert answer.status == 200, answer.text
    explained = answer.json()
    plain = forecast(app, OPEN, late, wrong, done)

    first, second, third, fourth = explained["forecasts"]
    assert third is None
    assert [second["reasons"], fourth["reasons"], fourth["base"]] == [None, None, None]
    assert 0 < first["base"] < 1
    parts = [item["contribution"] for item in first["reasons"]]
    assert 0 < len(parts) <= 3
    assert sorted(parts, key=abs, reverse=True) == parts
    assert explained["note"] is None
    for with_reasons, without in zip(explained["forecasts"], plain["forecasts"], strict=True):
        if without is not None:
            same = {name: value for name, value in with_reasons.items() if name in without and name != "prediction_id"}
            assert same == {name: value for name, value in without.items() if name != "prediction_id"}


def test_all_reasons_of_a_forecast_add_up(app, monkeypatch):
    monkeypatch.setattr("predict.api.forecast_explanations.SHOWN", 100)
    (item,) = call(app, "POST", "/forecasts?explain=true", OPEN).json()["forecasts"]

    assert len(item["reasons"]) > 3
    total = item["base"] + sum(reason["contribution"] for reason in item["reasons"])
    assert total == pytest.approx(item["probability_late"], abs=1e-9)
    (at_start,) = [reason for reason in item["reasons"] if reason["feature"] == "probability_at_start"]
    (judged,) = call(app, "POST", "/predictions", OPEN).json()["predictions"]
    assert at_start["value"] == judged["probability"]


def test_a_release_without_a_forecast_has_no_reasons_and_says_why(load_app, tmp_path):
    app = load_app("predict.app", **environment(tmp_path))
    answer = call(app, "POST", "/forecasts", OPEN | {"explain": True}).json()

    assert answer["note"] == NO_MODEL
    assert answer["forecasts"][0]["reasons"] is None


def test_reasons_are_given_for_a_hundred_forecasts_at_most(app):
    answer = call(app, "POST", "/forecasts", {"activities": [OPEN] * 101, "explain": True})

    assert answer.status == 422
    assert "at most 100" in answer.json()["errors"][0]["message"]
