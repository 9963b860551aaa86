"""Reader of valid prediction requests, column by column, with the standard library alone.

Importing pydantic and Powertools' validation takes longer than the rest of a cold start, and validating one activity
with them takes longer than predicting it. So requests that `api.schemas.PredictionRequest` accepts are read here
without them. Nothing is refused here: any request that is not plainly valid is left to pydantic, which writes the error
message. A test compares both readers on all kinds of requests.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import isfinite
from typing import Any, NamedTuple

from predict.contract import MAX_ACTIVITIES, MAX_ID, MAX_TEXT
from slipcast.features import columns as feature_columns
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL

TEXTS = ("activity_name", "project_id", *CATEGORICAL)
DAYS = ("baseline_start", "baseline_finish")
# Smallest valid value.
NUMBERS = {"budget": 0.0, "total_float_days": None, "predecessor_count": 0.0}
FIELDS = frozenset(
    {"activity_id", *TEXTS, "start", *DAYS, "baseline_duration_days", *NUMBERS, "history"},
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HISTORY = frozenset(HISTORY)


class NotPlain(Exception):
    """Request that must be validated by the application."""


class Activities(NamedTuple):
    """Valid activities.

    Attributes
    ----------
    ids
        identifiers, of length n_activities
    columns
        every other field but ``history`` by name: texts, dates, floats; None where absent
    history
        point-in-time features sent with an activity, None if there are none
    days
        baseline durations in calendar days
    """

    ids: list[str]
    columns: dict[str, list[Any]]
    history: list[dict[str, float] | None]
    days: list[float]

    def records(self) -> list[dict[str, Any]]:
        """Return the activities by canonical columns, absent ones left out."""
        columns = {"activity_id": self.ids, **self.columns, "history": self.history}
        names = list(columns)
        return [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for values in zip(*columns.values(), strict=True)
        ]

    def features(self, history: Sequence[Mapping[str, float] | None]) -> list[dict[str, float | str | None]]:
        """Return the features of each activity, given its point-in-time features."""
        return feature_columns.feature_rows(self.columns, self.days, history)


def read(body: str) -> Activities:
    """Return the activities of a request's body.

    Raises
    ------
    NotPlain
        If the body is not valid, asks for more than predictions, or cannot be judged here.
    """
    try:
        activities = _list(json.loads(body))
        return _columns(activities)
    except (ValueError, OverflowError, RecursionError) as error:
        raise NotPlain from error


def _list(document: Any) -> list[dict[str, Any]]:
    if type(document) is not dict or document.get("explain", False) is not False:
        raise NotPlain
    if "activities" in document:
        activities = document["activities"]
    elif document.keys() & FIELDS:
        activities = [document]
    else:
        raise NotPlain
    if type(activities) is not list or not 0 < len(activities) <= MAX_ACTIVITIES:
        raise NotPlain
    if set(map(type, activities)) != {dict}:
        raise NotPlain
    return activities


def _columns(activities: list[dict[str, Any]]) -> Activities:
    def values(name: str) -> list[Any]:
        return [activity.get(name) for activity in activities]

    ids = values("activity_id")
    _check_texts(_distinct(ids), MAX_ID, shortest=1)
    columns = {name: values(name) for name in TEXTS}
    for column in columns.values():
        _check_texts(_distinct(column) - {None}, MAX_TEXT)
    for name in ("start", *DAYS):
        columns[name] = _days(values(name))
    columns |= {name: _numbers(values(name), least) for name, least in NUMBERS.items()}
    given = columns["baseline_duration_days"] = _numbers(values("baseline_duration_days"), 0.0, above=True)
    if None in columns["start"]:
        raise NotPlain
    begin = [own or start for own, start in zip(columns["baseline_start"], columns["start"], strict=True)]
    for duration, start, finish in zip(given, begin, columns["baseline_finish"], strict=True):
        if duration is None and (finish is None or finish < start):
            raise NotPlain
    days = feature_columns.baseline_days(given, begin, columns["baseline_finish"])
    return Activities(ids, columns, [_history(item) for item in values("history")], days)


def _distinct(texts: list[Any]) -> set[str | None]:
    # Checked before the set is made: a list or an object in place of a text is not hashable.
    if not set(map(type, texts)) <= {str, type(None)}:
        raise NotPlain
    return set(texts)


def _check_texts(distinct: set[str | None], longest: int, shortest: int = 0) -> None:
    for text in distinct:
        if text is None or not shortest <= len(text) <= longest:
            raise NotPlain
        if not text.isascii():
            # A lone surrogate is a UnicodeEncodeError, which is a ValueError.
            text.encode()


def _days(texts: list[Any]) -> list[date | None]:
    known: dict[Any, date | None] = {None: None}
    for text in _distinct(texts):
        if text is None:
            continue
        if not _DAY.fullmatch(text):
            raise NotPlain
        known[text] = date.fromisoformat(text)
    return [known[text] for text in texts]


def _numbers(values: list[Any], least: float | None = None, *, above: bool = False) -> list[float | None]:
    if not set(map(type, values)) <= {int, float, type(None)}:
        raise NotPlain
    numbers = [None if value is None else float(value) for value in values]
    present = [number for number in numbers if number is not None]
    if not all(map(isfinite, present)):
        raise NotPlain
    if present and least is not None and (min(present) < least or (above and min(present) == least)):
        raise NotPlain
    return numbers


def _history(item: Any) -> dict[str, float] | None:
    if item is None:
        return None
    if type(item) is not dict or not item.keys() <= _HISTORY:
        raise NotPlain
    return dict(zip(item, _present(item.values()), strict=True))


def _present(values: Iterable[Any]) -> list[float]:
    numbers = _numbers(list(values))
    present = [number for number in numbers if number is not None]
    if len(present) < len(numbers):
        raise NotPlain
    return present
