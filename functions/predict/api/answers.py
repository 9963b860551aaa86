"""Answers of the API, built from the model's output."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

from predict.api.schemas import Model, ModelRef, Prediction, PredictionResponse
from predict.serving.log_writer import Columns, note_columns, write_lines
from predict.serving.model_store import LoadedModel


def reference(model: LoadedModel) -> ModelRef:
    """Return the names of the model that every answer contains."""
    return ModelRef(**model.names())


def describe(model: LoadedModel) -> Model:
    """Return the full description of a model."""
    return Model(
        **model.scorer.metadata,
        version=model.version,
        sha256=os.environ["MODEL_SHA256"],
        threshold=model.scorer.threshold,
        trained_at=os.environ["MODEL_TRAINED_AT"],
        execution=os.environ["MODEL_EXECUTION"],
    )


def answer(
    request_id: str,
    model: LoadedModel,
    activities: Sequence[dict[str, Any]],
    scores: Sequence[float],
    positions: Iterable[int] | None = None,
) -> PredictionResponse:
    """Return the response for scored activities; `positions` are their places in the request if some are left out."""
    threshold = model.scorer.threshold
    return PredictionResponse(
        request_id=request_id,
        model=reference(model),
        predictions=[
            Prediction(
                prediction_id=f"{request_id}:{number}",
                activity_id=activity["activity_id"],
                probability=score,
                at_risk=score >= threshold,
                threshold=threshold,
            )
            for number, activity, score in zip(
                range(len(activities)) if positions is None else positions, activities, scores, strict=True
            )
        ],
    )


def note(response: "PredictionResponse", rows: Sequence[dict[str, Any]], project_ids: Sequence[str | None]) -> None:
    """Keep an answer, with the features that the model saw, until it is certain that it can be sent."""
    note_columns(*_columns(response, rows, project_ids))


def write(
    response: "PredictionResponse", rows: Sequence[dict[str, Any]], project_ids: Sequence[str | None], *, source: str
) -> None:
    """Log the predictions that `source` asked for with the features the model saw, and count them."""
    write_lines(*_columns(response, rows, project_ids), source=source)


def _columns(
    response: "PredictionResponse", rows: Sequence[dict[str, Any]], project_ids: Sequence[str | None]
) -> Columns:
    answers = response.scored()
    return (
        response.request_id,
        response.model.model_dump(),
        [prediction.prediction_id for prediction in answers],
        [prediction.activity_id for prediction in answers],
        project_ids,
        [prediction.probability for prediction in answers],
        rows,
        sum(prediction.at_risk for prediction in answers),
    )
