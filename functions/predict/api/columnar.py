"""Activities and answers as Apache Arrow and Parquet.

Only the function for large batches has the library (`slipcast-serving` layer): predict hands such requests over unread.
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any

from arro3 import io as arrow
from arro3.core import Array, DataType, RecordBatchReader, Table

from predict.api import requests, tables
from predict.api.predictions import Scored
from predict.api.requests import Batch, invalid
from predict.api.schemas import FieldError
from predict.contract import MAX_ACTIVITIES
from predict.transport import body
from slipcast.features import activity

_FILE = b"ARROW1"
_EPOCH = date(1970, 1, 1).toordinal()
_TYPES = {
    **{"probability": DataType.float64(), "threshold": DataType.float64(), "at_risk": DataType.bool()},
    **{"probability_late": DataType.float64(), "expected_days_late": DataType.float64()},
    "days_late": DataType.int64(),
    **dict.fromkeys(("data_date", "p10", "p50", "p80", "p90"), DataType.date32()),
}


def read(raw: bytes, kind: str) -> Batch:
    """Return the activities in a table, `kind` being its media type; an Arrow file is read as a stream is.

    Raises
    ------
    InvalidRequest
        If the table is none, or none of its activities can be scored.
    """
    columns: dict[str, list[Any]] = {}
    rows = 0
    for part in parts(io.BytesIO(raw), kind, MAX_ACTIVITIES):
        for name, values in part.items():
            columns.setdefault(name, []).extend(values)
        rows += len(next(iter(part.values())))
        if rows > MAX_ACTIVITIES:
            found = f"these are more than {MAX_ACTIVITIES} rows"
            raise invalid("body", "too_long", found, f"send at most {MAX_ACTIVITIES} at once")
    return requests.from_records(records(columns))


def parts(file: IO[bytes], kind: str, most: int, begin: int = 0) -> Iterator[dict[str, list[Any]]]:
    """Yield the columns that an activity has, by name, as `activity.check` takes their values.

    Parameters
    ----------
    file
        table, which is read as it is needed
    kind
        its media type; an Arrow file is read as a stream is
    most
        rows that are yielded at a time
    begin
        rows that are passed over

    Raises
    ------
    InvalidRequest
        If the table is none, or names no field of an activity.
    """
    try:
        reader = _reader(file, kind)
        names = list(reader.schema.names)
        tables.check_names(names)
        taken = [
            (name, place) for place, name in enumerate(names) if name in activity.BY_NAME or name in activity.GIVEN
        ]
        if not taken:
            raise invalid(
                "header", "missing", "it names no field of an activity", "name the columns as activity_id, start, …"
            )
        # Batch by batch: a few bytes may stand for any number of rows.
        for batch in reader:
            for first in range(min(begin, batch.num_rows), batch.num_rows, most):
                part = batch.slice(first, min(most, batch.num_rows - first))
                yield {name: _values(name, list(part.column(place).to_pylist())) for name, place in taken}
            begin = max(0, begin - batch.num_rows)
    except requests.InvalidRequest:
        raise
    except BaseException as error:
        # The library panics at some damaged files, and a panic is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        form = "an Arrow IPC stream" if kind == body.ARROW else "a Parquet file"
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise invalid("body", "table", f"it is not {form} ({reason})", f"send {form} as Content-Type says") from error


def records(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return columns as records, as `requests.from_records` takes them."""
    given = {name: values for name, values in columns.items() if name in activity.GIVEN}
    own = [name for name in columns if name in activity.BY_NAME]
    count = len(next(iter(columns.values()), ()))
    found: list[dict[str, Any]] = (
        [dict(zip(own, values, strict=True)) for values in zip(*(columns[name] for name in own), strict=True)]
        if own
        else [{} for _ in range(count)]
    )
    if given:
        for record, values in zip(found, zip(*given.values(), strict=True), strict=True):
            known = {name: value for name, value in zip(given, values, strict=True) if value is not None}
            if known:
                record["history"] = known
    return found


def write(scored: Scored, answers: Sequence[Any], kind: str, columns: Sequence[str]) -> str:
    """Return the answers as a table in base64; parameters as of `tables.write`."""
    buffer = io.BytesIO()
    table = answered(scored.in_place(answers), tables.reasons(scored.batch), columns)
    (arrow.write_ipc_stream if kind == body.ARROW else arrow.write_parquet)(table, buffer)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def answered(placed: Sequence[Any], wrong: Mapping[int, list[FieldError]], columns: Sequence[str]) -> Table:
    """Return answers at their places as a table; parameters as of `tables.rows`."""
    found: dict[str, Any] = {}
    for name in columns:
        values = (
            [tables.in_words(wrong.get(number, ())) or None for number in range(len(placed))]
            if name == "error"
            else [getattr(answer, name, None) for answer in placed]
        )
        found[name] = _array(values, _TYPES.get(name, DataType.utf8()))
    return Table.from_pydict(found)


def _array(values: Sequence[Any], kind: DataType) -> Array:
    if kind == DataType.date32():
        return Array([None if day is None else day.toordinal() - _EPOCH for day in values], DataType.int32()).cast(kind)
    return Array([*values], kind)


def _reader(file: IO[bytes], kind: str) -> RecordBatchReader:
    if kind == body.PARQUET:
        return arrow.read_parquet(file)
    magic = file.read(len(_FILE))
    file.seek(0)
    return (arrow.read_ipc if magic == _FILE else arrow.read_ipc_stream)(file)


def _values(name: str, values: list[Any]) -> list[Any]:
    kinds = {*map(type, values)}
    taken = _TAKEN[activity.BY_NAME[name].kind if name in activity.BY_NAME else activity.NUMBER]
    # Most columns hold what is taken as it is.
    return values if kinds <= taken and float not in kinds else [_value(value, taken) for value in values]


_TAKEN: Mapping[str, frozenset[type]] = {
    activity.TEXT: frozenset({str, type(None)}),
    activity.DAY: frozenset({date, str, type(None)}),
    activity.NUMBER: frozenset({float, int, type(None)}),
}


def _value(value: Any, taken: frozenset[type]) -> Any:
    """Return a value as JSON would hold it: days without midnight, numbers of any kind, texts of whole numbers."""
    # NaN is not equal to itself: what a data frame has for a missing value.
    if value is None or value != value:
        return None
    if isinstance(value, datetime) and date in taken:
        return value.date() if value.time() == time() else value.isoformat()
    if isinstance(value, Decimal) and float in taken:
        return float(value)
    if type(value) is int and taken is _TAKEN[activity.TEXT]:
        return str(value)
    return value if type(value) in taken or isinstance(value, bool | list | dict) else str(value)
