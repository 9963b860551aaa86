"""Each function of template.yaml starts with its layers alone, as on Lambda: no other package is to be found."""

import hashlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from layers.build import assemble, shell
from local.emulator.patches import IN_RUNTIME
from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 250 * 2**20
# Each costs the first prediction after a cold start more than the whole function takes.
KNOWN = ("baseline_duration_days", "total_float_days", "predecessor_count")
NOT_IN_PREDICT = {
    "app",
    "aws_lambda_powertools",
    "boto3",
    "botocore.session",
    "joblib",
    "mlflow",
    "numpy",
    "pandas",
    "pydantic",
    "scipy",
    "sklearn",
    "slipcast_aws",
}

TEMPLATE = template()
RESOURCES = TEMPLATE["Resources"]
GLOBALS = TEMPLATE["Globals"]["Function"]
FUNCTIONS = {
    name: resource["Properties"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}
LAYERS = {
    name: Path(resource["Properties"]["ContentUri"]).name
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::LayerVersion"
}


def shipped(function: str, folder: Path) -> Path:
    """The code of a function as it is deployed, made in a folder."""
    assemble.copy_function(ROOT / FUNCTIONS[function]["CodeUri"], folder)
    return folder


def layers_of(function: str) -> list[str]:
    """Logical ids of the layers of a function, in the template's order."""
    return [reference["Ref"] for reference in FUNCTIONS[function].get("Layers", [])]


def import_with_deferred(ours: list[str], handler: str) -> None:
    """Import a handler's module, then whatever our own modules import later, inside their functions."""
    import ast
    import importlib
    import json
    import sys
    from pathlib import Path

    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    at_start = sorted(sys.modules)
    seen = set()
    while new := sorted(set(sys.modules) - seen):
        seen.add(new[0])
        source = getattr(sys.modules[new[0]], "__file__", None) or ""
        if not source.endswith(".py") or not any(source.startswith(f"{folder}/") for folder in ours):
            continue
        tree = ast.parse(Path(source).read_text(encoding="utf-8"))
        # What only a type checker imports is in no layer.
        blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
        typing_only = {
            id(below)
            for block in blocks
            if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
            for statement in block.body
            for below in ast.walk(statement)
        }
        for node in ast.walk(tree):
            if id(node) in typing_only:
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                importlib.import_module(node.module)
    print(json.dumps(at_start))


def train_and_save(folder: str) -> None:
    """Fit, dump, load and hand to MLflow a pipeline of each kind that is trained."""
    import io
    import warnings

    import joblib
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.tracking.request_auth.registry import fetch_auth
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeClassifier

    random = np.random.default_rng(1)
    table = pd.DataFrame({"days": random.normal(size=300), "phase": random.choice(list("abc"), 300)})
    table.loc[::9, "days"] = np.nan
    late = (table["days"].fillna(0) + random.normal(size=300) > 0).astype(int)
    families = [LogisticRegression(), DecisionTreeClassifier(max_depth=3)]
    families += [RandomForestClassifier(10), HistGradientBoostingClassifier(max_iter=10)]
    for number, family in enumerate(families):
        encode = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
        prepare = ColumnTransformer(
            [("numeric", SimpleImputer(add_indicator=True), ["days"]), ("categorical", encode, ["phase"])]
        )
        pipeline = Pipeline([("prepare", prepare), ("model", family)]).fit(table, late)
        written = io.BytesIO()
        joblib.dump(pipeline, written)
        written.seek(0)
        expected = pipeline.predict_proba(table)
        assert np.array_equal(joblib.load(written).predict_proba(table), expected)
        path = f"{folder}/{number}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.sklearn.save_model(
                pipeline, path, pip_requirements=["scikit-learn"], serialization_format="cloudpickle"
            )
        assert np.array_equal(mlflow.sklearn.load_model(path).predict_proba(table), expected)
    # The plug-in for MLflow on SageMaker is found by its entry points.
    mlflow.set_tracking_uri("arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1")
    assert type(mlflow.MlflowClient()._tracking_client.store).__module__.startswith("sagemaker_mlflow")
    assert fetch_auth("arn")


def decode_and_log() -> None:
    """Decode and encode with msgspec, log, count, and take apart a batch with Powertools."""
    import json

    import msgspec
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, idempotent_function

    kind = msgspec.defstruct("Activity", [("days", float)])
    assert msgspec.json.encode(msgspec.json.decode(b'{"days": 3}', type=kind)) == b'{"days":3.0}'
    assert "days" in json.dumps(msgspec.json.schema(kind))
    Logger(service="s").info("logged")
    metrics = Metrics(namespace="n", service="s")
    metrics.add_metric("Counted", "Count", 1)
    metrics.flush_metrics()
    record = {"messageId": "1", "body": "{}", "eventSource": "aws:sqs", "attributes": {"MessageGroupId": "g"}}
    processor = SqsFifoPartialProcessor()
    with processor([record], lambda record: record.body, None):
        processor.process()
    assert processor.response() == {"batchItemFailures": []}
    assert DynamoDBPersistenceLayer("answers")
    assert idempotent_function


def draw(record: str) -> None:
    """Draw the page of an evaluation record and say its digest."""
    import hashlib
    import json
    import sys
    from pathlib import Path

    from slipcast.reports.training import render

    page = render(json.loads(Path(record).read_text(encoding="utf-8")))
    # Twenty megabytes and half a second that nothing here is drawn with.
    assert "matplotlib.pyplot" not in sys.modules
    print(hashlib.sha256(page.encode()).hexdigest())


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """The python folder of each layer, by logical id."""
    return {name: assemble.built(folder, _architecture(name)) / "python" for name, folder in LAYERS.items()}


def _architecture(layer: str) -> str:
    return RESOURCES[layer]["Metadata"]["BuildArchitecture"]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of the Lambda runtime and no others."""
    folder = tmp_path_factory.mktemp("runtime")
    packages = Path(importlib.util.find_spec("boto3").origin).parents[1]
    for name in IN_RUNTIME:
        (folder / name).symlink_to(packages / name)
    return folder


def _alone(probe: Any, arguments: list[Any], path: list[Path], environment: dict[str, str]) -> str:
    """Run ``probe`` in an interpreter that sees the standard library and ``path``; its output."""
    script = (
        f"import sys\nsys.path += {[str(folder) for folder in path]!r}\n"
        f"{inspect.getsource(probe)}\n{probe.__name__}(*{arguments!r})\n"
    )
    base = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}
    base |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys._base_executable, "-I", "-S", "-B", "-c", script],
        env=base | environment,
        cwd=path[0],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout if done.returncode == 0 else f"FAILED\n{done.stderr[-3000:]}"


def _environment(function: str) -> dict[str, str]:
    variables = GLOBALS["Environment"]["Variables"] | FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    known = {name: str(value["Default"]) for name, value in TEMPLATE["Parameters"].items()}
    # A reference to a parameter has its default, everything else some name.
    return {
        name: known.get(value.get("Ref"), "dummy") if isinstance(value, dict) else str(value)
        for name, value in variables.items()
    }


@pytest.fixture(scope="module")
def imported(built: dict[str, Path], runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A function that returns the names of the modules that a handler's import loads as JSON, or what went wrong."""
    places = tmp_path_factory.mktemp("functions")

    @cache
    def run(function: str) -> str:
        code = shipped(function, places / function)
        path = [code, *(built[layer] for layer in layers_of(function)), runtime]
        ours = [str(code)] + [
            str(built[layer]) for layer in layers_of(function) if LAYERS[layer] in ("slipcast", "aws")
        ]
        handler = FUNCTIONS[function]["Handler"]
        return _alone(import_with_deferred, [ours, handler], path, _environment(function))

    return run


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_imports_with_its_layers_alone(function: str, imported: Callable[[str], str]) -> None:
    assert not imported(function).startswith("FAILED"), imported(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_and_layers_fit_into_lambda(function: str, built: dict[str, Path]) -> None:
    folders = [ROOT / FUNCTIONS[function]["CodeUri"], *(built[layer] for layer in layers_of(function))]
    assert sum(shell.size(folder) for folder in folders) < LIMIT
    assert len(layers_of(function)) <= 5 - (function == "PredictFunction"), "a release adds the model's layer"


def test_predict_starts_without_heavy_packages(imported: Callable[[str], str]) -> None:
    assert not imported("PredictFunction").startswith("FAILED"), imported("PredictFunction")
    assert NOT_IN_PREDICT & set(json.loads(imported("PredictFunction"))) == set()


def test_predict_and_its_layers_are_small(built: dict[str, Path], tmp_path: Path) -> None:
    assemble.copy_function(ROOT / FUNCTIONS["PredictFunction"]["CodeUri"], tmp_path)
    folders = [tmp_path, *(built[layer] for layer in layers_of("PredictFunction"))]

    assert sum(shell.size(folder) for folder in folders) <= 8_000_000


def read_and_write_tables() -> None:
    """Read an Arrow stream and a Parquet file with the reader of the function for large batches."""
    import io

    from arro3 import io as arrow
    from arro3.core import Array, DataType, Table

    from predict.api import columnar
    from predict.transport import body
    from slipcast.model import native

    texts = {"activity_id": ["A"], "start": ["2025-03-03"], "baseline_finish": ["2025-04-03"]}
    table = Table.from_pydict({name: Array(values, DataType.utf8()) for name, values in texts.items()})
    for kind, write in ((body.ARROW, arrow.write_ipc_stream), (body.PARQUET, arrow.write_parquet)):
        buffer = io.BytesIO()
        write(table, buffer)
        assert columnar.read(buffer.getvalue(), kind).columns["baseline_duration_days"] == [32.0]
    print(native.library() is not None)


def test_predict_batch_reads_tables_and_trees_are_compiled(
    built: dict[str, Path], runtime: Path, tmp_path: Path
) -> None:
    layers = [built[layer] for layer in layers_of("PredictBatchFunction")]
    path = [shipped("PredictBatchFunction", tmp_path / "code"), *layers, runtime]
    outcome = _alone(read_and_write_tables, [], path, _environment("PredictBatchFunction"))

    assert outcome.strip() == "True", outcome


def test_a_release_may_add_scikit_learn_and_the_largest_model_to_predict(built: dict[str, Path]) -> None:
    from slipcast.model import sklearn_estimators

    layers = [*layers_of("PredictFunction"), "TrainingLayer"]
    folders = [ROOT / FUNCTIONS["PredictFunction"]["CodeUri"], *(built[layer] for layer in layers)]

    assert len(layers) + 1 <= 5
    assert sum(shell.size(folder) for folder in folders) + sklearn_estimators.MAX_BYTES < LIMIT


def answer(event: str) -> None:
    """Answer an event as the prediction function does."""
    import json

    from predict import app

    answered = app.handler(json.loads(event), None)
    assert answered["statusCode"] == 200, answered
    # The last line is this one, the others are the log.
    print(json.dumps([item["probability"] for item in json.loads(answered["body"])["predictions"]]))


@pytest.mark.parametrize("name", [pytest.param("k_nearest_neighbours", marks=pytest.mark.slow), "rbf_svc"])
def test_a_version_with_scikit_learns_layer_answers_as_scikit_learn(
    name: str, built: dict[str, Path], runtime: Path, tmp_path: Path
) -> None:
    from slipcast.features.row import CATEGORICAL
    from slipcast.model import artifact
    from slipcast.model.export.pipeline import export
    from slipcast.training.candidates import load_candidates
    from slipcast.training.pipeline import build_pipeline
    from tests.support.serving_cases import feature_frame, late

    frame = feature_frame(200, seed=1)
    candidate = next(item for item in load_candidates() if item.name == name)
    model = build_pipeline(candidate, 1, **candidate.points()[0]).fit(frame, late(frame, 1))
    metadata = {"model_id": "m", "dataset_id": "d", "tolerance_days": 30}
    raw = export(model, family=name, threshold=0.4, metadata=metadata)
    (tmp_path / "model.json").write_bytes(raw)
    asked = feature_frame(40, seed=2, missing=0.0)
    asked = asked.assign(baseline_duration_days=asked["baseline_duration_days"].abs() + 1)
    asked = asked.assign(predecessor_count=asked["predecessor_count"].abs(), log_budget=float("nan"))
    asked.loc[:3, "phase"] = "never seen"
    history = [column for column in asked if column not in (*CATEGORICAL, "log_budget", *KNOWN)]
    activities = [
        {
            "activity_id": f"A{number}",
            "start": "2022-03-01",
            "data_date": "2022-02-28",
            "history": {column: row[column] for column in history},
        }
        | {column: row[column] for column in (*CATEGORICAL, *KNOWN)}
        for number, row in enumerate(asked.to_dict("records"))
    ]
    event = {
        **{"httpMethod": "POST", "path": "/predictions", "headers": {}, "body": json.dumps({"activities": activities})},
        "requestContext": {"requestId": "r", "stage": "v1"},
    }
    layers = [*layers_of("PredictFunction"), "TrainingLayer"]
    path = [shipped("PredictFunction", tmp_path / "code"), *(built[layer] for layer in layers), runtime]
    pinned = {"MODEL_PATH": str(tmp_path / "model.json"), "MODEL_SHA256": artifact.digest(raw)}
    outcome = _alone(answer, [json.dumps(event)], path, _environment("PredictFunction") | pinned)

    assert not outcome.startswith("FAILED"), outcome
    expected = model.predict_proba(asked)[:, 1]
    assert json.loads(outcome.splitlines()[-1]) == pytest.approx(expected, abs=1e-9)


def test_a_missing_layer_is_noticed(built: dict[str, Path], runtime: Path, tmp_path: Path) -> None:
    code = shipped("PlanFunction", tmp_path / "code")
    path = [code, *(built[layer] for layer in layers_of("PlanFunction") if layer != "PreparationLayer"), runtime]
    outcome = _alone(import_with_deferred, [[str(code)], "plan.app.handler"], path, _environment("PlanFunction"))
    assert outcome.startswith("FAILED")
    assert "ModuleNotFoundError" in outcome


@pytest.mark.slow
def test_training_layer_trains_and_logs(built: dict[str, Path], runtime: Path, tmp_path: Path) -> None:
    path = [built["PowertoolsLayer"], built["TrainingLayer"], runtime]
    outcome = _alone(train_and_save, [str(tmp_path)], path, {"HOME": str(tmp_path)})
    assert not outcome.startswith("FAILED"), outcome


def test_reporting_layer_draws_the_same_page_as_here(built: dict[str, Path], tmp_path: Path) -> None:
    from slipcast.reports.training import render
    from support.report_records import record

    (tmp_path / "evaluation.json").write_text(json.dumps(record()), encoding="utf-8")
    path = [built["SlipcastLayer"], built["ReportingLayer"]]
    outcome = _alone(draw, [str(tmp_path / "evaluation.json")], path, {"MPLCONFIGDIR": str(tmp_path)})
    assert outcome.strip() == hashlib.sha256(render(record()).encode()).hexdigest()
    assert shell.size(built["ReportingLayer"]) < 92 * 2**20


def test_powertools_layer_decodes_and_logs(built: dict[str, Path], runtime: Path) -> None:
    environment = {"POWERTOOLS_SERVICE_NAME": "slipcast"}
    # Where the answers to repeated requests are stored, Powertools asks for the runtime's boto3.
    outcome = _alone(decode_and_log, [], [built["PowertoolsLayer"], runtime], environment)
    assert not outcome.startswith("FAILED"), outcome
    assert shell.size(built["PowertoolsLayer"]) < 9 * 2**20


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_is_built_by_its_makefile(layer: str) -> None:
    resource = RESOURCES[layer]
    folder = ROOT / resource["Properties"]["ContentUri"]
    assert resource["Metadata"]["BuildMethod"] == "makefile"
    assert _architecture(layer) in GLOBALS["Architectures"]
    assert f"\nbuild-{layer}:" in (folder / "Makefile").read_text(encoding="utf-8")
    # sam's cache looks at nothing outside this folder.
    assert (folder / "build").resolve() == ROOT / "layers" / "build"
    if (folder / "requirements.txt").exists():
        assert (folder / "uv.lock").resolve() == ROOT / "uv.lock"
