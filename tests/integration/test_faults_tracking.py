"""Track, each call to AWS and to MLflow, each fault: what waits is logged once, and waits on until it is."""

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from faults import worlds
from faults.explore import SAMPLE, Scenario, spread
from faults.mlflow_calls import MlflowCalls
from faults.table import TRIED
from slipcast_aws import storage
from slipcast_aws.tracking import mlflow_runs, mlflow_server, outbox
from support.tracking_records import EXPERIMENT, leave_execution, make_database

# MLflow's own store uses what SQLAlchemy gives up, and its own modules are not typed as it asks of others.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]
AT = "2026-01-02T00:00:00+00:00"


def waiting() -> list[str]:
    return [uri.rsplit("/", 1)[-1] for uri, _ in outbox.pending("data")]


# --- Calls to AWS -----------------------------------------------------------------------------------------------------


@pytest.fixture
def scenario(load_app, lambda_context, monkeypatch) -> Scenario:
    """Three records; MLflow is a list of what it took, the same again changes nothing."""
    app = load_app("track", DATA_BUCKET="data", MLFLOW_TRACKING_URI="sqlite:///nowhere.db", MLFLOW_EXPERIMENT="x")
    taken: set[str] = set()
    monkeypatch.setattr(mlflow_runs, "connect", lambda uri, experiment: None)
    for name in ("log_execution", "log_release", "log_rollback"):
        monkeypatch.setattr(mlflow_runs, name, lambda record: taken.add(record["name"]))

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        taken.clear()
        for name, kind in (("a-1-run", "run"), ("a-2-release", "release"), ("b-1-run", "run")):
            outbox.put("data", name, {"kind": kind, "name": name})

        def run() -> None:
            app.handler({}, lambda_context)
            assert taken == {"a-1-run", "a-2-release", "b-1-run"}

        return run

    return Scenario("track", arrange, unchecked=("tracking/",))


@pytest.mark.fault(
    "tracking",
    "track: the outbox",
    "one of its calls to AWS",
    "each record reaches MLflow, and leaves the outbox only then",
)
def test_a_record_leaves_the_outbox_once_it_is_logged(assert_survives, scenario):
    assert_survives(scenario)


# --- Calls to MLflow --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return make_database(tmp_path_factory.mktemp("mlflow") / "mlflow.db")


@pytest.fixture
def track(load_app, s3, lambda_context, database, tmp_path, monkeypatch) -> Iterator[Callable[[], Any]]:
    uri, before = f"sqlite:///{database}", mlflow.get_tracking_uri()
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", **mlflow_server.HTTP}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    # What a record is about is left there by clients of the tests' own.
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiment = f"{EXPERIMENT}-{tmp_path.name}"
    client.create_experiment(experiment, artifact_location=(tmp_path / "artifacts").as_uri())
    app = load_app("track", DATA_BUCKET="data", MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT=experiment)
    yield lambda: app.handler({}, lambda_context)
    mlflow.set_tracking_uri(before)


def leave_run(name: str) -> None:
    """Leave an execution with one candidate to be logged."""
    found = leave_execution(name)
    uri = f"s3://data/reports/{name}/evaluation.json"
    storage.write_json(uri, found | {"candidates": found["candidates"][:1]})


def leave_end(kind: str, more: dict[str, Any]) -> Callable[[str], None]:
    """Return what leaves a record about an execution that MLflow knows."""

    def leave(name: str) -> None:
        client = MlflowClient()
        experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT"]).experiment_id
        run = client.create_run(experiment, tags={"execution": name})
        client.set_terminated(run.info.run_id)
        if not client.search_registered_models("name = 'slipcast'"):
            client.create_registered_model("slipcast")
        client.create_model_version("slipcast", "file:///model", run.info.run_id, tags={"execution": name})
        outbox.put("data", f"{name}-2-{kind}", {"kind": kind, "execution": name, "version": "4", "at": AT, **more})

    return leave


APPROVAL = {
    **{"outcome": "approved", "by": "Ann", "decided_at": AT, "comment": "", "via": "link"},
    "approval_uri": "s3://data/reports/x/approval.json",
}
LEAVE = {
    "run": leave_run,
    "release": leave_end("release", {"why": "better"}),
    "rollback": leave_end("rollback", {"outcome": "rolled_back", "why": "5 % errors"}),
    "approval": leave_end("approval", APPROVAL),
}


def known(name: str) -> dict[str, Any]:
    """Return what MLflow knows of an execution, without its name and ids."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT"]).experiment_id
    runs = client.search_runs([experiment], f"tags.execution = '{name}'")
    children = client.search_runs([experiment], f"tags.execution_of = '{name}'")
    versions = client.search_model_versions(f"name = 'slipcast' and tags.execution = '{name}'")
    aliases = client.get_registered_model("slipcast").aliases

    def told(tags: dict[str, str]) -> dict[str, str]:
        return {k: v.replace(name, "x") for k, v in tags.items() if not k.startswith("mlflow.")}

    return {
        "runs": [(run.info.status, told(run.data.tags), run.data.metrics, run.data.params) for run in runs],
        "children": [(run.info.status, run.data.metrics, run.data.params) for run in children],
        "files": [sorted(item.path for item in client.list_artifacts(run.info.run_id)) for run in runs],
        "versions": [told(version.tags) for version in versions],
        "of its runs": {v.run_id for v in versions} <= {run.info.run_id for run in [*runs, *children]},
        "aliases": sorted(alias for alias, number in aliases.items() if number in {v.version for v in versions}),
    }


HOW = "one of its calls to MLflow"
ONCE = "the record waits in the outbox; logged again, MLflow has it once and whole"


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("run", marks=pytest.mark.fault("tracking", "track: the runs of an execution", HOW, ONCE)),
        pytest.param("release", marks=pytest.mark.fault("tracking", "track: a release", HOW, ONCE)),
        pytest.param("rollback", marks=pytest.mark.fault("tracking", "track: a rollback", HOW, ONCE)),
        pytest.param("approval", marks=pytest.mark.fault("tracking", "track: an approval", HOW, ONCE)),
    ],
)
def test_what_mlflow_lost_is_logged_again_and_only_once(track, kind, monkeypatch, record_property):
    calls, leave = MlflowCalls(monkeypatch), LEAVE[kind]
    leave(f"{kind}-undisturbed")
    calls.watch()
    track()
    tried = spread(calls.faults(), None if os.environ.get("FAULTS") == "all" else SAMPLE // 2)
    calls.reset()
    expected, wrong = known(f"{kind}-undisturbed"), []
    for number, (index, call, fault) in enumerate(tried):
        name = f"{kind}-{number}"
        leave(name)
        calls.watch(index, fault)
        try:
            track()
            stays = False
        except Exception:
            stays = True
        calls.reset()
        assert bool(waiting()) == stays, f"{call}, {fault}"
        track()
        assert waiting() == []
        if (found := known(name)) != expected:
            wrong.append(
                (call, fault, {key: (found[key], expected[key]) for key in found if found[key] != expected[key]})
            )

    record_property(TRIED, dict(Counter(fault.value for _, _, fault in tried)))
    assert tried
    assert wrong == []


@pytest.mark.fault(
    "tracking",
    "MLflow, at its first call",
    "it takes connections and answers nothing",
    "the function gives up in time, every record waits in the outbox",
)
def test_an_mlflow_that_hangs_costs_its_time_limit_and_no_record(load_app, s3, lambda_context, monkeypatch):
    before = mlflow.get_tracking_uri()
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []
        threading.Thread(target=lambda: taken.append(server.accept()[0]), daemon=True).start()
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        app = load_app("track", DATA_BUCKET="data", MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT="x")
        outbox.put("data", "a-1-run", {"kind": "run", "evaluation_uri": "s3://data/reports/a/evaluation.json"})
        try:
            with pytest.raises(mlflow.exceptions.MlflowException, match="timed out"):
                app.handler({}, lambda_context)
        finally:
            mlflow.set_tracking_uri(before)
            for connection in taken:
                connection.close()

    assert waiting() == ["a-1-run.json"]
