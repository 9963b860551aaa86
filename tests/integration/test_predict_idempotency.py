"""Idempotency-Key: the same answer for the same request, whatever happened in between."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from support.predict_api import ACTIVITY, call, environment

ROOT = Path(__file__).resolve().parents[2]
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


@pytest.fixture
def table(mocked_aws):
    boto3.client("dynamodb").create_table(
        TableName="answers",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return boto3.resource("dynamodb").Table("answers")


@pytest.fixture
def app(load_app, tmp_path, table):
    return load_app("predict.app", **environment(tmp_path), IDEMPOTENCY_TABLE=table.name)


def predictions_logged(capsys) -> int:
    lines = capsys.readouterr().out.splitlines()
    # What was refused is logged as well, with no item.
    return sum(line.startswith('{"log":"prediction"') and '"items":[{' in line for line in lines)


def test_the_first_answer_comes_again_also_from_another_model(app, load_app, tmp_path, capsys):
    first = call(app, "POST", "/predictions", ACTIVITY, headers=KEY)
    other = load_app("predict.app", **environment(tmp_path, seed=1, version="5"))
    again = call(other, "POST", "/predictions", ACTIVITY, headers=KEY)

    assert first.status == 200
    assert again.text == first.text
    assert again.headers == first.headers | {"idempotency-replayed": "true"}
    assert again.headers["slipcast-model-version"] == "4"
    assert predictions_logged(capsys) == 1
    # The other model has another opinion.
    fresh = call(other, "POST", "/predictions", ACTIVITY)
    assert fresh.json()["predictions"][0]["probability"] != first.json()["predictions"][0]["probability"]


def test_a_batch_of_a_thousand_comes_again(app):
    batch = {"activities": [ACTIVITY | {"activity_id": f"A{n}", "budget": 1e4 + n * n} for n in range(1000)]}

    first = call(app, "POST", "/predictions", batch, headers=KEY)

    assert first.status == 200
    assert call(app, "POST", "/predictions", batch, headers=KEY).text == first.text


def test_the_largest_answer_to_the_largest_request_can_be_kept(app):
    """Ids of letters that compress as little as any, and an error for each of their own."""
    import random

    drawn = random.Random(1)
    letters = [chr(code) for code in range(0x20000, 0x2A000)]
    size, batch = 0, []
    while True:
        item = {"activity_id": "".join(drawn.choices(letters, k=100)), "start": "2025-01-01"}
        item |= {"baseline_duration_days": 9, "history": {} if drawn.random() < 0.9 else {"x": 1}}
        size += len(json.dumps(item, ensure_ascii=False).encode()) + 1
        if size > 256 * 2**10 - 30:
            break
        batch.append(item)
    body = json.dumps({"activities": batch}, ensure_ascii=False, separators=(",", ":"))

    first = call(app, "POST", "/predictions", raw=body, headers=KEY)

    assert first.status == 200
    assert call(app, "POST", "/predictions", raw=body, headers=KEY).text == first.text


def test_more_than_can_be_kept_is_refused(app, capsys):
    answer = call(app, "POST", "/predictions", {"activities": [ACTIVITY] * 2000}, headers=KEY)

    assert answer.status == 413
    assert "Idempotency-Key" in answer.json()["detail"]
    assert predictions_logged(capsys) == 0


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/predictions", ACTIVITY | {"budget": 1}),
        ("/predictions?explain=true", ACTIVITY),
    ],
)
def test_another_request_with_the_same_key_is_refused(app, capsys, target, body):
    call(app, "POST", "/predictions", ACTIVITY, headers=KEY)
    answer = call(app, "POST", target, body, headers=KEY)

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "new key" in answer.json()["detail"]
    assert predictions_logged(capsys) == 1


def test_a_request_in_progress_is_not_answered_twice(app, monkeypatch):
    inner = []

    def ask_again(*args):
        if not inner:
            inner.append(None)
            inner.append(call(app, "POST", "/predictions", ACTIVITY, headers=KEY))
        return args[0]

    monkeypatch.setattr(app.core.predictions.feature_lookup, "with_history", ask_again)
    outer = call(app, "POST", "/predictions", ACTIVITY, headers=KEY)

    assert (outer.status, inner[1].status) == (200, 409)
    assert inner[1].headers["retry-after"] == "1"


def test_a_key_is_its_callers_own(app, capsys):
    one = call(app, "POST", "/predictions", ACTIVITY, headers=KEY, key_id="one")
    other = call(app, "POST", "/predictions", ACTIVITY, headers=KEY, key_id="other")

    assert one.json()["request_id"] != other.json()["request_id"]
    assert predictions_logged(capsys) == 2


def test_quotes_are_the_drafts_form_and_may_be_left_out(app):
    bare = call(app, "POST", "/predictions", ACTIVITY, headers={"idempotency-key": "abc"})
    quoted = call(app, "POST", "/predictions", ACTIVITY, headers={"Idempotency-Key": '"abc"'})

    assert quoted.text == bare.text


@pytest.mark.parametrize("key", ["", '""', "a b", '"a', "x" * 256, "schlüssel", 'a"b" c'])
def test_what_is_no_key_is_refused(app, capsys, key):
    answer = call(app, "POST", "/predictions", ACTIVITY, headers={"Idempotency-Key": key})

    assert answer.status == 400
    assert "Idempotency-Key" in answer.json()["detail"]
    assert predictions_logged(capsys) == 0


def test_a_refusal_is_kept_and_an_error_of_ours_is_not(app, monkeypatch, table):
    refused = call(app, "POST", "/predictions", {"start": 1}, headers={"Idempotency-Key": "refused"})
    assert refused.status == 422
    assert call(app, "POST", "/predictions", {"start": 1}, headers={"Idempotency-Key": "refused"}).text == refused.text

    with monkeypatch.context() as broken:
        broken.setattr(app.core.predictions.feature_lookup, "with_history", None)
        assert call(app, "POST", "/predictions", ACTIVITY, headers=KEY).status == 500
    assert call(app, "POST", "/predictions", ACTIVITY, headers=KEY).status == 200


def test_after_a_day_a_key_is_new(app, table):
    before = int(time.time())
    first = call(app, "POST", "/predictions", ACTIVITY, headers=KEY)
    (item,) = table.scan()["Items"]
    assert before <= int(item["expiration"]) - 24 * 3600 <= time.time()

    table.put_item(Item=item | {"expiration": before - 1})
    assert call(app, "POST", "/predictions", ACTIVITY, headers=KEY).json()["request_id"] != first.json()["request_id"]


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com/arn:aws:dynamodb"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "arn:aws:dynamodb:answers"}}, "PutItem"),
    ],
    ids=["unreachable", "throttled"],
)
@pytest.mark.fault(
    "serving",
    "the store of idempotent answers",
    "out of reach, throttled",
    "503 with Retry-After: nothing is promised that is not kept",
)
def test_without_the_store_nothing_is_promised(app, monkeypatch, operation, error):
    client = importlib.import_module("predict.api.idempotency")._store("answers").client
    real = client._make_api_call

    def failing(name, arguments):
        if name == operation:
            raise error
        return real(name, arguments)

    monkeypatch.setattr(client, "_make_api_call", failing)
    answer = call(app, "POST", "/predictions", ACTIVITY, headers=KEY)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    assert "arn" not in answer.text
    assert "amazonaws" not in answer.text


def test_predict_calls_the_store_with_what_its_policy_allows(app, monkeypatch):
    called = set()
    client = importlib.import_module("predict.api.idempotency")._store("answers").client
    real = client._make_api_call
    monkeypatch.setattr(client, "_make_api_call", lambda name, arguments: called.add(name) or real(name, arguments))

    call(app, "POST", "/predictions", ACTIVITY, headers=KEY)
    call(app, "POST", "/predictions", ACTIVITY, headers=KEY)
    call(app, "POST", "/predictions", ACTIVITY | {"budget": 1}, headers=KEY)
    monkeypatch.setattr(app.core.predictions.feature_lookup, "with_history", None)
    call(app, "POST", "/predictions", ACTIVITY, headers={"Idempotency-Key": "fails"})

    assert called == {"PutItem", "UpdateItem", "DeleteItem"}


ALONE = """
import json, sys
from support.predict_api import ACTIVITY, call
from predict import app
answer = call(app, "POST", "/predictions", ACTIVITY)
assert answer.status == 200, answer
print(json.dumps(sorted({"boto3", "botocore.session", "jmespath"} & set(sys.modules))))
"""


def test_without_a_key_the_sdk_is_not_imported(tmp_path):
    path = [ROOT / "functions", ROOT / "tests", ROOT]
    script = f"import sys\nsys.path[:0] = {[str(folder) for folder in path]!r}\n{ALONE}"
    settings = environment(tmp_path) | {"POWERTOOLS_METRICS_NAMESPACE": "Slipcast", "IDEMPOTENCY_TABLE": "answers"}
    done = subprocess.run([sys.executable, "-c", script], env=settings, capture_output=True, text=True, check=True)

    assert "boto3" not in json.loads(done.stdout.splitlines()[-1])
