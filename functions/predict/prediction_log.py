"""The prediction log: lines of the function's log that CloudWatch Logs hands to the collect function.

Nothing is written on a request's way but lines of text, and no permission is needed for them.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from model_store import LoadedModel
from models import Prediction, PredictionResponse

# A log event may have 256 KiB in every account, and a prediction with its features has about 500 bytes.
PER_LINE = 100
# A release asks a new version before anybody is served by it: such answers are no predictions.
VERIFY_STAGE = "slipcast-verify"

metrics = Metrics()


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


def write(response: PredictionResponse, rows: Sequence[dict[str, Any]]) -> None:
    """Log the predictions with the features the model saw, and count them."""
    head = {
        "log": "prediction",
        "v": 1,
        "request_id": response.request_id,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "model_version": response.model.version,
        "model_id": response.model.model_id,
    }
    for begin in range(0, len(rows), PER_LINE):
        items = [
            {
                "prediction_id": prediction.prediction_id,
                "activity_id": prediction.activity_id,
                "features": row,
                "score": prediction.probability,
            }
            for prediction, row in zip(
                response.predictions[begin : begin + PER_LINE], rows[begin : begin + PER_LINE], strict=True
            )
        ]
        sys.stdout.write(json.dumps({**head, "items": items}, separators=(",", ":")) + "\n")
    metrics.add_metric("Predictions", MetricUnit.Count, len(rows))
    metrics.add_metric("AtRisk", MetricUnit.Count, sum(item.at_risk for item in response.predictions))
    metrics.flush_metrics()
