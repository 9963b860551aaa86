"""Forecasts: when the activities of a request finish, as far as it is known on their data date.

A module of its own, loaded with the forecast model when the first forecast is asked for: a probability needs neither.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from predict.api import predictions
from predict.api.predictions import Scored
from predict.api.requests import Batch
from predict.api.schemas import ActivityError, ModelNames
from predict.serving import feature_lookup, log_writer
from predict.serving.model_store import LoadedModel
from slipcast.features.point_in_time import CURRENT, HISTORY, NOW
from slipcast.forecast import serving
from slipcast.forecast.stage import Known, Stage

_QUANTILE = "Day by whose end the activity has finished with a probability of {} %; null without a forecast model"


class Forecast(Struct, gc=False):
    """The forecast for one activity."""

    prediction_id: str
    activity_id: str
    data_date: Annotated[date, Meta(description="Day that the activity was described on")]
    stage: Annotated[Stage, Meta(description="Stage of the activity at the end of the data date")]
    days_late: Annotated[
        int, Meta(ge=0, description="Calendar days after the baseline finish so far; of a complete activity, in all")
    ]
    probability_late: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Probability of a finish after the tolerance; 1 where already late"),
    ]
    expected_days_late: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Mean of the calendar days after the baseline finish, an earlier finish counting 0"),
    ]
    p10: Annotated[date | None, Meta(description=_QUANTILE.format(10))]
    p50: Annotated[date | None, Meta(description=_QUANTILE.format(50))]
    p80: Annotated[date | None, Meta(description=_QUANTILE.format(80))]
    p90: Annotated[date | None, Meta(description=_QUANTILE.format(90))]


class ForecastResponse(Struct):
    """The forecasts, in the order of the request; null stands for an activity that could not be read."""

    request_id: str
    model: ModelNames
    forecasts: list[Forecast | None]
    errors: Annotated[list[ActivityError], Meta(description="What is wrong with the activities answered by null")]
    note: Annotated[str | None, Meta(description="Why there are no dates; null where there are")]


class Forecasts(NamedTuple):
    """Forecasts of a request.

    Attributes
    ----------
    scored
        the predictions, which a forecast takes into account
    items
        forecast of each activity
    note
        why there are no dates; None where there are
    rows
        features of each forecast; empty ones without a forecast model
    """

    scored: Scored
    items: list[Forecast]
    note: str | None
    rows: Sequence[dict[str, Any]]

    def response(self) -> ForecastResponse:
        """Return the answer, with null and an error for each activity that was refused."""
        scored = self.scored
        return ForecastResponse(
            scored.request_id,
            ModelNames(**scored.model.names()),
            scored.in_place(self.items),
            scored.errors(),
            self.note,
        )

    def logged(self) -> log_writer.Columns:
        """Return what `log_writer.write_lines` takes."""
        return self.scored.logged()._replace(forecasts=self.items)


def forecast(request_id: str, model: LoadedModel, batch: Batch, first: int = 0) -> Forecasts:
    """Return the forecasts for the activities of a request; `first` as of `predictions.score`.

    Raises
    ------
    NoModelError
        If the forecast model of the release cannot be read.
    ScoreError
        If the model gives a score that is no probability.
    """
    forecaster = model.forecaster()
    scored = predictions.score(request_id, model, batch, None if forecaster is None else HISTORY, first)
    tolerance: int = model.scorer.metadata["tolerance_days"]
    records = batch.records()
    if forecaster is None:
        rows: list[dict[str, Any]] = [{}] * len(records)
    else:
        rows = [
            serving.features(*parts)
            for parts in zip(scored.rows(), records, scored.facts, _now(records, scored.facts), strict=True)
        ]
    found = [
        serving.forecast(forecaster, row, facts, tolerance, score, record.get("actual_finish"))
        for row, facts, score, record in zip(rows, scored.facts, scored.scores, records, strict=True)
    ]
    items = [
        Forecast(prediction.prediction_id, prediction.activity_id, *item)
        for prediction, item in zip(scored.predictions, found, strict=True)
    ]
    return Forecasts(scored, items, serving.NO_MODEL if forecaster is None else None, rows)


def _now(records: Sequence[Mapping[str, Any]], facts: Sequence[Known]) -> list[Mapping[str, float | None]]:
    """Return the point-in-time features as of each data date: those of the request, else those of the feature store."""
    wanted = [
        serving.current(record, known)
        for record, known in zip(records, facts, strict=True)
        if record.get("history") is None
    ]
    looked_up = iter(feature_lookup.with_history(wanted, CURRENT))
    now: list[Mapping[str, float | None]] = []
    for record in records:
        sent = record.get("history")
        if sent is None:
            now.append(next(looked_up).get("history") or {})
        else:
            now.append({name: sent.get(feature) for name, feature in zip(CURRENT, NOW, strict=True)})
    return now
