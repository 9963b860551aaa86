"""The API's other protocols, Idempotency-Key and refusals on the deployed stack, by the clients that people use."""

import io
import json
import urllib.error
import urllib.request
import uuid
import warnings

import numpy as np
import pandas as pd
import pytest
import requests as requests_of_http
import tritonclient.http as triton

from local.cloud import DIRECT
from local.demo import OLDER, read_example, requests
from local.watch import Stack, until

with warnings.catch_warnings():
    # About type hints of its own.
    warnings.filterwarnings("ignore", ".*Any type hint", UserWarning)
    from mlflow.utils.proto_json_utils import dump_input_data

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def api(released) -> Stack:
    return released


@pytest.fixture(scope="module")
def activities() -> list[dict]:
    # With their history, so that answers do not depend on what the feature store has learnt.
    return [item | {"history": {}} for item in requests(read_example(OLDER).head(5))]


def send(api, path: str, body=None, method: str | None = None, **headers: str):
    """Return status, raw body and headers of a request with the stack's key."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"x-api-key": api.env["SLIPCAST_API_KEY"], "Content-Type": "application/json"} | sent
    raw = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api.env["SLIPCAST_API_URL"] + path, raw, sent, method=method)  # noqa: S310
    try:
        with DIRECT.open(request, timeout=60) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_a_wrong_activity_fails_no_other(api, activities):
    status, answer, headers = api.ask("/predictions", {"activities": [activities[0], {"start": 1}, activities[1]]})

    assert status == 200
    assert [item is None for item in answer["predictions"]] == [False, True, False]
    assert {error["index"] for error in answer["errors"]} == {1}
    assert headers["Slipcast-Model-Version"] == answer["model"]["version"]
    assert headers["X-Request-Id"] == answer["request_id"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_request_with_a_key_is_answered_and_logged_once(api, activities):
    key, body = str(uuid.uuid4()), {"activities": activities}

    first = send(api, "/predictions", body, Idempotency_Key=key)
    again = send(api, "/predictions", body, Idempotency_Key=key)
    other = send(api, "/predictions", activities[0], Idempotency_Key=key)

    assert (first[0], again[0], other[0]) == (200, 200, 422)
    assert again[1] == first[1]
    assert again[2]["Idempotency-Replayed"] == "true"
    assert other[2]["Content-Type"] == "application/problem+json"
    request = json.loads(first[1])["request_id"]
    logged = until(lambda: api.prediction_log(request) or None, seconds=300, what="line of the log")
    assert len(logged) == len(activities)


def test_who_knows_the_model_is_told_so(api):
    status, _, headers = send(api, "/model")
    again, body, _ = send(api, "/model", If_None_Match=headers["ETag"])

    assert (status, again, body) == (200, 304, b"")


def test_tritons_client(api, activities):
    expected = api.predict(activities)
    names = ("activity_id", "activity_name", "project_id", "phase", "work_type", "location", "start", "baseline_finish")
    tensors = [_text(name, [item.get(name) or "" for item in activities]) for name in names]
    budget = np.array([[item.get("budget", np.nan)] for item in activities], dtype=np.float64)
    tensors.append(triton.InferInput("budget", budget.shape, "FP64").set_data_from_numpy(budget, binary_data=False))
    address = api.env["SLIPCAST_API_URL"].removeprefix("http://")
    key = {"x-api-key": api.env["SLIPCAST_API_KEY"]}

    with triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("slipcast", headers=key)
        assert not client.is_model_ready("slipcast")
        result = client.infer("slipcast", tensors, headers=key)

    assert result.get_response()["model_version"] == expected["model"]["version"]
    assert len(result.as_numpy("probability")) == len(activities)
    assert ((result.as_numpy("probability") >= 0) & (result.as_numpy("probability") <= 1)).all()


def _text(name: str, values: list[str]) -> triton.InferInput:
    array = np.array(values, dtype=object)
    return triton.InferInput(name, array.shape, "BYTES").set_data_from_numpy(array, binary_data=False)


def test_what_mlflow_writes(api, activities):
    frame = pd.DataFrame(activities).drop(columns="history")

    status, body, _ = send(api, "/invocations", dump_input_data(frame))
    by_csv = send(api, "/invocations", frame.to_csv(index=False), Content_Type="text/csv")

    assert (status, by_csv[0]) == (200, 200)
    found = [json.loads(raw)["predictions"] for raw in (body, by_csv[1])]
    assert [item["activity_id"] for item in found[0]] == [item["activity_id"] for item in activities]
    assert [item["probability"] for item in found[0]] == [item["probability"] for item in found[1]]
    assert send(api, "/ping")[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/invocations", "POST", 403), ("/v2/models/slipcast/infer", "POST", 403), ("/nothing", "GET", 403)],
)
def test_what_the_gateway_refuses_is_a_problem(api, path, method, status):
    found, body, headers = send(api, path, {} if method == "POST" else None, method=method, x_api_key="guessed")

    assert found == status
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["detail"]


def test_a_file_is_uploaded_predicted_by_a_job_and_fetched(api, activities):
    asked = {"content_type": "application/x-ndjson", "accept": "text/csv", "outputs": "forecasts"}
    status, job, headers = api.ask("/batch", asked)
    assert (status, headers["Location"]) == (201, f"/batch/{job['id']}")
    raw = "".join(f"{json.dumps(item)}\n" for item in [*activities, {"start": 1}])
    form = job["upload"]
    sent = requests_of_http.post(form["url"], data=form["fields"], files={"file": raw.encode()}, timeout=60)
    assert sent.status_code == 204, sent.text

    def ended():
        found = api.ask(f"/batch/{job['id']}")[1]
        return found if found["state"] in ("succeeded", "failed") else None

    found = until(ended, seconds=120, what="end of the batch job")
    assert (found["state"], found["rows"], found["refused"]) == ("succeeded", len(activities) + 1, 1), found
    table = pd.read_csv(io.StringIO(requests_of_http.get(found["result"]["url"], timeout=60).text))
    predicted = api.ask("/predictions", {"activities": activities})[1]["predictions"]
    assert table["probability"].tolist()[:-1] == pytest.approx([item["probability"] for item in predicted], abs=1e-12)
    assert send(api, f"/batch/{job['id']}", method="DELETE")[0] == 204
    assert send(api, f"/batch/{job['id']}")[0] == 404
