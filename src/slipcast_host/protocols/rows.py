"""Rows as the protocols carry them: JSON objects, lists of cells, columns, CSV."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slipcast.features import activity
from slipcast_host import bulk
from slipcast_host.engine import Engine, Refused
from slipcast_host.problem import FieldProblem, Refusal, bad

MAX_ACTIVITIES = 10_000
MAX_ERRORS = 100
COLUMNS = (*activity.TEXTS, *activity.DAYS, *activity.NUMBERS)
# A number of JSON with more digits than this is larger than any float.
_MOST_DIGITS = 400
_CONTRACT = frozenset((*COLUMNS, *activity.GIVEN))


def parse(raw: bytes | str) -> Any:
    """Return a value of JSON, NaN and infinities among its numbers: clients in Python write them.

    Raises
    ------
    Refusal
        If it is not JSON in UTF-8, or nested too deeply.
    """
    try:
        return json.loads(raw, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON; send JSON in UTF-8") from error


def _integer(text: str) -> float:
    # Python reads no integer of more than 4,300 digits.
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def answers(
    engine: Engine, rows: Sequence[Mapping[str, Any]], request_id: str, *, forecasts: bool = True
) -> list[dict[str, Any]]:
    """Return an answer for each row; one wrong value refuses all, as these protocols know no answer for a part.

    Raises
    ------
    Refusal
        If a value is not valid, there are no rows, or too many. Fields are named ``column[row]``.
    """
    _check_number(len(rows))
    if (valid := bulk.of_rows(rows)) is not None:
        return engine.answer_valid(valid, request_id, forecasts=forecasts)
    found = engine.answer(checked(rows), request_id, forecasts=forecasts)
    if found.refused:
        raise refusal(found.refused)
    return [item for item in found.answers if item is not None]


def answers_of_columns(
    engine: Engine, columns: Mapping[str, list[Any]], request_id: str, *, forecasts: bool = True
) -> list[dict[str, Any]]:
    """Return as `answers` an answer for each row of columns that are equally long."""
    count = len(next(iter(columns.values()), ()))
    _check_number(count)
    if (valid := bulk.of_columns(columns, count)) is not None:
        return engine.answer_valid(valid, request_id, forecasts=forecasts)
    return answers(engine, by_column(columns), request_id, forecasts=forecasts)


def checked(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the activities of rows whose number is allowed.

    Raises
    ------
    Refusal
        If there are none or too many.
    """
    _check_number(len(rows))
    return [activity_of(number, row) for number, row in enumerate(rows)]


def _check_number(count: int) -> None:
    if not count:
        raise bad("rows", "there are none; send at least one activity", "too_short")
    if count > MAX_ACTIVITIES:
        message = f"these are {count}; send at most {MAX_ACTIVITIES} activities at once"
        raise Refusal(413, f"rows: {message}", [FieldProblem("rows", "too_long", message)])


def refusal(refused: Sequence[Refused]) -> Refusal:
    """Return the refusal of a request for the errors of its rows."""
    errors = [
        FieldProblem(f"{item.error.field or 'row'}[{item.position}]", item.error.type, item.message)
        for item in refused[:MAX_ERRORS]
    ]
    return Refusal(400, "; ".join(f"{item.field}: {item.message}" for item in errors[:3]), errors)


def activity_of(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as `activity.check` takes it.

    None, NaN, empty text and NaT mean a missing value; a time at midnight means its day; a whole number may stand for a
    text. Point-in-time features may be columns or in ``history``. Unknown columns are not read. A row without
    ``activity_id`` is identified by its number, from 0.
    """
    found: dict[str, Any] = {}
    history: dict[str, Any] = {}
    for name in row.keys() & _CONTRACT:
        value = row[name]
        # NaN is not equal to itself.
        if value is None or value == "" or value != value or (value == "NaT" and name in activity.DAYS):
            continue
        if name not in activity.BY_NAME:
            history[name] = value
            continue
        if name in activity.TEXTS and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        elif name in activity.DAYS and isinstance(value, str) and (day := bulk.MIDNIGHT.fullmatch(value)):
            value = day[1]
        found[name] = value
    sent = row.get("history")
    if isinstance(sent, Mapping):
        history |= sent
    if history or sent is not None:
        found["history"] = history if isinstance(sent, Mapping) or sent is None else sent
    found.setdefault("activity_id", str(number))
    return found


def by_column(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the rows of columns that are equally long."""
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def split(columns: Any, data: Any, place: str) -> list[dict[str, Any]]:
    """Return the rows of a data frame that is sent as column names and lists of values.

    Raises
    ------
    Refusal
        If it is none; `place` names it.
    """
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise bad(f"{place}.columns", "it has to be a list of column names")
    if not isinstance(data, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise bad(f"{place}.data", "it has to be a list of rows, each a list with a value for each column")
    once(columns)
    return [dict(zip(columns, row, strict=True)) for row in data]


def objects(sent: Any, place: str) -> list[dict[str, Any]]:
    """Return the rows of a list of objects, or of lists of cells in the order of `COLUMNS`.

    Raises
    ------
    Refusal
        If it is none; `place` names it.
    """
    if not isinstance(sent, list):
        raise bad(place, "it has to be a list with an object for each activity")
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(sent):
        if isinstance(item, dict):
            rows.append(
                {name: scalar(value) for name, value in item.items()} if list in map(type, item.values()) else item
            )
        elif isinstance(item, list):
            rows.append(cells(item, f"{place}.{number}"))
        else:
            raise bad(f"{place}.{number}", "it has to be an object with an activity's columns as names")
    return rows


def cells(values: Sequence[Any], place: str) -> dict[str, Any]:
    """Return the row of cells without names: in the order of `COLUMNS`, further ones may be missing at the end."""
    if len(values) > len(COLUMNS):
        raise bad(place, f"it has {len(values)} cells; without a header the columns are {', '.join(COLUMNS)}")
    named = dict(zip(COLUMNS, values, strict=False))
    texts = {name: value for name, value in named.items() if isinstance(value, str)}
    return {**named, **dict.fromkeys(texts), **activity.from_cells(texts)}


def scalar(value: Any) -> Any:
    """Return the value of a tensor of shape [n, 1], as TensorFlow Serving's clients send it."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def csv_rows(raw: bytes) -> list[dict[str, Any]]:
    """Return the rows of CSV, with a header or, as batch services cut files, without one.

    Raises
    ------
    Refusal
        If it is no CSV in UTF-8, a row has another length, or a column is named twice.
    """
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, row) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise Refusal(400, "the body is no CSV in UTF-8; send a header and a line for each activity") from error
    if not lines:
        return []
    header = [name.strip() for name in lines[0][1]]
    if not {"start", "baseline_finish", "baseline_duration_days"}.intersection(header):
        return [cells(row, f"line {number}") for number, row in lines]
    once(header)
    rows = []
    for number, row in lines[1:]:
        if len(row) != len(header):
            message = f"it has {len(row)} cells, the header {len(header)}; quote a cell that holds a comma"
            raise bad(f"line {number}", message, "csv")
        rows.append(activity.from_cells(dict(zip(header, row, strict=True))))
    return rows


def once(names: Iterable[str]) -> None:
    """Check that no column of an activity is named twice.

    Raises
    ------
    Refusal
        If one is.
    """
    names = list(names)
    twice = sorted({name for name in names if name in _CONTRACT and names.count(name) > 1})
    if twice:
        raise bad("header", f"it names {', '.join(twice)} more than once; keep one column of each name", "repeated")
