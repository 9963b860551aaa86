"""Conversion of rows, as other protocols send activities, into requests of the API."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from predict.api import requests
from predict.api.problems import invalid
from predict.api.requests import Batch, InvalidRequest, Refused
from predict.api.schemas import FieldError
from predict.contract import MAX_ERRORS
from predict.refusal import Refusal
from slipcast.features.activity import DAYS, NUMBERS, TEXTS

COLUMNS = (*TEXTS, *DAYS, *NUMBERS)
# A data frame writes days as times.
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]00:00(:00(\.0+)?)?(Z|[+-]00:00)?")


def records(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the rows of columns that are equally long."""
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def request(rows: Iterable[Mapping[str, Any]]) -> Batch:
    """Return the request for the predictions of `rows`.

    None, NaN, empty text and NaT mean a missing value; a time at midnight means its day; a whole number may stand for a
    text. Unknown columns are not read. A row without ``activity_id`` is identified by its number, from 0.

    Raises
    ------
    Refusal
        If a value is not valid: these protocols answer for all rows or for none. Fields are named ``column[row]``.
    """
    try:
        found = requests.from_records([_activity(number, row) for number, row in enumerate(rows)])
    except InvalidRequest as error:
        raise _refusal(error.refused) from error
    if found.refused:
        raise _refusal(found.refused)
    return found


def refused(errors: Iterable[FieldError]) -> Refusal:
    """Return the refusal of a request with these errors."""
    return invalid([*errors], HTTPStatus.BAD_REQUEST)


def _refusal(errors: Sequence[Refused]) -> Refusal:
    return refused(FieldError(_place(item), item.error.type, item.message) for item in errors[:MAX_ERRORS])


def _activity(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    activity: dict[str, Any] = {}
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
    activity.setdefault("activity_id", str(number))
    return activity


def _place(item: Refused) -> str:
    """Return the place of an error, such as ``start[3]``."""
    return "rows" if item.position is None else f"{item.error.field or 'row'}[{item.position}]"
