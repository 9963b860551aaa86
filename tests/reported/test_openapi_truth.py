"""The OpenAPI document says what is really answered, errors and gateway included."""

# No public thread: schemathesis and Spectral found these on our own document.

import json

import pytest

from support.predict_api import call, environment

GATEWAY = {"401", "403", "429"}


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


@pytest.fixture
def operations(app):
    document = call(app, "GET", "/openapi.json").json()
    return {
        (method.upper(), path): operation
        for path, each in document["paths"].items()
        for method, operation in each.items()
    }


def test_every_error_is_a_problem(operations):
    for (method, path), operation in operations.items():
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                kinds = [*answer.get("content", {})]
                assert kinds == ([] if method == "HEAD" else ["application/problem+json"]), (method, path, status)


def test_what_the_gateway_answers_is_there(operations):
    for (_, path), operation in operations.items():
        open_to_all = operation.get("security") == []
        assert GATEWAY & operation["responses"].keys() == ({"429"} if open_to_all else GATEWAY), path


def test_no_impossible_error_is_there(operations):
    for (method, path), operation in operations.items():
        if method != "POST":
            # Parameters of the query can be wrong, and the file that an export writes into too large.
            possible = {"422"} if operation["tags"] == ["Projects"] else set()
            possible |= {"413"} if path.endswith("/export") else set()
            # What has ended is not cancelled.
            possible |= {"409"} if (method, path) == ("DELETE", "/batch/{id}") else set()
            assert not ({"400", "409", "413", "415", "422"} - possible) & operation["responses"].keys()


def test_every_operation_has_a_description_and_a_name(operations):
    names = [operation["operationId"] for operation in operations.values()]

    assert len({*names}) == len(names) == 45
    assert all(len(operation["description"]) > 10 for operation in operations.values())


def test_the_model_is_named(operations):
    for (_, path), operation in operations.items():
        if "{model}" in path:
            assert operation["parameters"][0]["schema"]["enum"] == ["slipcast"]


@pytest.mark.parametrize(
    ("method", "target", "raw", "headers"),
    [
        ("POST", "/predictions", "{", {}),
        ("POST", "/predictions", "{}", {}),
        ("POST", "/predictions", "{}", {"Content-Type": "text/plain"}),
        ("POST", "/predictions", "x" * 6_000_000, {}),
        ("POST", "/invocations", "{}", {}),
        ("POST", "/v2/models/slipcast/infer", "{}", {}),
        ("POST", "/v2/models/other/infer", "{}", {}),
        ("GET", "/v2/models/slipcast/versions/99", None, {}),
    ],
)
def test_what_is_answered_is_documented(app, operations, method, target, raw, headers):
    answer = call(app, method, target, raw=raw, headers=headers)
    path = target.replace("/other/", "/slipcast/").replace("/slipcast", "/{model}").replace("/99", "/{version}")

    assert str(answer.status) in operations[method, path]["responses"]
    problem = json.loads(answer.text)
    assert {"type", "title", "status", "detail", "request_id", "errors"} <= problem.keys()
