"""`slipcast port` judged by each vendor's own code, in an environment of its own (`make port-check`).

What is judged is a release: by default one that a local cloud makes when Airflow drives it, else that in BUNDLE.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from local.cloud import LocalCloud
from local.watch import Stack
from slipcast.features.activity import AHEAD_OF_ALL
from slipcast_cli.port import bundle as bundles
from slipcast_cli.port import command, write
from support import portable_bundle
from support.families import search_only
from support.portable_bundle import served

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".cache/vendors"
JUDGES = Path(__file__).parent / "judges"
# The judged bundle and what each judge took, for whoever looks later.
KEPT = ROOT / ".cache/port-check"
SCHEDULE = ROOT / "examples/nyc_sca_2022-12.csv"
COST = {"seconds": 20.0, "growth": 1.0}
CANDIDATES = [
    {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "grid": {"max_depth": [2]}, "cost": COST}
]
FORECAST = {"params": {"n_estimators": 4}, "grid": {"min_samples_leaf": [80]}}


class Release(NamedTuple):
    """A release and what `slipcast port` wrote of it.

    Attributes
    ----------
    folders
        by platform
    bundle
        folder of the bundle
    driven
        what Airflow returned of the run that made the release; None of a release that was there before
    answers
        the API's probabilities of the bundle's golden activities; None likewise
    """

    folders: dict[str, Path]
    bundle: Path
    driven: dict | None
    answers: list[float] | None


@pytest.fixture(scope="session", autouse=True)
def times():
    """Rows of a table: who judged, seconds by the clock, seconds of the processor."""
    rows = []
    yield rows
    KEPT.mkdir(parents=True, exist_ok=True)
    lines = ["| judge | s | s of the processor |", "|---|--:|--:|"]
    lines += [f"| {name} | {wall:.1f} | {busy:.1f} |" for name, wall, busy in rows]
    (KEPT / "times.md").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def timed(times):
    """Call a function, keep what it took, and return what it returned."""

    def run(name, function, *arguments, **named):
        began, before = time.perf_counter(), _busy()
        found = function(*arguments, **named)
        times.append((name, time.perf_counter() - began, _busy() - before))
        return found

    return run


def _busy():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="session")
def judge(timed):
    """Run a vendor's judge and return what it printed."""

    def run(environment, script, *arguments, **variables):
        # Airflow's judge runs one DAG or the other.
        which = f" {arguments[1]}" if environment == "airflow" else ""
        return timed(f"{environment}: {script}{which}", _judged, environment, script, arguments, variables)

    return run


def _judged(environment, script, arguments, variables):
    python = ENVIRONMENTS / environment / "bin/python"
    if not python.exists():
        pytest.fail(f"there is no environment {environment}: make port-check sets it up")
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
    # Of the last line, which may hold what a test reads.
    print(f"{environment}: {done.stdout.strip().splitlines()[-1][:120]}")
    return done.stdout


@pytest.fixture(scope="session")
def release(tmp_path_factory, timed, judge):
    out = tmp_path_factory.mktemp("port")
    if named := os.environ.get("BUNDLE"):
        for stack in write.STACKS:
            arguments = [sys.executable, "-m", "slipcast_cli", "port", stack, "--out", out / stack, "--bundle", named]
            timed(f"slipcast port {stack}", subprocess.run, arguments, check=True)
        driven = answers = None
        found = command.of_file(Path(named))
    else:
        # The DAG that drives a stack is the same for each release.
        command.run(
            "airflow", command.of_file(portable_bundle.unpack(tmp_path_factory.mktemp("made"))), out / "driving"
        )
        with LocalCloud(tmp_path_factory.mktemp("cloud")) as cloud:
            stack = Stack(cloud)
            search_only(stack, "prior", "random_forest")
            printed = judge(
                "airflow",
                "airflow_dags",
                out / "driving",
                "slipcast_stack",
                json.dumps({"file": str(SCHEDULE)}),
                **cloud.env,
            )
            driven = json.loads(printed.strip().splitlines()[-1])
            for name in write.STACKS:
                timed(f"slipcast port {name}", stack.run, "port", name, "--out", str(out / name))
            record = stack.document(f"portable/{stack.live_version()}/portable.json")
            key = record["bundle_uri"].removeprefix(f"s3://{stack.bucket}/")
            found = bundles.of_zip(stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read())
            known = json.loads(found.files["golden.json"])["activities"]
            answers = [
                item["probability"] for item in stack.predict([one | AHEAD_OF_ALL for one in known])["predictions"]
            ]
    shutil.rmtree(KEPT / "bundle", ignore_errors=True)
    for name, raw in found.files.items():
        (KEPT / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (KEPT / "bundle" / name).write_bytes(raw)
    return Release({name: out / name for name in write.STACKS}, KEPT / "bundle", driven, answers)


@pytest.fixture
def written(release, tmp_path):
    # Judges leave files in their folders.
    return lambda stack: Path(shutil.copytree(release.folders[stack], tmp_path / stack))


@pytest.fixture
def bundle(release, tmp_path):
    return Path(shutil.copytree(release.bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def host(release):
    with served(release.bundle) as url:
        yield url


@pytest.fixture
def declared(tmp_path):
    for name, document in {"candidates": CANDIDATES, "forecast": FORECAST}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return tmp_path / "candidates.json", tmp_path / "forecast.json"


def test_airflow_drives_a_stack_from_a_file_to_its_predictions(release):
    if release.driven is None:
        pytest.skip("BUNDLE names a release: no stack is driven")

    assert {*release.driven["tasks"]} == {"drop", "wait", "predictions"}
    predictions = release.driven["returned"]["predictions"]
    assert predictions["outcome"] == "released"
    assert predictions["key"].startswith("predictions/")
    assert sum(predictions["bands"].values()) > 0


def test_the_host_gives_the_golden_answers_of_the_release_as_the_function_did(release, host):
    if release.answers is None:
        pytest.skip("BUNDLE names a release: no function is asked")
    known = json.loads((release.bundle / "golden.json").read_text())

    found = portable_bundle.ask(
        f"{host}/invocations", {"activities": [one | AHEAD_OF_ALL for one in known["activities"]]}
    )

    found = [item["probability"] for item in found.json()["predictions"]]
    assert len({*found}) > 10
    assert max(abs(a - b) for a, b in zip(found, release.answers, strict=True)) <= 1e-12


@pytest.mark.parametrize(
    ("environment", "script"), [("sagemaker", "sagemaker_sdk"), ("sagemaker-inference", "sagemaker_toolkit")]
)
def test_sagemaker(judge, written, environment, script):
    judge(environment, script, written("sagemaker"), SAGEMAKER_SUPPRESS_V2_WARNING="1")


@pytest.mark.parametrize(("environment", "script"), [("azureml", "azureml_sdk"), ("azureml-server", "azureml_server")])
def test_azure_ml(judge, written, environment, script):
    judge(environment, script, written("azureml"))


def test_vertex_ai(judge, written):
    judge("vertex", "vertex_sdk", written("vertex"))


def test_kfp_runs_the_pipeline_from_a_file_to_a_model_that_serves(judge, written, declared):
    found = judge("kfp", "kfp_run", written("kserve"), SCHEDULE, *declared, SLIPCAST_PYTHON=sys.executable)

    result = json.loads(found.strip().splitlines()[-1])
    with served(Path(result["model"])) as url:
        assert portable_bundle.ask(f"{url}/v2/health/ready").status == 200


def test_kserve(judge, written, host):
    folder = written("kserve")

    judge("kserve", "kserve_client", folder, host)
    judge("kserve", "kserve_server", folder)
    judge("kserve", "kserve_manifests", folder)
    judge("checks", "operators", folder)


def test_mlflow_loads_evaluates_and_serves_the_bundle(judge, bundle):
    judge("mlflow", "mlflow_model", bundle, MLFLOW_DISABLE_TELEMETRY="true")


def test_the_bill_of_materials_is_one(judge, bundle):
    judge("checks", "sbom", bundle)


def test_prometheus_and_grafana(judge, written, host):
    judge("checks", "metrics", written("kserve"), host)


def test_airflow_imports_the_dags_and_runs_the_steps(judge, written, declared, tmp_path):
    conf = {
        **{"file": str(SCHEDULE), "tolerance_days": 30, "holdout_months": 18},
        **{"candidates": str(declared[0]), "forecast": str(declared[1])},
    }
    variables = {"SLIPCAST_PYTHON": sys.executable, "SLIPCAST_WORK": str(tmp_path / "work")}
    found = judge("airflow", "airflow_dags", written("airflow"), "slipcast_steps", json.dumps(conf), **variables)

    tasks = json.loads(found.strip().splitlines()[-1])["tasks"]
    assert [*sorted(tasks)] == ["evaluate", "prepare", "publish", "train"]
    assert tasks["train"].endswith("success")
