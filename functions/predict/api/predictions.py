"""Predictions: from the activities of a request to scores, answer and log."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from predict.api.requests import Batch
from predict.api.schemas import ActivityError, ModelNames, Prediction, PredictionResponse
from predict.serving import feature_lookup, log_writer
from predict.serving.model_store import LoadedModel
from slipcast.features.columns import Columns, feature_columns
from slipcast.forecast.stage import Known, known_of_columns


class Scored(NamedTuple):
    """Scored activities of a request.

    Attributes
    ----------
    request_id
        id of the request, from which those of the predictions are made
    model
        model that scored them
    batch
        activities
    features
        what the model saw, by name
    facts
        what is known of each activity on its data date
    scores
        probability of delay of each activity: 1 where it is late already
    predictions
        answer for each activity
    """

    request_id: str
    model: LoadedModel
    batch: Batch
    features: Columns
    facts: list[Known]
    scores: list[float]
    predictions: list[Prediction]

    def response(self) -> PredictionResponse:
        """Return the answer, with null and an error for each activity that was refused."""
        return PredictionResponse(
            self.request_id, ModelNames(**self.model.names()), self.in_place(self.predictions), self.errors()
        )

    def in_place(self, answers: Sequence[Any]) -> list[Any]:
        """Return the answers at the places of their activities in the request, None at the others."""
        batch = self.batch
        if not batch.refused:
            return [*answers]
        last = max(batch.positions[-1], *(item.position or 0 for item in batch.refused))
        found = dict(zip(batch.positions, answers, strict=True))
        return [found.get(number) for number in range(last + 1)]

    def errors(self) -> list[ActivityError]:
        """Return the errors of the activities that were refused."""
        return [
            ActivityError(item.position, item.path, item.error.type, item.message)
            for item in self.batch.refused
            if item.position is not None
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return the features of each activity."""
        return [dict(zip(self.features, values, strict=True)) for values in zip(*self.features.values(), strict=True)]

    def logged(self) -> log_writer.Columns:
        """Return what `log_writer.write_lines` takes."""
        columns = self.batch.columns
        return log_writer.Columns(
            self.request_id,
            self.model.names(),
            [prediction.prediction_id for prediction in self.predictions],
            columns["activity_id"],
            columns["project_id"],
            self.scores,
            self.features,
            self.facts,
            sum(prediction.at_risk for prediction in self.predictions),
        )


def score(
    request_id: str, model: LoadedModel, batch: Batch, history: tuple[str, ...] | None = None, first: int = 0
) -> Scored:
    """Return the predictions for the activities of a request.

    Parameters
    ----------
    history
        point-in-time features that are looked up; those of the model where absent
    first
        number of the first activity, from which those in the ids are counted

    Raises
    ------
    ScoreError
        If the model gives a score that is no probability.
    """
    facts = known_of_columns(batch.columns, model.scorer.metadata["tolerance_days"])
    features = feature_columns(
        batch.columns, _history(model.scorer.history if history is None else history, batch, facts)
    )
    scores = list(map(Known.probability, facts, model.scorer.score_columns(features)))
    threshold = model.scorer.threshold
    predictions = list(
        map(
            Prediction,
            [f"{request_id}:{first + number}" for number in batch.positions],
            batch.ids,
            scores,
            [score >= threshold for score in scores],
            repeat(threshold),
            [item.data_date for item in facts],
            [item.stage for item in facts],
            [item.days_late for item in facts],
        )
    )
    return Scored(request_id, model, batch, features, facts, scores, predictions)


def _history(
    needed: tuple[str, ...], batch: Batch, facts: Sequence[Known]
) -> Sequence[Mapping[str, float | None] | None]:
    if not needed or None not in batch.history:
        return batch.history
    dated = [{**record, "start": item.feature_day} for record, item in zip(batch.records(), facts, strict=True)]
    known = feature_lookup.with_history(dated, needed)
    return [activity.get("history") for activity in known]
