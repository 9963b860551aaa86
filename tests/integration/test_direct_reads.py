"""Reads of the feature store without the SDK: signed as the SDK signs, over a real connection, patient and no more."""

import base64
import json
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SdkCredentials
from hypothesis import given
from hypothesis import strategies as st

from slipcast.features.point_in_time_table import build_series
from slipcast.features.series_codec import encode
from slipcast_aws.serving import dynamodb_http, feature_store
from slipcast_aws.serving.dynamodb_http import ATTEMPTS, Credentials, DirectReadError, Reader, headers

ROLE = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
KEYS = {"features": {"Keys": [{"pk": {"S": "phase=ü"}}]}}


class Store:
    """DynamoDB over HTTP that gives the answers in `script`, one a request, the last one again and again."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.asked: list[tuple[dict[str, str], bytes]] = []
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                store.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
                answer = store.script.pop(0) if len(store.script) > 1 else store.script[0]
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, document, *more = answer
                raw = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.send_header("x-amz-crc32", str(more[0] if more else zlib.crc32(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def store(monkeypatch) -> Iterator[Store]:
    found = Store()
    pauses: list[float] = []
    monkeypatch.setattr(dynamodb_http.time, "sleep", pauses.append)
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def reader(store) -> Iterator[Reader]:
    found = Reader(store.url, "eu-central-1", Credentials(*ROLE.values()))
    yield found
    found._connection.close()


def fault(code: str, status: int = 400) -> tuple[int, dict[str, str]]:
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}


FOUND = (200, {"Responses": {"features": [{"pk": {"S": "phase=ü"}, "series": {"B": base64.b64encode(b"x").decode()}}]}})


@given(
    st.binary(max_size=50),
    st.sampled_from(["us-east-1", "eu-central-1"]),
    st.datetimes().map(lambda moment: moment.replace(year=2026).strftime("%Y%m%dT%H%M%SZ")),
    st.text("abcXYZ/+=019", min_size=1, max_size=40),
)
def test_the_signature_is_that_of_the_sdk(body, region, moment, secret):
    host = f"dynamodb.{region}.amazonaws.com"
    own = headers(host, region, Credentials("AKID", secret, "token"), body, moment)
    request = AWSRequest(
        "POST", f"https://{host}/", {name: own[name] for name in ("content-type", "x-amz-target")}, body
    )
    sdk = SigV4Auth(SdkCredentials("AKID", secret, "token"), "dynamodb", region)
    request.headers["X-Amz-Security-Token"], request.headers["X-Amz-Date"] = "token", moment
    request.context["timestamp"] = moment

    signature = sdk.signature(sdk.string_to_sign(request, sdk.canonical_request(request)), request)

    assert own["authorization"].endswith(f"Signature={signature}")
    assert sdk.scope(request) in own["authorization"]
    assert f"SignedHeaders={sdk.signed_headers(sdk.headers_to_sign(request))}," in own["authorization"]


def test_items_come_as_the_sdk_returns_them(store, reader):
    store.script = [FOUND]

    answer = reader.batch_get_item(RequestItems=KEYS)

    assert answer["Responses"]["features"] == [{"pk": {"S": "phase=ü"}, "series": {"B": b"x"}}]
    ((asked, body),) = store.asked
    assert json.loads(body) == {"RequestItems": KEYS}
    assert asked["x-amz-target"] == "DynamoDB_20120810.BatchGetItem"
    assert asked["x-amz-security-token"] == "token"


@pytest.mark.parametrize(
    "answer",
    [
        fault("ProvisionedThroughputExceededException"),
        fault("ThrottlingException"),
        fault("InternalServerError", 500),
        (503, "not JSON of DynamoDB"),
        (*FOUND, 12345),
        None,
    ],
    ids=["throughput", "throttled", "500", "503", "checksum", "connection lost"],
)
def test_what_passes_is_asked_again(store, reader, answer):
    store.script = [answer, answer, FOUND]

    assert reader.batch_get_item(RequestItems=KEYS)["Responses"]["features"][0]["series"]["B"] == b"x"
    assert len(store.asked) == 3

    store.script = [answer]
    with pytest.raises(DirectReadError, match=f"no answer in {ATTEMPTS} attempts"):
        reader.batch_get_item(RequestItems=KEYS)
    assert len(store.asked) == 3 + ATTEMPTS


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ExpiredTokenException"])
def test_what_does_not_pass_is_refused_at_once(store, reader, code):
    store.script = [fault(code)]

    with pytest.raises(DirectReadError, match=f"400 {code}"):
        reader.batch_get_item(RequestItems=KEYS)
    assert len(store.asked) == 1


def test_a_connection_that_was_closed_between_requests_costs_no_answer(store, reader):
    store.script = [FOUND]
    reader.batch_get_item(RequestItems=KEYS)
    reader._connection.sock.close()

    assert reader.batch_get_item(RequestItems=KEYS)["Responses"]


def test_only_a_role_in_the_environment_is_read_with():
    commercial = ROLE | {"AWS_REGION": "eu-central-1"}
    assert Reader.from_environment(commercial) is not None
    for name in ROLE:
        assert Reader.from_environment({**commercial, name: ""}) is None
    for name in ("AWS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT", "HTTPS_PROXY"):
        assert Reader.from_environment({**commercial, name: "yes"}) is None
    # Hosts of another partition have another ending.
    assert Reader.from_environment(commercial | {"AWS_REGION": "cn-north-1"}) is None
    assert Reader.from_environment(commercial | {"AWS_REGION": "us-gov-west-1"}) is None


def test_the_feature_store_reads_so_with_a_role_of_its_own(store, monkeypatch):
    for name, value in {**ROLE, "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_DYNAMODB": store.url}.items():
        monkeypatch.setenv(name, value)
    for name in dynamodb_http._CONNECTION:
        monkeypatch.delenv(name, raising=False)
    feature_store.direct.cache_clear()
    feature_store._cache.clear()
    rows = pd.DataFrame(
        {
            **{"activity_id": ["a"], "project_id": ["p"], "phase": ["Design"], "start": [pd.Timestamp("2024-01-01")]},
            **{"data_date": [pd.Timestamp("2025-01-01")], "baseline_finish": [pd.Timestamp("2024-02-01")]},
            "actual_finish": [pd.Timestamp("2024-05-01")],
        }
    )
    (series,) = build_series(rows, 30, ["project"]).values()
    item = {"pk": {"S": "project=p"}, "series": {"B": base64.b64encode(encode(series)).decode()}}
    store.script = [(200, {"Responses": {"features": [item]}})]
    try:
        assert feature_store.fetch("features", ["project=p"]) == {"project=p": series}

        feature_store._cache.clear()
        store.script = [fault("AccessDeniedException")]
        with pytest.raises(feature_store.FeatureStoreError, match="DynamoDB: 400 AccessDenied"):
            feature_store.fetch("features", ["project=p"])
    finally:
        feature_store.direct()._connection.close()
        feature_store.direct.cache_clear()
        feature_store._cache.clear()
