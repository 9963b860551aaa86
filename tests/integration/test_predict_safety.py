"""What every answer of the API has and none has: headers, limits, and nothing of the inside."""

import importlib
import json
import re
import sys

import pytest

from support.predict_api import ACTIVITY, call, environment

MODEL = ("slipcast-model-version", "slipcast-model-id", "slipcast-dataset-id")
INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|/opt/|/var/|/tmp/|arn:aws|boto|botocore|pydantic|powertools|0x[0-9a-f]{6}|Error\b", re.I
)


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


REQUESTS = {
    "prediction": ("POST", "/predictions", json.dumps(ACTIVITY), 200),
    "model": ("GET", "/model", None, 200),
    "health": ("GET", "/health", None, 200),
    "openapi": ("GET", "/openapi.json", None, 200),
    "not JSON": ("POST", "/predictions", "{", 400),
    "wrong field": ("POST", "/predictions", json.dumps(ACTIVITY | {"start": 1}), 422),
    "unknown path": ("GET", "/nothing", None, 404),
    "wrong method": ("GET", "/predictions", None, 405),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_answer_says_which_request_and_which_model_and_protects_browsers(app, name):
    method, path, raw, status = REQUESTS[name]

    answer = call(app, method, path, raw=raw)

    assert answer.status == status
    assert answer.headers["x-request-id"]
    assert [answer.headers[header] for header in MODEL] == ["4", "abc123", "0123456789abcdef"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"]
    assert not [header for header in answer.headers if header.startswith("access-control-")]
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_without_a_model_there_are_no_headers_about_it(load_app):
    answer = call(load_app("predict.app", MODEL_SHA256=""), "GET", "/health")

    assert answer.status == 503
    assert not {*MODEL} & answer.headers.keys()
    assert answer.headers["retry-after"] == "30"


def test_other_origins_are_not_let_in(app):
    answer = call(app, "OPTIONS", "/predictions", headers={"Origin": "https://example.com"})

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert not [header for header in answer.headers if header.startswith("access-control-")]


def test_a_client_that_knows_the_model_is_told_so(app, load_app, tmp_path):
    first = call(app, "GET", "/model")
    tag = first.headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = call(app, "GET", "/model", headers={"If-None-Match": known})
        assert (again.status, again.text) == (304, "")
        assert again.headers["etag"] == tag
        assert "no-cache" in again.headers["cache-control"]
    assert call(app, "GET", "/model", headers={"If-None-Match": '"other"'}).text == first.text
    for seed, version in ((1, "4"), (0, "5")):
        released = load_app("predict.app", **environment(tmp_path, seed=seed, version=version))
        assert call(released, "GET", "/model", headers={"If-None-Match": tag}).status == 200


@pytest.mark.parametrize("letter", ["x", "ü", "😀"])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(app, monkeypatch, letter):
    limit = importlib.import_module("predict.transport.envelope").MAX_BODY_BYTES
    body = json.dumps(ACTIVITY | {"colour": letter * (limit // len(letter.encode()))}, ensure_ascii=False)
    fits = json.dumps(ACTIVITY | {"colour": letter * (limit // len(letter.encode()) - 300)}, ensure_ascii=False)

    assert call(app, "POST", "/predictions", raw=fits).status == 200
    monkeypatch.setattr(app.routes, "run", None)
    answer = call(app, "POST", "/predictions", raw=body)

    assert answer.status == 413
    assert "several requests" in answer.json()["detail"]


def test_an_answer_that_lambda_would_not_pass_on_is_replaced(app):
    activities = [ACTIVITY | {"activity_id": "😀" * 60}] * 10_000
    body = json.dumps({"activities": activities}, ensure_ascii=False, separators=(",", ":"))

    answer = call(app, "POST", "/predictions", raw=body)

    assert answer.status == 413
    assert "fewer activities" in answer.json()["detail"]


def fail(error):
    def failing(*_args, **_options):
        raise error

    return failing


LEAKS = [
    RuntimeError("/opt/python/slipcast/scorer.py: arn:aws:lambda:us-east-1:123456789012:function:slipcast-predict"),
    KeyError("MODEL_TRAINED_AT"),
    RecursionError("maximum recursion depth exceeded in /opt/python"),
    MemoryError("/opt/python"),
    ValueError('File "/var/task/app.py", line 3'),
]


@pytest.mark.parametrize("error", LEAKS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("module", "function", "method", "path"),
    [
        ("predict.api.predictions", "score", "POST", "/predictions"),
        ("predict.api.requests", "read", "POST", "/predictions"),
        ("predict.transport.body", "text", "POST", "/predictions"),
        ("predict.api.etag", "model", "GET", "/model"),
    ],
)
@pytest.mark.fault(
    "serving",
    "a part of predict",
    "it fails in a way nobody foresaw",
    "500 as problem+json that says nothing of the inside, logged",
)
def test_nothing_of_the_inside_reaches_a_client(app, monkeypatch, error, module, function, method, path):
    told = []
    monkeypatch.setattr(
        importlib.import_module("predict.api.problems"), "log_unexpected", lambda: told.append(str(sys.exception()))
    )
    monkeypatch.setattr(importlib.import_module(module), function, fail(error))

    answer = call(app, method, path, ACTIVITY if method == "POST" else None)

    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert not INSIDE.search(answer.text.replace("Internal Server Error", "").replace("unexpected error", ""))
    # It is not lost either.
    assert told == [str(error)]


def test_an_unexpected_error_is_logged_with_its_traceback(app, monkeypatch):
    logged = []

    class Recorder:
        def exception(self, message):
            logged.append((message, sys.exception()))

    failure = KeyError("MODEL_TRAINED_AT")
    monkeypatch.setattr("aws_lambda_powertools.Logger", Recorder)
    monkeypatch.setattr(type(app.serving.model().scorer), "scores", fail(failure))

    call(app, "POST", "/predictions", ACTIVITY)

    assert logged == [("unexpected error", failure)]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.5])
@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/predictions", ACTIVITY),
        ("/predictions", {"activities": [ACTIVITY], "explain": True}),
        ("/invocations", {"inputs": [ACTIVITY]}),
        (
            "/v2/models/slipcast/infer",
            {
                "inputs": [
                    {"name": "start", "datatype": "BYTES", "shape": [1], "data": ["2022-03-01"]},
                    {"name": "baseline_duration_days", "datatype": "INT64", "shape": [1], "data": [3]},
                ]
            },
        ),
    ],
)
def test_a_score_that_is_no_probability_reaches_nobody(app, monkeypatch, capsys, target, body, score):
    monkeypatch.setattr(type(app.serving.model().scorer), "scores", lambda *_: [score])

    assert call(app, "POST", target, body).status == 500
    assert '"items":[{' not in capsys.readouterr().out
