"""Lineage of a prediction: model, run, dataset, rows and source objects, with each digest checked.

``slipcast lineage PREDICTION``. An id is that of an answer of the API, or ``<source>/<data date>/<activity id>`` for a
row of ``predictions/``.
"""

import csv
import gzip
import io
import json
import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from slipcast.contracts import EvaluationRecord
from slipcast_aws import storage
from slipcast_aws.control import releases
from slipcast_aws.tracking import mlflow_server

THREADS = 10


class LineageError(RuntimeError):
    """The prediction, or an object that it depends on, is missing; the message names it."""


def trace(bucket: str, predict_function: str, control_table: str, prediction_id: str) -> dict[str, Any]:
    """Return the complete origin of a prediction.

    Parameters
    ----------
    bucket
        the data bucket
    predict_function
        name of the function whose versions hold the models
    control_table
        name of the table with the release records of pruned versions
    prediction_id
        as the API answered it, or ``<source>/<data date>/<activity id>``

    Returns
    -------
    dict[str, Any]
        ``prediction``, ``model``, ``run``, ``dataset``, ``rows`` (training rows by source object) and ``sources``

    Raises
    ------
    LineageError
        If the prediction is not in the log, or a link is missing.
    DigestMismatchError
        If an object is not the one that was recorded.
    """
    prediction = _of_batch(bucket, prediction_id) if prediction_id.count("/") >= 2 else _of_log(bucket, prediction_id)
    pinned = _pinned(predict_function, prediction["model_version"], control_table)
    artifact = json.loads(storage.read_bytes(pinned["MODEL_URI"], sha256=pinned["MODEL_SHA256"]))
    evaluation: EvaluationRecord = storage.read_json(
        f"s3://{bucket}/reports/{pinned['MODEL_EXECUTION']}/evaluation.json"
    )
    dataset = evaluation["dataset"]
    manifest = storage.read_json(dataset["manifest_uri"])
    train = evaluation["tables"]["train"]
    by_source = _rows_by_source(storage.read_bytes(train["uri"], sha256=train["sha256"]))
    return {
        "prediction": prediction,
        "model": {
            "model_id": pinned["MODEL_ID"],
            "lambda_version": prediction["model_version"],
            "uri": pinned["MODEL_URI"],
            "sha256": pinned["MODEL_SHA256"],
            "trained_at": pinned["MODEL_TRAINED_AT"],
            **{name: artifact["metadata"][name] for name in ("family", "params", "training_cut", "tolerance_days")},
        },
        "run": {
            "execution": pinned["MODEL_EXECUTION"],
            "reason": evaluation["reason"],
            "decision": "; ".join(evaluation["decision"]["reasons"]),
            "report": f"s3://{bucket}/reports/{pinned['MODEL_EXECUTION']}/report.html",
            "mlflow": _mlflow_run(pinned["MODEL_EXECUTION"]),
        },
        "dataset": {
            **{name: dataset[name] for name in ("dataset_id", "uri", "sha256", "rows", "data_date", "manifest_uri")},
            "code_version": manifest["code_version"],
        },
        "rows": {"uri": train["uri"], "sha256": train["sha256"], "rows": train["rows"], "by_source": by_source},
        "sources": [{**source, "training_rows": by_source.get(source["sha256"], 0)} for source in manifest["sources"]],
    }


def _of_log(bucket: str, prediction_id: str) -> dict[str, Any]:
    """Search the log backwards from its newest day: an id does not contain its time."""
    days = sorted(_folders(f"s3://{bucket}/prediction-log/dt="), reverse=True)
    with ThreadPoolExecutor(THREADS) as pool:
        for day in days:
            for raw in pool.map(storage.read_bytes, list(storage.list_uris(day))):
                # Most objects need not be parsed: a text search for the id is enough.
                text = gzip.decompress(raw).decode()
                if prediction_id not in text:
                    continue
                for line in text.splitlines():
                    item: dict[str, Any] = json.loads(line)
                    if item["prediction_id"] == prediction_id:
                        return item
    raise LineageError(
        f"prediction {prediction_id!r} is not in the log s3://{bucket}/prediction-log/; "
        "the log is written up to some minutes after the answer"
    )


def _folders(prefix_uri: str) -> Iterator[str]:
    bucket, prefix = storage.split_uri(prefix_uri)
    pages = storage.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    for page in pages:
        for item in page.get("CommonPrefixes", []):
            yield f"s3://{bucket}/{item['Prefix']}"


def _of_batch(bucket: str, prediction_id: str) -> dict[str, Any]:
    source, data_date, activity_id = prediction_id.split("/", 2)
    prefix = f"s3://{bucket}/predictions/{source}/{data_date}"
    if not storage.exists(f"{prefix}.json"):
        raise LineageError(f"nothing was scored under {prefix}.csv")
    summary = storage.read_json(f"{prefix}.json")
    raw = storage.read_bytes(summary["uri"], sha256=summary["sha256"])
    for row in csv.DictReader(io.StringIO(raw.decode())):
        if row["activity_id"] in (activity_id, f"'{activity_id}"):
            return {
                "prediction_id": prediction_id,
                "activity_id": activity_id,
                "score": float(row["probability"]),
                "model_version": row["model_version"],
                "model_id": row["model_id"],
                "predictions": summary["uri"],
            }
    raise LineageError(f"activity {activity_id!r} is not in {summary['uri']}")


def _pinned(function: str, version: str, table: str) -> dict[str, str]:
    """Return the release record of a version of the predict function."""
    client = boto3.client("lambda")
    try:
        configuration = client.get_function_configuration(FunctionName=function, Qualifier=version)
    except client.exceptions.ResourceNotFoundException as error:
        # Old versions are deleted; their release records are kept.
        if kept := releases.release(table, version):
            document: dict[str, str] = kept["model"]
            return document
        raise LineageError(
            f"version {version} of {function} is no longer there, and no release of it is kept"
        ) from error
    return configuration["Environment"]["Variables"]


def _rows_by_source(raw: bytes) -> dict[str, int]:
    reader = csv.DictReader(io.StringIO(gzip.decompress(raw).decode(), newline=""))
    return dict(Counter(row["source_sha256"] for row in reader))


def _mlflow_run(execution: str) -> str | None:
    """Return the URL or id of the parent run, None if no tracking server is named or it does not answer."""
    uri = mlflow_server.tracking_uri()
    if uri is None:
        return None
    mlflow_server.limit_time()
    import mlflow
    from mlflow.exceptions import MlflowException

    # MLflow warns if the tracking URI is not an ARN.
    logging.getLogger("mlflow.tracking.request_header.registry").setLevel(logging.ERROR)
    client = mlflow.MlflowClient(uri)
    try:
        experiments = [item.experiment_id for item in client.search_experiments()]
        found = client.search_runs(experiments, f"tags.execution = '{execution}'")
    except MlflowException:
        return None
    if not found:
        return None
    run = found[0].info
    return f"{uri}/#/experiments/{run.experiment_id}/runs/{run.run_id}" if uri.startswith("http") else run.run_id


def render(found: dict[str, Any]) -> str:
    """Return a lineage as text."""
    lines = []
    for part in ("prediction", "model", "run", "dataset"):
        lines.append(part)
        for name, value in found[part].items():
            if value is not None:
                shown = json.dumps(value) if isinstance(value, dict) else value
                lines.append(f"  {name:15} {shown}")
    rows = found["rows"]
    lines += ["rows", f"  {rows['rows']} training rows in {rows['uri']}", f"  sha256          {rows['sha256']}"]
    lines.append("source objects")
    for source in found["sources"]:
        lines.append(f"  {source['uri']}")
        lines.append(f"    version {source.get('version_id') or '-'}, sha256 {source['sha256']}")
        lines.append(
            f"    profile {source['profile']}, data date {source['data_date']}, {source['counts']['accepted']} rows "
            f"accepted, {source['training_rows']} of them as last seen there in the training rows"
        )
    return "\n".join(lines)
