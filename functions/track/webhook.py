"""Door of MLflow's registry: the alias ``champion``, moved by hand, asks the release function to promote."""

import base64
import json
import time
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from slipcast_aws import waiting
from slipcast_aws.settings import setting
from slipcast_aws.tracking import mlflow_server, outbox, registry_webhook
from slipcast_aws.tracking.registry_webhook import WebhookError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

logger = Logger()
# A promotion asks the version for its known answers, and is never asked for twice.
_PROMOTION = Config(connect_timeout=2, read_timeout=180, retries={"mode": "standard", "total_max_attempts": 1})
STATUS = {"promoted": 200, "live": 200, "refused": 409}


@cache
def functions() -> "LambdaClient":
    """Return the Lambda client of this execution environment."""
    return boto3.client("lambda", config=_PROMOTION)


@cache
def secrets() -> "SecretsManagerClient":
    """Return the client of Secrets Manager."""
    return boto3.client("secretsmanager", config=waiting.QUICK)


def answer(event: dict[str, Any]) -> dict[str, Any]:
    """Answer a request to the function's URL (payload format 2.0).

    200: done, live already, delivered before, or an event of another kind; 400, 401: no genuine delivery; 405: no POST;
    409: refused, the alias is back where it was; 503: no MLflow. MLflow repeats on 502 (an error of ours) and 503.
    """
    if event["requestContext"]["http"]["method"] != "POST":
        return _answered(405, "refused", "POST events of MLflow's registry here")
    raw = event.get("body") or ""
    body = base64.b64decode(raw) if event.get("isBase64Encoded") else raw.encode()
    try:
        sent = registry_webhook.envelope(event["headers"], time.time())
        # Read for each delivery, so that a secret can be exchanged at any time.
        secret = secrets().get_secret_value(SecretId=setting("REGISTRY_WEBHOOK_KEY_ARN"))["SecretString"]
        version = registry_webhook.moved(sent, body, secret, setting("MLFLOW_MODEL_NAME"))
    except WebhookError as error:
        return _answered(error.status, "refused", str(error))
    if version is None:
        return _answered(200, "ignored", "only the alias champion of this stack's model is answered here")
    uri = mlflow_server.tracking_uri()
    if uri is None:
        return _answered(503, "refused", "there is no MLflow (MLFLOW_TRACKING_URI=none)")
    if not outbox.first(setting("DATA_BUCKET"), sent.delivery):
        return _answered(200, "repeated", "this delivery was answered before")
    try:
        found = _choose(uri, version)
    except BaseException:
        # MLflow repeats the delivery.
        outbox.forget(setting("DATA_BUCKET"), sent.delivery)
        raise
    return _answered(STATUS[found["outcome"]], found["outcome"], found["why"])


def _choose(uri: str, version: str) -> dict[str, Any]:
    # Importing MLflow takes seconds.
    from slipcast_aws.tracking import aliases, mlflow_runs

    mlflow_runs.connect(uri, setting("MLFLOW_EXPERIMENT"))
    request = {
        "step": "choose",
        **aliases.released(version),
        "by": f"the alias champion of model version {version} in MLflow",
    }
    done = functions().invoke(FunctionName=setting("RELEASE_FUNCTION"), Payload=json.dumps(request).encode())
    payload = done["Payload"].read()
    if done.get("FunctionError"):
        raise RuntimeError(f"the release function failed: {payload[:500]!r}")
    found: dict[str, Any] = json.loads(payload)
    if found["outcome"] == "refused" and found["live"]:
        aliases.give_back(found["live"], version, found["why"])
    return found


def _answered(status: int, outcome: str, why: str) -> dict[str, Any]:
    logger.info("registry", status=status, outcome=outcome, why=why)
    body = json.dumps({"outcome": outcome, "why": why})
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": body}
