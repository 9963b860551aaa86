"""Track: what waits in the outbox is logged to MLflow once, and waits on where that fails."""

import io
import json
import math
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import joblib
import mlflow
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from moto.s3.models import s3_backends
from scipy.special import expit, logit
from sklearn.pipeline import Pipeline

from slipcast.edge import portable
from slipcast.features.row import MISSING
from slipcast_aws import storage
from slipcast_aws.tracking import mlflow_runs, mlflow_server, outbox
from support import portable_bundle
from support.forecast_models import forecast_json
from support.serving_cases import fitted
from support.tracking_records import EXPERIMENT, NAMES, forecast, leave_execution, make_database, released

ROOT = Path(__file__).resolve().parents[2]
# MLflow's own store uses what SQLAlchemy gives up, and its own modules are not typed as it asks of others.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
    # MLflow asks whether the columns of an input example are numbers.
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated:pandas.errors.Pandas4Warning"),
]


@pytest.fixture
def track(load_app, s3, lambda_context):
    app = load_app(
        "track", DATA_BUCKET="data", MLFLOW_TRACKING_URI="sqlite:///nowhere.db", MLFLOW_EXPERIMENT=EXPERIMENT
    )
    return lambda: app.handler({}, lambda_context)


@pytest.fixture
def server(monkeypatch):
    """MLflow as a list of what it was given; names in ``broken`` cannot be logged."""
    state = {"connected": [], "logged": [], "broken": set()}

    def connect(uri, experiment):
        state["connected"].append((uri, experiment))

    def log(record):
        if record["name"] in state["broken"]:
            raise ConnectionError(f"no {record['name']}")
        state["logged"].append(record["name"])

    monkeypatch.setattr(mlflow_runs, "connect", connect)
    monkeypatch.setattr(mlflow_runs, "log_execution", log)
    monkeypatch.setattr(mlflow_runs, "log_release", log)
    return state


def waiting() -> list[str]:
    return [uri.rsplit("/", 1)[-1] for uri, _ in outbox.pending("data")]


def put(*names: str) -> None:
    for name in names:
        outbox.put("data", name, {"kind": "release" if name.endswith("release") else "run", "name": name})


def written(name: str, at: str) -> None:
    """Let a record be as old as `at` says."""
    (bucket,) = [backend["aws"].buckets["data"] for backend in s3_backends.values() if "data" in backend["aws"].buckets]
    bucket.keys[f"{outbox.PREFIX}{name}.json"].last_modified = datetime.fromisoformat(at)


def test_an_outage_of_mlflow_is_nothing_to_an_empty_outbox(track, server, monkeypatch):
    monkeypatch.setattr(mlflow_runs, "connect", lambda *_: pytest.fail("nothing waits"))

    assert track() == {"logged": []}


@pytest.mark.parametrize(("uri", "records"), [("http://127.0.0.1:9", []), ("none", []), ("none", ["a-1-run"])])
def test_mlflow_is_not_even_imported_for_nothing(track, s3, monkeypatch, tmp_path, uri, records):
    """In a process of its own, as a function starts, with an MLflow that is down: it answers, and knows no mlflow."""
    put(*records)
    listed = [{"Key": f"{outbox.PREFIX}{name}.json", "LastModified": "2026-01-01T00:00:00+00:00"} for name in records]
    code = (
        "import json, sys\n"
        "from datetime import datetime\n"
        "from track import app\n"
        "from slipcast_aws import storage\n"
        "class Client:\n"
        "    def get_paginator(self, name): return self\n"
        f"    def paginate(self, **_): return [{{'Contents': {listed!r}}}]\n"
        "storage.client = Client\n"
        "context = type('Context', (), {'function_name': 'f', 'memory_limit_in_mb': 1, 'aws_request_id': '1',\n"
        "    'invoked_function_arn': 'f', 'get_remaining_time_in_millis': lambda self: 30000})()\n"
        "found = app.handler({}, context)\n"
        "print(json.dumps([found['logged'], found.get('waiting', 0), 'mlflow' in sys.modules]))"
    )
    paths = [ROOT / "functions", ROOT / "src"]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    assert json.loads(done.stdout.splitlines()[-1]) == [[], len(records), False]


def test_without_an_mlflow_records_wait_until_one_is_named(track, server, monkeypatch, caplog):
    put("b-1-run", "a-1-run")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")

    found = track()

    assert (found["logged"], found["waiting"]) == ([], 2)
    assert "there is no MLflow (MLFLOW_TRACKING_URI=none): records stay in s3://data/tracking/pending/" in found["why"]
    assert "not tracked" in caplog.text
    assert server["connected"] == []
    assert sorted(waiting()) == ["a-1-run.json", "b-1-run.json"]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///nowhere.db")
    assert sorted(track()["logged"]) == ["a-1-run.json", "b-1-run.json"]


def test_what_waits_is_logged_oldest_first_and_taken_out(track, server):
    put("b-1-run", "a-2-release", "a-1-run", "20260103-by-hand-release")
    # A name has a digest in it, or a time: only S3 knows which was first.
    for name, at in (("b-1-run", "2026-01-01"), ("20260103-by-hand-release", "2026-01-03")):
        written(name, f"{at}T00:00:00+00:00")
    for name in ("a-1-run", "a-2-release"):
        written(name, "2026-01-02T00:00:00+00:00")

    order = ["b-1-run", "a-1-run", "a-2-release", "20260103-by-hand-release"]
    assert track() == {"logged": [f"{name}.json" for name in order]}

    assert server["connected"] == [("sqlite:///nowhere.db", EXPERIMENT)]
    assert server["logged"] == order
    assert waiting() == []


def test_a_backlog_is_logged_as_far_as_the_time_reaches_and_goes_on_there(track, server, lambda_context):
    put("a-1-run", "b-1-run", "c-1-run")
    left = iter([30_000, 21_000, 19_999])
    lambda_context.get_remaining_time_in_millis = lambda: next(left, 30_000)

    assert track() == {"logged": ["a-1-run.json", "b-1-run.json"], "waiting": 1, "why": "the time was over"}
    assert track() == {"logged": ["c-1-run.json"]}


@pytest.mark.fault("tracking", "a record of the outbox", "MLflow does not take it", "it waits, the others are logged")
def test_what_cannot_be_logged_stays_and_holds_back_nothing(track, server):
    put("a-1-run", "b-1-run", "c-1-run", "c-2-release")
    server["broken"] = {"a-1-run", "c-1-run"}

    with pytest.raises(ExceptionGroup, match="some records stay in the outbox") as caught:
        track()

    assert [str(error) for error in caught.value.exceptions] == ["no a-1-run", "no c-1-run"]
    assert server["logged"] == ["b-1-run", "c-2-release"]
    assert waiting() == ["a-1-run.json", "c-1-run.json"]

    server["broken"] = set()
    assert track() == {"logged": ["a-1-run.json", "c-1-run.json"]}
    assert waiting() == []


def test_a_record_of_an_unknown_kind_stays(track, server):
    outbox.put("data", "a", {"kind": "wish"})
    put("b-1-run")

    with pytest.raises(ExceptionGroup) as caught:
        track()

    assert caught.group_contains(KeyError, match="wish")
    assert waiting() == ["a.json"]


def test_a_server_that_does_not_answer_leaves_everything(track, server, monkeypatch):
    def refuse(*_):
        raise ConnectionError("down")

    monkeypatch.setattr(mlflow_runs, "connect", refuse)
    put("a-1-run", "a-2-release")

    with pytest.raises(ConnectionError, match="down"):
        track()

    assert waiting() == ["a-1-run.json", "a-2-release.json"]


# --- Against MLflow itself, on SQLite ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    return make_database(tmp_path_factory.mktemp("mlflow") / "empty.db")


@pytest.fixture
def mlflow_store(empty_store, tmp_path, monkeypatch):
    """An empty MLflow on SQLite; its artifacts are files beside it."""
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_store.read_bytes())
    uri = f"sqlite:///{database}"
    before = mlflow.get_tracking_uri()
    for name, value in {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true", **mlflow_server.HTTP}.items():
        monkeypatch.setenv(name, value)
    client = MlflowClient(uri)
    client.create_experiment(EXPERIMENT, artifact_location=(tmp_path / "artifacts").as_uri())
    yield client
    mlflow.set_tracking_uri(before)


@pytest.fixture
def track_for_real(track, mlflow_store, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return track


LINEAGE = {
    **{"execution": "new-data-1", "reason": "new_data", "dataset_id": "d1", "dataset_sha256": "5" * 64},
    **{"dataset_manifest_uri": "s3://data/datasets/d1/manifest.json", "dataset_sources": "2"},
    **{"source_uri": "s3://data/incoming/plan.csv", "source_version_id": "v1", "source_sha256": "7" * 64},
    **{"model_id": "abc", "code_version": "0.1.0+abc"},
}
DECISION = {
    **{"slipcast.decision": "release", "slipcast.reasons": "better than the champion", "slipcast.rule": "a rule"},
    **{"slipcast.broken_limits": "", "slipcast.needed": ""},
}


def runs(client: MlflowClient) -> list:
    return client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])


def test_an_execution_is_a_parent_run_with_a_child_for_each_candidate(track_for_real, mlflow_store):
    evaluation = leave_execution(forecast=forecast())

    assert track_for_real() == {"logged": ["new-data-1-1-run.json"]}

    by_name = {run.info.run_name: run for run in runs(mlflow_store)}
    assert set(by_name) == {"new-data-1", "decision_tree", "logistic"}
    parent = by_name["new-data-1"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {
        **{"challenger": "decision_tree", "protocol": "time", "cut": "2021-07-01"},
        **{"training_rows": "600", "holdout_rows": "200"},
        **{"forecast.training_landmarks": "5804", "forecast.holdout_landmarks": "2309"},
        **{"forecast.released": "forecast", "forecast.min_samples_leaf": "10"},
    }
    logged = parent.data.metrics
    # The challenger's are those of the recalibrated probabilities, not of its candidate run.
    assert (logged["brier"], logged["brier_ci_low"]) == (0.17, pytest.approx(0.12))
    assert (logged["champion_brier"], logged["prior_brier"]) == (0.21, 0.22)
    assert {*NAMES} <= logged.keys()
    assert "calibration_slope" not in logged
    assert (logged["threshold_cost_per_activity"], logged["threshold_cost_ci_high"]) == (0.4, 0.5)
    assert (logged["recalibration_slope"], logged["worst_slice_brier"]) == (0.5, 0.25)
    assert logged["selection_rate_gap_by_location"] == 0.12
    assert (logged["forecast_open_not_yet_late_crps"], logged["live_forecast_cover_80"]) == (42.5, 0.79)
    assert "live_forecast_auc_within" not in logged
    tags = {name: value for name, value in parent.data.tags.items() if not name.startswith("mlflow.")}
    assert tags == LINEAGE | DECISION
    (used,) = parent.inputs.dataset_inputs
    assert used.dataset.digest == "d1"
    artifacts = {item.path for item in mlflow_store.list_artifacts(parent.info.run_id)}
    assert artifacts == {"evaluation.json", "report.html", "forecast.json"}
    for item in evaluation["candidates"]:
        child = by_name[item["family"]]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.params == {"max_depth": "4", "family": item["family"]}
        assert child.data.metrics["cv_score"] == item["cv_score"]
        assert child.data.metrics["brier"] == item["metrics"]["brier"]
        assert child.info.status == "FINISHED"


def test_the_challenger_is_registered_and_its_release_makes_it_the_champion(track_for_real, mlflow_store):
    evaluation = leave_execution()
    track_for_real()

    version = mlflow_store.get_model_version_by_alias("slipcast", "challenger")
    assert version.tags["execution"] == "new-data-1"
    assert version.tags["artefact_sha256"] == evaluation["model"]["sha256"]
    (child,) = [run for run in runs(mlflow_store) if run.data.tags.get("family") == "decision_tree"]
    assert version.run_id == child.info.run_id
    assert "champion" not in mlflow_store.get_registered_model("slipcast").aliases

    record = {"kind": "release", "execution": "new-data-1", "version": "4", "previous": "3", "model_id": "abc"}
    outbox.put("data", "new-data-1-2-release", record)
    assert track_for_real() == {"logged": ["new-data-1-2-release.json"]}

    champion = mlflow_store.get_model_version_by_alias("slipcast", "champion")
    assert champion.version == version.version
    assert champion.tags["lambda_version"] == "4"


def test_a_rollback_is_noted_with_its_reason_on_model_and_run(track_for_real, mlflow_store):
    leave_execution()
    track_for_real()
    record = {"kind": "rollback", "execution": "new-data-1", "version": "4", "previous": "3"}
    outbox.put("data", "new-data-1-2-rollback", record | {"outcome": "rolled_back", "why": "5 % errors", "at": "2026"})

    assert track_for_real() == {"logged": ["new-data-1-2-rollback.json"]}

    client = MlflowClient()
    (version,) = client.search_model_versions("name = 'slipcast'")
    run = next(run for run in runs(client) if run.data.tags.get("execution") == "new-data-1")
    for tags in (version.tags, run.data.tags):
        assert tags["slipcast.release"] == "rolled_back"
        assert tags["slipcast.release_reason"] == "5 % errors"
    assert version.tags["lambda_version"] == "4"
    assert client.get_registered_model("slipcast").aliases == {"challenger": version.version}


def test_the_last_to_become_live_is_the_champion_in_whatever_order_it_is_told(track_for_real, mlflow_store):
    leave_execution("new-data-1")
    leave_execution("new-data-2")
    track_for_real()
    release = {"kind": "release", "model_id": "abc"}
    by_hand = {"execution": "new-data-1", "version": "4", "at": "2026-01-03T00:00:00+00:00"}
    second = {"execution": "new-data-2", "version": "5", "at": "2026-01-02T00:00:00+00:00"}
    outbox.put("data", "20260103-by-hand", release | by_hand)
    outbox.put("data", "new-data-2-2-release", release | second)
    track_for_real()

    champion = MlflowClient().get_model_version_by_alias("slipcast", "champion")
    assert champion.tags["execution"] == "new-data-1"


def test_the_version_carries_every_number_of_the_decision(track_for_real, mlflow_store):
    leave_execution()
    track_for_real()

    tags = mlflow_store.get_model_version_by_alias("slipcast", "challenger").tags
    assert DECISION.items() <= tags.items()
    assert LINEAGE.items() <= tags.items()
    assert json.loads(tags["slipcast.number.brier_gain_ci"]) == [0.01, 0.07]
    assert json.loads(tags["slipcast.number.brier_gain"]) == 0.04
    limit = tags["slipcast.limit.leakage  AUC  above"]
    assert json.loads(limit) == {"value": 0.7, "limit": 0.95, "broken": False}


def test_what_was_kept_out_says_by_which_limit(track_for_real, mlflow_store):
    limits = [{"name": name, "value": 1.0, "limit": 0.5, "broken": name != "c"} for name in "abc"]
    decision = {"release": False, "rule": "r", "reasons": ["x", "y"], "numbers": {}, "needed": "drift alarm"}
    leave_execution(decision=decision | {"limits": limits}, champion_metrics=None, slices={"worst": None})
    track_for_real()

    tags = mlflow_store.get_model_version_by_alias("slipcast", "challenger").tags
    assert tags["slipcast.decision"] == "keep"
    assert tags["slipcast.reasons"] == "x; y"
    assert tags["slipcast.broken_limits"] == "a; b"
    assert tags["slipcast.needed"] == "drift alarm"


# Seconds of a bare interpreter that loads MLflow and scikit-learn.
@pytest.mark.slow
def test_the_registered_model_gives_the_served_probabilities_without_slipcast(track_for_real, mlflow_store, tmp_path):
    evaluation = leave_execution()
    track_for_real()
    version = mlflow_store.get_model_version_by_alias("slipcast", "challenger")
    stored = joblib.load(io.BytesIO(storage.read_bytes(evaluation["candidates"][0]["model"]["uri"])))
    raw = stored.predict_proba([[0], [1]])[:, 1]
    expected = expit(0.5 * logit(raw) - 0.2)

    folder = mlflow.artifacts.download_artifacts(version.source, dst_path=str(tmp_path / "fetched"))
    code = (
        # An installed package is hidden: importing it fails as where there is none.
        "import sys, json\n"
        "sys.modules['slipcast'] = None\n"
        "import mlflow.pyfunc, numpy\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "print(json.dumps(model.predict(numpy.array([[0], [1]]))[:, 1].tolist()))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )

    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx(expected.tolist())


def test_the_registered_model_of_a_dated_schedule_takes_activities(track_for_real, mlflow_store, tmp_path):
    leave_execution(model=released(portable_bundle.artifact(), portable_bundle.golden(), forecast_json()))
    track_for_real()
    version = mlflow_store.get_model_version_by_alias("slipcast", "challenger")
    (child,) = [run for run in runs(mlflow_store) if run.data.tags.get("family") == "decision_tree"]
    assert version.run_id == child.info.run_id

    folder = Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(tmp_path / "fetched")))
    golden = json.loads(next(folder.rglob(portable.GOLDEN)).read_text())
    (folder / "rows.json").write_text(json.dumps([portable.input_example(item) for item in golden["activities"]]))
    code = (
        "import sys, json\n"
        "import mlflow.pyfunc, pandas\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "found = model.predict(pandas.DataFrame(json.load(open(sys.argv[1] + '/rows.json'))))\n"
        "import slipcast\n"
        "example = model.predict(model.input_example)\n"
        "names = model.metadata.signature.outputs.input_names()\n"
        "print(json.dumps([found['probability'].tolist(), [*found] == names, slipcast.__file__, len(example)]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )

    probabilities, same_names, source, examples = json.loads(done.stdout.splitlines()[-1])
    assert probabilities == pytest.approx(golden["scores"], abs=1e-12)
    assert same_names
    assert examples == 1
    # The code is the model's own, not that of an installed Slipcast.
    assert Path(source).is_relative_to(folder)


def test_a_model_takes_tables_as_pandas_reads_them(tmp_path):
    pipeline, frame, _ = fitted("logistic_regression")
    served = save(pipeline, tmp_path)

    assert served.metadata.signature.inputs.input_names() == list(frame.columns)
    assert served.metadata.signature.outputs is not None
    expected = pipeline.predict_proba(frame)
    assert served.predict(frame).tolist() == expected.tolist()
    # What is unknown may be left out; whole numbers are read as such.
    whole = frame.fillna({"predecessor_count": 2}).astype({"predecessor_count": "int64"})
    assert served.predict(whole).tolist() == pipeline.predict_proba(whole).tolist()


@pytest.mark.parametrize("missing", [math.nan, None, pd.NA, ""], ids=repr)
def test_a_missing_category_is_missing_for_the_model_in_the_registry_too(tmp_path, missing):
    """scikit-learn#12018, mlflow#25593: a category that is NaN ends in an error or in another answer."""
    pipeline, frame, _ = fitted("logistic_regression")
    served = save(pipeline, tmp_path)
    expected = pipeline.predict_proba(frame.assign(location=MISSING)).tolist()

    assert served.predict(frame.assign(location=missing)).tolist() == expected
    some = frame.assign(location=[missing, *frame["location"][1:]])
    assert served.predict(some).tolist() == [expected[0], *pipeline.predict_proba(frame)[1:].tolist()]


def save(pipeline, folder):
    """Save a fitted pipeline as tracking does, and load it as a user of the registry does."""
    options = {"signature": mlflow_runs._signature(pipeline), "pyfunc_predict_fn": "predict_proba"}
    served = mlflow_runs._for_tables(pipeline)
    mlflow.sklearn.save_model(
        served, folder / "model", serialization_format="cloudpickle", pip_requirements=[], **options
    )
    return mlflow.pyfunc.load_model(str(folder / "model"))


def test_without_recalibration_the_pipeline_itself_is_registered(track_for_real, mlflow_store):
    line = {"used": False, "slope": 1.0, "intercept": 0.0, "clip": 1e-6}
    leave_execution(calibration=line)
    track_for_real()

    assert isinstance(mlflow.sklearn.load_model("models:/slipcast@challenger"), Pipeline)


def test_a_report_that_could_not_be_drawn_holds_back_nothing(track_for_real, mlflow_store):
    leave_execution(report=False)

    assert track_for_real() == {"logged": ["new-data-1-1-run.json"]}

    (parent,) = [run for run in runs(mlflow_store) if run.info.run_name == "new-data-1"]
    assert [item.path for item in mlflow_store.list_artifacts(parent.info.run_id)] == ["evaluation.json"]


def test_the_same_execution_twice_is_one_parent_run(track_for_real, mlflow_store):
    leave_execution()
    track_for_real()
    before = {run.info.run_id for run in runs(mlflow_store)}
    leave_execution()

    assert track_for_real() == {"logged": ["new-data-1-1-run.json"]}

    assert {run.info.run_id for run in runs(mlflow_store)} == before
    assert len(mlflow_store.search_model_versions("name = 'slipcast'")) == 1


def test_what_a_crash_left_half_written_is_logged_anew(track_for_real, mlflow_store, monkeypatch):
    leave_execution()
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_runs, "_log_files", lambda _: 1 / 0)
        with pytest.raises(ExceptionGroup):
            track_for_real()
    assert waiting() == ["new-data-1-1-run.json"]
    (failed,) = [run for run in runs(mlflow_store) if run.info.run_name == "new-data-1"]
    assert failed.info.status == "FAILED"

    track_for_real()

    found = runs(mlflow_store)
    assert sorted(run.info.run_name for run in found) == ["decision_tree", "logistic", "new-data-1"]
    assert {run.info.status for run in found} == {"FINISHED"}
    assert failed.info.run_id not in {run.info.run_id for run in found}


def test_a_record_whose_pickles_have_expired_is_logged_with_the_artifact_that_is_kept(track_for_real, mlflow_store):
    """Half a year without an MLflow: the lifecycle of the bucket has emptied runs/, models/ is kept."""
    artifact = "s3://data/models/abc/model.json"
    evaluation = leave_execution(model={"model_id": "abc", "sha256": "9" * 64, "artefact_uri": artifact})
    for item in evaluation["candidates"]:
        storage.delete(item["model"]["uri"])
    record = {"kind": "release", "execution": "new-data-1", "version": "4", "previous": "3", "model_id": "abc"}
    outbox.put("data", "new-data-1-2-release", record)

    assert track_for_real() == {"logged": ["new-data-1-1-run.json", "new-data-1-2-release.json"]}

    champion = mlflow_store.get_model_version_by_alias("slipcast", "champion")
    assert champion.source == artifact
    assert champion.tags["artefact_sha256"] == "9" * 64
    children = [run for run in runs(mlflow_store) if "family" in run.data.tags]
    assert {run.data.tags["slipcast.pickle"] for run in children} == {"expired"}
    assert all(run.data.metrics["cv_score"] for run in children)


def test_a_release_before_its_run_waits(track_for_real, mlflow_store):
    record = {"kind": "release", "execution": "new-data-1", "version": "4", "previous": "3", "model_id": "abc"}
    outbox.put("data", "new-data-1-2-release", record)

    with pytest.raises(ExceptionGroup) as caught:
        track_for_real()

    assert caught.group_contains(LookupError, match="no run and registered model of execution new-data-1 yet")
    assert waiting() == ["new-data-1-2-release.json"]


def test_a_candidate_with_another_digest_is_not_opened(track_for_real, mlflow_store):
    evaluation = leave_execution()
    storage.write_bytes(evaluation["candidates"][0]["model"]["uri"], b"other bytes")

    with pytest.raises(ExceptionGroup) as caught:
        track_for_real()

    assert caught.group_contains(storage.DigestMismatchError)
    assert waiting() == ["new-data-1-1-run.json"]
