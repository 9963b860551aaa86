"""Reasons for predictions, on request."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from predict.api.schemas import MAX_EXPLAINED, ExplainedPrediction, ExplainedResponse, PredictionResponse, Reason
from slipcast.model.scorer import Scorer


def check(count: int) -> None:
    """Refuse to explain more activities than the time limit allows.

    Raises
    ------
    RequestValidationError
        If `count` activities are too many.
    """
    if count > MAX_EXPLAINED:
        message = f"with explain at most {MAX_EXPLAINED} activities can be sent, these are {count}"
        raise RequestValidationError([{"type": "too_long", "loc": ("body", "activities"), "msg": message}])


def add(answer: PredictionResponse, scorer: Scorer, rows: Sequence[dict[str, Any]]) -> ExplainedResponse:
    """Return the answer with the reasons for each prediction; `rows` are the features."""
    # Imported here, not in the init phase: a prediction without reasons does not need it.
    from slipcast.model.explain import contributions

    note = contributions.unavailable(scorer)
    predictions: list[ExplainedPrediction | None] = []
    for prediction, row in zip(answer.scored(), rows, strict=True):
        found = contributions.contributions_of(scorer, row)
        predictions.append(
            ExplainedPrediction(
                **prediction.model_dump(),
                base=None if found is None else found.base,
                reasons=None if found is None else [Reason(**item._asdict()) for item in contributions.top(found, row)],
            )
        )
    return ExplainedResponse(
        request_id=answer.request_id,
        model=answer.model,
        predictions=predictions,
        note=None if note is None else f"no reasons: {note}",
    )
