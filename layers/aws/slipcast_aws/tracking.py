"""MLflow: one parent run for each execution, one child run for each candidate, a registered model, its aliases.

Everything is read from the evaluation record in S3, so that logging can happen when the tracking server is back.
"""

import io
import json
import logging
import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import mlflow
from mlflow.entities import Dataset, DatasetInput, Run
from mlflow.tracking import MlflowClient

from slipcast_aws import storage

MODEL_NAME = "slipcast"
# A server that hangs must cost this execution seconds, not its time limit: the record stays in the outbox.
HTTP = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def connect(tracking_uri: str, experiment: str) -> None:
    """Use the tracking server at `tracking_uri` and the experiment of that name, made if need be."""
    for name, value in HTTP.items():
        os.environ.setdefault(name, value)
    # What they warn of is known here: a tracking URI that is no ARN, a pickle (its digest is checked), no pip.
    for name in ("mlflow.tracking.request_header.registry", "mlflow.sklearn", "mlflow.utils.environment"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(experiment)


def log_execution(record: dict[str, Any]) -> None:
    """Log the execution of an evaluation record; one that is already complete in MLflow is left as it is."""
    evaluation = storage.read_json(record["evaluation_uri"])
    client, execution = MlflowClient(), evaluation["execution"]
    parents = _runs(client, f"tags.execution = '{execution}'")
    if any(run.info.status == "FINISHED" for run in parents):
        return
    # What a crash left half-written is logged anew.
    for run in [*parents, *_runs(client, f"tags.execution_of = '{execution}'")]:
        client.delete_run(run.info.run_id)
    with mlflow.start_run(run_name=execution, tags=_lineage(evaluation)) as parent:
        client.log_inputs(parent.info.run_id, [_dataset(evaluation)])
        mlflow.log_params(
            {
                "challenger": evaluation["challenger"],
                "cut": evaluation["cut"],
                "training_rows": evaluation["tables"]["train"]["rows"],
                "holdout_rows": evaluation["tables"]["holdout"]["rows"],
            }
        )
        challenger = next(item for item in evaluation["candidates"] if item["family"] == evaluation["challenger"])
        mlflow.log_metrics(_metrics(challenger["metrics"]))
        mlflow.log_metrics(_metrics(evaluation["champion_metrics"] or {}, "champion_"))
        mlflow.log_metrics(_metrics(evaluation["prior"], "prior_"))
        for item in evaluation["candidates"]:
            _log_candidate(client, evaluation, item, registered=item is challenger)
        _log_files(record["evaluation_uri"].rsplit("/", 1)[0])


def log_release(record: dict[str, Any]) -> None:
    """Give the alias ``champion`` to the registered model of a release and note its Lambda version.

    Raises
    ------
    LookupError
        If the execution's model is not registered yet; the record then waits.
    """
    client = MlflowClient()
    found = client.search_model_versions(f"name = '{MODEL_NAME}' and tags.execution = '{record['execution']}'")
    if not found:
        raise LookupError(f"MLflow has no registered model of execution {record['execution']} yet")
    client.set_model_version_tag(MODEL_NAME, found[0].version, "lambda_version", record["version"])
    client.set_registered_model_alias(MODEL_NAME, "champion", found[0].version)


def _runs(client: MlflowClient, which: str) -> list[Run]:
    experiment = mlflow.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT"])
    return list(client.search_runs([experiment.experiment_id], which))


def _lineage(evaluation: dict[str, Any]) -> dict[str, str]:
    # The file that made this version; the manifest names all that it consists of.
    sources = storage.read_json(evaluation["dataset"]["manifest_uri"])["sources"]
    source = sources[-1]
    return {
        "execution": evaluation["execution"],
        "reason": evaluation["reason"],
        "dataset_id": evaluation["dataset"]["dataset_id"],
        "dataset_sha256": evaluation["dataset"]["sha256"],
        "dataset_manifest_uri": evaluation["dataset"]["manifest_uri"],
        "dataset_sources": str(len(sources)),
        "source_uri": source["uri"],
        "source_version_id": source.get("version_id", ""),
        "source_sha256": source["sha256"],
        "model_id": evaluation["model"]["model_id"],
        "decision": "release" if evaluation["decision"]["release"] else "keep",
        "decision_reasons": "; ".join(evaluation["decision"]["reasons"])[:4000],
    }


def _dataset(evaluation: dict[str, Any]) -> DatasetInput:
    dataset = evaluation["dataset"]
    return DatasetInput(
        Dataset(
            name="activities",
            digest=dataset["dataset_id"],
            source_type="s3",
            source=json.dumps({"uri": dataset["uri"], "manifest": dataset["manifest_uri"]}),
            profile=json.dumps({"num_rows": dataset["rows"], "data_date": dataset["data_date"]}),
        )
    )


def _metrics(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    return {f"{prefix}{name}": float(value) for name, value in metrics.items() if isinstance(value, int | float)}


def _log_candidate(client: MlflowClient, evaluation: dict[str, Any], item: dict[str, Any], *, registered: bool) -> None:
    tags = {"execution_of": evaluation["execution"], "family": item["family"]}
    with mlflow.start_run(run_name=item["family"], nested=True, tags=tags) as run:
        client.log_inputs(run.info.run_id, [_dataset(evaluation)])
        mlflow.log_params(item["best_params"] | {"family": item["family"]})
        mlflow.log_metrics(_metrics(item["metrics"]) | {"cv_brier": item["cv_brier"], "seconds": item["seconds"]})
        mlflow.log_dict({"cv": item["cv"]}, "cv_results.json")
        pipeline = joblib.load(io.BytesIO(storage.read_bytes(item["model"]["uri"], sha256=item["model"]["sha256"])))
        logged = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            # Named here, else MLflow starts a process that imports the model to find them.
            pip_requirements=[f"{name}=={version(name)}" for name in ("scikit-learn", "pandas", "cloudpickle")],
            serialization_format="cloudpickle",
            pyfunc_predict_fn="predict_proba",
            metadata={"sha256_joblib": item["model"]["sha256"]},
        )
        if registered:
            _register(client, evaluation, logged.model_uri)


def _register(client: MlflowClient, evaluation: dict[str, Any], model_uri: str) -> None:
    tags = _lineage(evaluation) | {"artefact_sha256": evaluation["model"]["sha256"]}
    registered = mlflow.register_model(model_uri, MODEL_NAME, tags=tags)
    client.set_registered_model_alias(MODEL_NAME, "challenger", registered.version)


def _log_files(prefix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("evaluation.json", "report.md"):
            path = Path(folder, name)
            path.write_bytes(storage.read_bytes(f"{prefix}/{name}"))
            mlflow.log_artifact(str(path))
