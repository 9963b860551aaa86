"""The edge function: bundle, proof and record of a released model in the bucket, or nothing."""

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import onnxruntime
import pytest

from slipcast.edge import onnx_graph
from slipcast.features.row import feature_row
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast_aws import storage
from support.edge_records import leave_released_model
from support.portable_bundle import ask, served
from tests.support.serving_cases import fitted


@pytest.fixture
def edge(load_app, s3):
    return load_app("edge", DATA_BUCKET="data", MEASURED_ROWS="500")


@pytest.fixture
def model(s3):
    return leave_released_model()


def keys(s3):
    listed = [s3.list_objects_v2(Bucket="data", Prefix=prefix) for prefix in ("edge/", "portable/")]
    return {item["Key"] for page in listed for item in page.get("Contents", [])}


def test_a_bundle_is_published_that_checks_itself_wherever_it_is_unpacked(
    edge, model, s3, lambda_context, tmp_path, capsys
):
    answer = edge.handler({"model": model, "version": "7"}, lambda_context)

    assert answer["bundle_uri"] == "s3://data/edge/7-abc123/slipcast-edge-7-abc123.zip"
    raw = storage.read_bytes(answer["bundle_uri"])
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "slipcast-edge-7-abc123"
    command = [sys.executable, "-I", "-S", str(folder / "score.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    record = storage.read_json(answer["record_uri"])
    assert done.stdout.strip() == record["check"]
    assert record["check"].startswith("40 known answers equal scikit-learn's")
    assert record["sha256"] == digest(raw)
    assert record["bytes"]["zip"] == len(raw)
    assert {name: digest((folder / name).read_bytes()) for name in record["files"]} == record["files"]
    assert (record["version"], record["model_sha256"]) == ("7", model["sha256"])
    assert record["measured"]["rows"] == 500
    assert record["measured"]["seconds"] > 0
    assert record["onnx"]["published"] is True
    assert record["onnx"]["max_difference"] <= 1e-9
    assert record["onnx"]["rows"] > 1000

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    golden = storage.read_json(model["golden_uri"])
    names = {item.key: json.loads(item.value) for item in onnx_props(folder / "model.onnx") if item.key in onnx_names}
    rows = [feature_row(activity) for activity in golden["activities"]]
    numeric = [[np.nan if row[name] is None else row[name] for name in names["numeric"]] for row in rows]
    texts = np.array([[row[name] for name in names["categorical"]] for row in rows], dtype=object)
    (probability,) = session.run(["probability"], {"numeric": np.array(numeric, float), "categorical": texts})
    assert np.abs(probability - golden["scores"]).max() <= 1e-6


onnx_names = {onnx_graph.NUMERIC, onnx_graph.CATEGORICAL}


def onnx_props(path):
    import onnx

    return onnx.load(path).metadata_props


def test_a_portable_bundle_is_published_that_serves_wherever_it_is_unpacked(edge, s3, lambda_context, tmp_path):
    model = leave_released_model(forecast=True)
    answer = edge.handler({"model": model, "version": "7"}, lambda_context)

    record = storage.read_json("s3://data/portable/7/portable.json")
    raw = storage.read_bytes(record["bundle_uri"], sha256=record["sha256"])
    assert record["bundle_uri"] == "s3://data/portable/7/slipcast-portable-7-abc123.zip"
    assert storage.read_json(answer["record_uri"])["portable"]["sha256"] == digest(raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "slipcast-portable-7-abc123"
    assert {name: digest((folder / name).read_bytes()) for name in record["files"]} == record["files"]
    with served(folder) as url:
        row = {"start": "2030-01-01", "baseline_duration_days": 20, "data_date": "2029-12-01"}
        (prediction,) = ask(f"{url}/invocations", {"dataframe_records": [row]}).json()["predictions"]
    assert prediction["p80"] > "2029-12-01"


def test_a_forecast_of_another_digest_is_not_published(edge, s3, lambda_context):
    model = leave_released_model(forecast=True)
    storage.write_bytes(model["forecast_uri"], b"{}")

    with pytest.raises(storage.DigestMismatchError):
        edge.handler({"model": model, "version": "7"}, lambda_context)
    assert keys(s3) == set()


def test_a_repeated_step_writes_the_same_bundle(edge, model, s3, lambda_context):
    first = edge.handler({"model": model, "version": "7"}, lambda_context)
    raw = storage.read_bytes(first["bundle_uri"])

    assert edge.handler({"model": model, "version": "7"}, lambda_context) == first
    assert storage.read_bytes(first["bundle_uri"]) == raw
    assert len(keys(s3)) == 4


def test_a_scorer_that_computes_something_else_is_not_published(edge, model, s3, lambda_context):
    golden = storage.read_json(model["golden_uri"])
    golden["scores"][3] += 1e-6
    storage.write_json(model["golden_uri"], golden)

    with pytest.raises(edge.publication.bundle.EdgeError, match=r"differ from scikit-learn's by 1\.00e-06"):
        edge.handler({"model": model, "version": "7"}, lambda_context)
    assert keys(s3) == set()


def test_an_artifact_of_another_digest_is_not_published(edge, model, s3, lambda_context):
    with pytest.raises(storage.DigestMismatchError):
        edge.handler({"model": model | {"sha256": "0" * 64}, "version": "7"}, lambda_context)
    assert keys(s3) == set()


def crossing(loaded, sha256):
    """The graph of a converter that rounds to float32 what the model compares in float64."""
    document = loaded.document | {
        "model": loaded.document["model"] | {"baseline": loaded.document["model"]["baseline"]}
    }
    document["model"]["single_precision"] = True
    return BUILD(scorer.Scorer(document), sha256)


BUILD = onnx_graph.build


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (crossing, "OnnxError: ONNX Runtime differs by"),
        (lambda *_: b"no model", "InvalidProtobuf"),
        (lambda *_: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_an_onnx_file_that_is_not_proven_is_left_out_and_the_record_says_why(
    edge, model, s3, lambda_context, monkeypatch, build, why
):
    estimator, _, _ = fitted("hist_gradient_boosting")
    raw = export(
        estimator,
        family="any",
        threshold=0.4,
        metadata={"model_id": "abc123", "dataset_id": "d1", "tolerance_days": 30},
    )
    golden = storage.read_json(model["golden_uri"])
    golden["scores"] = scorer.load(raw, digest(raw)).predict_proba(golden["activities"])
    storage.write_bytes(model["artefact_uri"], raw)
    storage.write_json(model["golden_uri"], golden)
    monkeypatch.setattr(onnx_graph, "build", build)

    answer = edge.handler({"model": model | {"sha256": digest(raw)}, "version": "8"}, lambda_context)

    record = storage.read_json(answer["record_uri"])
    assert record["onnx"]["published"] is False
    assert why in record["onnx"]["why"]
    with zipfile.ZipFile(io.BytesIO(storage.read_bytes(answer["bundle_uri"]))) as packed:
        names = {name.rpartition("/")[2] for name in packed.namelist()}
        page = packed.read("slipcast-edge-8-abc123/README.md").decode()
    assert "model.onnx" not in names | {page}
    assert "score.py" in names
