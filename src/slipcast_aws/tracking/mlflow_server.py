"""Which MLflow there is, if any, and how long it may take; without importing it, which takes seconds."""

import os

# The value of the template's parameter MlflowTrackingUri for "no MLflow".
NONE = "none"
# A server that hangs must cost this execution seconds, not its time limit: the record stays in the outbox.
HTTP = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def tracking_uri() -> str | None:
    """Return the tracking URI that the environment names: a URL, or an ARN of SageMaker; None if there is no MLflow."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return None if uri in ("", NONE) else uri


def limit_time() -> None:
    """Let MLflow's client give up on a server that hangs, unless the environment says something else."""
    for name, value in HTTP.items():
        os.environ.setdefault(name, value)
