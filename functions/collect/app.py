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

logger = Logger()


@cache
def client():
    """Return the S3 client of this execution environment."""
    return boto3.client("s3")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the predictions in a CloudWatch Logs subscription event as gzipped JSON lines, one for each prediction.

    A delivery that comes again has the same key and replaces itself. A record that cannot be read is an error, which
    sends it to the dead-letter queue after Lambda's retries.
    """
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if data["messageType"] != "DATA_MESSAGE":
        return {"predictions": 0}
    lines = [json.loads(item["message"]) for item in data["logEvents"]]
    rows = [
        {**{name: line[name] for name in ("request_id", "at", "model_version", "model_id")}, **item}
        for line in lines
        for item in line["items"]
    ]
    if rows:
        name = hashlib.sha256("\n".join(item["id"] for item in data["logEvents"]).encode()).hexdigest()[:32]
        first = datetime.fromtimestamp(data["logEvents"][0]["timestamp"] / 1000, UTC)
        body = gzip.compress("\n".join(json.dumps(row, sort_keys=True) for row in rows).encode(), mtime=0)
        client().put_object(
            Bucket=setting("DATA_BUCKET"), Key=f"prediction-log/{first:dt=%Y-%m-%d/hour=%H}/{name}.jsonl.gz", Body=body
        )
    logger.info("collected", predictions=len(rows))
    return {"predictions": len(rows)}
