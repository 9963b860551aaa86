"""Contract of an activity that is to be predicted: its fields, what they may hold, and the words for what is wrong.

Every door applies it: the API and the protocols next to it, the queue, the edge scorer. Fast decoders may be generated
from `FIELDS`; what they refuse, `check` explains. Standard library only, Python 3.9 and later.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from slipcast.features.point_in_time import HISTORY, NOW
from slipcast.schema import LARGEST_NUMBER, STATUSES, clean_text

TEXT, DAY, NUMBER = "text", "day", "number"
# Characters.
LONGEST_TEXT = 500


class Field(NamedTuple):
    """A field of an activity.

    Attributes
    ----------
    name
        canonical column
    kind
        `TEXT`, `DAY` or `NUMBER`
    description
        meaning and unit
    least
        lower bound of a number
    above
        whether the bound itself is refused
    required
        whether every activity needs it
    words
        the only texts that it may hold; capitals, spaces and hyphens make no difference
    """

    name: str
    kind: str
    description: str
    least: float = -math.inf
    above: bool = False
    required: bool = False
    words: tuple[str, ...] = ()


FIELDS = (
    Field("activity_id", TEXT, "Identifier; comes back in the answer", required=True),
    Field("activity_name", TEXT, "What is done"),
    Field("project_id", TEXT, "Project"),
    Field("phase", TEXT, "Phase of the project"),
    Field("work_type", TEXT, "Kind of work or program"),
    Field("location", TEXT, "Place"),
    Field(
        "status",
        TEXT,
        "Status at the end of the data date; derived from the dates where absent",
        words=STATUSES,
    ),
    Field(
        "data_date",
        DAY,
        "Day that the activity is described on; what happened later is not used. Today (UTC) where absent",
    ),
    Field("start", DAY, "Actual start, else planned start", required=True),
    Field("baseline_start", DAY, "Start in the baseline; the start where absent"),
    Field("baseline_duration_days", NUMBER, "Calendar days, first and last included", least=0.0, above=True),
    Field("baseline_finish", DAY, "Finish in the baseline; required unless baseline_duration_days is given"),
    Field("actual_finish", DAY, "Finish; absent while the activity is open"),
    Field("budget", NUMBER, "Budget", least=0.0),
    Field("total_float_days", NUMBER, "Total float in days"),
    Field("predecessor_count", NUMBER, "Number of predecessors", least=0.0),
)
BY_NAME = {field.name: field for field in FIELDS}
TEXTS, DAYS, NUMBERS = (tuple(field.name for field in FIELDS if field.kind == kind) for kind in (TEXT, DAY, NUMBER))
# Words of a table for a missing value, as pandas reads them.
MISSING_WORDS = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "NaT", "None", "n/a", "nan", "null"}
)
SHOWN = 40
COMPLETE = STATUSES[-1]
# Of requests that the model itself has to answer: on the first day of the calendar nothing is late yet.
AHEAD_OF_ALL = {"data_date": date.min.isoformat()}

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
# Point-in-time features that a caller may know: as of the start, and for a forecast as of the data date.
GIVEN = (*HISTORY, *NOW)
_HISTORY = frozenset(GIVEN)


class FieldError(NamedTuple):
    """Fault of a field.

    Attributes
    ----------
    field
        its name, such as ``start`` or ``history.project_slip_days``; empty for the whole activity
    type
        kind of error
    message, remedy
        what is wrong, and what to do about it
    """

    field: str
    type: str
    message: str
    remedy: str


class Baseline(NamedTuple):
    """Planned time of an activity.

    Attributes
    ----------
    days
        calendar days, first and last included
    finish
        last day; None if the calendar ends before it
    """

    days: float
    finish: date | None


class _Wrong(Exception):
    """Value that is refused: type of error, message, remedy."""


def baseline(begin: date, days: float | None, finish: date | None) -> Baseline:
    """Return duration and finish of an activity; each is derived from the other where it is absent.

    Parameters
    ----------
    begin
        start in the baseline, else the start
    days
        duration in calendar days, first and last included; None if unknown
    finish
        finish in the baseline; None if unknown

    Raises
    ------
    ValueError
        If both are unknown, or the finish is needed and before the begin.

    Examples
    --------
    >>> baseline(date(2025, 3, 3), None, date(2025, 3, 5))
    Baseline(days=3.0, finish=datetime.date(2025, 3, 5))
    >>> baseline(date(2025, 3, 3), 2.5, None)
    Baseline(days=2.5, finish=datetime.date(2025, 3, 5))
    """
    if days is None:
        if finish is None or finish < begin:
            raise ValueError("an activity needs a baseline duration, or a baseline finish that follows its start")
        return Baseline(float((finish - begin).days + 1), finish)
    return Baseline(days, finish if finish is not None else last_day(begin, days))


def last_day(begin: date, days: float) -> date | None:
    """Return the last of `days` calendar days from `begin` on; None if it is no day of the calendar."""
    further = math.ceil(days) - 1
    return begin + timedelta(further) if 0 <= further <= date.max.toordinal() - begin.toordinal() else None


def finish_lacks(status: str | None, actual_finish: date | None) -> bool:
    """Return whether an activity is said to be complete without its finish."""
    return status == COMPLETE and actual_finish is None


def check(sent: Any) -> tuple[dict[str, Any], list[FieldError]]:
    """Return an activity by canonical columns and everything that is wrong with it.

    Parameters
    ----------
    sent
        a value of JSON: texts, days as year-month-day, numbers, ``history`` as an object; None means unknown

    Returns
    -------
    tuple[dict[str, Any], list[FieldError]]
        valid fields as text (`schema.clean_text`), `datetime.date` or float, unknown ones left out; and the errors
    """
    if not isinstance(sent, Mapping):
        return {}, [FieldError("", "object_type", f"{_shown(sent)} is no activity", "send an object with its fields")]
    activity: dict[str, Any] = {}
    errors: list[FieldError] = []
    for field in FIELDS:
        take(activity, errors, field, sent.get(field.name))
    faulty = {error.field for error in errors}
    if not faulty.intersection({"start", "baseline_start", "baseline_finish", "baseline_duration_days"}):
        _check_order(activity, errors)
    if finish_lacks(activity.get("status"), activity.get("actual_finish")) and "actual_finish" not in faulty:
        remedy = "give it, or another status"
        errors.append(FieldError("actual_finish", "missing", "it is empty, and the status is complete", remedy))
    history = sent.get("history")
    if history is not None:
        known = _history(history, errors)
        if known is not None:
            activity["history"] = known
    return activity, errors


def from_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """Return the value that `check` takes for a row of a table of text: numbers are read, empty cells are left out."""
    activity: dict[str, Any] = {}
    history: dict[str, Any] = {}
    for name, text in cells.items():
        known = name in BY_NAME
        if not known and name not in _HISTORY:
            continue
        bare = clean_text(text)
        if not bare or (bare in MISSING_WORDS and name != "activity_id"):
            continue
        if known and BY_NAME[name].kind != NUMBER:
            activity[name] = bare
        else:
            (activity if known else history)[name] = float(bare) if _NUMBER.fullmatch(bare) else bare
    if history:
        activity["history"] = history
    return activity


def take(activity: dict[str, Any], errors: list[FieldError], field: Field, value: Any) -> None:
    """Add the value of one field to an activity, or what is wrong with it to the errors; None means unknown."""
    try:
        taken = None if value is None else _READERS[field.kind](field, value)
    except _Wrong as wrong:
        kind, message, remedy = wrong.args
        errors.append(FieldError(field.name, kind, message, remedy))
        return
    if taken is not None:
        activity[field.name] = taken
    elif field.required:
        errors.append(FieldError(field.name, "missing", "it is empty", "every activity needs one"))


def _text(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _Wrong("string_type", f"{_shown(value)} is no text", "write it between double quotes")
    clean = clean_text(value)
    if field.words and clean:
        return _word(field, clean)
    if len(clean) > LONGEST_TEXT:
        raise _Wrong("string_too_long", f"{len(clean)} characters", f"write at most {LONGEST_TEXT}")
    if not clean.isascii():
        try:
            clean.encode()
        except UnicodeEncodeError:
            remedy = "send the text as UTF-8"
            raise _Wrong("string_unicode", "it has half a character (a lone surrogate)", remedy) from None
    return clean or None


def _word(field: Field, text: str) -> str:
    word = text.lower().replace(" ", "_").replace("-", "_")
    if word not in field.words:
        raise _Wrong("literal_error", f"{_shown(text)} is no {field.name}", f"use {', '.join(field.words)}")
    return word


def _day(_: Field, value: Any) -> date | None:
    if isinstance(value, str):
        text = clean_text(value)
        if not text:
            return None
        if _DAY.fullmatch(text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                pass
    elif type(value) is date:
        return value
    raise _Wrong("date_format", f"{_shown(value)} is no day", "write the day as year-month-day, such as 2025-12-31")


def _number(field: Field, value: Any) -> float:
    # NaN is not equal to itself.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        remedy = "write it as 1234.5, without quotes, unit and thousands separator"
        raise _Wrong("float_type", f"{_shown(value)} is no number", remedy)
    # Not "abs(value) >= ...": every comparison with NaN is false.
    if not abs(value) < LARGEST_NUMBER:
        limit = f"{LARGEST_NUMBER:g}"
        raise _Wrong("number_range", f"{_shown(value)} is too large", f"write a number between -{limit} and {limit}")
    number = float(value)
    if number < field.least or (field.above and number == field.least):
        kind = "greater_than" if field.above else "greater_than_equal"
        remedy = f"write a number {'above' if field.above else 'from'} {field.least:g}{'' if field.above else ' on'}"
        raise _Wrong(kind, f"{_shown(value)} is too small", remedy)
    return number


_READERS = {TEXT: _text, DAY: _day, NUMBER: _number}


def _history(sent: Any, errors: list[FieldError]) -> dict[str, float] | None:
    if not isinstance(sent, Mapping):
        remedy = "send an object with the features as the log of predictions names them"
        errors.append(FieldError("history", "object_type", f"{_shown(sent)} holds no features", remedy))
        return None
    known: dict[str, float] = {}
    for name, value in sent.items():
        place = f"history.{repr(str(name))[1:-1][:SHOWN]}"
        if name not in _HISTORY:
            errors.append(FieldError(place, "unknown_feature", "there is no such feature", f"use {', '.join(GIVEN)}"))
            continue
        try:
            known[name] = _number(Field(name, NUMBER, ""), value)
        except _Wrong as wrong:
            errors.append(FieldError(place, *wrong.args))
    return known


def _check_order(activity: Mapping[str, Any], errors: list[FieldError]) -> None:
    if "baseline_duration_days" in activity or "start" not in activity:
        return
    finish = activity.get("baseline_finish")
    if finish is None:
        errors.append(FieldError("baseline_finish", "missing", "it is empty", "give it, or baseline_duration_days"))
    elif finish < activity.get("baseline_start", activity["start"]):
        remedy = "look whether the two dates are mixed up; if it starts after its baseline, give baseline_start"
        errors.append(FieldError("baseline_finish", "date_order", "it is before the start", remedy))


def _shown(value: Any) -> str:
    if isinstance(value, (Mapping, list)):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LARGEST_NUMBER:
        # Python refuses to write thousands of digits.
        return "the number"
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
