"""The replay: logged requests as they can be asked again, and what two answers to them show."""

import re

import pytest

from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import feature_row
from slipcast.release.replay import Answer, Limits, activity, judge, requests, schema

LIMITS = Limits(max_latency_ratio=1.5, max_score_shift=0.25)
ACTIVITY = {
    **{"activity_id": "A1", "start": "2025-03-03", "baseline_finish": "2025-09-30", "budget": 343300.25},
    **{"phase": "Design", "total_float_days": -3.0, "history": {HISTORY[0]: 0.125}},
}


def row(request: str = "r1", number: int = 0, *, at: str = "2025-03-04T10:00:00.000+00:00", **changed):
    features = feature_row(ACTIVITY | changed)
    return {
        **{"prediction_id": f"{request}:{number}", "request_id": request, "activity_id": "A1", "score": 0.25},
        **{"features": features, "at": at, "model_version": "3"},
    }


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"budget": None},
        {"budget": 0},
        {"budget": 1e-3},
        {"budget": 123456789.0},
        {"phase": None, "location": "Zoë"},
        {"history": None},
        {"predecessor_count": 2},
    ],
)
def test_a_replayed_activity_has_the_features_that_were_logged(changed):
    logged = row(**changed)["features"]
    again = feature_row(activity(row(**changed)))

    budgets = again.pop("log_budget"), logged.pop("log_budget")
    assert again == logged
    assert budgets[0] == budgets[1] or budgets[0] == pytest.approx(budgets[1], rel=1e-12)


def test_nothing_is_looked_up_for_a_replay():
    # The season of the finish is computed from the activity itself, and was logged.
    assert activity(row(history=None))["history"].keys() == {"finish_season_sin", "finish_season_cos"}


def test_the_last_requests_are_replayed_whole_and_once():
    rows = [row("r2", 1, at="2025-03-05T10:00:00.000+00:00"), row("r1", 0)]
    rows += [row("r2", 0, at="2025-03-05T10:00:00.000+00:00"), row("r2", 10, at="2025-03-05T10:00:00.000+00:00")] * 2

    found = requests(rows, 1)
    assert [item["request_id"] for item in found] == ["r2"]
    assert len(found[0]["activities"]) == 3
    assert [item["request_id"] for item in requests(rows, 5)] == ["r1", "r2"]
    assert requests(rows, 0) == []


def body(score: float, version: str = "3", **more) -> dict:
    return {
        "request_id": "x",
        "model": {"version": version},
        "predictions": [{"activity_id": "A1", "probability": score, **more}],
    }


def pairs(n: int = 30, *, shift: float = 0.0, ms: float = 4.0, status: int = 200, **more):
    asked = {"request_id": "r1", "model_version": "3", "activities": [ACTIVITY], "scores": [0.3]}
    live = Answer(200, body(0.3), 4.0)
    new = Answer(status, body(0.3 + shift, "4", **more) if status == 200 else {"title": "no"}, ms)
    return [(asked, live, new)] * n


def test_the_same_answers_pass():
    verdict = judge(pairs(), LIMITS)

    assert verdict.passed
    assert (verdict.requests, verdict.predictions, verdict.faithful) == (30, 30, 1.0)
    assert verdict.shift == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"shift": 0.3}, r"mean score \+0.300"),
        ({"shift": -0.3}, r"mean score -0.300"),
        ({"ms": 30.0}, r"median duration of 30.0 ms, 11.0 ms allowed"),
        ({"status": 500}, r"30 of 30 requests .* failed \(r1: 500\)"),
    ],
)
def test_what_is_otherwise_stops_the_release(how, reason):
    verdict = judge(pairs(**how), LIMITS)

    assert not verdict.passed
    assert re.search(reason, verdict.why)


def test_one_failure_is_enough():
    verdict = judge([*pairs(29), *pairs(1, status=500)], LIMITS)

    assert not verdict.passed
    assert "1 of 30" in verdict.why


def test_a_field_that_is_lost_or_of_another_kind_stops_the_release_and_a_new_one_does_not():
    added = judge(pairs(rank=1), LIMITS)
    lost = judge([(asked, new, live) for asked, live, new in pairs(rank=1)], LIMITS)
    other = judge(pairs(activity_id=7), LIMITS)

    assert (added.passed, added.added) == (True, ["predictions[].rank"])
    assert (lost.passed, lost.missing) == (False, ["predictions[].rank"])
    assert (other.passed, other.missing) == (False, ["predictions[].activity_id"])


def test_a_value_may_be_unknown():
    assert judge(pairs(activity_id=None), LIMITS).passed


def test_requests_that_the_live_version_does_not_answer_say_nothing():
    asked, live, new = pairs(1)[0]
    verdict = judge([(asked, Answer(422, {}, 1.0), Answer(500, {}, 1.0)), (asked, live, new)], LIMITS)

    assert verdict.passed
    assert verdict.requests == 1


def test_few_predictions_and_durations_are_not_judged():
    verdict = judge(pairs(5, shift=0.5, ms=90.0), LIMITS)

    assert verdict.passed
    assert verdict.shift is None


def test_nothing_to_replay_is_said():
    verdict = judge([], LIMITS)

    assert verdict.passed
    assert verdict.why == "no logged request to replay"


def test_a_replay_that_is_not_what_was_asked_is_seen():
    (asked, live, new) = pairs(1)[0]

    assert judge([({**asked, "scores": [0.9]}, live, new)], LIMITS).faithful == 0.0
    # What another version had scored is no measure.
    assert judge([({**asked, "model_version": "2"}, live, new)], LIMITS).faithful is None


def test_the_schema_of_an_answer():
    assert schema({"a": [{"b": 1}, {"b": None}], "c": True}) == {
        "": {"object"},
        "a": {"list"},
        "a[]": {"object"},
        "a[].b": {"number", "null"},
        "c": {"boolean"},
    }
