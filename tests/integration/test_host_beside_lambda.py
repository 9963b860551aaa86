"""The portable host beside the prediction function: one model, the same answers in every protocol, to the last bit."""

import json

import pytest

from slipcast.features.activity import AHEAD_OF_ALL
from slipcast.model.artifact import digest
from support import portable_bundle
from support.portable_bundle import ask, served
from support.predict_api import call

ROWS = [
    {
        "activity_id": "A1",
        "phase": "phase 1",
        "start": "2022-03-01",
        "baseline_finish": "2022-09-30",
        "data_date": "2022-02-01",
    },
    {"activity_id": "A2", "start": "2022-03-01", "baseline_duration_days": 12.5, "data_date": "2022-04-01"},
    {"activity_id": "A3", "start": "2022-03-01", "baseline_duration_days": 300, "data_date": "2022-04-01"},
    {"start": "2022-05-01", "baseline_duration_days": 300, "data_date": "2022-04-01", "total_float_days": -4},
    {
        **{"activity_id": " A5 ", "start": "2022-01-01", "baseline_finish": "2022-02-01", "data_date": "2022-04-01"},
        **{"status": "Complete", "actual_finish": "2022-03-15", "location": "Cafe\u0301"},
    },
]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with served(portable_bundle.unpack(tmp_path_factory.mktemp("bundle"))) as url:
        yield url


@pytest.fixture
def app(load_app, tmp_path):
    raw = portable_bundle.artifact()
    (tmp_path / "model.json").write_bytes(raw)
    (tmp_path / "forecast.json").write_bytes(portable_bundle.files()["forecast.json"])
    return load_app(
        "predict.app",
        MODEL_PATH=str(tmp_path / "model.json"),
        MODEL_SHA256=digest(raw),
        AWS_LAMBDA_FUNCTION_VERSION=portable_bundle.VERSION,
    )


def without_ids(items):
    return [{name: value for name, value in item.items() if name != "prediction_id"} for item in items]


def test_the_golden_requests_of_a_release_have_the_same_answers(app, host):
    known = portable_bundle.golden()["activities"]
    activities = [item | AHEAD_OF_ALL for item in known]
    activities += [item | {"data_date": f"2022-04-{day + 1:02}"} for day, item in enumerate(known[:30])]

    function = call(app, "POST", "/forecasts", {"activities": activities}).json()["forecasts"]
    scores = call(app, "POST", "/predictions", {"activities": activities}).json()["predictions"]
    found = ask(f"{host}/invocations", {"activities": activities}).json()["predictions"]

    # The host's answers are the function's two in one. JSON carries every bit of a float.
    for answer, prediction, forecast in zip(found, scores, function, strict=True):
        wanted = {**prediction, **forecast}
        assert {name: wanted[name] for name in answer if name != "prediction_id"} == {
            name: value for name, value in answer.items() if name != "prediction_id"
        }
    assert len({answer["probability"] for answer in found}) > 20
    assert len({answer["p80"] for answer in found}) > 1


INFER = "/v2/models/slipcast/infer"
COLUMNS = ("start", "baseline_duration_days", "baseline_finish", "data_date")
REQUESTS = [
    ("/invocations", {"dataframe_records": ROWS}),
    ("/invocations", {"inputs": {name: [row.get(name) for row in ROWS] for name in COLUMNS}}),
    ("/invocations", "start,baseline_finish,data_date\n2022-03-01,2022-09-30,2022-04-01\n2022-03-01,,\n"),
    ("/invocations", "start,baseline_finish,data_date,budget\n2022-03-01T00:00:00,2022-03-09,2022-02-01,1e3\n"),
    ("/invocations", {"dataframe_records": [{"start": "2022-03-01"}, {"start": 3, "budget": -1}]}),
    ("/invocations", {"dataframe_records": [{"start": "2022-03-01", "baseline_finish": "2022-02-01"}]}),
    (
        INFER,
        {
            "inputs": [
                {"name": "start", "datatype": "BYTES", "shape": [2], "data": ["2022-03-01", "2022-04-01"]},
                {"name": "data_date", "datatype": "BYTES", "shape": [2], "data": ["2022-02-01", "2022-04-01"]},
                {"name": "baseline_duration_days", "datatype": "INT64", "shape": [2], "data": [10, 400]},
            ]
        },
    ),
    (INFER, {"inputs": [{"name": "start", "datatype": "BYTES", "shape": [1], "data": ["x"]}]}),
]


@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_host_and_function_answer_a_protocols_request_alike(app, host, path, body):
    raw, kind = (body, "text/csv") if isinstance(body, str) else (json.dumps(body), "application/json")
    function = call(app, "POST", path, raw=raw, headers={"Content-Type": kind})
    found = ask(f"{host}{path}", raw.encode(), kind)

    assert found.status == function.status
    if found.status != 200:
        mine, other = found.json(), function.json()
        assert sorted(item["field"] for item in mine["errors"]) == sorted(item["field"] for item in other["errors"])
        assert {item["type"] for item in mine["errors"]} == {item["type"] for item in other["errors"]}
    elif path == "/invocations":
        assert without_ids(found.json()["predictions"]) == without_ids(function.json()["predictions"])
    else:
        assert found.json()["outputs"] == function.json()["outputs"]


def test_host_and_function_describe_the_same_model(app, host):
    for path in ("/v2", "/v2/models/slipcast/ready", "/v2/health/ready"):
        mine, other = ask(f"{host}{path}"), call(app, "GET", path)
        assert mine.status == other.status == 200
        assert mine.json().keys() == other.json().keys()
    mine, other = ask(f"{host}/v2/models/slipcast").json(), call(app, "GET", "/v2/models/slipcast").json()
    named = {item["name"]: item for item in mine["inputs"]}
    assert [named[item["name"]] for item in other["inputs"]] == other["inputs"]
    assert [item for item in mine["outputs"] if item in other["outputs"]] == other["outputs"]
