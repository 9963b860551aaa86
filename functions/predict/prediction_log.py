"""The prediction log: lines of the function's log that CloudWatch Logs hands to the collect function.

Nothing is written on a request's way but lines of text, and no permission is needed for them.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from model_store import LoadedModel
from models import Prediction, PredictionResponse

from slipcast import redaction

# A prediction with its features has about 500 bytes, and up to 20 kB where texts are long and not ASCII. A log event
# may have 256 KiB in every account; what is longer would be cut.
PER_LINE = 100
LINE_BYTES = 180_000
# A release asks a new version before anybody is served by it: such answers are no predictions.
VERIFY_STAGE = "slipcast-verify"

metrics = Metrics()
kept = redaction.from_text(os.environ.get("REDACT_COLUMNS", ""), os.environ.get("ID_SALT", ""))


def answer(
    request_id: str, model: LoadedModel, activities: Sequence[dict[str, Any]], scores: Sequence[float]
) -> PredictionResponse:
    """Return the response for scored activities."""
    threshold = model.scorer.threshold
    return PredictionResponse(
        request_id=request_id,
        model=model.reference(),
        predictions=[
            Prediction(
                prediction_id=f"{request_id}:{number}",
                activity_id=activity["activity_id"],
                probability=score,
                at_risk=score >= threshold,
                threshold=threshold,
            )
            for number, (activity, score) in enumerate(zip(activities, scores, strict=True))
        ],
    )


def write(
    response: PredictionResponse, rows: Sequence[dict[str, Any]], projects: Sequence[str | None] | None = None
) -> None:
    """Log the predictions with the features the model saw and the activities' projects, and count them.

    Columns that are to be redacted are left out here: they never reach CloudWatch.
    """
    head = {
        "log": "prediction",
        "v": 1,
        "request_id": response.request_id,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "model_version": response.model.version,
        "model_id": response.model.model_id,
        **kept.head(),
    }
    items = (
        {
            "prediction_id": prediction.prediction_id,
            **kept.entry(prediction.activity_id, project, row),
            "score": prediction.probability,
        }
        for prediction, row, project in zip(response.predictions, rows, projects or [None] * len(rows), strict=True)
    )
    start = json.dumps(head, separators=(",", ":")).removesuffix("}")
    for line in _lines(json.dumps(item, separators=(",", ":")) for item in items):
        sys.stdout.write(f'{start},"items":[{",".join(line)}]}}\n')
    metrics.add_metric("Predictions", MetricUnit.Count, len(rows))
    metrics.add_metric("AtRisk", MetricUnit.Count, sum(item.at_risk for item in response.predictions))
    metrics.flush_metrics()


def _lines(items: Iterator[str]) -> Iterator[list[str]]:
    """Yield the items, which are ASCII, in groups that fit into one log event each."""
    line: list[str] = []
    size = 0
    for item in items:
        if line and (len(line) == PER_LINE or size + len(item) > LINE_BYTES):
            yield line
            line, size = [], 0
        line.append(item)
        size += len(item)
    if line:
        yield line
