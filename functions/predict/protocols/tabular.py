"""Conversion of columns and records, as other protocols send activities, into requests of the API."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from predict.api.problems import MAX_ERRORS, Refusal, summary
from predict.api.schemas import FieldError, PredictionRequest

TEXTS = ("activity_id", "activity_name", "project_id", "phase", "work_type", "location")
DAYS = ("start", "baseline_start", "baseline_finish")
NUMBERS = ("baseline_duration_days", "budget", "total_float_days", "predecessor_count")
COLUMNS = (*TEXTS, *DAYS, *NUMBERS)
# A data frame writes days as times.
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]00:00(:00(\.0+)?)?(Z|[+-]00:00)?")


def records(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the rows of columns that are equally long."""
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def request(rows: Iterable[Mapping[str, Any]]) -> PredictionRequest:
    """Return the request for the predictions of `rows`.

    None, NaN, empty text and NaT mean a missing value; a time at midnight means its day; a whole number may stand for a
    text. Unknown columns are not read. A row without ``activity_id`` is identified by its number, from 0.

    Raises
    ------
    Refusal
        If a value is not valid: these protocols answer for all rows or for none. Fields are named ``column[row]``.
    """
    activities = [_activity(number, row) for number, row in enumerate(rows)]
    try:
        found = PredictionRequest.model_validate({"activities": activities})
    except ValidationError as error:
        errors = [
            FieldError(field=_place(item["loc"]), message=item["msg"], type=item["type"])
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        ]
        raise refused(errors) from error
    if found.refused:
        raise refused(
            error.model_copy(update={"field": _place(error.field.split("."))}) for error in found.refused[:MAX_ERRORS]
        )
    return found


def refused(errors: Iterable[FieldError]) -> Refusal:
    """Return the refusal of a request with these errors."""
    listed = [FieldError(field=error.field, message=error.message, type=error.type) for error in errors]
    return Refusal(HTTPStatus.BAD_REQUEST, summary(listed), listed)


def _activity(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    activity = {"activity_id": str(number)} if "activity_id" not in row else {}
    for name in COLUMNS:
        value = row.get(name)
        # NaN is not equal to itself.
        if value is None or value == "" or value != value or (name in DAYS and value == "NaT"):
            continue
        if name in TEXTS and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        elif name in DAYS and isinstance(value, str) and (day := _MIDNIGHT.fullmatch(value)):
            value = day[1]
        activity[name] = value
    return activity


def _place(location: Sequence[Any]) -> str:
    """Return the place of an error: ``("activities", 3, "start")`` is ``start[3]``."""
    if len(location) < 2:
        return "rows"
    return f"{location[2] if len(location) > 2 else 'row'}[{location[1]}]"
