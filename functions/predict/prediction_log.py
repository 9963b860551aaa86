"""The prediction log: lines of the function's log that CloudWatch Logs hands to the collect function.

Nothing is written on a request's way but lines of text, and no permission is needed for them.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from model_store import LoadedModel

if TYPE_CHECKING:
    from models import PredictionResponse

    from slipcast.redaction import Redaction

# A prediction with its features has about 500 bytes, and up to 20 kB where texts are long and not ASCII. A log event
# may have 256 KiB in every account; what is longer would be cut.
PER_LINE = 100
LINE_BYTES = 180_000
# A release asks a new version before anybody is served by it: such answers are no predictions.
VERIFY_STAGE = "slipcast-verify"


def _redaction() -> "Redaction | None":
    """Return what must be kept out of the log; None where nothing must, and nothing is imported then."""
    if not os.environ.get("REDACT_COLUMNS"):
        return None
    from slipcast import redaction

    return redaction.from_text(os.environ["REDACT_COLUMNS"], os.environ["ID_SALT"])


kept = _redaction()


def answer(
    request_id: str, model: LoadedModel, activities: Sequence[dict[str, Any]], scores: Sequence[float]
) -> "PredictionResponse":
    """Return the response for scored activities."""
    from models import Prediction, PredictionResponse

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
    response: "PredictionResponse",
    rows: Sequence[dict[str, Any]],
    project_ids: Sequence[str | None] | None = None,
    source: str | None = None,
) -> None:
    """Log the predictions with the features the model saw, and count them; without a `source` the API asked."""
    answers = response.predictions
    write_lines(
        response.request_id,
        response.model.model_dump(),
        [prediction.prediction_id for prediction in answers],
        [prediction.activity_id for prediction in answers],
        project_ids or [None] * len(answers),
        [prediction.probability for prediction in answers],
        rows,
        sum(prediction.at_risk for prediction in answers),
        source,
    )


def write_lines(
    request_id: str,
    model: dict[str, str],
    prediction_ids: Sequence[str],
    activity_ids: Sequence[str],
    project_ids: Sequence[str | None],
    scores: Sequence[float],
    rows: Sequence[dict[str, Any]],
    at_risk: int,
    source: str | None = None,
) -> None:
    """Log predictions, given as columns, with the features the model saw, and count them.

    What is to be redacted is left out here: it never reaches CloudWatch.
    """
    head = {
        "log": "prediction",
        "v": 1,
        "request_id": request_id,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "model_version": model["version"],
        "model_id": model["model_id"],
        **({"source": source} if source else {}),
    }
    if kept:
        head |= kept.head()
        activity_ids = [kept.identity("activity_id", value) for value in activity_ids]
        project_ids = [kept.identity("project_id", value) for value in project_ids]
        rows = [kept.features(row) for row in rows]
    items = (
        {"prediction_id": prediction, "activity_id": activity, "project_id": project, "features": row, "score": score}
        for prediction, activity, project, row, score in zip(
            prediction_ids, activity_ids, project_ids, rows, scores, strict=True
        )
    )
    start = json.dumps(head, separators=(",", ":")).removesuffix("}")
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for line in _lines(map(encode, items)):
        sys.stdout.write(f'{start},"items":[{",".join(line)}]}}\n')
    count({"Predictions": len(rows), "AtRisk": at_risk})


def count(values: dict[str, float]) -> None:
    """Write counts as CloudWatch metrics, in the embedded metric format, as Powertools' ``Metrics`` does."""
    # By hand: importing Metrics takes longer than a cold start without it.
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "service_undefined")
    directive = {
        "Namespace": os.environ["POWERTOOLS_METRICS_NAMESPACE"],
        "Dimensions": [["service"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
    }
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    numbers = {name: [float(value)] for name, value in values.items()}
    line = json.dumps({"_aws": metadata, "service": service, **numbers}, separators=(",", ":"))
    sys.stdout.write(f"{line}\n")


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
