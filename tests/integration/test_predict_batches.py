"""A wrong activity in a batch fails neither the others nor, silently, itself."""

import json

import pytest

from support.predict_api import ACTIVITY, call, environment

WRONG = ACTIVITY | {"start": "01/03/2022"}


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


def logged(capsys) -> list[dict]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [item for line in lines if line.get("log") == "prediction" for item in line["items"]]


def activities(count: int) -> list[dict]:
    return [ACTIVITY | {"activity_id": f"A{number}", "budget": 1000.0 * 4**number} for number in range(count)]


def test_the_others_are_scored_in_place(app, capsys):
    good = activities(5)
    batch = [*good[:2], ACTIVITY | {"budget": "a lot", "phase": 7}, *good[2:], "not an activity"]

    answer = call(app, "POST", "/predictions", {"activities": batch})
    found, log = answer.json(), logged(capsys)
    expected = call(app, "POST", "/predictions", {"activities": good}).json()

    assert answer.status == 200
    assert [item and item["activity_id"] for item in found["predictions"]] == ["A0", "A1", None, "A2", "A3", "A4", None]
    scored = [item["probability"] for item in found["predictions"] if item]
    assert scored == [item["probability"] for item in expected["predictions"]]
    assert len(set(scored)) > 1
    assert [(error["index"], error["field"], error["type"]) for error in found["errors"]] == [
        (2, "activities.2.phase", "string_type"),
        (2, "activities.2.budget", "float_type"),
        (6, "activities.6", "object_type"),
    ]
    assert all(error["message"] for error in found["errors"])
    positions = [int(item["prediction_id"].rpartition(":")[2]) for item in found["predictions"] if item]
    assert positions == [0, 1, 3, 4, 5]
    assert [item["prediction_id"] for item in log] == [item["prediction_id"] for item in found["predictions"] if item]


def test_a_batch_that_is_sent_in_parts_gets_the_same_scores(app):
    whole = activities(9)

    def scores(batch: list[dict]) -> list[float]:
        found = call(app, "POST", "/predictions", {"activities": batch}).json()
        return [item["probability"] for item in found["predictions"]]

    parts = [score for first in range(0, 9, 4) for score in scores(whole[first : first + 4])]

    assert parts == scores(whole)
    assert len(set(parts)) > 1


def test_without_a_wrong_activity_there_is_no_error(app):
    found = call(app, "POST", "/predictions", {"activities": activities(2)}).json()

    assert found["errors"] == []
    assert None not in found["predictions"]


@pytest.mark.parametrize(
    "body",
    [
        WRONG,
        {"activities": [WRONG]},
        {"activities": [WRONG, "x", {}]},
        {"activities": [ACTIVITY, WRONG], "explain": "yes"},
        {"activities": [ACTIVITY, WRONG] * 5001},
    ],
)
def test_what_cannot_be_scored_at_all_is_refused_and_not_logged(app, capsys, body):
    answer = call(app, "POST", "/predictions", body)

    assert answer.status == 422
    assert answer.json()["errors"]
    assert logged(capsys) == []


def test_reasons_keep_their_place_too(app):
    answer = call(app, "POST", "/predictions?explain=true", {"activities": [WRONG, ACTIVITY]}).json()

    assert answer["predictions"][0] is None
    assert answer["predictions"][1].keys() >= {"activity_id", "probability", "base", "reasons"}
    assert [error["field"] for error in answer["errors"]] == ["activities.0.start"]


def test_a_single_wrong_activity_among_thousands_is_found(app):
    batch = [ACTIVITY] * 9_999 + [WRONG]

    found = call(app, "POST", "/predictions", {"activities": batch}).json()

    assert [number for number, item in enumerate(found["predictions"]) if item is None] == [9_999]
    assert [error["index"] for error in found["errors"]] == [9_999]


def test_an_error_does_not_echo_what_was_sent_at_length(app):
    answer = call(app, "POST", "/predictions", {"activities": [ACTIVITY, ACTIVITY | {"history": {"x" * 100_000: 1}}]})

    assert len(answer.text) < 2_000
