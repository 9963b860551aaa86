"""The fast path of the serving function answers as the whole application does, or leaves the answer to it."""

import importlib
import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL, NUMERIC, feature_row
from support.budgets import examples
from tests.integration.test_predict_function import ACTIVITY, environment, trained  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parents[2]
PLAIN = [
    ACTIVITY,
    {"activities": [ACTIVITY]},
    {"activities": [ACTIVITY] * 250, "explain": False, "unknown": [1]},
    ACTIVITY | {"activity_id": "é😀" * 50, "phase": "", "work_type": None, "unknown": {"a": [1]}},
    ACTIVITY | {"budget": 0, "total_float_days": -3, "predecessor_count": 2, "history": {}},
    ACTIVITY | {"history": {HISTORY[0]: 1, HISTORY[-1]: -0.5}},
    ACTIVITY | {"baseline_start": "2022-05-01", "baseline_duration_days": None},
    {name: value for name, value in ACTIVITY.items() if name != "baseline_finish"} | {"baseline_duration_days": 1},
    # Given the duration, the finish is not looked at.
    ACTIVITY | {"baseline_duration_days": 12.5, "baseline_finish": "2000-02-29"},
    ACTIVITY | {"baseline_finish": ACTIVITY["start"]},
    ACTIVITY | {"budget": 10**300, "phase": "x" * 500},
]
NOT_PLAIN = [
    None,
    [],
    {},
    {"activities": []},
    {"activities": [ACTIVITY, 1]},
    {"activities": {"a": 1}},
    ACTIVITY | {"explain": True},
    ACTIVITY | {"explain": None},
    ACTIVITY | {"activity_id": ""},
    ACTIVITY | {"activity_id": "x" * 201},
    ACTIVITY | {"activity_id": 7},
    ACTIVITY | {"activity_id": "\ud800"},
    ACTIVITY | {"phase": "\udfff"},
    ACTIVITY | {"phase": "x" * 501},
    ACTIVITY | {"phase": True},
    ACTIVITY | {"phase": {"name": "Design"}},
    ACTIVITY | {"activity_id": ["A1"]},
    ACTIVITY | {"start": {"day": 1}},
    ACTIVITY | {"start": None},
    ACTIVITY | {"start": "2022-02-30"},
    ACTIVITY | {"start": "2022-W01-1"},
    ACTIVITY | {"start": "२०२२-०३-०१"},
    ACTIVITY | {"start": "2022-03-01\n"},
    ACTIVITY | {"start": 1646092800},
    ACTIVITY | {"baseline_finish": None},
    ACTIVITY | {"baseline_finish": "1999-12-31"},
    ACTIVITY | {"baseline_start": "2022-10-01"},
    ACTIVITY | {"baseline_duration_days": 0},
    ACTIVITY | {"baseline_duration_days": -0.0},
    ACTIVITY | {"budget": -1e-9},
    ACTIVITY | {"budget": True},
    ACTIVITY | {"budget": "1"},
    ACTIVITY | {"total_float_days": float("nan")},
    ACTIVITY | {"total_float_days": float("inf")},
    ACTIVITY | {"total_float_days": 10**400},
    ACTIVITY | {"history": {"moon_phase": 1}},
    ACTIVITY | {"history": {HISTORY[0]: None}},
    ACTIVITY | {"history": {HISTORY[0]: True}},
    ACTIVITY | {"history": [1]},
]


def event(body, *, raw=None, path="/predictions", method="POST", query=None, headers=None, stage="v1") -> dict:
    headers = {"Content-Type": "application/json"} if headers is None else headers
    return {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": query and {name: [value] for name, value in query.items()},
        "pathParameters": None,
        "requestContext": {"stage": stage, "requestId": "request-1", "path": f"/{stage}{path}"},
        "body": json.dumps(body) if raw is None else raw,
        "isBase64Encoded": False,
    }


@pytest.fixture
def serve(load_app, trained, lambda_context, capsys):  # noqa: F811
    """Both ways to answer an event: the application's, and the entry's with whether it needed the application."""
    app = load_app("predict.app", **environment(trained[1], trained[2]))
    fast = importlib.import_module("predict.app")

    def logged() -> list[dict]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for line in lines:
            # How long it took and when it was are no part of the answer.
            for name in ("at", "ms", "cold"):
                line.pop(name, None)
            line.get("_aws", {}).pop("Timestamp", None)
        return lines

    def run(asked: dict):
        expected = app.handler(deepcopy(asked), lambda_context)
        expected_log = logged()
        sys.modules["predict.app"] = app
        called = []
        handler, app.handler = app.handler, lambda *given: called.append(1) or handler(*given)
        try:
            found = fast.handler(deepcopy(asked), lambda_context)
        finally:
            app.handler = handler
            del sys.modules["predict.app"]
        return (expected, expected_log), (found, logged()), bool(called)

    return run


def plainly(serve, asked: dict) -> bool:
    """Return whether the fast path answered; either way as the application does, byte for byte, and with its log."""
    expected, found, called = serve(asked)
    assert found == expected
    return not called


@pytest.mark.parametrize("body", PLAIN)
def test_a_valid_request_is_answered_without_the_application(serve, body):
    assert plainly(serve, event(body))


@pytest.mark.parametrize("body", NOT_PLAIN)
def test_what_is_not_plainly_valid_is_left_to_the_application(serve, body, caplog):
    assert not plainly(serve, event(body))
    # A caller must not be able to fill the log with errors.
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    "more",
    [
        {"raw": "{"},
        {"raw": "[" * 100_000},
        {"raw": None, "query": {"explain": "true"}},
        {"method": "GET", "path": "/model"},
        {"path": "/nothing"},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"CONTENT-TYPE": "application/x-www-form-urlencoded"}},
        {"headers": {"Content-Type": "application/json", "idempotency-key": "k"}},
    ],
)
def test_other_requests_are_left_to_the_application(serve, more):
    assert not plainly(serve, event(ACTIVITY, **more))


@pytest.mark.parametrize("headers", [{}, {"content-TYPE": "application/json; charset=utf-8"}, {"X-Other": "1"}])
def test_headers_that_say_json_or_nothing_are_plain(serve, headers):
    assert plainly(serve, event(ACTIVITY, headers=headers))


def test_a_release_that_asks_is_not_logged(serve):
    (_, expected_log), (found, log), _ = serve(event(ACTIVITY, stage="slipcast-verify"))
    assert found["statusCode"] == 200
    assert log == expected_log == []


TEXT = st.none() | st.text(max_size=12) | st.text(min_size=499, max_size=501)
DAY = st.none() | st.dates().map(str) | st.sampled_from(["2022-03-01", "2022-3-1", "0000-01-01", "9999-12-31", "", 3])
NUMBER = st.none() | st.floats() | st.integers(-5, 5) | st.booleans() | st.just(10**309)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "activity_id": st.text(max_size=3) | st.none(),
        **dict.fromkeys(("activity_name", "project_id", *CATEGORICAL), TEXT),
        **dict.fromkeys(("start", "baseline_start", "baseline_finish"), DAY),
        **dict.fromkeys(("budget", "total_float_days", "predecessor_count", "baseline_duration_days"), NUMBER),
        "history": st.none() | st.dictionaries(st.sampled_from([*HISTORY, "x"]), NUMBER, max_size=3),
        "explain": st.booleans(),
        "status": st.text(max_size=3),
    },
)


def test_whatever_is_sent_both_ways_answer_alike(serve):
    answered = []

    @settings(max_examples=examples(40, 150), deadline=None, derandomize=True)
    @given(changes=st.lists(CHANGES, min_size=1, max_size=3), single=st.booleans())
    def compare(changes, single):
        activities = [ACTIVITY | change for change in changes]
        answered.append(plainly(serve, event(activities[0] if single else {"activities": activities})))

    compare()
    assert {True, False} == set(answered)


def test_features_by_column_are_those_by_row(load_app, aws_environment):
    load_app("predict.app", MODEL_SHA256="")
    plain_request = importlib.import_module("predict.fast_path.request")
    activities = [body for body in PLAIN if "activities" not in body]
    read = plain_request.read(json.dumps({"activities": activities}))

    found = read.features(read.history)

    assert found == [feature_row(activity) for activity in activities]
    assert [list(row) for row in found] == [[*NUMERIC, *CATEGORICAL]] * len(activities)
    assert [feature_row(activity) for activity in read.records()] == found


def test_without_a_model_the_application_says_why(load_app, lambda_context, monkeypatch):
    app = load_app("predict.app", MODEL_SHA256="")
    monkeypatch.setitem(sys.modules, "predict.app", app)

    assert importlib.import_module("predict.app").handler(event(ACTIVITY), lambda_context)["statusCode"] == 503


def test_a_valid_request_needs_neither_powertools_nor_pydantic(trained, tmp_path):  # noqa: F811
    script = (
        "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); from predict import app as fast\n"
        "answer = fast.handler(json.loads(sys.argv[2]), None)\n"
        "assert answer['statusCode'] == 200, answer\n"
        "packages = {name.partition('.')[0] for name in sys.modules} | {*sys.modules} & {'predict.app'}\n"
        "print(sorted(packages & {'aws_lambda_powertools', 'pydantic', 'boto3', 'botocore', 'numpy'}))"
    )
    folders = [str(ROOT / "functions")]
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(folders), json.dumps(event(ACTIVITY))],
        env={
            "PATH": os.environ["PATH"],
            "POWERTOOLS_METRICS_NAMESPACE": "Slipcast",
            **environment(trained[1], trained[2]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
