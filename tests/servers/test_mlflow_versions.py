"""The track function logs to the MLflow of the lock and to the one that SageMaker AI offers, by address and by ARN.

The function runs with its own layers, as on Lambda. By ARN the client is AWS's plug-in, which signs what it sends; a
server in between keeps the headers.
"""

import contextlib
import http.client
import re
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient

from lambda_sandbox import mlflow_server
from lambda_sandbox.account import Account
from slipcast_aws import storage
from slipcast_aws.tracking import outbox
from support.tracking_records import EXPERIMENT, leave_execution

ROOT = Path(__file__).resolve().parents[2]
OFFERED = ROOT / ".cache" / "audit" / "mlflow"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-0123456789AB"
CREDENTIAL = r"AWS4-HMAC-SHA256 Credential=ASIA\w+/\d{8}/us-east-1/sagemaker/aws4_request, SignedHeaders=\S+, "
CREDENTIAL += r"Signature=[0-9a-f]{64}"


@pytest.fixture(scope="module", params=["lock", "offered"])
def python(request) -> Path:
    """The interpreter of an environment with a version of MLflow."""
    if request.param == "lock":
        return Path(sys.executable)
    if not (OFFERED / "made").exists():
        pytest.skip("MLflow as SageMaker offers it is not installed: make .cache/audit/mlflow/made")
    return OFFERED / "bin" / "python"


@contextlib.contextmanager
def between(address: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Hand requests on to a server and yield an address for that and the headers that came."""
    target, seen = urlsplit(address).netloc, []

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            onward = {"Content-Type": self.headers["Content-Type"]} if self.headers["Content-Type"] else {}
            connection = http.client.HTTPConnection(target, timeout=60)
            connection.request(self.command, self.path, body, onward)
            answer = connection.getresponse()
            raw = answer.read()
            connection.close()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def account(tmp_path) -> Iterator[Account]:
    """A stack whose bucket has the name that the records of the tests know."""
    storage.client.cache_clear()
    with Account(tmp_path / "account", names={"DataBucket": "data"}) as made:
        yield made
    storage.client.cache_clear()


@pytest.fixture(params=["by address", "by ARN"])
def tracked(request, python, account, tmp_path) -> Iterator[tuple[Callable[[], Any], MlflowClient, list]]:
    """The track function, a client of the server that it logs to, and the headers of what it sent there by ARN."""
    seen: list[dict[str, str]] = []
    # As the app of SageMaker: clients write artifacts to the bucket themselves.
    by_arn = request.param == "by ARN"
    artifacts = ["--no-serve-artifacts", "--default-artifact-root", "s3://data/mlflow"] if by_arn else []
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(mlflow_server.serving(python, tmp_path / "mlflow", *artifacts))
        account.more["TrackFunction"] = {"MLFLOW_TRACKING_URI": address, "MLFLOW_EXPERIMENT": EXPERIMENT}
        if by_arn:
            front, seen = stack.enter_context(between(address))
            account.more["TrackFunction"] |= {"MLFLOW_TRACKING_URI": ARN, "SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT": front}
        yield lambda: account.invoke("TrackFunction", {}), MlflowClient(address), seen


def put_release() -> None:
    """Leave a release in the outbox, as the release function does."""
    release = {"kind": "release", "execution": "new-data-1", "version": "4", "previous": "3", "model_id": "abc"}
    outbox.put("data", "new-data-1-2-release", release)


def test_a_run_is_logged_registered_and_made_the_champion_and_a_repeat_changes_nothing(tracked, account):
    track, client, seen = tracked
    leave_execution()
    put_release()

    assert track() == {"logged": ["new-data-1-1-run.json", "new-data-1-2-release.json"]}

    def runs() -> list[Any]:
        return client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])

    assert {run.info.run_name for run in runs()} == {"new-data-1", "decision_tree", "logistic"}
    assert {run.info.status for run in runs()} == {"FINISHED"}
    champion = client.get_model_version_by_alias("slipcast", "champion")
    assert champion.tags["lambda_version"] == "4"
    before = {run.info.run_id for run in runs()}

    leave_execution()
    put_release()
    track()

    assert {run.info.run_id for run in runs()} == before
    assert client.get_model_version_by_alias("slipcast", "champion").version == champion.version
    assert account.keys("tracking/") == []
    if seen:
        # What was sent was signed by the credentials of the role, for the server that the ARN names.
        assert all(re.fullmatch(CREDENTIAL, headers["authorization"]) for headers in seen)
        assert all(headers["x-amz-security-token"] and headers["x-amz-date"] for headers in seen)
        assert {value for headers in seen for value in headers.values() if value.startswith("arn:")} == {ARN}
        assert any(key.endswith("evaluation.json") for key in account.keys("mlflow/"))
    else:
        assert account.keys("mlflow/") == []
