"""Activities of a request, column by column.

Valid ones are decoded and checked by msgspec. What it refuses is read a second time, field by field, by the contract
that its types are generated from (:mod:`slipcast.features.activity`): that finds every error of every activity, and
accepts what only needs cleaning, such as a text with a space at its end.
"""

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from predict.api.schemas import Activities, Activity
from predict.contract import MAX_ACTIVITIES
from slipcast.features import activity
from slipcast.forecast import stage
from slipcast.schema import WHITE_SPACE, clean_text

NAMES = tuple(field.name for field in activity.FIELDS)
# A number of JSON with more digits than this is larger than any float.
_MOST_DIGITS = 400
_many = msgspec.json.Decoder(Activities)
_one = msgspec.json.Decoder(Activity)
_fields = [(name, attrgetter(name)) for name in NAMES]
_history_of = attrgetter("history")
# Of a structure it leaves out the fields that were not sent.
_to_builtins = msgspec.to_builtins


class Refused(NamedTuple):
    """Error of a request.

    Attributes
    ----------
    position
        place of the activity, None for the request as a whole
    error
        what is wrong
    """

    position: int | None
    error: activity.FieldError

    @property
    def path(self) -> str:
        """Return the place in the body, such as ``activities.0.start``."""
        if self.position is None:
            return self.error.field
        return f"activities.{self.position}.{self.error.field}".rstrip(".")

    @property
    def message(self) -> str:
        """Return what is wrong, and what to do about it."""
        return f"{self.error.message}; {self.error.remedy}"


class InvalidRequest(Exception):
    """Request without any activity that can be scored.

    Attributes
    ----------
    refused
        all its errors
    """

    def __init__(self, refused: Sequence[Refused]) -> None:
        super().__init__("; ".join(f"{item.path}: {item.message}" for item in refused[:3]))
        self.refused = refused


class NotJsonError(ValueError):
    """Body that is not JSON.

    Attributes
    ----------
    detail
        what may be said of it to a client
    """

    def __init__(self, why: str, detail: str = "the body is not JSON") -> None:
        super().__init__(why)
        self.detail = detail


class Batch(NamedTuple):
    """Valid activities of a request.

    Attributes
    ----------
    ids
        identifiers as they were sent, of length n_activities
    columns
        every other field but ``history`` by name, and the identifiers without white space around them: text, days,
        floats; None where unknown. Duration and finish are derived where absent, and the data date is today.
    history
        point-in-time features sent with an activity, None if there are none
    positions
        places of the activities in the request
    refused
        errors of the other activities
    explain
        whether reasons are asked for
    """

    ids: Sequence[str]
    columns: dict[str, list[Any]]
    history: Sequence[Mapping[str, float] | None]
    positions: Sequence[int]
    refused: Sequence[Refused] = ()
    explain: bool = False

    def records(self) -> list[dict[str, Any]]:
        """Return the activities by canonical columns, unknown ones left out."""
        columns = {**self.columns, "history": self.history}
        names = list(columns)
        return [
            {name: value for name, value in zip(names, values, strict=True) if value is not None}
            for values in zip(*columns.values(), strict=True)
        ]


class _Unclean(Exception):
    """Request that has to be read field by field."""


def read(body: str) -> Batch:
    """Return the activities in a body: one activity, or several in ``activities``.

    An invalid activity among several does not fail the others.

    Raises
    ------
    NotJsonError
        If the body is not JSON.
    InvalidRequest
        If no activity is valid, or the request as a whole is not.
    """
    try:
        found = _many.decode(body)
        activities = [_one.decode(body)] if found.activities is msgspec.UNSET else found.activities
        return _columns(activities)._replace(explain=found.explain)
    except (_Unclean, msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        document = parse(body)
    return _read_by_field(*_activities(document))


def from_records(records: Sequence[Any]) -> Batch:
    """Return the activities of records, as `activity.check` takes them.

    Raises
    ------
    InvalidRequest
        If no activity is valid, or there are none or too many.
    """
    try:
        return _columns(msgspec.convert(records, list[Activity]))
    except (_Unclean, msgspec.ValidationError, UnicodeEncodeError):
        return _read_by_field(records)


def parse(text: str) -> Any:
    """Return a value of JSON, NaN and infinities among its numbers.

    Raises
    ------
    NotJsonError
        If it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise NotJsonError(str(error), "the body is nested too deeply: an activity has one level") from error
    except ValueError as error:
        raise NotJsonError(str(error)) from error


def _integer(text: str) -> float:
    # Python reads no integer of more than 4,300 digits.
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def _activities(document: Any) -> tuple[list[Any], bool]:
    """Return the activities in a document, and whether reasons are asked for."""
    if isinstance(document, list):
        raise invalid("", "object_type", "it is a list", 'send the list inside an object: {"activities": [...]}')
    if not isinstance(document, dict):
        raise invalid("", "object_type", "it is no object", "send an activity, or several in activities")
    explain = document.get("explain", False)
    if "activities" in document:
        activities = document["activities"]
    elif document.keys() & {*NAMES, "history"}:
        # Any field of an activity makes the body an activity, so that the error names the field that is missing.
        activities = [document]
    else:
        raise invalid("activities", "missing", "it is empty", "send the activities in it")
    if not isinstance(activities, list):
        raise invalid("activities", "list_type", "it is no list", "send the activities in it")
    if not isinstance(explain, bool):
        raise invalid("explain", "bool_type", "it is neither true nor false", "send one of them, or leave it out")
    return activities, explain


def invalid(field: str, kind: str, message: str, remedy: str) -> InvalidRequest:
    """Return the refusal of a request as a whole."""
    return InvalidRequest([Refused(None, activity.FieldError(field or "body", kind, message, remedy))])


def _read_by_field(records: Sequence[Any], explain: bool = False) -> Batch:
    if not records:
        raise invalid("activities", "too_short", "it is empty", "send at least one activity")
    if len(records) > MAX_ACTIVITIES:
        found = f"these are {len(records)}"
        raise invalid("activities", "too_long", found, f"send at most {MAX_ACTIVITIES} activities at once")
    valid: list[dict[str, Any]] = []
    ids: list[str] = []
    positions: list[int] = []
    refused: list[Refused] = []
    for index, record in enumerate(records):
        taken, errors = activity.check(record)
        if errors:
            refused += [Refused(index, error) for error in errors]
            continue
        positions.append(index)
        ids.append(record["activity_id"])
        valid.append(taken)
    if not valid:
        raise InvalidRequest(refused)
    columns = {name: [taken.get(name) for taken in valid] for name in NAMES}
    batch = _batch(columns, [taken.get("history") for taken in valid])
    return batch._replace(ids=ids, positions=positions, refused=refused, explain=explain)


def _columns(activities: Sequence[Any]) -> Batch:
    """Return activities that msgspec decoded.

    Raises
    ------
    _Unclean
        If a text is not clean, a finish is missing or before its start, or there are none or too many.
    """
    if len(activities) > MAX_ACTIVITIES:
        raise _Unclean
    columns = {name: list(map(value, activities)) for name, value in _fields}
    for name in activity.TEXTS:
        for text in {*columns[name]}:
            if text is not None and not _is_clean(text):
                raise _Unclean
    try:
        return _batch(columns, _to_builtins(list(map(_history_of, activities))))
    except ValueError as error:
        raise _Unclean from error


def _batch(columns: dict[str, list[Any]], history: list[Mapping[str, float] | None]) -> Batch:
    """Return clean activities, with duration and finish.

    Raises
    ------
    ValueError
        If a finish is missing or before its start, or a complete activity has none, or if there are no activities.
    """
    if any(map(activity.finish_lacks, columns["status"], columns["actual_finish"])):
        raise ValueError("a complete activity needs its finish")
    starts = zip(columns["baseline_start"], columns["start"], strict=True)
    known = map(
        activity.baseline,
        [own or start for own, start in starts],
        columns["baseline_duration_days"],
        columns["baseline_finish"],
    )
    columns["baseline_duration_days"], columns["baseline_finish"] = map(list, zip(*known, strict=True))
    if None in columns["data_date"]:
        today = stage.today()
        columns["data_date"] = [day or today for day in columns["data_date"]]
    return Batch(columns["activity_id"], columns, history, range(len(history)))


def _is_clean(text: str) -> bool:
    if text.isascii():
        return bool(text) and text[0] not in WHITE_SPACE and text[-1] not in WHITE_SPACE
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return clean_text(text) == text
