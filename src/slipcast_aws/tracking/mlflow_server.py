"""Address and time limits of the MLflow server, without importing MLflow, which takes seconds."""

import os

# Value of the template's parameter MlflowTrackingUri for "no MLflow".
NONE = "none"
# A server that hangs must cost this execution seconds, not all of its time: the record stays in the outbox.
HTTP = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "15", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def tracking_uri() -> str | None:
    """Return the tracking URI that the environment names: a URL, or an ARN of SageMaker; None if there is no MLflow."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return None if uri in ("", NONE) else uri


def limit_time() -> None:
    """Set timeouts of MLflow's client for a server that hangs, unless the environment sets them."""
    for name, value in HTTP.items():
        os.environ.setdefault(name, value)
