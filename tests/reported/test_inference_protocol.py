"""The Open Inference Protocol to the letter: strict clients compare answers with its schema."""

# SeldonIO/seldon-core#3969: binary tensors end in "the body is not JSON"
# kserve/kserve#3094: "None is not of type 'string'" for an id that nobody sent
# triton-inference-server/server#3158, SeldonIO/MLServer#1542: datatype and values that contradict each other

import pytest

from predict.protocols import open_inference
from support.predict_api import call, environment

INFER = "/v2/models/slipcast/infer"


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


def tensors(**changed):
    return [
        {"name": "start", "datatype": "BYTES", "shape": [1], "data": ["2022-03-01"]},
        {"name": "baseline_duration_days", "datatype": "INT64", "shape": [1], "data": [30]} | changed,
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"Inference-Header-Content-Length": "120"},
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "120"},
        {"Content-Type": "Application/Octet-Stream"},
    ],
)
def test_binary_tensors_are_refused_with_the_remedy(app, headers):
    answer = call(app, "POST", INFER, raw='{"inputs":[]}\x0a\x00\x00\x00', headers=headers)

    assert answer.status == 415
    assert "binary_data=False" in answer.json()["error"]


def test_a_tensor_that_announces_binary_data_is_refused_with_the_remedy(app):
    sent = tensors()
    del sent[1]["data"]
    sent[1]["parameters"] = {"binary_data_size": 8}

    answer = call(app, "POST", INFER, {"inputs": sent})

    assert answer.status == 400
    assert "binary_data=False" in answer.json()["error"]


@pytest.mark.parametrize("sent", [{}, {"id": None}])
def test_nobodys_id_is_left_out(app, sent):
    assert "id" not in call(app, "POST", INFER, {"inputs": tensors(), **sent}).json()


@pytest.mark.parametrize("own", ["", "mine"])
def test_an_id_comes_back(app, own):
    assert call(app, "POST", INFER, {"inputs": tensors(), "id": own}).json()["id"] == own


@pytest.mark.parametrize(
    ("datatype", "good", "bad"),
    [
        ("INT64", 2, 2.5),
        ("INT8", 127, 128),
        ("UINT8", 255, -1),
        ("INT16", 300, 40_000),
        ("UINT32", 2**32 - 1, 2**32),
        ("INT32", 1, True),
        ("FP64", 2.5, "2.5"),
        ("FP32", 2, False),
    ],
)
def test_a_value_is_of_its_tensors_type(app, datatype, good, bad):
    assert call(app, "POST", INFER, {"inputs": tensors(datatype=datatype, data=[good])}).status == 200

    answer = call(app, "POST", INFER, {"inputs": tensors(datatype=datatype, data=[bad])})

    assert answer.status == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["inputs.1.data.0"]


def test_bytes_are_texts(app):
    wrong = {"name": "phase", "datatype": "BYTES", "shape": [1], "data": [7]}

    assert call(app, "POST", INFER, {"inputs": [*tensors(), wrong]}).status == 400


@pytest.mark.parametrize("shape", [["1"], [True], [1.0], [-1], [], [1, 2], "1", None])
def test_a_shape_is_a_list_of_counts(app, shape):
    answer = call(app, "POST", INFER, {"inputs": tensors(shape=shape)})

    assert answer.status == 400
    assert answer.json()["errors"][0]["field"].startswith("inputs.1.shape")


@pytest.mark.parametrize("outputs", [[], None])
def test_no_wish_for_outputs_gives_all(app, outputs):
    answer = call(app, "POST", INFER, {"inputs": tensors(), "outputs": outputs}).json()

    assert [item["name"] for item in answer["outputs"]] == [*open_inference.JUDGED]
