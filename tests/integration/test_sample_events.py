"""The events under events/ are answered by the functions they are for: they can be sent to a deployed stack as well."""

import base64
import gzip
import json
from pathlib import Path

import boto3
import pytest

from slipcast.datasets import labels
from slipcast.features.table import feature_table
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from slipcast_aws.release import approvals
from slipcast_aws.serving import queues
from support.approval_records import EVALUATION_URI, leave_evaluation
from support.schedules import example

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    labelled = labels.label(example("nyc_sca_2022-12.csv").table, 30)
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    fitted = build_pipeline(candidate, 1, max_depth=4).fit(feature_table(labelled), labelled["is_late"])
    metadata = {
        **{"model_id": "abc123", "dataset_id": "d1", "data_date": "2022-12-31", "family": "decision_tree"},
        **{"params": {"max_depth": 4}, "training_cut": "2021-07-01", "training_rows": len(labelled)},
        **{"tolerance_days": 30, "metrics": {"auc": 0.7, "auc_ci": [0.6, 0.8]}},
    }
    raw = export(fitted, family="decision_tree", threshold=1 / 3, metadata=metadata)
    path = tmp_path_factory.mktemp("layer") / "model.json"
    path.write_bytes(raw)
    return path, digest(raw)


@pytest.fixture
def predict(load_app, model):
    path, sha256 = model
    return load_app(
        "predict.app",
        MODEL_PATH=str(path),
        MODEL_SHA256=sha256,
        MODEL_TRAINED_AT="2026-01-01T00:00:00+00:00",
        MODEL_EXECUTION="new-data-1",
        AWS_LAMBDA_FUNCTION_VERSION="4",
    )


def log_lines(event: dict) -> list[dict]:
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    return [json.loads(item["message"]) for item in data["logEvents"]]


def shape(value):
    """The names and kinds in a document, without its values."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


@pytest.mark.parametrize(
    ("name", "document"),
    [
        (
            "s3_object_created",
            {
                "reason": "new_data",
                "detail": "s3://slipcast-data-123456789012/incoming/nyc_sca_2022-12.csv",
                "source": {
                    "bucket": "slipcast-data-123456789012",
                    "key": "incoming/nyc_sca_2022-12.csv",
                    "version_id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                    "sequencer": "00617F08299329D189",
                },
            },
        ),
        (
            "sns_drift_alarm",
            {"reason": "alarm", "detail": "slipcast-drift: Threshold Crossed: 2 out of the last 3", "source": None},
        ),
        (
            "scheduled_event",
            {"reason": "schedule", "detail": "slipcast-TriggerFunctionPeriodic-1A2B3C4D5E6F7", "source": None},
        ),
        ("manual_retrain", {"reason": "manual", "detail": "after the new cost plan", "source": None}),
    ],
)
def test_events_for_the_trigger_start_one_execution(trigger, lambda_context, event, name, document):
    sample = event(name)

    assert trigger.handler(sample, lambda_context) == {"outcomes": ["started"]}

    states = boto3.client("stepfunctions")
    (execution,) = states.list_executions(stateMachineArn=trigger.machine)["executions"]
    given = json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"])
    assert given["detail"].startswith(document["detail"])
    assert given | {"detail": document["detail"]} == document


def test_events_for_the_api_that_ask_for_predictions(predict, lambda_context, event):
    answer = predict.handler(event("api_post_predictions"), lambda_context)

    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert [item["activity_id"] for item in body["predictions"]] == ["A1", "A2"]
    assert all(0 < item["probability"] < 1 for item in body["predictions"])
    assert body["request_id"] == "0f4e2a7c-7a53-4a0b-9a5f-3f1a3c0e9b11"


def test_events_for_the_api_that_ask_for_reasons(predict, lambda_context, event):
    answer = predict.handler(event("api_post_predictions_explained"), lambda_context)

    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert body["note"] is None
    assert [len(item["reasons"]) for item in body["predictions"]] == [3, 3]


def test_events_of_the_queue_of_updates_are_answered_or_set_aside(predict, lambda_context, event, monkeypatch):
    sent = []
    monkeypatch.setattr(queues, "of_stack", lambda arn: queues.Queues("updates", "results", "dead letters"))
    monkeypatch.setattr(queues, "send", lambda url, body, **options: sent.append((url, json.loads(body))))

    assert predict.handler(event("sqs_updates"), lambda_context) == {"batchItemFailures": []}

    assert [url for url, _ in sent] == ["results", "dead letters"]
    assert sent[0][1]["predictions"][0]["activity_id"] == "A1"


def test_events_for_the_api_that_ask_for_the_model(predict, lambda_context, event, model):
    answer = predict.handler(event("api_get_model"), lambda_context)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["sha256"] == model[1]


def test_events_of_the_prediction_log_are_collected(load_app, s3, lambda_context, event):
    app = load_app("collect", DATA_BUCKET="data", PREDICT_LOG_GROUP="slipcast-predict")

    assert app.handler(event("logs_subscription"), lambda_context) == {"predictions": 2}

    (item,) = s3.list_objects_v2(Bucket="data")["Contents"]
    rows = gzip.decompress(s3.get_object(Bucket="data", Key=item["Key"])["Body"].read()).decode().splitlines()
    assert item["Key"].startswith("prediction-log/dt=2026-01-05/hour=08/")
    assert [json.loads(row)["activity_id"] for row in rows] == ["A1", "A2"]


def test_events_of_the_prediction_log_are_as_predict_writes_them(predict, lambda_context, event, capsys):
    predict.handler(event("api_post_predictions"), lambda_context)
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [item for item in written if item.get("log") == "prediction"]

    (sample,) = log_lines(event("logs_subscription"))
    assert shape(sample) == shape(line)
    assert [item["features"] for item in sample["items"]] == [item["features"] for item in line["items"]]


@pytest.fixture
def approve(load_app, s3, control_table, monkeypatch):
    """The approve function with a request for the key and the execution of the samples; it tells nobody."""
    monkeypatch.setattr(approvals, "hand_on", lambda table, approval: approval)
    sample = json.loads((ROOT / "events" / "api_get_approval.json").read_text())
    leave_evaluation()
    pending = approvals.Approval(
        **{"execution": sample["pathParameters"]["id"], "status": "pending", "asked_at": "2026-01-05T08:00:00.000000Z"},
        **{"expires_at": "9999-01-01T00:00:00.000000Z", "evaluation_uri": EVALUATION_URI},
        **{"model_id": "abc123", "model_sha256": "9" * 64, "task_token": "token"},
        key_sha256=approvals.digest(sample["queryStringParameters"]["key"]),
    )
    approvals.ask(control_table, pending)
    return load_app("approve", CONTROL_TABLE=control_table, DATA_BUCKET="data")


def test_events_for_the_api_that_look_at_and_decide_an_approval(approve, lambda_context, event):
    shown = approve.handler(event("api_get_approval"), lambda_context)
    decided = approve.handler(event("api_post_approval"), lambda_context)

    assert [answer["statusCode"] for answer in (shown, decided)] == [200, 200]
    assert "Approve and release" in shown["body"]
    assert "<td>looks right</td>" in decided["body"]


def test_events_that_decide_an_approval_by_invocation(approve, lambda_context, event):
    assert approve.handler(event("approval_decide"), lambda_context)["status"] == "approved"


def test_events_name_no_account_but_the_made_up_one(event):
    for path in sorted((ROOT / "events").glob("*.json")):
        sample = event(path.stem)
        assert sample.get("account", "123456789012") == "123456789012"
        assert path.stem in Path(__file__).read_text()
