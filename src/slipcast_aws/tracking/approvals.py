"""MLflow: a person's decision on a release, as tags of the execution's run and of its registered model."""

from typing import Any

from mlflow.tracking import MlflowClient

from slipcast_aws.tracking.mlflow_runs import model_name, registered


def log_approval(record: dict[str, Any]) -> None:
    """Tag run and registered model of an execution with the outcome of its approval; a repeat changes nothing.

    Raises
    ------
    LookupError
        If the execution is not complete in MLflow yet; the record then waits.
    """
    client = MlflowClient()
    run, version = registered(client, record["execution"])
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
            client.set_tag(run, name, value)
            client.set_model_version_tag(model_name(), version, name, value)
