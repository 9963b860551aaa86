"""Large batches: the other function answers as the version that asks would, and its failure costs time only."""

import base64
import importlib
import io
import json

import pyarrow as pa
import pytest
from botocore.exceptions import EndpointConnectionError

from slipcast.features.row import CATEGORICAL
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast_aws import storage
from tests.integration.test_predict_entry import event
from tests.integration.test_predict_function import environment
from tests.support.serving_cases import feature_frame, fitted

METADATA = {"model_id": "abc123", "dataset_id": "0123456789abcdef", "tolerance_days": 30}
ENOUGH = 3000


@pytest.fixture(scope="module")
def artifact():
    return export(fitted("random_forest")[0], family="random_forest", threshold=0.4, metadata=METADATA)


@pytest.fixture
def serving(load_app, s3, artifact, tmp_path, lambda_context, monkeypatch):
    """The entry of the prediction function, with ``batch`` behind a Lambda client; ``calls`` are what it was asked."""
    path = tmp_path / "model.json"
    path.write_bytes(artifact)
    uri = "s3://data/models/abc123/model.json"
    storage.write_bytes(uri, artifact, "application/json")
    known = environment(path, digest(artifact))
    load_app("predict.app", **known, MODEL_URI=uri, BATCH_FUNCTION="slipcast-predict-batch")
    fast, batch = importlib.import_module("predict.app"), importlib.import_module("predict.batch")

    class Lambda:
        def __init__(self):
            self.calls, self.fails = [], None

        def invoke(self, FunctionName, Payload):
            assert FunctionName == "slipcast-predict-batch"
            self.calls.append(json.loads(Payload))
            if self.fails is not None:
                return self.fails()
            answer = batch.handler(self.calls[-1], lambda_context)
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    fast.offload.client = lambda: client
    client = Lambda()
    client.handler = lambda asked: fast.handler(asked, lambda_context)
    return client


def activities(count: int) -> list[dict]:
    rows = feature_frame(count, seed=8, missing=0.0)
    return [
        {
            **{"activity_id": f"A{number}", "start": "2022-03-01", "baseline_finish": "2022-09-30", "history": {}},
            **{name: row[name] for name in CATEGORICAL},
            **{"total_float_days": row["total_float_days"]},
        }
        for number, row in enumerate(rows.to_dict("records"))
    ]


def without_call(serving, asked: dict, monkeypatch) -> dict:
    with monkeypatch.context() as patch:
        settings = importlib.import_module("predict.settings").settings
        patch.setattr(importlib.import_module("predict.serving.offload"), "settings", lambda: alone)
        alone = settings()._replace(batch_function="")
        return serving.handler(asked)


def test_many_activities_are_answered_by_the_other_function_with_the_same_bytes(serving, monkeypatch, capsys):
    asked = event({"activities": activities(ENOUGH)})
    found = serving.handler(asked)
    logged = capsys.readouterr().out.splitlines()
    expected = without_call(serving, asked, monkeypatch)

    assert len(serving.calls) == 1
    # One line of the log ends in a time.
    assert len(logged) == len(capsys.readouterr().out.splitlines())
    first, second = json.loads(found.pop("body")), json.loads(expected.pop("body"))
    assert found == expected
    scores = [[item.pop("probability") for item in answer["predictions"]] for answer in (first, second)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-12)
    assert first == second
    assert first["model"]["version"] == "4"


def test_few_activities_are_answered_here(serving, artifact):
    assert serving.handler(event({"activities": activities(20)}))["statusCode"] == 200
    assert serving.calls == []
    assert scorer.load(artifact, digest(artifact)).steps * 20 < int(
        importlib.import_module("predict.settings").settings().worth_a_call
    )


def test_a_wrong_activity_among_many_is_named_and_the_others_are_scored(serving):
    many = activities(ENOUGH)
    many[17]["start"] = "tomorrow"
    answer = serving.handler(event({"activities": many}))

    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert [item["field"] for item in body["errors"]] == ["activities.17.start"]
    assert [number for number, item in enumerate(body["predictions"]) if item is None] == [17]


def refuses():
    raise EndpointConnectionError(endpoint_url="https://lambda")


@pytest.mark.parametrize(
    "fails",
    [
        refuses,
        lambda: {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorType": "MemoryError"}')},
        lambda: {"Payload": io.BytesIO(b"not JSON")},
    ],
)
@pytest.mark.fault(
    "serving",
    "the function for large batches",
    "out of reach, dies, answers nonsense",
    "the answer is given by the other way",
)
def test_if_the_other_function_fails_the_answer_is_given_here(serving, fails, monkeypatch, capsys):
    asked = event({"activities": activities(ENOUGH)})
    expected = without_call(serving, asked, monkeypatch)
    serving.fails = fails

    assert serving.handler(asked) == expected
    assert '"BatchFunctionFailed":[1.0]' in capsys.readouterr().out


def test_a_payload_beyond_lambdas_limit_is_not_sent(serving, monkeypatch):
    monkeypatch.setattr(importlib.import_module("predict.serving.offload"), "PAYLOAD_BYTES", 1000)

    assert serving.handler(event({"activities": activities(ENOUGH)}))["statusCode"] == 200
    assert serving.calls == []


def test_an_artifact_with_another_digest_is_not_used(serving, s3, capsys):
    s3.put_object(Bucket="data", Key="models/abc123/model.json", Body=b"{}")
    batch = importlib.import_module("predict.batch")
    with pytest.raises(storage.DigestMismatchError):
        batch._scorer("s3://data/models/abc123/model.json", "0" * 64)


def test_the_client_asks_once_and_gives_up_in_time_to_answer_here(load_app, aws_environment):
    load_app("predict.app", MODEL_SHA256="")
    config = importlib.import_module("predict.serving.offload").client().meta.config

    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout + config.connect_timeout <= 15


def test_arrow_is_read_and_written_by_the_other_function(serving):
    asked = event({"activities": activities(20)})
    expected = serving.handler(asked)
    columns = io.BytesIO()
    rows = [{name: value for name, value in item.items() if name != "history"} for item in activities(20)]
    with pa.ipc.new_stream(columns, (table := pa.Table.from_pylist(rows)).schema) as writer:
        writer.write_table(table)
    kind = "application/vnd.apache.arrow.stream"
    headers = {"Content-Type": kind, "Accept": kind}
    sent = {**asked, "headers": headers, "multiValueHeaders": None, "isBase64Encoded": True}
    answer = serving.handler(sent | {"body": base64.b64encode(columns.getvalue()).decode()})

    assert len(serving.calls) == 1
    assert answer["isBase64Encoded"]
    found = pa.ipc.open_stream(base64.b64decode(answer["body"])).read_all().to_pylist()
    assert [row["probability"] for row in found] == pytest.approx(
        [item["probability"] for item in json.loads(expected["body"])["predictions"]], abs=1e-12
    )
