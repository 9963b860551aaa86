"""Reasons for forecasts, on request: parts of the probability of being late, which add up to it."""

from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from predict.api.answers import ForecastReason
from predict.api.forecasts import Forecast, Forecasts
from predict.api.schemas import ActivityError, ModelNames
from slipcast.forecast.reasons import LateReasons
from slipcast.forecast.stage import Stage

# As a reason, next to the features of the forecast.
AT_START = "probability_at_start"
SHOWN = 3
NO_REASONS = "no reasons: the forecast model has no forest of late or timely activities"


class ExplainedForecast(Forecast):
    """The forecast for one activity, with its reasons."""

    base: Annotated[
        float | None, Meta(description="Probability of being late before anything is known of the activity")
    ]
    reasons: Annotated[
        list[ForecastReason] | None,
        Meta(description="The three largest contributions; null where there are none, or the outcome is a fact"),
    ]


class ExplainedForecastResponse(Struct):
    """The forecasts, in the order of the request, with their reasons."""

    request_id: str
    model: ModelNames
    forecasts: list[ExplainedForecast | None]
    errors: Annotated[list[ActivityError], Meta(description="What is wrong with the activities answered by null")]
    note: Annotated[str | None, Meta(description="Why there are no dates or no reasons; null where there are")]


def response(found: Forecasts) -> ExplainedForecastResponse:
    """Return the answer with the reasons for each forecast.

    Raises
    ------
    NoModelError
        If the forecast model of the release cannot be read.
    """
    scored = found.scored
    explainer = scored.model.explainer()
    tolerance: int = scored.model.scorer.metadata["tolerance_days"]
    explained: list[ExplainedForecast] = []
    for item, row, score in zip(found.items, found.rows, scored.scores, strict=True):
        reasons = (
            None
            # A finish that is known needs none.
            if explainer is None or item.stage is Stage.COMPLETE
            else explainer.reasons(row, item.stage, row["to_finish"] + tolerance, score)
        )
        explained.append(
            ExplainedForecast(
                **structs.asdict(item),
                base=None if reasons is None else reasons.base,
                reasons=None if reasons is None else _largest(reasons, row, score),
            )
        )
    plain = found.response()
    note = plain.note or (NO_REASONS if explainer is None or not explainer.explains else None)
    return ExplainedForecastResponse(plain.request_id, plain.model, scored.in_place(explained), plain.errors, note)


def _largest(reasons: LateReasons, row: dict[str, Any], score: float) -> list[ForecastReason]:
    values = {**row, AT_START: score}
    parts = {**reasons.features, AT_START: reasons.at_start}
    order = sorted(parts.items(), key=lambda item: (-abs(item[1]), item[0]))
    return [ForecastReason(name, _plain(values.get(name)), part) for name, part in order[:SHOWN] if part]


def _plain(value: Any) -> float | str | None:
    # A missing number is NaN in some rows, and NaN is no JSON.
    return None if value != value else value
