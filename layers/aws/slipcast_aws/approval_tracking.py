"""MLflow: a person's decision on a release, as tags of the execution's run and of its registered model."""

import os
from typing import Any

import mlflow
from mlflow.tracking import MlflowClient

from slipcast_aws.tracking import MODEL_NAME


def log_approval(record: dict[str, Any]) -> None:
    """Tag run and registered model of an execution with what became of its release; again, it changes nothing.

    Raises
    ------
    LookupError
        If the execution is not in MLflow yet; the record then waits.
    """
    client, execution = MlflowClient(), record["execution"]
    experiment = mlflow.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT"])
    runs = client.search_runs([experiment.experiment_id], f"tags.execution = '{execution}'")
    versions = client.search_model_versions(f"name = '{MODEL_NAME}' and tags.execution = '{execution}'")
    if not runs or not versions:
        raise LookupError(f"MLflow has no run and registered model of execution {execution} yet")
    tags = {
        "approval": record["outcome"],
        "approval_by": record["by"],
        "approval_at": record["decided_at"],
        "approval_comment": record["comment"],
        "approval_via": record["via"],
        "approval_uri": record["approval_uri"],
    }
    for name, value in tags.items():
        if value:
            client.set_tag(runs[0].info.run_id, name, value)
            client.set_model_version_tag(MODEL_NAME, versions[0].version, name, value)
