"""The portable host in each protocol: what its clients send, and how it refuses."""

import csv
import io
import json
from datetime import date

import pytest

from slipcast_host import azureml
from slipcast_host.application import UNEXPECTED, Application
from slipcast_host.engine import load
from slipcast_host.protocols import rows
from support import portable_bundle

ACTIVITY = {
    **{"activity_id": "A1", "phase": "Design", "start": "2022-03-01", "baseline_duration_days": 200},
    **{"data_date": "2022-02-01", "budget": 1000.5},
}
OTHER = {**ACTIVITY, "activity_id": "A2", "phase": "Scope", "project_slip_days": 40.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return portable_bundle.unpack(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def engine(folder):
    return load(folder)


@pytest.fixture
def log():
    return []


@pytest.fixture
def host(engine, log):
    return Application(lambda: engine, {"AIP_HEALTH_ROUTE": "/health/vertex", "AIP_PREDICT_ROUTE": "/ask"}, log.append)


def post(host, path, body, kind="application/json", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return host.answer("POST", path, {"content-type": kind, **named}, raw)


@pytest.fixture
def expected(engine):
    found = engine.answer([rows.activity_of(n, row) for n, row in enumerate((ACTIVITY, OTHER))], "r").answers
    assert found[0]["probability"] != found[1]["probability"]
    return found


def without_ids(items):
    return [{name: value for name, value in item.items() if name != "prediction_id"} for item in items]


COLUMNS = [*OTHER]
CELLS = [[row.get(name) for name in COLUMNS] for row in (ACTIVITY, OTHER)]
COLUMN_WISE = {name: [row.get(name) for row in (ACTIVITY, OTHER)] for name in COLUMNS}


def as_csv(cells, header=True):
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([*([COLUMNS] if header else []), *cells])
    return buffer.getvalue().encode()


# --- The same answers in every form -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/invocations", {"dataframe_split": {"columns": COLUMNS, "index": [4, 5], "data": CELLS}}, "application/json"),
        ("/invocations", {"dataframe_records": [ACTIVITY, OTHER]}, "application/json"),
        ("/invocations", {"instances": [ACTIVITY, OTHER]}, "application/json; charset=utf-8"),
        ("/invocations", {"inputs": COLUMN_WISE}, "application/json"),
        ("/invocations", {"inputs": {name: [[v] for v in values] for name, values in COLUMN_WISE.items()}}, ""),
        ("/invocations", {"activities": [ACTIVITY, OTHER]}, "application/json"),
        ("/invocations", as_csv(CELLS), "text/csv"),
        ("/v1/models/slipcast:predict", {"instances": [ACTIVITY, OTHER]}, "application/json"),
        ("/ask", {"instances": [ACTIVITY, OTHER], "parameters": {}}, "application/json"),
        ("/score", {"input_data": {"columns": COLUMNS, "index": [0, 1], "data": CELLS}}, "application/json"),
        ("/score", {"input_data": [ACTIVITY, OTHER]}, "application/json"),
        ("/score", {"data": [ACTIVITY, OTHER]}, "application/json"),
    ],
)
def test_every_form_of_a_request_has_the_same_answers(host, expected, path, body, kind):
    found = post(host, path, body, kind)

    assert found.status == 200, found.body
    document = json.loads(found.body)
    assert without_ids(document if path == "/score" else document["predictions"]) == without_ids(expected)


def test_json_lines_are_answered_line_by_line(host, expected):
    lines = [ACTIVITY, {**ACTIVITY, "start": "yesterday"}, OTHER]
    body = "\n".join([*map(json.dumps, lines), "{", "[1]", ""]).encode()

    found = post(host, "/invocations", body, "application/jsonlines")

    answers = [json.loads(line) for line in found.body.splitlines()]
    assert without_ids([answers[0], answers[2]]) == without_ids(expected)
    assert (answers[1]["errors"][0]["field"], answers[1]["errors"][0]["type"]) == ("start", "date_format")
    assert [answer["errors"][0]["type"] for answer in answers[3:]] == ["json", "json"]
    assert len(found.scored) == 2


def test_csv_goes_in_without_a_header_and_comes_out_with_or_without(host, expected):
    cells = [[row.get(name, "") for name in rows.COLUMNS] for row in (ACTIVITY, OTHER)]
    body = as_csv(cells, header=False)

    found = post(host, "/invocations", body, "text/csv", accept="text/csv")
    bare = post(host, "/invocations", body, "text/csv", accept="text/csv; header=absent")

    table = [*csv.DictReader(io.StringIO(found.body.decode(), newline=""))]
    assert [row["activity_id"] for row in table] == ["A1", "A2"]
    assert float(table[0]["probability"]) == expected[0]["probability"]
    assert found.body.split(b"\n", 1)[1].count(b"\n") == bare.body.count(b"\n") == 2


def tensor(name, kind, data, shape=None):
    return {"name": name, "datatype": kind, "shape": shape or [len(data)], "data": data}


TENSORS = [
    tensor("activity_id", "BYTES", ["A1", "A2"]),
    tensor("phase", "BYTES", ["Design", "Scope"]),
    tensor("start", "BYTES", ["2022-03-01", "2022-03-01T00:00:00"], [2, 1]),
    tensor("data_date", "BYTES", ["2022-02-01"] * 2),
    tensor("baseline_duration_days", "INT64", [200, 200]),
    tensor("budget", "FP64", [1000.5, 1000.5]),
    tensor("project_slip_days", "FP64", [None, 40.0]),
]


def test_tensors_have_the_same_answers(host, expected):
    found = json.loads(post(host, "/v2/models/slipcast/versions/7/infer", {"id": "mine", "inputs": TENSORS}).body)

    outputs = {item["name"]: item for item in found["outputs"]}
    assert (found["id"], found["model_version"]) == ("mine", "7")
    for name in ("probability", "at_risk", "stage", "p80", "expected_days_late"):
        assert outputs[name]["data"] == [item[name] for item in expected]
    metadata = json.loads(host.answer("GET", "/v2/models/slipcast", {}, b"").body)
    assert {item["name"]: item["datatype"] for item in metadata["outputs"]} == {
        item["name"]: item["datatype"] for item in found["outputs"]
    }


def test_asked_for_outputs_come_alone(host):
    body = {"inputs": TENSORS, "outputs": [{"name": "at_risk"}]}

    assert [o["name"] for o in json.loads(post(host, "/v2/models/slipcast/infer", body).body)["outputs"]] == ["at_risk"]


def test_azures_script_answers_as_the_route_does(folder, engine, expected, monkeypatch):
    # Azure ML names the folder above the one that was registered.
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder.parent))
    monkeypatch.setenv("MODEL_SHA256", "0" * 64)
    with pytest.raises(azureml.folder.__globals__["BundleError"], match="not the released"):
        azureml.init()
    monkeypatch.delenv("MODEL_SHA256")
    azureml.init()

    assert without_ids(azureml.run(json.dumps({"input_data": [ACTIVITY, OTHER]}))) == without_ids(expected)
    refused = azureml.run('{"input_data": [{"start": 3}]}')
    assert refused["error"]["code"] == "BadArgument"
    assert refused["error"]["details"][0]["target"] == "start[0]"


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/ping", None),
        ("/health", None),
        ("/version", None),
        ("/", None),
        ("/v2", {"name": "slipcast", "version": "1", "extensions": []}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/slipcast/ready", {"name": "slipcast", "ready": True}),
        ("/v2/models/slipcast/versions/7/ready/", {"name": "slipcast", "ready": True}),
        ("/v1/models", {"models": ["slipcast"]}),
        ("/v1/models/slipcast", {"name": "slipcast", "ready": True}),
        ("/health/vertex", {"status": "healthy"}),
    ],
)
def test_what_platforms_ask_before_they_send_requests(host, path, document):
    found = host.answer("GET", path, {}, b"")

    assert found.status == 200
    assert document is None or json.loads(found.body) == document
    assert host.answer("HEAD", path, {}, b"").status == 200


# --- Refusals ---------------------------------------------------------------------------------------------------------

FORMS = {
    "/invocations": (
        lambda row: {"dataframe_records": [row]},
        lambda found: (found["error_code"], found["message"]) == ("BAD_REQUEST", found["message"]),
    ),
    "/v2/models/slipcast/infer": (
        lambda row: {
            "inputs": [tensor(name, "FP64" if name == "budget" else "BYTES", [value]) for name, value in row.items()]
        },
        lambda found: isinstance(found["error"], str),
    ),
    "/v1/models/slipcast:predict": (lambda row: {"instances": [row]}, lambda found: isinstance(found["error"], str)),
    "/ask": (lambda row: {"instances": [row]}, lambda found: isinstance(found["error"], str)),
    "/score": (lambda row: {"input_data": [row]}, lambda found: found["error"]["code"] == "BadArgument"),
}


@pytest.mark.parametrize("path", FORMS)
def test_a_wrong_value_is_named_in_the_protocols_own_form(host, path):
    body, has_form = FORMS[path]

    found = post(host, path, body({"start": "31/12/2025", "baseline_finish": "2026-01-05"}))

    assert found.status == 400
    document = json.loads(found.body)
    assert has_form(document)
    assert "start[0]" in found.body.decode()
    assert "year-month-day" in found.body.decode()


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe{}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "application/json", 400),
        (b"3", "application/json", 400),
        (b"<x/>", "application/xml", 415),
    ],
)
def test_what_is_no_request_is_refused_in_every_protocol(host, log, path, body, kind, status):
    found = post(host, path, body, kind)

    document = json.loads(found.body)
    assert found.status == status
    assert FORMS[path][1](document)
    assert not any('"unexpected"' in line for line in log)


@pytest.mark.parametrize("path", FORMS)
def test_an_unexpected_error_says_nothing_of_the_inside(engine, log, path):
    class Broken:
        version, names, outputs, has_forecast = "7", engine.names, engine.outputs, True

        def answer(self, *_, **__):
            raise ZeroDivisionError("secret of the activity")

        answer_valid = answer

    host = Application(Broken, {"AIP_PREDICT_ROUTE": "/ask"}, log.append)

    found = post(host, path, FORMS[path][0]({"start": "2025-12-31", "baseline_finish": "2026-01-05"}))

    assert found.status == 500
    assert UNEXPECTED in found.body.decode()
    assert "secret" not in found.body.decode() + "".join(log)
    assert json.loads(log[0])["error"] == "ZeroDivisionError"


def inputs(*tensors):
    return {"inputs": list(tensors)}


START = tensor("start", "BYTES", ["2022-03-01"])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (inputs(START, tensor("colour", "BYTES", ["red"])), "inputs.1.name"),
        (inputs(START, START), "inputs.1.name"),
        (inputs(START, tensor("budget", "BYTES", ["much"])), "inputs.1.datatype"),
        (inputs(START, tensor("phase", "FP32", [1.5])), "inputs.1.datatype"),
        (inputs(START, tensor("budget", "COMPLEX", [1])), "inputs.1.datatype"),
        (inputs(START, tensor("budget", "FP64", [1.0, 2.0])), "inputs.1.shape"),
        (inputs(START, tensor("budget", "INT8", [1000])), "inputs.1.data.0"),
        (inputs(START, tensor("budget", "FP64", [True])), "inputs.1.data.0"),
        (inputs(START), "baseline_finish[0]"),
        ({"inputs": []}, "inputs"),
        ({"inputs": TENSORS, "outputs": [{"name": "risk"}]}, "outputs.0.name"),
        ({"inputs": TENSORS, "id": 3}, "id"),
    ],
)
def test_a_wrong_tensor_is_named(host, body, place):
    found = post(host, "/v2/models/slipcast/infer", body)

    assert found.status == 400
    assert json.loads(found.body)["errors"][0]["field"] == place


def test_binary_tensors_are_refused_with_the_remedy(host):
    found = post(host, "/v2/models/slipcast/infer", b"{}", inference_header_content_length="2")

    assert found.status == 415
    assert "binary_data=False" in json.loads(found.body)["error"]


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ({"dataframe_split": {"columns": ["start", "start"], "data": [["2022-03-01"] * 2]}}, "", "more than once"),
        ({"dataframe_split": {"columns": ["start"], "data": [["2022-03-01", 1]]}}, "", "dataframe_split.data"),
        ({"inputs": {"start": ["2022-03-01"], "budget": []}}, "", "different lengths"),
        ({"instances": [], "inputs": []}, "", "one of"),
        ({"instances": []}, "", "at least one activity"),
        ({"instances": [3]}, "", "instances.0"),
        (b"start,budget\n2022-03-01\n", "text/csv", "line 2"),
        (b'start,budget\n"2022-03-01\n', "text/csv", "no CSV"),
    ],
)
def test_a_table_that_is_none_is_refused(host, body, kind, says):
    found = post(host, "/invocations", body, kind or "application/json")

    assert found.status == 400
    assert says in json.loads(found.body)["message"]


def test_too_many_rows_are_refused_before_they_are_scored(host):
    found = post(host, "/invocations", {"instances": [ACTIVITY] * (rows.MAX_ACTIVITIES + 1)})

    assert found.status == 413
    assert "10001" in json.loads(found.body)["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/invocations", 405, "POST"),
        ("DELETE", "/v2/health/live", 405, "GET, HEAD"),
        ("GET", "/v2/models/other", 404, None),
        ("GET", "/v2/models/slipcast/versions/6", 404, None),
        ("POST", "/v1/models/other:predict", 404, None),
        ("GET", "/v2/nothing", 404, None),
        ("GET", "/../etc/passwd", 404, None),
        ("GET", "/predict", 404, None),
    ],
)
def test_other_paths_and_methods_are_refused(host, method, path, status, allow):
    found = host.answer(method, path, {}, b"{}")

    assert (found.status, found.headers.get("Allow")) == (status, allow)
    assert json.loads(found.body)["request_id"] == found.headers["X-Request-Id"]


def test_a_request_keeps_the_id_that_it_came_with_unless_it_is_none(host):
    mine = host.answer("GET", "/v2", {"x-request-id": "mine-1"}, b"").headers["X-Request-Id"]
    other = host.answer("GET", "/v2", {"x-request-id": 'a"\r\nb'}, b"").headers["X-Request-Id"]

    assert mine == "mine-1"
    assert len(other) == 32


def test_without_a_date_today_is_the_data_date(engine):
    row = {name: value for name, value in ACTIVITY.items() if name != "data_date"}

    (found,) = engine.answer([row], "r", today=date(2030, 1, 1)).answers

    assert (found["stage"], found["data_date"], found["probability"]) == ("already_late", "2030-01-01", 1.0)
