"""Collect: copies prediction log lines from CloudWatch Logs to the bucket and checks that none is missing."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from collect import checking, deliveries
from collect.settings import Settings

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write the predictions in a CloudWatch Logs subscription event as gzipped JSON lines, one for each prediction.

    Requests without an answer go to a separate prefix: they contain no prediction. A repeated delivery has the same key
    and replaces the first one. An unreadable record is an error: after Lambda's retries it goes to the dead-letter
    queue. A scheduled event, or ``{"check": {"since": ..., "until": ...}}`` with ISO 8601 times sent by an operator,
    compares the bucket with CloudWatch Logs instead and adds what is missing.
    """
    settings = Settings.from_environment()
    if "awslogs" not in event and ("check" in event or event.get("detail-type") == "Scheduled Event"):
        return _check(event.get("check"), settings, context)
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if data["messageType"] != "DATA_MESSAGE":
        return {"predictions": 0}
    count = deliveries.store(settings.data_bucket, data["logEvents"])
    _emit({"PredictionsLogged": count})
    logger.info("collected", predictions=count)
    return {"predictions": count}


def _check(span: dict[str, str] | None, settings: Settings, context: LambdaContext) -> dict[str, Any]:
    since, until = checking.span(span, datetime.now(UTC))
    found = checking.check(settings.data_bucket, settings.predict_log_group, since, until, context)
    _emit({"PredictionsMissing": found["missing"] + found["unreadable"]})
    (logger.error if found["missing"] else logger.info)("checked the prediction log", **found)
    return found


def _emit(values: dict[str, float]) -> None:
    for name, value in values.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
