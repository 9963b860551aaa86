"""A decision on a release, as tags in MLflow itself, on SQLite."""

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from slipcast_aws.tracking import approvals, mlflow_runs

EXECUTION = "new-data-1"
RECORD = {
    **{"kind": "approval", "execution": EXECUTION, "outcome": "rejected", "by": "Ann", "via": "link"},
    **{"decided_at": "2026-01-05T08:58:18.000000Z", "comment": "", "source_ip": "192.0.2.4"},
    "approval_uri": f"s3://data/reports/{EXECUTION}/approval.json",
}
# MLflow's own store uses what SQLAlchemy gives up, and its own modules are not typed as it asks of others.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An MLflow that has run and registered model of another execution."""
    before, uri = mlflow.get_tracking_uri(), f"sqlite:///{tmp_path / 'mlflow.db'}"
    for name, value in {
        "MLFLOW_EXPERIMENT": "slipcast",
        "MLFLOW_MODEL_NAME": "slipcast",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }.items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    client.create_experiment("slipcast", artifact_location=(tmp_path / "artifacts").as_uri())
    client.create_registered_model(mlflow_runs.model_name())
    log(client, "another")
    yield client
    mlflow.set_tracking_uri(before)


def log(client: MlflowClient, execution: str) -> tuple[str, str]:
    """Leave run and model version of an execution; return their ids."""
    experiment = client.get_experiment_by_name("slipcast").experiment_id
    run = client.create_run(experiment, tags={"execution": execution}).info.run_id
    client.set_terminated(run)
    version = client.create_model_version(
        mlflow_runs.model_name(), "file:///model", tags={"execution": execution}
    ).version
    return run, version


def approval_tags(tags: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name.startswith("approval")}


def test_a_decision_is_a_tag_of_run_and_model_version(store):
    run, version = log(store, EXECUTION)

    approvals.log_approval(RECORD)
    approvals.log_approval(RECORD)

    for tags in (store.get_run(run).data.tags, store.get_model_version(mlflow_runs.model_name(), version).tags):
        assert approval_tags(tags) == {
            **{"approval": "rejected", "approval_by": "Ann", "approval_via": "link"},
            **{"approval_at": RECORD["decided_at"], "approval_uri": RECORD["approval_uri"]},
        }
    assert approval_tags(store.get_model_version(mlflow_runs.model_name(), "1").tags) == {}


def test_a_decision_before_its_run_waits(store):
    with pytest.raises(LookupError, match="no run and registered model of execution new-data-1 yet"):
        approvals.log_approval(RECORD)


def test_the_outbox_hands_decisions_to_mlflow(load_app, s3, lambda_context, monkeypatch):
    from slipcast_aws.tracking import outbox

    app = load_app("track", DATA_BUCKET="data", MLFLOW_TRACKING_URI="sqlite:///x.db", MLFLOW_EXPERIMENT="slipcast")
    logged = []
    monkeypatch.setattr(mlflow_runs, "connect", lambda *_: None)
    monkeypatch.setattr(approvals, "log_approval", logged.append)
    outbox.put("data", f"{EXECUTION}-3-approval", RECORD)

    assert app.handler({}, lambda_context) == {"logged": [f"{EXECUTION}-3-approval.json"]}

    assert logged == [RECORD]
    assert list(outbox.pending("data")) == []


@pytest.mark.parametrize("uri", ["none", "", None])
def test_a_lineage_without_an_mlflow_asks_nobody(uri, monkeypatch):
    from slipcast_cli import lineage

    monkeypatch.setattr("mlflow.MlflowClient", lambda *_: pytest.fail("there is no MLflow"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri) if uri is not None else monkeypatch.delenv(
        "MLFLOW_TRACKING_URI", raising=False
    )

    assert lineage._mlflow_run("new-data-1") is None
