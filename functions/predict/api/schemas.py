"""Types of the API's requests and answers, which msgspec decodes, encodes and describes.

The request's are generated from the contract of an activity (:mod:`slipcast.features.activity`).
"""

import math
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from predict.contract import MAX_ACTIVITIES, MAX_EXPLAINED
from slipcast.features import activity
from slipcast.forecast.stage import Stage
from slipcast.schema import LARGEST_NUMBER

EXAMPLE = {
    **{"activity_id": "A1010", "phase": "Design", "work_type": "SCA CIP", "location": "district 01"},
    **{"data_date": "2025-03-31", "status": "in_progress", "start": "2025-03-03", "baseline_finish": "2025-09-30"},
    "budget": 343300,
}


def _type_of(field: activity.Field) -> Any:
    if field.words:
        return Annotated[Literal[field.words], Meta(description=field.description)]
    if field.kind == activity.TEXT:
        shortest = 1 if field.required else None
        return Annotated[
            str, Meta(description=field.description, min_length=shortest, max_length=activity.LONGEST_TEXT)
        ]
    if field.kind == activity.DAY:
        return Annotated[date, Meta(description=field.description)]
    described: dict[str, Any] = {"description": field.description, "lt": LARGEST_NUMBER}
    described["gt" if field.above or field.least == -math.inf else "ge"] = max(field.least, -LARGEST_NUMBER)
    return Annotated[float, Meta(**described)]


def _fields() -> Iterable[Any]:
    yield from ((field.name, _type_of(field)) for field in activity.FIELDS if field.required)
    yield from ((field.name, _type_of(field) | None, None) for field in activity.FIELDS if not field.required)
    described = Meta(description="Point-in-time features, as the log of predictions names them; looked up where absent")
    yield "history", Annotated[History, described] | None, None


_FEATURE = Annotated[float, Meta(gt=-LARGEST_NUMBER, lt=LARGEST_NUMBER)]
# Collecting garbage would visit each of ten thousand activities, and none is part of a cycle.
if TYPE_CHECKING:

    class History(Struct):
        """Point-in-time features."""

    class Activity(Struct):
        """One activity."""

else:
    History = msgspec.defstruct(
        "History",
        [(name, _FEATURE | msgspec.UnsetType, msgspec.UNSET) for name in activity.GIVEN],
        forbid_unknown_fields=True,
        gc=False,
    )
    Activity = msgspec.defstruct(
        "Activity",
        _fields(),
        gc=False,
        kw_only=True,
        namespace={"__doc__": "One activity as it is known on its data date. Unknown fields are not read."},
    )


class Activities(Struct):
    """Activities to score."""

    activities: Annotated[list[Activity], Meta(min_length=1, max_length=MAX_ACTIVITIES)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    explain: Annotated[bool, Meta(description=f"Whether to give reasons, for at most {MAX_EXPLAINED} activities")] = (
        False
    )


class FieldError(Struct):
    """Error in one field."""

    field: Annotated[str, Meta(description="Path in the body, such as activities.0.start")]
    type: str
    message: Annotated[str, Meta(description="What is wrong, and what to do about it")]


class ActivityError(Struct):
    """Error in one field of one activity of a batch."""

    index: Annotated[int, Meta(ge=0, description="Position of the activity in the request, from 0")]
    field: Annotated[str, Meta(description="Path in the body, such as activities.0.start")]
    type: str
    message: Annotated[str, Meta(description="What is wrong, and what to do about it")]


class ModelNames(Struct):
    """Model that gave the answer."""

    version: Annotated[str, Meta(description="Version of the serving function, one for each release")]
    model_id: Annotated[str, Meta(description="First digits of the SHA-256 of the model itself")]
    dataset_id: str


class Prediction(Struct, gc=False):
    """The answer for one activity."""

    prediction_id: str
    activity_id: str
    probability: Annotated[
        float, Meta(ge=0, le=1, description="Probability of delay, judged at the start; 1 where already late")
    ]
    at_risk: Annotated[bool, Meta(description="Whether the probability reaches the threshold")]
    threshold: float
    data_date: Annotated[date, Meta(description="Day that the activity was described on")]
    stage: Annotated[Stage, Meta(description="Stage of the activity at the end of the data date")]
    days_late: Annotated[
        int, Meta(ge=0, description="Calendar days after the baseline finish so far; of a complete activity, in all")
    ]


class PredictionResponse(Struct):
    """The answers, in the order of the request; null stands for an activity that could not be scored."""

    request_id: str
    model: ModelNames
    predictions: list[Prediction | None]
    errors: Annotated[list[ActivityError], Meta(description="What is wrong with the activities answered by null")]
