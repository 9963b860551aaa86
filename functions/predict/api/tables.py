"""Activities and answers as tables: CSV with a header, and lines of JSON."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from predict.api import requests
from predict.api.answers import Line
from predict.api.predictions import Scored
from predict.api.requests import Batch, Refused, invalid
from predict.api.schemas import FieldError
from predict.logged import encode
from predict.transport import body
from slipcast.csv_safety import neutral
from slipcast.features import activity
from slipcast.forecast.serving import Forecast

PREDICTION = (
    *("prediction_id", "activity_id", "probability", "at_risk", "threshold", "error"),
    *("data_date", "stage", "days_late"),
)
FORECAST = ("prediction_id", "activity_id", *Forecast._fields, "error")


def read(text: str, kind: str) -> Batch:
    """Return the activities of a table, `kind` being its media type.

    Raises
    ------
    NotJsonError
        If a line is not JSON.
    InvalidRequest
        If the table is none, or none of its activities can be scored.
    """
    if kind == body.CSV:
        header, found = cells(text)
        check_header(header)
        return requests.from_records([activity.from_cells(dict(zip(header, row, strict=True))) for row in found])
    return requests.from_records([*_lines(text)])


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield requests.parse(line)
            except requests.NotJsonError as error:
                detail = f"line {number} is not JSON: send an activity as JSON in each line"
                raise requests.NotJsonError(str(error), detail) from error


def cells(text: str) -> tuple[list[str], list[list[str]]]:
    """Return the header of a CSV table and its rows, each with as many cells as the header; empty lines are left out.

    Raises
    ------
    InvalidRequest
        If it is no CSV, a row has another length, or a column is named twice.
    """
    reader = records(io.StringIO(text, newline=""))
    return next(reader, []), [*reader]


def records(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the header of a CSV table and its rows, as `cells` returns them.

    Raises
    ------
    InvalidRequest
        As `cells`.
    """
    reader = csv.reader(lines, strict=True)
    names: list[str] | None = None
    try:
        for row in reader:
            if not row:
                continue
            if names is None:
                names = [name.strip() for name in row]
                check_names(names)
                yield names
                continue
            if len(row) != len(names):
                found = f"line {reader.line_num} has {len(row)} cells, the header {len(names)}"
                raise invalid("body", "csv", found, "put a cell that holds a comma between double quotes")
            yield row
    except csv.Error as error:
        raise invalid("body", "csv", f"it is no CSV ({error})", "send a header and a line for each activity") from error


def check_header(names: Iterable[str]) -> None:
    """Check that a table names a field of an activity.

    Raises
    ------
    InvalidRequest
        If it names none.
    """
    if not {*activity.BY_NAME, *activity.GIVEN}.intersection(names):
        raise invalid(
            "header", "missing", "it names no field of an activity", "begin with a line such as activity_id,start"
        )


def check_names(names: list[str]) -> None:
    """Check that no column is named twice.

    Raises
    ------
    InvalidRequest
        If one is.
    """
    known = [name for name in names if name in activity.BY_NAME or name in activity.GIVEN]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise invalid(
            "header", "repeated", f"it names {', '.join(twice)} more than once", "keep one column of each name"
        )


def write(scored: Scored, answers: Sequence[Any], kind: str, columns: Sequence[str]) -> str:
    """Return the answers as a table, in the order of the request.

    Parameters
    ----------
    scored
        predictions of the request
    answers
        answer for each activity that was read
    kind
        media type of the table
    columns
        fields of an answer, in the order of the table; ``error`` says why there is none
    """
    return rows(scored.in_place(answers), reasons(scored.batch), kind, columns)


def rows(
    placed: Sequence[Any],
    wrong: Mapping[int, list[FieldError]],
    kind: str,
    columns: Sequence[str],
    *,
    header: bool = True,
) -> str:
    """Return answers at their places as a table.

    Parameters
    ----------
    placed
        answer for each row, None for one that was refused
    wrong
        what is wrong with each of those, by its place
    kind, columns
        as of `write`
    header
        whether a table of CSV begins with its header
    """
    if kind == body.LINES:
        lines = [Line(errors=wrong[number]) if answer is None else answer for number, answer in enumerate(placed)]
        return "".join(f"{encode(line).decode()}\n" for line in lines)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    if header:
        writer.writerow(columns)
    for number, answer in enumerate(placed):
        why = in_words(wrong.get(number, ()))
        writer.writerow(neutral(why) if name == "error" else _cell(getattr(answer, name, None)) for name in columns)
    return buffer.getvalue()


def in_words(errors: Iterable[FieldError]) -> str:
    """Return errors as the cell of a table."""
    return "; ".join(f"{item.field}: {item.message}" for item in errors)


def reasons(batch: Batch) -> dict[int, list[FieldError]]:
    """Return what is wrong with each refused activity, by its place in the request."""
    return errors(batch.refused)


def errors(refused: Iterable[Refused]) -> dict[int, list[FieldError]]:
    """Return errors by the place of their activity in the request."""
    wrong: dict[int, list[FieldError]] = {}
    for item in refused:
        wrong.setdefault(item.position or 0, []).append(FieldError(item.error.field, item.error.type, item.message))
    return wrong


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
