"""MLflow: one parent run for each execution, one child run for each candidate, a registered model, its aliases.

Everything is read from the evaluation record in S3, so that logging can be repeated after an outage of the server.
"""

import io
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import cloudpickle
import joblib
import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from slipcast import probability_arrays
from slipcast.contracts import ForecastEvaluation
from slipcast.features import table
from slipcast.training import calibration
from slipcast_aws import scratch, storage
from slipcast_aws.settings import setting
from slipcast_aws.tracking import activity_model, mlflow_server

CHAMPION_SINCE = "slipcast.champion_since"
PACKAGES = ("scikit-learn", "pandas", "scipy", "cloudpickle")
# MLflow allows up to 8,000 characters in the value of a tag; some servers allow less.
MAX_TAG = 4000
# Seconds; MLflow itself waits for five minutes, half of this function's time for all records.
REGISTERED_WITHIN = 60


def model_name() -> str:
    """Return the name of the registered model: the name of the stack, because several stacks may log to one MLflow."""
    return setting("MLFLOW_MODEL_NAME")


def connect(tracking_uri: str, experiment: str) -> None:
    """Use the tracking server at `tracking_uri` and the experiment of that name, which is created if it is missing."""
    mlflow_server.limit_time()
    # These warnings are known: the tracking URI is not an ARN, a pickle (its digest is checked), no pip.
    for name in ("mlflow.tracking.request_header.registry", "mlflow.sklearn", "mlflow.utils.environment"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(experiment)


def log_execution(record: dict[str, Any]) -> None:
    """Log the execution of an evaluation record; an execution that is complete in MLflow stays unchanged."""
    found = storage.read_json(record["evaluation_uri"])
    client, execution = MlflowClient(), found["execution"]
    parents = _runs(client, f"tags.execution = '{execution}'")
    if any(run.info.status == "FINISHED" for run in parents):
        return
    # A run left incomplete by a crash is logged again.
    for left in _versions(client, execution):
        client.delete_model_version(model_name(), left.version)
    for run in [*parents, *_runs(client, f"tags.execution_of = '{execution}'")]:
        client.delete_run(run.info.run_id)
    with mlflow.start_run(run_name=execution, tags=_lineage(found) | _decision(found)) as parent:
        client.log_inputs(parent.info.run_id, [_dataset(found)])
        mlflow.log_params(
            {
                "challenger": found["challenger"],
                "protocol": found["protocol"],
                "cut": found["cut"],
                "training_rows": found["tables"]["train"]["rows"],
                "holdout_rows": found["tables"]["holdout"]["rows"],
                **_forecast_params(found.get("forecast")),
            }
        )
        mlflow.log_metrics(_parent_metrics(found) | _forecast_metrics(found.get("forecast")))
        for item in found["candidates"]:
            _log_candidate(client, found, item)
        _log_files(record["evaluation_uri"].rsplit("/", 1)[0])
        _log_forecast(found.get("forecast"))


def log_release(record: dict[str, Any]) -> None:
    """Give the alias ``champion`` to the registered model of a release and record its Lambda version and its trial.

    Raises
    ------
    LookupError
        If the execution is not complete in MLflow yet; the record then waits.
    """
    client = MlflowClient()
    version = _note_end(client, record, "released")
    # After an outage records are logged in the order of their names, and a manual rollback may be among them.
    if record.get("at", "") >= _champion_since(client):
        client.set_registered_model_alias(model_name(), "champion", version)
        client.set_registered_model_tag(model_name(), CHAMPION_SINCE, record.get("at", ""))


def log_rollback(record: dict[str, Any]) -> None:
    """Tag the registered model and the run of a release with its rollback and the reason.

    Raises
    ------
    LookupError
        If the execution is not complete in MLflow yet; the record then waits.
    """
    _note_end(MlflowClient(), record, record["outcome"])


def _note_end(client: MlflowClient, record: dict[str, Any], end: str) -> str:
    """Tag the registered model and the run of a release with its Lambda version, its end and its trial."""
    _, version = registered(client, record["execution"])
    client.set_model_version_tag(model_name(), version, "lambda_version", record["version"])
    _tag(client, version, record["execution"], {"slipcast.release": end, **_trial(record)})
    return version


def _champion_since(client: MlflowClient) -> str:
    text: str = client.get_registered_model(model_name()).tags.get(CHAMPION_SINCE, "")
    return text


def _trial(record: dict[str, Any]) -> dict[str, str]:
    tags = {"slipcast.release_reason": record.get("why", "")[:MAX_TAG], "slipcast.release_at": record.get("at", "")}
    return {name: value for name, value in tags.items() if value}


def registered(client: MlflowClient, execution: str) -> tuple[str, str]:
    """Return the id of an execution's run and the number of its registered model.

    Raises
    ------
    LookupError
        If one of them is incomplete in MLflow: remains of a crash will be replaced.
    """
    runs, versions = _runs(client, f"tags.execution = '{execution}'"), _versions(client, execution)
    finished = [run.info.run_id for run in runs if run.info.status == "FINISHED"]
    if not finished or not versions:
        raise LookupError(f"MLflow has no run and registered model of execution {execution} yet")
    return finished[0], versions[0].version


def _versions(client: MlflowClient, execution: str) -> list[ModelVersion]:
    return list(client.search_model_versions(f"name = '{model_name()}' and tags.execution = '{execution}'"))


def _tag(client: MlflowClient, version: str, execution: str, tags: dict[str, str]) -> None:
    for name, value in tags.items():
        client.set_model_version_tag(model_name(), version, name, value)
        for run in _runs(client, f"tags.execution = '{execution}'"):
            client.set_tag(run.info.run_id, name, value)


def _runs(client: MlflowClient, which: str) -> list[Run]:
    name = os.environ["MLFLOW_EXPERIMENT"]
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is None:
        raise LookupError(f"MLflow has no experiment {name}")
    return list(client.search_runs([experiment.experiment_id], which))


def _lineage(found: dict[str, Any]) -> dict[str, str]:
    # The file that led to this dataset version; the manifest names all of its files.
    sources = storage.read_json(found["dataset"]["manifest_uri"])["sources"]
    source = sources[-1]
    return {
        "execution": found["execution"],
        "reason": found["reason"],
        "dataset_id": found["dataset"]["dataset_id"],
        "dataset_sha256": found["dataset"]["sha256"],
        "dataset_manifest_uri": found["dataset"]["manifest_uri"],
        "dataset_sources": str(len(sources)),
        "source_uri": source["uri"],
        "source_version_id": source.get("version_id", ""),
        "source_sha256": source["sha256"],
        "model_id": found["model"]["model_id"],
        "code_version": found["reproducibility"]["code_version"],
    }


def _decision(found: dict[str, Any]) -> dict[str, str]:
    """Return the gate's decision as tags: its reasons, the broken limits, why a model was needed."""
    decision = found["decision"]
    broken = [limit["name"] for limit in decision["limits"] if limit["broken"]]
    return {
        "slipcast.decision": "release" if decision["release"] else "keep",
        "slipcast.reasons": "; ".join(decision["reasons"])[:MAX_TAG],
        "slipcast.rule": decision["rule"][:MAX_TAG],
        "slipcast.broken_limits": "; ".join(broken)[:MAX_TAG],
        "slipcast.needed": decision["needed"] or "",
    }


def _numbers(found: dict[str, Any]) -> dict[str, str]:
    """Return the numbers of the decision as tags; limits with measured and allowed value."""
    decision = found["decision"]
    tags = {f"slipcast.number.{name}": json.dumps(value) for name, value in decision["numbers"].items()}
    for limit in decision["limits"]:
        name = re.sub(r"[^A-Za-z0-9_. -]", " ", limit["name"])
        tags[f"slipcast.limit.{name}"] = json.dumps({key: limit[key] for key in ("value", "limit", "broken")})
    return tags


def _dataset(found: dict[str, Any]) -> DatasetInput:
    dataset = found["dataset"]
    return DatasetInput(
        Dataset(
            name="activities",
            digest=dataset["dataset_id"],
            source_type="s3",
            source=json.dumps({"uri": dataset["uri"], "manifest": dataset["manifest_uri"]}),
            profile=json.dumps({"num_rows": dataset["rows"], "data_date": dataset.get("data_date")}),
        )
    )


def _metrics(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a dict, intervals as two: ``_low`` and ``_high``."""
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, int | float):
            flat[f"{prefix}{name}"] = float(value)
        elif name.endswith("_ci") and value is not None:
            flat |= {f"{prefix}{name}_low": float(value[0]), f"{prefix}{name}_high": float(value[1])}
    return flat


def _parent_metrics(found: dict[str, Any]) -> dict[str, float]:
    line = {name: found["calibration"][name] for name in ("slope", "intercept")}
    gaps = {f"{gap['measure']}_gap_by_{gap['column']}": gap["gap"] for gap in found["fairness"]["gaps"]}
    worst = found["slices"]["worst"] or {}
    return {
        **_metrics(found["metrics"]),
        **_metrics(found["champion_metrics"] or {}, "champion_"),
        **_metrics(found["prior"], "prior_"),
        **_metrics(found["threshold"], "threshold_"),
        **_metrics(line, "recalibration_"),
        **_metrics(gaps),
        **_metrics({name: worst[name] for name in ("brier", "n") if name in worst}, "worst_slice_"),
    }


def _forecast_params(forecast: ForecastEvaluation | None) -> dict[str, Any]:
    """Return the parameters of the forecast; none for an evaluation of an older version, or without a forecast."""
    if not forecast or not forecast["stages"]:
        return {}
    params = (forecast["search"] or {}).get("params", {})
    return {
        "forecast.released": forecast["released"] or "none",
        "forecast.training_landmarks": forecast["landmarks"]["train"],
        "forecast.holdout_landmarks": forecast["landmarks"]["holdout"],
        **{f"forecast.{name}": value for name, value in params.items()},
    }


def _forecast_metrics(forecast: ForecastEvaluation | None) -> dict[str, float]:
    """Return the scores of the new forecast by stage, and of the live one over all: ``forecast_overdue_crps``."""
    found: dict[str, float] = {}
    for stage in forecast["stages"] if forecast else []:
        name = stage["stage"].replace(",", "").replace(" ", "_")
        for method in stage["methods"]:
            if method["method"] == "forecast":
                found |= _metrics(dict(method), f"forecast_{name}_")
            elif method["method"] == "live forecast" and stage["stage"] == "all open":
                found |= _metrics(dict(method), "live_forecast_")
    return found


def _log_forecast(forecast: ForecastEvaluation | None) -> None:
    """Log the new ``forecast.json``, whose object expires after half a year as the models of the search do."""
    search = forecast["search"] if forecast else None
    model = (search or {}).get("model")
    if model is None or not storage.exists(model["uri"]):
        return
    with scratch.folder() as folder:
        path = folder / "forecast.json"
        path.write_bytes(storage.read_bytes(model["uri"], sha256=model["sha256"]))
        mlflow.log_artifact(str(path))


def _log_candidate(client: MlflowClient, found: dict[str, Any], item: dict[str, Any]) -> None:
    tags = {"execution_of": found["execution"], "family": item["family"]}
    with mlflow.start_run(run_name=item["family"], nested=True, tags=tags) as run:
        client.log_inputs(run.info.run_id, [_dataset(found)])
        mlflow.log_params(item["best_params"] | {"family": item["family"]})
        search = {name: item[name] for name in ("cv_score", "cv_auc", "seconds", "fit_seconds")}
        mlflow.log_metrics(_metrics(item["metrics"]) | _metrics(search))
        mlflow.log_dict({"points": item["points"]}, "cv_results.json")
        challenger = item["family"] == found["challenger"]
        logged = _log_pipeline(found, item, challenger=challenger)
        if challenger:
            # What takes activities; a file without dates has none, and its model takes features.
            uri = activity_model.log(found["model"]) or logged or found["model"]["artefact_uri"]
            _register(client, found, uri)


def _log_pipeline(found: dict[str, Any], item: dict[str, Any], *, challenger: bool) -> str | None:
    """Log a candidate's pipeline, which takes features, and return its URI; None if its pickle has expired."""
    # Objects under runs/ expire after half a year: a record may have waited for longer, without MLflow.
    if not storage.exists(item["model"]["uri"]):
        mlflow.set_tag("slipcast.pickle", "expired")
        return None
    # A release was fitted again to all matured labels: that is what answers.
    stored, line = item["model"], found["calibration"]
    if challenger and "model" in found.get("refit", {}):
        stored, line = found["refit"]["model"], found["refit"]["calibration"]
    model = joblib.load(io.BytesIO(storage.read_bytes(stored["uri"], sha256=stored["sha256"])))
    signature = _signature(model)
    model = _for_tables(model)
    if challenger:
        model = _as_served(model, line)
    with _by_value(calibration, probability_arrays, table):
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            # Given here; otherwise MLflow starts a process that imports the model to find them.
            pip_requirements=[f"{name}=={version(name)}" for name in PACKAGES],
            serialization_format="cloudpickle",
            pyfunc_predict_fn="predict_proba",
            signature=signature,
            metadata={"sha256_joblib": stored["sha256"]},
        )
    uri: str = logged.model_uri
    return uri


def _signature(model: Any) -> ModelSignature | None:
    """Return the model's features and the shape of its answer; None for a model that knows no names of features."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return None
    # Of any type: pandas reads whole numbers as int64, and a column without any value as double, whatever it means.
    # MLflow would refuse both before the model, which takes them, is asked.
    kind = AnyType()  # type: ignore[no-untyped-call]
    features: list[ColSpec | TensorSpec] = [ColSpec(kind, name=str(name), required=False) for name in names]
    return ModelSignature(Schema(features), Schema([TensorSpec(np.dtype("float64"), (-1, 2))]))


def _for_tables(pipeline: Any) -> Any:
    """Return the pipeline that takes categories as other tools write them: what is missing is so for the model too."""
    return Pipeline([("categories", FunctionTransformer(table.with_categories)), *pipeline.steps])


def _as_served(pipeline: Any, line: dict[str, Any]) -> Any:
    """Return the pipeline that gives the same probabilities as the prediction function."""
    if not line["used"]:
        return pipeline
    return calibration.CalibratedPipeline(pipeline, line["slope"], line["intercept"], line["clip"])


@contextmanager
def _by_value(*modules: Any) -> Iterator[None]:
    """Let a pickle contain the code of these modules, so that a model from MLflow can be loaded without slipcast."""
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _register(client: MlflowClient, found: dict[str, Any], model_uri: str) -> None:
    tags = {**_lineage(found), **_decision(found), **_numbers(found), "artefact_sha256": found["model"]["sha256"]}
    made = mlflow.register_model(model_uri, model_name(), await_registration_for=REGISTERED_WITHIN, tags=tags)
    client.set_registered_model_alias(model_name(), "challenger", made.version)


def _log_files(prefix: str) -> None:
    with scratch.folder() as folder:
        for name in ("evaluation.json", "report.html"):
            # The metrics are logged even if the report could not be drawn.
            if name == "report.html" and not storage.exists(f"{prefix}/{name}"):
                continue
            path = folder / name
            path.write_bytes(storage.read_bytes(f"{prefix}/{name}"))
            mlflow.log_artifact(str(path))
