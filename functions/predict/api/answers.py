"""Types of the answers that few requests get, which is why they are a module of their own: each takes time to make."""

from datetime import date
from typing import Annotated, Any

from msgspec import Meta, Struct

from predict.api.schemas import ActivityError, FieldError, ModelNames, Prediction
from slipcast.forecast.stage import Stage


class Reason(Struct):
    """Effect of a feature on the log-odds of a delay."""

    feature: Annotated[str, Meta(description="Feature, as the log of predictions names it")]
    value: Annotated[float | str | None, Meta(description="Its value; null where unknown")]
    contribution: Annotated[float, Meta(description="Change of the log-odds; above 0 it speaks for delay")]


class ForecastReason(Struct):
    """Effect of a feature on the probability of being late, or of the probability judged at the start."""

    feature: Annotated[str, Meta(description="Feature of the forecast, or probability_at_start")]
    value: Annotated[float | str | None, Meta(description="Its value; null where unknown")]
    contribution: Annotated[
        float, Meta(description="Change of the probability of being late; above 0 it speaks for delay")
    ]


class ExplainedPrediction(Prediction):
    """The answer for one activity, with its reasons."""

    base: Annotated[float | None, Meta(description="Log-odds before anything is known of the activity")]
    reasons: Annotated[
        list[Reason] | None,
        Meta(description="The three largest contributions; null where the model gives none, or late is a fact"),
    ]


class ExplainedResponse(Struct):
    """The answers, in the order of the request, with their reasons."""

    request_id: str
    model: ModelNames
    predictions: list[ExplainedPrediction | None]
    errors: Annotated[list[ActivityError], Meta(description="What is wrong with the activities answered by null")]
    note: Annotated[str | None, Meta(description="Why there are no reasons; null where there are")]


class Line(Struct, omit_defaults=True):
    """The answer for one activity as a line of JSON; an activity that could not be scored has errors."""

    prediction_id: str | None = None
    activity_id: str | None = None
    probability: float | None = None
    at_risk: bool | None = None
    threshold: float | None = None
    data_date: date | None = None
    stage: Stage | None = None
    days_late: int | None = None
    errors: list[FieldError] | None = None


class Model(Struct):
    """Model with its origin and its metrics on the holdout."""

    version: Annotated[str, Meta(description="Version of the serving function, one for each release")]
    model_id: Annotated[str, Meta(description="First digits of the SHA-256 of the model itself")]
    dataset_id: str
    sha256: str
    family: str
    params: dict[str, Any]
    threshold: float
    trained_at: str
    execution: str
    data_date: str
    training_cut: str
    training_rows: int
    tolerance_days: int
    metrics: dict[str, Any]


class Health(Struct):
    """Readiness."""

    status: str
    version: str


class Problem(Struct, omit_defaults=True):
    """An error, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError]
    error: Annotated[str | None, Meta(description="The detail again, under /v2")] = None
    error_code: Annotated[str | None, Meta(description="MLflow's name of the error, from /invocations")] = None
    message: Annotated[str | None, Meta(description="The detail again, from /invocations")] = None
