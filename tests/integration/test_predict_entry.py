"""The entry of the predict function: what is read natively and what field by field gets the same answer."""

import importlib
import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.features import activity
from slipcast.features.columns import feature_columns
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL, NUMERIC, feature_row
from support.budgets import examples
from tests.integration.test_predict_function import ACTIVITY, environment, trained  # noqa: F401 - a fixture

ROOT = Path(__file__).resolve().parents[2]


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
    """Answer an event twice: as it is, and with every activity read field by field."""
    app = load_app("predict.app", **environment(trained[1], trained[2]))
    requests = importlib.import_module("predict.api.requests")

    def logged() -> list[dict]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        for line in lines:
            # How long it took and when it was are no part of the answer.
            for name in ("at", "ms", "cold"):
                line.pop(name, None)
            line.get("_aws", {}).pop("Timestamp", None)
        return lines

    def refuse(*_given):
        raise requests._Unclean

    def run(asked: dict):
        found = app.handler(deepcopy(asked), lambda_context), logged()
        native, requests._many = requests._many, SimpleNamespace(decode=refuse)
        try:
            slow = app.handler(deepcopy(asked), lambda_context), logged()
        finally:
            requests._many = native
        return found, slow

    return run


TEXT = (
    st.none() | st.text(max_size=12) | st.text(min_size=499, max_size=501) | st.sampled_from([" Design", "Cafe\u0301"])
)
DAY = st.none() | st.dates().map(str) | st.sampled_from(["2022-03-01", "2022-3-1", "0000-01-01", "9999-12-31", "", 3])
NUMBER = st.none() | st.floats() | st.integers(-5, 5) | st.booleans() | st.sampled_from([10**309, 1e15, -1e15, 9e14])
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


def test_whatever_is_sent_both_readers_lead_to_the_same_answer(serve):
    statuses = set()

    @settings(max_examples=examples(60, 300), deadline=None, derandomize=True)
    @given(changes=st.lists(CHANGES, min_size=1, max_size=3), single=st.booleans())
    def compare(changes, single):
        activities = [ACTIVITY | change for change in changes]
        found, slow = serve(event(activities[0] if single else {"activities": activities}))
        assert found == slow
        statuses.add(found[0]["statusCode"])

    compare()
    assert statuses == {200, 422}


def test_a_release_that_asks_is_not_logged(serve):
    (found, log), _ = serve(event(ACTIVITY, stage="slipcast-verify"))
    assert found["statusCode"] == 200
    assert log == []


def test_features_by_column_are_those_by_row(load_app, aws_environment):
    load_app("predict.app", MODEL_SHA256="")
    requests = importlib.import_module("predict.api.requests")
    activities = [
        ACTIVITY,
        ACTIVITY | {"activity_id": "é😀" * 50, "phase": None, "work_type": "  ", "unknown": {"a": [1]}},
        ACTIVITY | {"budget": 0, "total_float_days": -3, "predecessor_count": 2, "history": {}},
        ACTIVITY | {"history": {HISTORY[0]: 1, HISTORY[-1]: -0.5}},
        ACTIVITY | {"baseline_start": "2022-05-01", "baseline_duration_days": None},
        ACTIVITY | {"baseline_finish": None, "baseline_duration_days": 0.5},
        ACTIVITY | {"baseline_finish": None, "baseline_duration_days": 9e14},
        ACTIVITY | {"baseline_duration_days": 12.5, "baseline_finish": "2000-02-29"},
    ]
    read = requests.read(json.dumps({"activities": activities}))

    found = feature_columns(read.columns, read.history)

    assert list(found) == [*NUMERIC, *CATEGORICAL]
    rows = [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]
    cleaned = [activity.check(item)[0] for item in activities]
    assert rows == [feature_row(item) for item in cleaned]
    assert [feature_row(record) for record in read.records()] == rows


def test_without_a_model_the_answer_says_why(load_app, lambda_context):
    app = load_app("predict.app", MODEL_SHA256="")

    assert app.handler(event(ACTIVITY), lambda_context)["statusCode"] == 503


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (event(ACTIVITY), 200),
        (event({"activities": [ACTIVITY, {}]}), 200),
        (event(ACTIVITY | {"start": "soon"}), 422),
        (event(ACTIVITY, path="/invocations", raw=json.dumps({"inputs": [ACTIVITY]})), 200),
        (event(None, method="GET", path="/health"), 200),
        (event(None, method="GET", path="/model"), 200),
        (event(None, method="GET", path="/nothing"), 404),
    ],
)
def test_no_answer_needs_powertools_pydantic_or_the_sdk(trained, asked, status):  # noqa: F811
    script = (
        "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); from predict import app\n"
        "answer = app.handler(json.loads(sys.argv[2]), None)\n"
        "assert answer['statusCode'] == int(sys.argv[3]), answer\n"
        "packages = {name.partition('.')[0] for name in sys.modules}\n"
        "heavy = {'aws_lambda_powertools', 'pydantic', 'boto3', 'botocore', 'numpy', 'typing_extensions'}\n"
        "print(sorted(packages & heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([str(ROOT / "functions")]), json.dumps(asked), str(status)],
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
