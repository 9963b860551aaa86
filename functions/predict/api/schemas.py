"""Schemas of the API's requests and answers. Names are the canonical columns of a schedule."""

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from predict.contract import MAX_ACTIVITIES, MAX_ID, MAX_TEXT
from slipcast.features.point_in_time import HISTORY

# A forest takes about 30 ms for the reasons of one activity, and API Gateway waits 29 s at most.
MAX_EXPLAINED = 100
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _iso_day(value: Any) -> Any:
    # pydantic would also accept a number of seconds since 1970 as a date.
    if isinstance(value, date) or (isinstance(value, str) and DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("date_format", "write the day as year-month-day, such as 2025-12-31")


Day = Annotated[date, BeforeValidator(_iso_day), WithJsonSchema({"type": "string", "format": "date"})]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
if TYPE_CHECKING:
    HistoryFeature = str
else:
    HistoryFeature = Literal[HISTORY]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class Activity(BaseModel):
    """One activity as it is known at its start."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "activity_id": "A1010",
                    "phase": "Design",
                    "work_type": "SCA CIP",
                    "location": "district 01",
                    "start": "2025-03-03",
                    "baseline_finish": "2025-09-30",
                    "budget": 343300,
                }
            ]
        },
    )

    activity_id: Annotated[
        str, Field(min_length=1, max_length=MAX_ID, description="Identifier; comes back in the answer")
    ]
    activity_name: Text | None = None
    project_id: Text | None = None
    phase: Text | None = None
    work_type: Text | None = None
    location: Text | None = None
    start: Annotated[Day, Field(description="Actual start, else planned start")]
    baseline_start: Day | None = None
    baseline_duration_days: Annotated[Number, Field(gt=0, description="Calendar days")] | None = None
    baseline_finish: Annotated[
        Day | None, Field(validate_default=True, description="Required unless baseline_duration_days is given")
    ] = None
    budget: Annotated[Number, Field(ge=0)] | None = None
    total_float_days: Number | None = None
    predecessor_count: Annotated[Number, Field(ge=0)] | None = None
    history: Annotated[
        dict[HistoryFeature, Number] | None,
        Field(description="Point-in-time features, as the log of predictions names them; looked up where absent"),
    ] = None

    @field_validator("baseline_finish", mode="after")
    @classmethod
    def _finish_follows_start(cls, value: date | None, info: ValidationInfo) -> date | None:
        known = info.data
        if known.get("baseline_duration_days") is not None or not {"start", "baseline_duration_days"} <= known.keys():
            return value
        if value is None:
            raise PydanticCustomError("missing", "give baseline_finish or baseline_duration_days")
        if value < (known.get("baseline_start") or known["start"]):
            raise PydanticCustomError("date_order", "the baseline finish is before the start")
        return value


class FieldError(BaseModel):
    """Error in one field."""

    field: Annotated[str, Field(description="Path in the body, such as activities.0.start")]
    message: str
    type: str


class ActivityError(FieldError):
    """Error in one field of one activity of a batch."""

    index: Annotated[int, Field(ge=0, description="Position of the activity in the request, from 0")]


def _not_too_many(items: Any) -> Any:
    # pydantic does not count invalid items.
    if isinstance(items, list) and len(items) > MAX_ACTIVITIES:
        count = {"count": len(items), "most": MAX_ACTIVITIES}
        raise PydanticCustomError("too_long", "at most {most} activities can be sent, these are {count}", count)
    return items


class PredictionRequest(BaseModel):
    """Activities to score; a body that is one activity stands for a list of one.

    An invalid activity in a list does not fail the others: `activities` are then those that can be scored, `positions`
    their places in the request, and `refused` the errors of the others.
    """

    activities: Annotated[
        list[Activity], Field(min_length=1, max_length=MAX_ACTIVITIES), BeforeValidator(_not_too_many)
    ]
    explain: Annotated[
        Annotated[bool, Strict()], Field(description=f"Whether to give reasons, for at most {MAX_EXPLAINED} activities")
    ] = False
    # No default factory: pydantic inspects its signature in each request, which takes forty times as long as the
    # validation.
    _positions: Sequence[int] | None = PrivateAttr(None)
    _refused: Sequence[ActivityError] = PrivateAttr(())

    @model_validator(mode="before")
    @classmethod
    def _one_activity_is_a_list(cls, body: Any) -> Any:
        # Any field of an activity makes the body an activity, so that the error names a missing activity_id and not the
        # list.
        if isinstance(body, dict) and "activities" not in body and body.keys() & Activity.model_fields.keys():
            return {"activities": [body], **{name: body[name] for name in ("explain",) if name in body}}
        return body

    @model_validator(mode="wrap")
    @classmethod
    def _set_wrong_activities_aside(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(body)
        except ValidationError as error:
            items = body.get("activities") if isinstance(body, dict) else None
            found = error.errors(include_url=False, include_context=False, include_input=False)
            wrong = {item["loc"][1] for item in found if len(item["loc"]) > 1 and item["loc"][0] == "activities"}
            # Errors outside single activities, or in all of them, reject the whole request.
            if not isinstance(items, list) or len(wrong) in (0, len(items)):
                raise
            if any(len(item["loc"]) < 2 or item["loc"][0] != "activities" for item in found):
                raise
            positions = [number for number in range(len(items)) if number not in wrong]
            request = handler({**body, "activities": [items[number] for number in positions]})
            request._positions = positions
            request._refused = tuple(_activity_error(item) for item in found)
            return request

    @property
    def positions(self) -> Sequence[int]:
        """Position of each activity in the request."""
        return range(len(self.activities)) if self._positions is None else self._positions

    @property
    def refused(self) -> Sequence[ActivityError]:
        """Errors of the activities that are not scored."""
        return self._refused


def field_path(location: tuple[str | int, ...]) -> str:
    """Return the path of a field in the body, its parts cut to the maximum length of a name."""
    inside = location[1:] if location and location[0] == "body" else location
    return ".".join(str(part)[:100] for part in inside) or "body"


def _activity_error(found: Any) -> ActivityError:
    index = found["loc"][1]
    return ActivityError(index=index, field=field_path(found["loc"]), message=found["msg"], type=found["type"])


class ModelRef(BaseModel):
    """Model that gave the answer."""

    version: Annotated[str, Field(description="Version of the serving function, one for each release")]
    model_id: Annotated[str, Field(description="First digits of the SHA-256 of the model itself")]
    dataset_id: str


class Prediction(BaseModel):
    """The answer for one activity."""

    prediction_id: str
    activity_id: str
    probability: Annotated[float, Field(ge=0, le=1, description="Probability of delay")]
    at_risk: Annotated[bool, Field(description="Whether the probability reaches the threshold")]
    threshold: float


class PredictionResponse(BaseModel):
    """The answers, in the order of the request; null stands for an activity that could not be scored."""

    request_id: str
    model: ModelRef
    predictions: list[Prediction | None]
    errors: Annotated[list[ActivityError], Field(description="What is wrong with the activities answered by null")] = []

    def scored(self) -> list[Prediction]:
        """Return the predictions of an answer in which no activity was refused.

        Raises
        ------
        ValueError
            If one was.
        """
        scored = [prediction for prediction in self.predictions if prediction is not None]
        if len(scored) < len(self.predictions):
            raise ValueError("an activity of this answer was refused")
        return scored

    def in_place(self, request: PredictionRequest) -> Self:
        """Return this answer with null and an error for each activity of `request` that was refused."""
        if not request.refused:
            return self
        found = dict(zip(request.positions, self.predictions, strict=True))
        last = max(*found, *(error.index for error in request.refused))
        return self.model_copy(
            update={"predictions": [found.get(number) for number in range(last + 1)], "errors": [*request.refused]}
        )


class Reason(BaseModel):
    """Effect of a feature on the log-odds of a delay."""

    feature: Annotated[str, Field(description="Feature, as the log of predictions names it")]
    value: Annotated[float | str | None, Field(description="Its value; null where unknown")]
    contribution: Annotated[float, Field(description="Change of the log-odds; above 0 it speaks for delay")]


class ExplainedPrediction(Prediction):
    """The answer for one activity, with its reasons."""

    base: Annotated[float | None, Field(description="Log-odds before anything is known of the activity")]
    reasons: Annotated[
        list[Reason] | None, Field(description="The three largest contributions; null where the model gives none")
    ]


class ExplainedResponse(PredictionResponse):
    """The answers, in the order of the request, with their reasons."""

    # pydantic has no covariant list.
    predictions: list[ExplainedPrediction | None]  # type: ignore[assignment]
    note: Annotated[str | None, Field(description="Why there are no reasons; null where there are")]


class Model(ModelRef):
    """Model with its origin and its metrics on the holdout."""

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


class Health(BaseModel):
    """Readiness."""

    status: str
    version: str


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []
    error: Annotated[str | None, Field(description="The detail again, under /v2")] = None
    error_code: Annotated[str | None, Field(description="MLflow's name of the error, from /invocations")] = None
    message: Annotated[str | None, Field(description="The detail again, from /invocations")] = None
