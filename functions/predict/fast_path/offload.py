"""Requests that are answered faster by the function for large batches, although that is another call.

It evaluates the same artefact, which it knows by location and digest, with scikit-learn's compiled trees. If it does
not answer, for whatever reason, the request is answered here.
"""

import json
import os
from functools import cache
from typing import Any

from predict.serving.model_store import LoadedModel

# Nodes that a request visits in all trees: below, the call takes longer than it saves. Measured by
# `python -m benchmarks.serving --parts crossover`, with room for what a call takes on AWS, see docs/serving.md.
WORTH_A_CALL = int(os.environ.get("WORTH_A_CALL", "150000"))
# What Lambda takes and gives in one call.
PAYLOAD_BYTES = 6 * 1024 * 1024


def belongs(body: str, model: LoadedModel) -> bool:
    """Return whether a request's body has so many activities that they belong into the other function."""
    # Counting takes a millisecond for the longest body; reading it takes a hundred.
    return bool(os.environ.get("BATCH_FUNCTION")) and body.count('"activity_id"') * model.scorer.steps >= WORTH_A_CALL


def ask(event: dict[str, Any], context: Any, model: LoadedModel) -> dict[str, Any] | None:
    """Return the other function's answer to the event, None if there is none and this one has to answer."""
    asked = event.get("requestContext") or {}
    request = {
        "body": event["body"],
        "requestContext": {
            "requestId": asked.get("requestId") or context.aws_request_id,
            "stage": asked.get("stage"),
        },
        "model": {"uri": os.environ["MODEL_URI"], "sha256": os.environ["MODEL_SHA256"], "version": model.version},
    }
    payload = json.dumps(request, separators=(",", ":"))
    if len(payload) > PAYLOAD_BYTES:
        return None
    # The AWS SDK takes 0.3 s to import: only those who send many activities pay for it, once.
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client().invoke(FunctionName=os.environ["BATCH_FUNCTION"], Payload=payload)
        answer = json.loads(found["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        return _failed(str(error))
    if "FunctionError" in found:
        return _failed(json.dumps(answer)[:500])
    return answer


@cache
def client():
    """Return the Lambda client of this execution environment."""
    import boto3
    from botocore.config import Config

    # Not again: a second attempt would take the time that answering here needs.
    return boto3.client("lambda", config=Config(connect_timeout=2, read_timeout=12, retries={"total_max_attempts": 1}))


def _failed(why: str) -> None:
    from aws_lambda_powertools import Logger

    from predict.serving.log_writer import count

    Logger().error("the function for large batches did not answer", error=why)
    count({"BatchFunctionFailed": 1})
