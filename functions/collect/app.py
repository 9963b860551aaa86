"""Collect: moves prediction log lines from CloudWatch Logs into the bucket, one object for each delivery."""

import base64
import gzip
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast_aws.settings import setting

# What the lines of one request share; a model from before releases were judged by it logs no time.
HEAD = ("request_id", "at", "model_version", "model_id")
TIMING = ("ms", "cold")

logger = Logger()


@cache
def client():
    """Return the S3 client of this execution environment."""
    return boto3.client("s3")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the predictions in a CloudWatch Logs subscription event as gzipped JSON lines, one for each prediction.

    Requests that were not answered go to a prefix of their own, one line each: nothing was predicted. A delivery that
    comes again has the same key and replaces itself. A record that cannot be read is an error, which sends it to the
    dead-letter queue after Lambda's retries.
    """
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if data["messageType"] != "DATA_MESSAGE":
        return {"predictions": 0}
    lines = [json.loads(item["message"]) for item in data["logEvents"]]
    rows = [{**_head(line), **item} for line in lines for item in line["items"]]
    failures = [{**_head(line), "status": line["status"]} for line in lines if "status" in line]
    for prefix, found in (("prediction-log", rows), ("failed-requests", failures)):
        if found:
            _write(prefix, found, data["logEvents"])
    logger.info("collected", predictions=len(rows), failures=len(failures))
    return {"predictions": len(rows)}


def _head(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in HEAD} | {name: line[name] for name in TIMING if name in line}


def _write(prefix: str, rows: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    name = hashlib.sha256("\n".join(item["id"] for item in events).encode()).hexdigest()[:32]
    first = datetime.fromtimestamp(events[0]["timestamp"] / 1000, UTC)
    body = gzip.compress("\n".join(json.dumps(row, sort_keys=True) for row in rows).encode(), mtime=0)
    client().put_object(
        Bucket=setting("DATA_BUCKET"), Key=f"{prefix}/{first:dt=%Y-%m-%d/hour=%H}/{name}.jsonl.gz", Body=body
    )
