"""Rows of a request, checked column by column: what `rows.activity_of` and `activity.check` do for one activity.

Many rows hold few distinct texts and days, so each of them is read once. Whatever is not plainly valid is left to those
two, which say what is wrong; a test compares the three.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

from slipcast.features import activity
from slipcast.schema import LARGEST_NUMBER

# A data frame writes days as times.
MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ]00:00(:00(\.0+)?)?(Z|[+-]00:00)?")
_KINDS = {
    activity.TEXT: {str, int, type(None)},
    activity.DAY: {str, date, type(None)},
    activity.NUMBER: {float, int, type(None)},
}
_GIVEN = frozenset(activity.GIVEN)


class Activities(NamedTuple):
    """Valid activities by column.

    Attributes
    ----------
    ids
        ``activity_id`` of each as it was sent, its number where it has none
    columns
        canonical columns by name, each of length n_activities: text, `datetime.date`, float, None where unknown
    history
        point-in-time features of each activity, None where it names none
    """

    ids: list[str]
    columns: dict[str, list[Any]]
    history: list[Mapping[str, float] | None]


class _Unusual(Exception):
    """Value that is not plainly valid."""


def of_rows(sent: Sequence[Mapping[str, Any]]) -> Activities | None:
    """Return the activities of rows, at least one; None if any of their values has to be looked at by itself."""
    names: set[str] = set().union(*sent)
    read = [name for name in (*activity.BY_NAME, *activity.GIVEN, "history") if name in names]
    return of_columns({name: [row.get(name) for row in sent] for name in read}, len(sent))


def of_columns(sent: Mapping[str, list[Any]], count: int) -> Activities | None:
    """Return the activities of columns, each of length `count`; None as for `of_rows`."""
    nothing: list[Any] = [None] * count
    names = sent.get("activity_id", nothing)
    if not _KINDS[activity.TEXT].issuperset(map(type, names)):
        return None
    ids = [str(number if name is None or name == "" else name) for number, name in enumerate(names)]
    try:
        columns = {field.name: _column(field, sent.get(field.name, nothing)) for field in activity.FIELDS[1:]}
        columns |= {"activity_id": _column(activity.FIELDS[0], ids)}
        _check_together(columns)
        return Activities(ids, columns, _history(sent.get("history", nothing), sent))
    except (_Unusual, TypeError, OverflowError):
        # TypeError: a list or an object where a text is expected has no hash.
        return None


def _column(field: activity.Field, values: list[Any]) -> list[Any]:
    # By type: for Python, true equals 1.
    if not _KINDS[field.kind].issuperset(map(type, values)):
        raise _Unusual
    if field.kind == activity.NUMBER:
        return _numbers(values, field)
    read = {value: _read(field, value) for value in {*values}}
    return [read[value] for value in values]


def _read(field: activity.Field, value: Any) -> Any:
    if isinstance(value, int):
        value = str(value)
    elif field.kind == activity.DAY and isinstance(value, str):
        midnight = MIDNIGHT.fullmatch(value)
        value = midnight[1] if midnight else None if value == "NaT" else value
    found: dict[str, Any] = {}
    errors: list[activity.FieldError] = []
    activity.take(found, errors, field, value)
    if errors:
        raise _Unusual
    return found.get(field.name)


def _numbers(values: Iterable[Any], field: activity.Field) -> list[float | None]:
    # NaN, which means a missing value, is not equal to itself.
    known = [value for value in values if value is not None and value == value]
    if known:
        least = min(known)
        if least <= -LARGEST_NUMBER or max(known) >= LARGEST_NUMBER:
            raise _Unusual
        if least < field.least or (field.above and least == field.least):
            raise _Unusual
    return [None if value is None or value != value else float(value) for value in values]


def _check_together(columns: Mapping[str, list[Any]]) -> None:
    """Check what two fields of an activity have to fulfill together, as `activity.check` does."""
    for days, finish, begun, start in zip(
        *(columns[name] for name in ("baseline_duration_days", "baseline_finish", "baseline_start", "start")),
        strict=True,
    ):
        if days is None and (finish is None or finish < (begun or start)):
            raise _Unusual
    if any(map(activity.finish_lacks, columns["status"], columns["actual_finish"])):
        raise _Unusual


def _history(sent: list[Any], raw: Mapping[str, list[Any]]) -> list[Mapping[str, float] | None]:
    objects = [item for item in sent if item is not None]
    if not {dict}.issuperset(map(type, objects)) or not _GIVEN.issuperset(chain.from_iterable(objects)):
        raise _Unusual
    values = [*chain.from_iterable(map(dict.values, objects))]
    # In an object, unlike in a column, a feature has to be a number, and `min` may overlook NaN.
    if not {int, float}.issuperset(map(type, values)) or sum(values) != sum(values):
        raise _Unusual
    if values and (min(values) <= -LARGEST_NUMBER or max(values) >= LARGEST_NUMBER):
        raise _Unusual
    if int in {*map(type, values)}:
        sent = [item and {name: float(value) for name, value in item.items()} for item in sent]
    columns = {
        name: _column(activity.Field(name, activity.NUMBER, ""), raw[name]) for name in activity.GIVEN if name in raw
    }
    if not columns:
        return sent
    return [
        {name: value for name, value in zip(columns, known, strict=True) if value is not None} | (item or {})
        for known, item in zip(zip(*columns.values(), strict=True), sent, strict=True)
    ]
