"""`slipcast port` judged by each vendor's own code, in an environment of its own (`make port-check`)."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.watch import Stack
from slipcast_cli.port import command
from support import portable_bundle
from support.families import search_only
from support.portable_bundle import served

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".cache/vendors"
JUDGES = Path(__file__).parent / "judges"
COST = {"seconds": 20.0, "growth": 1.0}
CANDIDATES = [
    {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "grid": {"max_depth": [2]}, "cost": COST}
]
FORECAST = {"params": {"n_estimators": 4}, "grid": {"min_samples_leaf": [80]}}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return portable_bundle.unpack(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def written(bundle, tmp_path):
    def write(stack):
        began = time.perf_counter()
        command.run(stack, command.of_file(bundle), tmp_path / stack)
        print(f"{stack}: written in {time.perf_counter() - began:.2f} s")
        return tmp_path / stack

    return write


@pytest.fixture(scope="module")
def host(bundle):
    with served(bundle) as url:
        yield url


def judge(environment, script, *arguments, **variables):
    """Run a vendor's judge and return what it printed."""
    python = ENVIRONMENTS / environment / "bin/python"
    if not python.exists():
        pytest.fail(f"there is no environment {environment}: make port-check sets it up")
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, JUDGES / f"{script}.py", *map(str, arguments)],
        env={name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
        # Without bytecode the clients compile for minutes.
        | {"PYTHONDONTWRITEBYTECODE": ""}
        | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Of the last line, which may hold what a test reads.
    said = done.stdout.strip().splitlines()[-1][:120]
    print(f"{environment}: {time.perf_counter() - began:.1f} s, {busy:.1f} s of the processor: {said}")
    return done.stdout


@pytest.fixture
def declared(tmp_path):
    for name, document in {"candidates": CANDIDATES, "forecast": FORECAST}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return tmp_path / "candidates.json", tmp_path / "forecast.json"


SCHEDULE = ROOT / "examples/nyc_sca_2022-12.csv"


@pytest.mark.parametrize(
    ("environment", "script"), [("sagemaker", "sagemaker_sdk"), ("sagemaker-inference", "sagemaker_toolkit")]
)
def test_sagemaker(written, environment, script):
    judge(environment, script, written("sagemaker"), SAGEMAKER_SUPPRESS_V2_WARNING="1")


@pytest.mark.parametrize(("environment", "script"), [("azureml", "azureml_sdk"), ("azureml-server", "azureml_server")])
def test_azure_ml(written, environment, script):
    judge(environment, script, written("azureml"))


def test_vertex_ai(written):
    judge("vertex", "vertex_sdk", written("vertex"))


def test_kfp_runs_the_pipeline_from_a_file_to_a_model_that_serves(written, declared):
    found = judge("kfp", "kfp_run", written("kserve"), SCHEDULE, *declared, SLIPCAST_PYTHON=sys.executable)

    result = json.loads(found.strip().splitlines()[-1])
    with served(Path(result["model"])) as url:
        assert portable_bundle.ask(f"{url}/v2/health/ready").status == 200


def test_kserve(written, host):
    folder = written("kserve")

    judge("kserve", "kserve_client", folder, host)
    judge("kserve", "kserve_manifests", folder)
    judge("checks", "operators", folder)


def test_mlflow_loads_evaluates_and_serves_the_bundle(bundle):
    judge("mlflow", "mlflow_model", bundle, MLFLOW_DISABLE_TELEMETRY="true")


def test_the_bill_of_materials_is_one(bundle):
    judge("checks", "sbom", bundle)


def test_prometheus_and_grafana(written, host):
    judge("checks", "metrics", written("kserve"), host)


def test_airflow_imports_the_dags_and_runs_the_steps(written, declared, tmp_path):
    conf = {
        **{"file": str(SCHEDULE), "tolerance_days": 30, "holdout_months": 18},
        **{"candidates": str(declared[0]), "forecast": str(declared[1])},
    }
    variables = {"SLIPCAST_PYTHON": sys.executable, "SLIPCAST_WORK": str(tmp_path / "work")}
    found = judge("airflow", "airflow_dags", written("airflow"), "slipcast_steps", json.dumps(conf), **variables)

    tasks = json.loads(found.strip().splitlines()[-1])["tasks"]
    assert [*sorted(tasks)] == ["evaluate", "prepare", "publish", "train"]
    assert tasks["train"].endswith("success")


def test_airflow_drives_a_stack_from_a_file_to_its_predictions(written, tmp_path):
    with LocalCloud(tmp_path / "cloud") as cloud:
        search_only(Stack(cloud), "prior", "random_forest")
        conf = json.dumps({"file": str(SCHEDULE)})
        found = judge("airflow", "airflow_dags", written("airflow"), "slipcast_stack", conf, **cloud.env)

    result = json.loads(found.strip().splitlines()[-1])
    assert {*result["tasks"]} == {"drop", "wait", "predictions"}
    predictions = result["returned"]["predictions"]
    assert predictions["outcome"] == "released"
    assert predictions["key"].startswith("predictions/")
    assert sum(predictions["bands"].values()) > 0
