"""Score: scores the open activities of a dropped file, or of every source scored by an older model."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from score import sources
from slipcast.model import batch, scorer
from slipcast_aws import storage, waiting
from slipcast_aws.release import versions
from slipcast_aws.settings import setting

logger = Logger()
metrics = Metrics()


@cache
def client():
    """Return the SNS client of this execution environment."""
    return boto3.client("sns", config=waiting.QUICK)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Score the upload in ``event["upload"]``; without one, every source whose predictions are not the live model's.

    Returns
    -------
    dict[str, Any]
        ``scored``: for each source the URI of its predictions and the number of activities in each risk band
    """
    live = versions.live_model(setting("PREDICT_FUNCTION"))
    if live is None:
        return {"scored": [], "why": "no model is live yet"}
    bucket = setting("DATA_BUCKET")
    uploads = [event["upload"]] if event.get("upload") else list(sources.stale(bucket, live.sha256))
    scored = []
    if uploads:
        model = scorer.load(storage.read_bytes(live.artefact_uri, sha256=live.sha256), live.sha256)
        # Reasons take longer than scores: all uploads together must finish within the function's time limit.
        explained = batch.EXPLAINED // len(uploads)
        for upload in uploads:
            summary = sources.score(bucket, upload, model, live, explained)
            _tell(summary)
            sources.note(bucket, summary)
            scored.append(summary)
    if scored:
        _count(scored)
    logger.info("scored", sources=[summary["source"] for summary in scored], model_version=live.version)
    return {"scored": scored}


def _tell(summary: dict[str, Any]) -> None:
    client().publish(
        TopicArn=setting("TOPIC_ARN"),
        Subject=f"Slipcast: {summary['bands']['high']} of {summary['rows']} open activities at risk"[:100],
        Message=sources.message(summary),
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": "scored"}},
    )


def _count(scored: list[dict[str, Any]]) -> None:
    """Count predictions in the same metrics as the API."""
    metrics.add_metric("Predictions", MetricUnit.Count, sum(summary["rows"] for summary in scored))
    metrics.add_metric("AtRisk", MetricUnit.Count, sum(summary["bands"]["high"] for summary in scored))
    metrics.flush_metrics()
