"""What the track function asks a tracking server for, over HTTP, is what its role may do with one of SageMaker's."""

import os
import re
import sys

import mlflow
import pytest
import requests
from mlflow.protos.databricks_pb2 import rpc
from mlflow.protos.model_registry_pb2 import ModelRegistryService
from mlflow.protos.service_pb2 import MlflowService
from mlflow.tracking import MlflowClient
from moto.core.models import responses_mock

from local import processes
from permissions.template import Stack, pairs
from slipcast_aws.tracking import aliases, outbox
from support.tracking_records import EXPERIMENT, leave_execution, make_database

SERVER = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/research"
# SageMaker's actions are called as the methods of MLflow's protocol are, but for this one:
# https://docs.aws.amazon.com/sagemaker/latest/dg/mlflow-create-tracking-server-iam.html knows no CreateLoggedModel.
OTHERWISE = {"CreateLoggedModel": "LogModel"}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get("FAULTS") != "all", reason="starts an MLflow server: make faults"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def methods() -> dict[tuple[str, str], str]:
    """Return SageMaker's action by HTTP method and pattern of the path, from MLflow's own protocol."""
    found = {}
    for service in (MlflowService, ModelRegistryService):
        for method in service.DESCRIPTOR.methods:
            for endpoint in method.GetOptions().Extensions[rpc].endpoints:
                path = re.sub(r"\{[^}]+\}", "[^/]+", endpoint.path)
                name = method.name[0].upper() + method.name[1:]
                found[endpoint.method, f"/api/[23].0{path}"] = OTHERWISE.get(name, name)
    return found


@pytest.fixture
def tracking_server(tmp_path):
    """MLflow's own server; its artifacts go to files past it, as those of SageMaker go to S3."""
    database, port = make_database(tmp_path / "mlflow.db"), processes.free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{database}", "--no-serve-artifacts"),
        *("--default-artifact-root", (tmp_path / "artifacts").as_uri()),
    ]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    child = processes.start("mlflow", command, env=env, port=port, log=tmp_path / "mlflow.log", cwd=tmp_path)
    uri = f"http://127.0.0.1:{port}"
    responses_mock.add_passthru(uri)
    try:
        processes.wait_until(lambda: processes.listening(port), child, seconds=300)
        yield uri
    finally:
        processes.stop(child)


@pytest.fixture
def asked(monkeypatch):
    """The actions of the requests that leave the client."""
    known, found = methods(), set()
    send = requests.Session.request

    def record(self, method, url, **named):
        path = re.sub(r"^http://[^/]+", "", url)
        actions = [name for (verb, pattern), name in known.items() if verb == method and re.fullmatch(pattern, path)]
        assert actions, f"no idea what {method} {path} is"
        found.update(actions)
        return send(self, method, url, **named)

    monkeypatch.setattr(requests.Session, "request", record)
    return found


def test_the_role_may_do_with_a_tracking_server_what_the_function_does(
    s3, load_app, lambda_context, tracking_server, asked, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    app = load_app(
        "track",
        DATA_BUCKET="data",
        MLFLOW_TRACKING_URI=tracking_server,
        MLFLOW_EXPERIMENT=EXPERIMENT,
    )
    leave_execution("new-data-1")
    app.handler({}, lambda_context)
    # What a crash left half-written is logged again: the run is taken back and its version.
    client = MlflowClient(tracking_server)
    (parent,) = client.search_runs(["1"], "tags.execution = 'new-data-1'")
    client.set_terminated(parent.info.run_id, "FAILED")
    leave_execution("new-data-1")
    app.handler({}, lambda_context)
    release = {"kind": "release", "execution": "new-data-1", "version": "2", "outcome": "released", "at": "2026-01-01"}
    outbox.put("data", "new-data-1-2-release", release)
    outbox.put("data", "new-data-1-3-rollback", {**release, "kind": "rollback", "outcome": "rolled back"})
    app.handler({}, lambda_context)
    # What a message of the registry's webhook leads to.
    version = client.search_model_versions("name = 'slipcast'")[0].version
    aliases.released(version)
    aliases.give_back("new-data-1", version, "no known answers")

    allowed = {
        action.partition(":")[2]
        for action, resource, _ in pairs(Stack(MlflowTrackingUri=SERVER).statements("TrackFunction"))
        if action.startswith("sagemaker-mlflow:") and resource == SERVER
    }
    assert asked == allowed
    mlflow.set_tracking_uri("")
