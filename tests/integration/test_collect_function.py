"""Prediction log lines on their way from CloudWatch Logs into the bucket."""

import base64
import gzip
import json

import boto3
import pytest
from moto import mock_aws

# 2026-01-05T23:59:59.900Z
MOMENT = 1767657599900


def line(request_id: str = "r1", items: int = 2) -> dict:
    return {
        **{"log": "prediction", "v": 1, "request_id": request_id, "at": "2026-01-05T23:59:59.900+00:00"},
        **{"model_version": "4", "model_id": "abc"},
        "items": [
            {
                **{"prediction_id": f"{request_id}:{number}", "activity_id": f"A{number}", "score": 0.25},
                "features": {"phase": "Design", "budget": None},
            }
            for number in range(items)
        ],
    }


def delivery(*messages: str, kind: str = "DATA_MESSAGE", first: int = 0, at: int = MOMENT) -> dict:
    document = {
        "messageType": kind,
        "owner": "123456789012",
        "logGroup": "/aws/lambda/slipcast-predict",
        "logStream": "2026/01/05/[4]0",
        "subscriptionFilters": ["slipcast"],
        "logEvents": [
            {"id": f"{first + number:056}", "timestamp": at + number, "message": message}
            for number, message in enumerate(messages)
        ],
    }
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()}}


@pytest.fixture
def collect(load_app):
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="data")
        app = load_app("collect", DATA_BUCKET="data")
        yield app
        app.client.cache_clear()


def stored() -> dict[str, list[dict]]:
    s3 = boto3.client("s3")
    found = {}
    for item in s3.list_objects_v2(Bucket="data").get("Contents", []):
        raw = gzip.decompress(s3.get_object(Bucket="data", Key=item["Key"])["Body"].read())
        found[item["Key"]] = [json.loads(row) for row in raw.decode().splitlines()]
    return found


def test_every_prediction_is_a_row_with_its_request_and_model(collect, lambda_context):
    messages = [json.dumps(line("r1", 2)) + "\n", json.dumps(line("r2", 1))]

    assert collect.handler(delivery(*messages), lambda_context) == {"predictions": 3}

    ((key, rows),) = stored().items()
    assert key.startswith("prediction-log/dt=2026-01-05/hour=23/")
    assert key.endswith(".jsonl.gz")
    assert [row["prediction_id"] for row in rows] == ["r1:0", "r1:1", "r2:0"]
    assert rows[2] == {
        **{"request_id": "r2", "at": "2026-01-05T23:59:59.900+00:00", "model_version": "4", "model_id": "abc"},
        **{"prediction_id": "r2:0", "activity_id": "A0", "score": 0.25},
        "features": {"phase": "Design", "budget": None},
    }


def test_a_delivery_that_comes_again_replaces_itself(collect, lambda_context):
    event = delivery(json.dumps(line()))
    collect.handler(event, lambda_context)
    first = boto3.client("s3").list_objects_v2(Bucket="data")["Contents"]
    collect.handler(event, lambda_context)
    again = boto3.client("s3").list_objects_v2(Bucket="data")["Contents"]

    assert [(item["Key"], item["ETag"]) for item in again] == [(item["Key"], item["ETag"]) for item in first]
    assert len(again) == 1


def test_other_deliveries_are_other_objects(collect, lambda_context):
    collect.handler(delivery(json.dumps(line())), lambda_context)
    collect.handler(delivery(json.dumps(line()), first=1), lambda_context)
    collect.handler(delivery(json.dumps(line()), first=2, at=MOMENT + 200), lambda_context)

    assert [key.rpartition("/")[0] for key in stored()] == [
        *["prediction-log/dt=2026-01-05/hour=23"] * 2,
        "prediction-log/dt=2026-01-06/hour=00",
    ]


def test_a_control_message_is_no_prediction(collect, lambda_context):
    event = delivery("CWL CONTROL MESSAGE: Checking health of destination Lambda.", kind="CONTROL_MESSAGE")

    assert collect.handler(event, lambda_context) == {"predictions": 0}
    assert stored() == {}


def test_a_line_without_predictions_writes_nothing(collect, lambda_context):
    assert collect.handler(delivery(json.dumps(line(items=0))), lambda_context) == {"predictions": 0}
    assert stored() == {}


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (delivery(json.dumps(line()), json.dumps(line())[:-20]), json.JSONDecodeError),
        (delivery(json.dumps({"log": "prediction", "items": [{}]})), KeyError),
        ({"awslogs": {"data": base64.b64encode(b"not gzip").decode()}}, gzip.BadGzipFile),
        ({}, KeyError),
    ],
    ids=["cut line", "missing fields", "not gzip", "no delivery"],
)
def test_a_record_that_cannot_be_read_is_an_error_and_nothing_is_stored(collect, lambda_context, event, error):
    with pytest.raises(error):
        collect.handler(event, lambda_context)

    assert stored() == {}
