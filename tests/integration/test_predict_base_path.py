"""Every door of the API behind its own domain, behind a custom domain, and below a base path of one: the same answers.

The events are those of API Gateway REST (Developer Guide, "Input format of a Lambda function for proxy integration"):
``path`` with the base path as the client sent it, ``resource`` and ``pathParameters`` without it.
"""

import re

import pytest
from openapi_spec_validator import validate

from permissions.template import RESOURCES
from support.predict_api import ACTIVITY, GREEDY, call, environment, proxy_event

BASES = [None, "", "/slipcast", "/ml/slipcast"]
INFER = {
    "inputs": [
        {"name": "activity_id", "shape": [1], "datatype": "BYTES", "data": ["A1"]},
        {"name": "start", "shape": [1], "datatype": "BYTES", "data": ["2022-03-01"]},
        {"name": "baseline_duration_days", "shape": [1], "datatype": "FP64", "data": [200.0]},
    ]
}
DOORS = [
    ("POST", "/predictions", ACTIVITY),
    ("POST", "/forecasts", ACTIVITY),
    ("POST", "/predictions?explain=true", {"activities": [ACTIVITY]}),
    ("GET", "/model", None),
    ("GET", "/health", None),
    ("GET", "/openapi.json", None),
    ("GET", "/v2", None),
    ("GET", "/v2/health/live", None),
    ("GET", "/v2/health/ready", None),
    ("GET", "/v2/models/slipcast", None),
    ("GET", "/v2/models/slipcast/ready", None),
    ("GET", "/v2/models/slipcast/versions/4", None),
    ("GET", "/v2/models/slipcast/versions/4/ready", None),
    ("POST", "/v2/models/slipcast/infer", INFER),
    ("POST", "/v2/models/slipcast/versions/4/infer", INFER),
    ("POST", "/invocations", {"dataframe_records": [ACTIVITY]}),
    ("GET", "/ping", None),
    ("GET", "/version", None),
    *[("HEAD", probe, None) for probe in ("/health", "/v2/health/live", "/v2/health/ready", "/ping", "/version")],
]


@pytest.fixture
def app(load_app, tmp_path):
    """Where Lambda enters."""
    return load_app("predict.app", **environment(tmp_path))


def said(app, method, target, body, base):
    """Return status, media type and body of an answer; what is another in each answer is left out."""
    answer = call(app, method, target, body, base_path=base)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<request>", answer.text)
    return answer.status, answer.headers["content-type"], re.sub(r'"servers":\[[^]]*\]', "", text)


def test_these_are_all_the_doors_of_the_template():
    defined = {
        (method.upper(), path.replace("{proxy+}", ""))
        for path, methods in RESOURCES["Api"]["Properties"]["DefinitionBody"]["paths"].items()
        for method, operation in methods.items()
        # The other doors call functions of their own.
        if "${LiveAlias}" in operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
    }
    asked = {(method, target.partition("?")[0]) for method, target, _ in DOORS}
    assert {(method, GREEDY if target.startswith(GREEDY) else target) for method, target in asked} == defined


@pytest.mark.parametrize(("method", "target", "body"), DOORS)
def test_a_door_gives_the_same_answer_below_every_base_path(app, method, target, body):
    expected = said(app, method, target, body, None)
    assert expected[0] == 200, expected

    for base in BASES[1:]:
        assert said(app, method, target, body, base) == expected, base


# API Gateway finds the resource whatever slashes come with it, and hands on the path as it was sent.
@pytest.mark.parametrize(("method", "target", "body"), DOORS)
def test_slashes_at_the_end_or_doubled_make_no_difference(app, method, target, body):
    path, mark, query = target.partition("?")
    expected = said(app, method, target, body, None)

    for written in (f"{path}/", f"{path}//", path.replace("/", "//")):
        assert said(app, method, f"{written}{mark}{query}", body, "/slipcast") == expected, written


@pytest.mark.parametrize(
    ("base", "server"), [(None, "/v1"), ("", "/"), ("/slipcast", "/slipcast"), ("/ml/slipcast", "/ml/slipcast")]
)
def test_the_openapi_document_names_what_the_client_has_to_put_before_a_path(app, base, server):
    for target in ("/openapi.json", "//openapi.json/"):
        document = call(app, "GET", target, base_path=base).json()
        assert document["servers"] == [{"url": server}]
        validate(document)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("target", "member"), [("/v2/models/other/infer", "error"), ("/invocations", "message"), ("/predictions", "detail")]
)
def test_a_refusal_speaks_the_protocol_of_its_path(app, base, target, member):
    answer = call(app, "POST", target, raw="{", base_path=base)

    assert answer.status in (400, 404)
    assert member in answer.json()


@pytest.mark.parametrize("base", BASES)
def test_what_is_below_models_but_no_door_is_not_found_or_named(app, base):
    assert call(app, "GET", "/v2/models/slipcast/none", base_path=base).status == 404
    answer = call(app, "GET", "/v2/models/slipcast/infer", base_path=base)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_client_cannot_choose_the_resource(app):
    """A base path that looks like a door is no door: only API Gateway says which resource it is."""
    event = proxy_event("GET", "/model", base_path="/predictions")
    from predict.transport import gateway

    assert gateway.routed(event)["path"] == "/model"
    assert gateway.server(gateway.routed(event)) == "/predictions"


def test_an_event_without_resource_or_without_its_parameters_goes_by_its_path(app):
    from predict.transport import gateway

    assert gateway.routed({"path": "/predictions/"})["path"] == "/predictions"
    assert gateway.routed({"path": "/", "resource": "/"})["path"] == "/"
    event = {"path": "/v2/models/slipcast", "resource": "/v2/models/{proxy+}", "pathParameters": None}
    assert gateway.routed(event) is event
    assert gateway.server({"path": "/predictions", "requestContext": {"stage": "v1"}}) == "/v1"
    updates = {"Records": []}
    assert gateway.routed(updates) is updates
