"""The Open Inference Protocol, spoken by Triton's client."""

import json
import math

import numpy as np
import pytest
import tritonclient.http as triton

from slipcast.features import activity
from support.predict_api import ACTIVITY, call, environment, served

NAME = "slipcast"


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


@pytest.fixture
def client(app):
    with served(app, prefix="/base") as url, triton.InferenceServerClient(url.removeprefix("http://")) as found:
        yield found


def column(name: str, values: list, datatype: str = "BYTES", *, width: bool = False) -> triton.InferInput:
    array = np.array(
        values, dtype={"BYTES": object, "FP64": np.float64, "FP32": np.float32, "INT64": np.int64}[datatype]
    )
    shaped = array.reshape(-1, 1) if width else array
    tensor = triton.InferInput(name, shaped.shape, datatype)
    return tensor.set_data_from_numpy(shaped, binary_data=False)


def columns(count: int = 3) -> list[triton.InferInput]:
    return [
        column("activity_id", [f"A{number}" for number in range(count)]),
        column("phase", ["Design", "", "Scope"][:count], width=True),
        column("work_type", ["SCA CIP"] * count),
        column("start", ["2022-03-01"] * count),
        column("baseline_duration_days", [213, 30, 400][:count], "INT64"),
        column("budget", [250_000.0, math.nan, 10.0][:count], "FP64"),
    ]


ROWS = [
    {"activity_id": "A0", "phase": "Design", "work_type": "SCA CIP", "baseline_duration_days": 213, "budget": 250_000},
    {"activity_id": "A1", "work_type": "SCA CIP", "baseline_duration_days": 30},
    {"activity_id": "A2", "phase": "Scope", "work_type": "SCA CIP", "baseline_duration_days": 400, "budget": 10},
]


def test_triton_finds_server_and_model_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == NAME
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "4")
    assert not client.is_model_ready(NAME, "3")
    assert not client.is_model_ready("other")


def test_the_model_says_what_it_takes_and_gives(client, app):
    metadata = client.get_model_metadata(NAME)

    assert metadata["versions"] == ["4"]
    kinds = {item["name"]: item["datatype"] for item in metadata["inputs"]}
    assert kinds.keys() == activity.BY_NAME.keys()
    assert (kinds["start"], kinds["budget"]) == ("BYTES", "FP64")
    assert {item["name"]: item["datatype"] for item in metadata["outputs"]} == {
        "probability": "FP64",
        "at_risk": "BOOL",
        **{"data_date": "BYTES", "stage": "BYTES", "days_late": "INT64"},
    }


@pytest.mark.parametrize("version", ["", "4"])
def test_triton_gets_the_apis_own_predictions(client, app, capsys, version):
    result = client.infer(NAME, columns(), model_version=version, request_id="mine")

    answer = result.get_response()
    rows = [row | {"start": "2022-03-01"} for row in ROWS]
    expected = call(app, "POST", "/predictions", {"activities": rows}).json()["predictions"]
    assert result.as_numpy("probability").tolist() == [item["probability"] for item in expected]
    assert result.as_numpy("at_risk").tolist() == [item["at_risk"] for item in expected]
    assert len(set(result.as_numpy("probability").tolist())) == 3
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", NAME, "4")
    first, second = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')
    ]
    assert [item["features"] for item in first["items"]] == [item["features"] for item in second["items"]]
    assert first["request_id"] == answer["parameters"]["request_id"]


def test_only_the_outputs_asked_for_are_given(client):
    wanted = [triton.InferRequestedOutput("at_risk", binary_data=False)]

    answer = client.infer(NAME, columns(), outputs=wanted).get_response()

    assert [item["name"] for item in answer["outputs"]] == ["at_risk"]


def test_without_ids_rows_are_known_by_their_number(client, capsys):
    client.infer(NAME, columns()[1:])

    logged = json.loads(next(line for line in capsys.readouterr().out.splitlines() if '"log":"prediction"' in line))
    assert [item["activity_id"] for item in logged["items"]] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ([column("start", ["2022-03-01", "yesterday"]), column("baseline_duration_days", [1, 2], "INT64")], "start[1]"),
        ([column("start", ["2022-03-01", "2022-03-01"])], "baseline_finish[0]"),
        ([column("start", ["2022-03-01"]), column("colour", ["red"])], "inputs.1.name"),
        ([column("start", ["2022-03-01"]), column("budget", ["much"])], "inputs.1.datatype"),
        ([column("start", ["2022-03-01"]), column("phase", [1.5], "FP32")], "inputs.1.datatype"),
        ([column("start", ["2022-03-01"]), column("budget", [1.0, 2.0], "FP64")], "inputs.1.shape"),
        ([column("start", ["2022-03-01"]), column("start", ["2022-03-01"])], "inputs.1.name"),
    ],
)
def test_a_wrong_tensor_is_named(client, capsys, inputs, names):
    with pytest.raises(triton.InferenceServerException, match="400") as refused:
        client.infer(NAME, inputs)

    assert names in refused.value.message()
    assert '"prediction_id"' not in capsys.readouterr().out


def test_binary_tensors_are_refused_with_the_remedy(client):
    tensor = triton.InferInput("start", [1], "BYTES").set_data_from_numpy(np.array(["2022-03-01"], dtype=object))

    with pytest.raises(triton.InferenceServerException, match=r"\[415\].*binary_data=False"):
        client.infer(NAME, [tensor])


@pytest.mark.parametrize(("name", "version"), [("other", ""), (NAME, "3")])
def test_another_model_is_not_found(client, name, version):
    with pytest.raises(triton.InferenceServerException, match="404"):
        client.infer(name, columns(), model_version=version)


def test_an_unknown_output_is_refused(client):
    with pytest.raises(triton.InferenceServerException, match=r"outputs.0.name"):
        client.infer(NAME, columns(), outputs=[triton.InferRequestedOutput("risk", binary_data=False)])


def test_before_the_first_release_nothing_is_ready(load_app):
    with (
        served(load_app("predict.app", MODEL_SHA256="")) as url,
        triton.InferenceServerClient(url.removeprefix("http://")) as client,
    ):
        assert client.is_server_live()
        assert not client.is_server_ready()
        assert not client.is_model_ready(NAME)
        with pytest.raises(triton.InferenceServerException, match="no model is released"):
            client.infer(NAME, columns())


@pytest.mark.parametrize("missing", [None, ""])
def test_null_and_the_empty_text_are_missing(app, missing):
    def body(*phase):
        tensors = [("start", "BYTES", ["2022-03-01"]), ("baseline_duration_days", "INT64", [30]), *phase]
        return {"inputs": [{"name": n, "datatype": d, "shape": [1], "data": v} for n, d, v in tensors]}

    without = call(app, "POST", f"/v2/models/{NAME}/infer", body()).json()
    sent = call(app, "POST", f"/v2/models/{NAME}/infer", body(("phase", "BYTES", [missing]))).json()

    assert sent["outputs"] == without["outputs"]


def test_an_error_is_the_protocols_and_a_problem_at_once(app):
    answer = call(app, "POST", f"/v2/models/{NAME}/infer", {"inputs": "all"})

    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["error"] == answer.json()["detail"]
    assert call(app, "GET", "/v2/nothing").json()["error"] == "there is nothing at this path"
    assert call(app, "POST", "/v2/models/slipcast/infer", raw="{").json()["error"] == "the body is not JSON"


def test_a_prediction_does_not_pay_for_the_protocols(app):
    import sys

    call(app, "POST", "/predictions", ACTIVITY)

    assert not {"predict.protocols.open_inference", "predict.protocols.mlflow"} & sys.modules.keys()
