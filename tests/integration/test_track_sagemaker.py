"""Track by an ARN of SageMaker: AWS's own plugin signs the requests, a real MLflow server takes them."""

import os
import sys

import mlflow
import pytest
import requests
from mlflow.tracking import MlflowClient

from local import processes
from slipcast_aws.tracking import mlflow_server, outbox
from support.tracking_records import EXPERIMENT, leave_execution, make_database

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("FAULTS") != "all", reason="starts an MLflow server: make faults"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
APP = "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-app/app-ABCDEFGHIJKL"
SERVER = "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-tracking-server/slipcast"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The URL of an MLflow server with its artifacts in a folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{make_database(folder / 'mlflow.db')}"),
        # As SageMaker's: the client itself writes to the bucket of the artifact store.
        *("--no-serve-artifacts", "--default-artifact-root", "s3://data/mlflow"),
    ]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    child = processes.start("mlflow", command, env=env, port=port, log=folder / "log", cwd=folder)

    def answers() -> bool:
        try:
            return requests.get(f"{url}/health", timeout=120).status_code == 200
        except requests.RequestException:
            return False

    try:
        processes.wait_until(answers, child, seconds=300)
        yield url
    finally:
        processes.stop(child)


@pytest.fixture
def sent(monkeypatch) -> list[requests.PreparedRequest]:
    """What goes over the wire, with the headers that it has there."""
    found, send = [], requests.Session.send

    def noted(self, request, **options):
        found.append(request)
        return send(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", noted)
    return found


def keys(s3, prefix: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])]


# The two kinds are signed for different services: the actions sagemaker:CallMlflowAppApi and sagemaker-mlflow:*.
@pytest.mark.parametrize(("arn", "service"), [(APP, "sagemaker"), (SERVER, "sagemaker-mlflow")])
def test_an_arn_is_logged_to_with_signed_requests(
    arn, service, server, sent, load_app, s3, lambda_context, monkeypatch, tmp_path
):
    experiment, before = f"{EXPERIMENT}-{arn.partition('mlflow-')[2][:3]}", mlflow.get_tracking_uri()
    monkeypatch.setenv("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT", server)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name, value in mlflow_server.HTTP.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    app = load_app("track", DATA_BUCKET="data", MLFLOW_TRACKING_URI=arn, MLFLOW_EXPERIMENT=experiment)
    execution = f"new-data-{experiment}"
    leave_execution(execution)
    release = {"kind": "release", "execution": execution, "version": "4", "model_id": "abc", "at": execution}
    outbox.put("data", f"{execution}-2-release", release)
    try:
        found = app.handler({}, lambda_context)
        # Again, there is nothing to do, and nobody is asked.
        asked = len(sent)
        assert app.handler({}, lambda_context) == {"logged": []}
        assert len(sent) == asked
    finally:
        mlflow.set_tracking_uri(before)

    assert found == {"logged": [f"{execution}-1-run.json", f"{execution}-2-release.json"]}
    api = [request for request in sent if request.url.startswith(f"{server}/api/2.0/mlflow/")]
    assert len(api) > 20
    for request in api:
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential="), request.url
        assert f"/eu-central-1/{service}/aws4_request" in request.headers["Authorization"]
        assert arn in request.headers.values()
    assert any(key.endswith("/report.html") for key in keys(s3, "mlflow/"))
    # Seen by a client that knows nothing of ARNs.
    client = MlflowClient(server)
    there = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert {run.info.run_name for run in there} == {execution, "decision_tree", "logistic"}
    assert {run.info.status for run in there} == {"FINISHED"}
    champion = client.get_model_version_by_alias("slipcast", "champion")
    assert champion.tags["execution"] == execution
    assert champion.tags["lambda_version"] == "4"
