"""Score: scores the open activities of a dropped file, or of every source scored by an older model."""

import json

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from score import sources
from score.settings import Settings
from slipcast.contracts import Scored, ScoreRequest, ScoreSummary, Upload
from slipcast.forecast import batch
from slipcast.model import scorer
from slipcast.model.artifact import ArtifactError
from slipcast_aws import storage, topic
from slipcast_aws.release import versions

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
def handler(event: ScoreRequest, context: LambdaContext) -> Scored:
    """Score the upload in ``event["upload"]``; without one, every source whose predictions are not the live model's.

    Returns
    -------
    dict[str, Any]
        ``scored``: for each source the URI of its predictions and the number of activities in each risk band; ``why``,
        if nothing was scored for a reason
    """
    settings = Settings.from_environment()
    live = versions.live_model(settings.predict_function)
    if live is None:
        return {"scored": [], "why": "no model is live yet"}
    bucket = settings.data_bucket
    upload = event.get("upload")
    if upload and not sources.is_latest(bucket, upload):
        return {"scored": [], "why": "a file of the same series and data date was dropped later: that one is scored"}
    uploads = [upload] if upload else list(sources.stale(bucket, live.sha256))
    scored: list[ScoreSummary] = []
    if uploads:
        raw = storage.read_bytes(live.artefact_uri, sha256=live.sha256)
        try:
            model = scorer.load(raw, live.sha256)
        except ArtifactError as error:
            # The execution goes on: its training replaces the model, and what is open is scored then.
            why = f"the live model, version {live.version}, cannot be read here: {error}"
            logger.error("not scored", why=why, model_version=live.version)
            _tell_unreadable(uploads, why, settings.topic_arn)
            return {"scored": [], "why": why}
        # Reasons take longer than scores: all uploads together must finish within the function's time limit.
        explained = batch.EXPLAINED // len(uploads)
        for each in uploads:
            summary = sources.score(settings, each, model, live, explained)
            _tell(summary, settings.topic_arn)
            sources.note(bucket, summary)
            scored.append(summary)
    if scored:
        _count(scored)
    logger.info("scored", sources=[summary["source"] for summary in scored], model_version=live.version)
    return {"scored": scored}


def _tell(summary: ScoreSummary, topic_arn: str) -> None:
    bands = summary["bands"]
    subject = f"Slipcast: of {summary['rows']} open activities {bands['late']} late already, {bands['high']} at risk"
    topic.publish(topic_arn, subject[:100], sources.message(summary), outcome="scored")


def _tell_unreadable(uploads: list[Upload], why: str, topic_arn: str) -> None:
    names = ", ".join(sorted(upload["source"] for upload in uploads))
    text = (
        f"Not scored: {names}.\n\nWhy: {why}.\n\nThe next release scores them. To train now, invoke the trigger with "
        f"{json.dumps({'reason': 'manual', 'id': 'a name of your choice'})} (docs/how-to/ml-engineer.md)."
    )
    topic.publish(topic_arn, "Slipcast: open activities were not scored", text, outcome="failed")


def _count(scored: list[ScoreSummary]) -> None:
    """Count predictions in the same metrics as the API."""
    metrics.add_metric("Predictions", MetricUnit.Count, sum(summary["rows"] for summary in scored))
    metrics.add_metric(
        "AtRisk", MetricUnit.Count, sum(summary["bands"]["late"] + summary["bands"]["high"] for summary in scored)
    )
    metrics.flush_metrics()
