"""Large requests, which the function for large batches answers faster in spite of the extra call.

It evaluates the same artifact, given by location and digest, with scikit-learn's compiled trees. If it does not answer
for any reason, the request is answered here.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from predict.serving.model_store import LoadedModel
from predict.settings import settings
from predict.transport import body as body_of
from predict.transport import envelope

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Payload limit of one Lambda call.
PAYLOAD_BYTES = 6 * 1024 * 1024


def is_columnar(event: dict[str, Any], headers: Mapping[str, str]) -> bool:
    """Return whether a request comes or is to be answered as Arrow or Parquet, which only the other function reads."""
    return (
        bool(settings().batch_function)
        and event.get("httpMethod") == "POST"
        and event.get("path") == "/predictions"
        and body_of.is_binary(headers)
        and not envelope.too_large(event)
    )


def belongs(event: dict[str, Any], model: LoadedModel) -> bool:
    """Return whether a request has enough activities for the other function, or comes or is answered as columns."""
    if not settings().batch_function or event.get("httpMethod") != "POST" or event.get("path") != "/predictions":
        return False
    body, headers = event.get("body"), envelope.headers(event)
    if body is None or "idempotency-key" in headers:
        return False
    return is_columnar(event, headers) or (
        # Counting takes 1 ms for the longest body, decoding it twenty times as long.
        body.count('"activity_id"') * model.scorer.steps >= int(settings().worth_a_call)
        and not event.get("isBase64Encoded")
        and not event.get("queryStringParameters")
        and not envelope.too_large(event)
    )


def ask(event: dict[str, Any], context: Any, model: LoadedModel) -> dict[str, Any] | None:
    """Return the other function's answer to the event; None if there is none and this function has to answer."""
    asked = event.get("requestContext") or {}
    request = {
        "httpMethod": event["httpMethod"],
        "path": event["path"],
        "headers": event.get("headers"),
        "multiValueHeaders": event.get("multiValueHeaders"),
        "body": event["body"],
        "isBase64Encoded": bool(event.get("isBase64Encoded")),
        "queryStringParameters": event.get("queryStringParameters"),
        "requestContext": {
            "requestId": asked.get("requestId") or context.aws_request_id,
            "stage": asked.get("stage"),
        },
        "model": {"uri": settings().model_uri, "sha256": settings().model_sha256, "version": model.version},
    }
    payload = json.dumps(request, separators=(",", ":"))
    if len(payload) > PAYLOAD_BYTES:
        return None
    # The AWS SDK takes 0.3 s to import: only requests with many activities pay for it, once.
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = client().invoke(FunctionName=settings().batch_function, Payload=payload)
        answer: dict[str, Any] = json.loads(found["Payload"].read())
    except (BotoCoreError, ClientError, ValueError) as error:
        _failed(str(error))
        return None
    if found.get("FunctionError"):
        _failed(json.dumps(answer)[:500])
        return None
    return answer


@cache
def client() -> "LambdaClient":
    """Return the Lambda client of this execution environment."""
    import boto3
    from botocore.config import Config

    # No retry: a second attempt would use the time needed to answer here.
    return boto3.client("lambda", config=Config(connect_timeout=2, read_timeout=12, retries={"total_max_attempts": 1}))


def _failed(why: str) -> None:
    from aws_lambda_powertools import Logger

    from predict.serving.log_writer import count

    Logger().error("the function for large batches did not answer", error=why)
    count({"BatchFunctionFailed": 1})
