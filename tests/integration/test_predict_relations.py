"""POST /forecasts with relations: one network as of one data date."""

import json
from datetime import date, timedelta

import pytest

from slipcast.forecast.serving import NO_MODEL
from slipcast.model.artifact import digest
from support.forecast_models import forecast_json, with_forecast
from support.predict_api import ACTIVITY, artifact, call, environment

OPEN = ACTIVITY | {"data_date": "2022-06-30", "status": "in_progress"}
NEXT = ACTIVITY | {
    **{"activity_id": "A2", "data_date": "2022-06-30", "status": "not_started", "start": "2022-07-01"},
    "baseline_finish": "2022-07-10",
}
LINK = {"predecessor_id": "A1", "successor_id": "A2"}
QUANTILES = ("p10", "p50", "p80", "p90")


@pytest.fixture
def app(load_app, tmp_path):
    raw = with_forecast(artifact())
    (tmp_path / "model.json").write_bytes(raw)
    (tmp_path / "forecast.json").write_bytes(forecast_json())
    settings = {"MODEL_PATH": str(tmp_path / "model.json"), "MODEL_SHA256": digest(raw)}
    return load_app("predict.app", **(environment(tmp_path) | settings))


def ask(app, relations, *activities, **more):
    return call(app, "POST", "/forecasts", {"activities": [*activities], "relations": relations, **more})


def test_a_successor_finishes_after_its_predecessor_and_its_own_duration(app, capsys):
    alone = ask(app, [], OPEN, NEXT).json()
    capsys.readouterr()

    answer = ask(app, [LINK | {"lag_days": 3}], OPEN, NEXT).json()

    first, second = answer["forecasts"]
    # What waits for nothing is answered as without relations.
    assert {**first, "prediction_id": ""} == {**alone["forecasts"][0], "prediction_id": "", "driven_by": None}
    for level in QUANTILES:
        later = (date.fromisoformat(first[level]) + timedelta(days=3 + 10)).isoformat()
        assert second[level] == max(later, alone["forecasts"][1][level])
        assert answer["completion"][level] == max(first[level], second[level])
    assert second["driven_by"] == "A1"
    assert second["probability_late"] > alone["forecasts"][1]["probability_late"]
    assert second["expected_days_late"] > alone["forecasts"][1]["expected_days_late"]
    # What was said is what is logged, to be judged.
    assert f'"p80":"{second["p80"]}"' in capsys.readouterr().out


def test_without_relations_the_answer_is_the_one_of_before(app):
    def text(**more):
        body = {"activities": [OPEN, NEXT], **more}
        return call(app, "POST", "/forecasts", body, headers={"x-request-id": "same"})

    plain, empty, null = text(), text(relations=[]), text(relations=None)

    names = {*plain.json()} - {"request_id"}
    assert names == {"model", "forecasts", "errors", "note"}
    assert all({name: found.json()[name] for name in names - {"forecasts"}} for found in (empty, null))
    for found in (empty, null):
        assert [{**item, "prediction_id": ""} for item in found.json()["forecasts"]] == [
            {**item, "prediction_id": ""} for item in plain.json()["forecasts"]
        ]


@pytest.mark.parametrize(
    ("relations", "field", "kind"),
    [
        ("A1", "relations", "list_type"),
        ([LINK, 3], "relations.1", "object_type"),
        ([LINK | {"successor_id": "A9"}], "relations.0.successor_id", "unknown_activity"),
        ([{"successor_id": "A2"}], "relations.0.predecessor_id", "missing"),
        ([LINK | {"type": "XX"}], "relations.0.type", "literal_error"),
        ([LINK | {"lag_days": "3"}], "relations.0.lag_days", "float_type"),
        ([LINK | {"lag_days": 1e6}], "relations.0.lag_days", "float_type"),
        ([LINK | {"lag_minutes": 3}], "relations.0.lag_minutes", "unknown_field"),
        ([LINK, LINK | {"type": "FS", "lag_days": 2}], "relations.1", "duplicate"),
        ([LINK, {"predecessor_id": "A2", "successor_id": "A1"}], "relations", "cycle"),
        ([LINK | {"successor_id": "A1"}], "relations", "cycle"),
        ([LINK] * 20_001, "relations", "too_long"),
    ],
)
def test_a_wrong_relation_is_named(app, relations, field, kind):
    answer = ask(app, relations, OPEN, NEXT)

    assert answer.status == 422
    assert [(item["field"], item["type"]) for item in answer.json()["errors"]] == [(field, kind)]


def test_the_path_of_a_cycle_is_in_the_message(app):
    answer = ask(app, [LINK, {"predecessor_id": "A2", "successor_id": "A1"}], OPEN, NEXT)

    (error,) = answer.json()["errors"]
    assert error["message"].startswith("2 activities wait for each other: A")
    assert error["message"].endswith("; remove one of these relations")


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (NEXT | {"start": "soon"}, "activities.1.start"),
        (NEXT | {"activity_id": "A1"}, "activities.1.activity_id"),
        (NEXT | {"data_date": "2022-06-29"}, "activities.1.data_date"),
    ],
)
def test_a_network_with_a_wrong_activity_is_refused(app, second, field):
    answer = ask(app, [LINK | {"successor_id": second["activity_id"]}], OPEN, second)

    assert answer.status == 422
    assert [item["field"] for item in answer.json()["errors"]] == [field]


def test_reasons_are_those_of_each_activity_by_itself(app):
    answer = ask(app, [LINK], OPEN, NEXT, explain=True)

    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "explain")


def test_ids_are_compared_as_activities_are_read(app):
    answer = ask(app, [{"predecessor_id": "A1 ", "successor_id": "A\u0308"}], OPEN, NEXT | {"activity_id": " \u00c4"})

    assert answer.status == 200, answer.text
    assert [item["activity_id"] for item in answer.json()["forecasts"]] == ["A1", " \u00c4"]


def test_a_name_with_escapes_is_the_same_name(app):
    text = json.dumps({"activities": [OPEN, NEXT], "relations": [LINK]})

    answer = call(app, "POST", "/forecasts", raw=text.replace('"relations"', r'"\u0072elation\u0073"'))

    assert answer.json()["forecasts"][1]["driven_by"] == "A1"


def test_complete_activities_have_no_date_to_come(app):
    done = OPEN | {"status": "complete", "actual_finish": "2022-06-15"}
    also = done | {"activity_id": "A2", "actual_finish": "2022-06-20"}

    answer = ask(app, [LINK], done, also).json()

    assert answer["completion"] == dict.fromkeys(QUANTILES, "2022-06-20")
    assert [item["p80"] for item in answer["forecasts"]] == ["2022-06-15", "2022-06-20"]


def test_without_a_forecast_model_relations_are_checked_and_change_nothing(load_app, tmp_path):
    app = load_app("predict.app", **environment(tmp_path))

    answer = ask(app, [LINK], OPEN, NEXT).json()

    assert (answer["note"], answer["completion"]) == (NO_MODEL, None)
    assert [item["p80"] for item in answer["forecasts"]] == [None, None]
    assert ask(app, [LINK | {"type": "XX"}], OPEN, NEXT).status == 422
