"""Prediction log lines on their way from CloudWatch Logs into the bucket."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

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


GROUP = "/aws/lambda/slipcast-predict"


@pytest.fixture
def collect(load_app, s3):
    return load_app("collect", DATA_BUCKET="data", PREDICT_LOG_GROUP=GROUP)


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


def test_requests_that_were_not_answered_have_a_prefix_of_their_own(collect, lambda_context):
    failed = line("r3", items=0) | {"status": 503, "ms": 1.25}

    assert collect.handler(delivery(json.dumps(failed), json.dumps(line())), lambda_context) == {"predictions": 2}

    failures, predictions = stored().values()
    assert [(row["request_id"], row["status"], row["ms"]) for row in failures] == [("r3", 503, 1.25)]
    assert [row["request_id"] for row in predictions] == ["r1", "r1"]


def test_what_a_line_says_of_all_its_predictions_stands_in_each(collect, lambda_context):
    collect.handler(delivery(json.dumps(line() | {"redacted": ["location"], "ms": 0.5})), lambda_context)

    (rows,) = stored().values()
    assert [(row["redacted"], row["ms"]) for row in rows] == [(["location"], 0.5)] * 2
    assert "log" not in rows[0]


# --- Is anything missing? ---------------------------------------------------------------------------------------------

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
HOUR = {"check": {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}}


@pytest.fixture
def logs(collect, mocked_aws):
    """A writer of lines to CloudWatch Logs at minutes past noon; what it returns is the delivery of them."""
    from collect import checking

    checking.client.cache_clear()
    client = boto3.client("logs")
    client.create_log_group(logGroupName=GROUP)
    client.create_log_stream(logGroupName=GROUP, logStreamName="s")

    def write(*lines: dict | str, minute: float = 5.0) -> dict:
        at = int((NOON + timedelta(minutes=minute)).timestamp() * 1000)
        messages = [item if isinstance(item, str) else json.dumps(item, separators=(",", ":")) for item in lines]
        events = [{"timestamp": at + number, "message": message} for number, message in enumerate(messages)]
        client.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=events)
        return delivery(*messages, at=at, first=int(minute * 1000))

    yield write
    checking.client.cache_clear()


def missing(capsys) -> list[float]:
    documents = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    return [document["PredictionsMissing"][0] for document in documents if "PredictionsMissing" in document]


def ids() -> list[str]:
    return sorted(row["prediction_id"] for rows in stored().values() for row in rows)


def test_a_log_that_is_complete_is_left_as_it_is(collect, lambda_context, logs, capsys):
    collect.handler(logs(line("r1"), line("r2", 3)), lambda_context)
    logs("START RequestId: r1", '{"_aws": {}, "log": "metrics"}', minute=6)
    before = stored()

    found = collect.handler(HOUR, lambda_context)

    assert (found["logged"], found["missing"], found["checked_until"]) == (5, 0, HOUR["check"]["until"])
    assert stored() == before
    assert missing(capsys) == [0.0]


@pytest.mark.fault(
    "watching", "a delivery of the log", "it never comes", "the hourly check counts it and puts it there"
)
def test_a_delivery_that_never_came_is_counted_once_and_put_into_the_bucket(collect, lambda_context, logs, capsys):
    collect.handler(logs(line("r1")), lambda_context)
    logs(line("r2", 3), minute=17)
    logs(line("r3", 1), minute=59.99)
    # At least once: what came twice must not hide what never came.
    collect.handler(delivery(json.dumps(line("r1")), at=int(NOON.timestamp() * 1000), first=9), lambda_context)

    first, again = collect.handler(HOUR, lambda_context), collect.handler(HOUR, lambda_context)

    assert (first["missing"], again["missing"]) == (4, 0)
    assert missing(capsys) == [4.0, 0.0]
    assert set(ids()) == {"r1:0", "r1:1", "r2:0", "r2:1", "r2:2", "r3:0"}


@pytest.mark.fault("watching", "a line of the log", "it is cut", "counted, the others are there")
def test_a_line_that_is_cut_is_counted_and_stops_nothing(collect, lambda_context, logs, capsys):
    logs('{"log":"prediction","v":1,"request', line("r1"))

    found = collect.handler(HOUR, lambda_context)

    assert (found["unreadable"], found["missing"]) == (1, 2)
    assert ids() == ["r1:0", "r1:1"]
    assert missing(capsys) == [3.0]


def test_the_schedule_checks_the_last_two_whole_hours_that_have_settled(collect, lambda_context, logs):
    from collect import checking

    now = datetime(2026, 1, 5, 9, 14, tzinfo=UTC)

    assert checking.span(None, now) == (datetime(2026, 1, 5, 6, tzinfo=UTC), datetime(2026, 1, 5, 8, tzinfo=UTC))
    assert checking.span(None, now + timedelta(minutes=1))[1] == datetime(2026, 1, 5, 9, tzinfo=UTC)
    scheduled = {"detail-type": "Scheduled Event", "id": "1", "resources": ["arn:aws:events:r:a:rule/hourly"]}
    assert collect.handler(scheduled, lambda_context)["missing"] == 0


def test_a_check_that_runs_out_of_time_says_where_to_go_on(collect, lambda_context, logs, monkeypatch):
    left = iter([30_000, 30_000, 5_000])
    monkeypatch.setattr(type(lambda_context), "get_remaining_time_in_millis", lambda _: next(left))

    found = collect.handler(HOUR, lambda_context)

    assert found["checked_until"] == (NOON + timedelta(minutes=10)).isoformat()


def test_objects_that_were_just_put_together_are_listed_again(collect, lambda_context, logs, monkeypatch):
    from collect import checking

    collect.handler(logs(line("r1")), lambda_context)
    whole, gone = checking.prediction_log.uris, iter([["s3://data/prediction-log/gone"], []])
    monkeypatch.setattr(checking.prediction_log, "uris", lambda *span: [*next(gone), *whole(*span)])

    assert collect.handler(HOUR, lambda_context)["missing"] == 0
