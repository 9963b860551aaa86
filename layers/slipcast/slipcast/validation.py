"""Reading a canonical schedule CSV: good rows go on, bad rows are named, an unusable file is refused."""

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from slipcast.schema import COLUMNS, STATUSES, Column

REJECTED_COLUMNS = ("line", "column", "value", "reason", "remedy")
BY_NAME = {column.name: column for column in COLUMNS}
# csv's own limit of 128 KiB for a cell would end in an error without a row.
MAX_CELL = 10_000
# date.fromisoformat also reads 20250519 and 2025-W20-1, float also 1_000 and the digits of other scripts.
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NUMBER = re.compile(r"[-+.0-9A-Za-z]+")


class ScheduleRefused(ValueError):
    """The file cannot be used; the message names file, row, column and remedy.

    Attributes
    ----------
    file, reason, remedy : str
    row : int or None
        Physical line in the file; the header is line 1.
    column : str or None
    """

    def __init__(self, file: str, reason: str, remedy: str, row: int | None = None, column: str | None = None) -> None:
        self.file, self.reason, self.remedy, self.row, self.column = file, reason, remedy, row, column
        where = file
        if row is not None:
            where += f", line {row}"
        if column is not None:
            where += f", column {column}"
        super().__init__(f"{where}: {reason}. {remedy}.")


@dataclass(frozen=True)
class ValidatedSchedule:
    """A schedule that was read.

    Attributes
    ----------
    table : DataFrame of the accepted activities: canonical columns, dates ``datetime64``, numbers float64, text object
    rejected : DataFrame with ``line``, ``column``, ``value``, ``reason``, ``remedy``, one row for each bad cell
    counts : activities read, accepted, rejected, and accepted by status
    data_date : the day that the file describes
    """

    table: pd.DataFrame
    rejected: pd.DataFrame
    counts: dict[str, int]
    data_date: date


@dataclass
class _Row:
    line: int
    values: dict[str, Any]
    problems: list[tuple[str, str, str, str]] = field(default_factory=list)

    def reject(self, column: str, reason: str, remedy: str) -> None:
        value = self.values.get(column)
        self.problems.append((column, "" if value is None else str(value)[:200], reason, remedy))


def read_schedule(raw: bytes, file_name: str, *, max_bad_share: float = 0.2) -> ValidatedSchedule:
    """Read a canonical schedule.

    Parameters
    ----------
    raw : the file: CSV in UTF-8, comma separated, header first
    file_name : for messages, and as the project where the file names none
    max_bad_share : with a larger share of bad rows the file is refused whole

    Raises
    ------
    ScheduleRefused
        If the file is empty, not text, lacks a column, names one twice, has several data dates, or is mostly bad.
    """
    header, lines = _parse(raw, file_name)
    rows = [_read_row(header, line, cells, file_name) for line, cells in lines]
    if not rows:
        raise ScheduleRefused(file_name, "there are no activities below the header", "Export the schedule again")
    _check_unique(rows)
    bad = [row for row in rows if row.problems]
    if len(bad) > max_bad_share * len(rows) or len(bad) == len(rows):
        first = bad[0]
        column, value, reason, remedy = first.problems[0]
        raise ScheduleRefused(
            file_name,
            f"{len(bad)} of {len(rows)} rows are bad, at most {max_bad_share:.0%} may be; "
            f"the first: {value!r} {reason}",
            remedy,
            first.line,
            column,
        )
    good = [row for row in rows if not row.problems]
    data_date = _data_date(good, file_name)
    table = _table([row.values for row in good])
    statuses = table["status"].value_counts()
    rejected = [(row.line, *problem) for row in bad for problem in row.problems]
    return ValidatedSchedule(
        table,
        pd.DataFrame(rejected, columns=list(REJECTED_COLUMNS)),
        {"read": len(rows), "accepted": len(good), "rejected": len(bad)}
        | {status: int(statuses.get(status, 0)) for status in STATUSES},
        data_date,
    )


def _parse(raw: bytes, file_name: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    if not raw.strip():
        raise ScheduleRefused(file_name, "the file is empty", "Export the schedule again")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ScheduleRefused(
            file_name, f"byte {error.start} is not UTF-8 text", "Save the file as CSV UTF-8", line
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ScheduleRefused(file_name, "the file holds binary data", "Save the file as CSV UTF-8", line)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ScheduleRefused(file_name, f"not a CSV ({error})", "Look at the quotes of this line", line) from error
    if not lines:
        raise ScheduleRefused(file_name, "the file is empty", "Export the schedule again")
    header = [name.strip() for name in lines[0][1]]
    _check_header(header, file_name)
    return header, lines[1:]


def _check_header(header: list[str], file_name: str) -> None:
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise ScheduleRefused(
            file_name, f"the header names {', '.join(twice)} twice", "Remove or rename one of them", 1, twice[0]
        )
    if missing := [column.name for column in COLUMNS if column.required and column.name not in header]:
        raise ScheduleRefused(
            file_name,
            f"required columns are missing: {', '.join(missing)}; found: {', '.join(header)[:300]}",
            "Add them, or rename the columns that hold them",
            1,
            missing[0],
        )


def _read_row(header: list[str], line: int, cells: list[str], file_name: str) -> _Row:
    row = _Row(line, {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name in BY_NAME})
    if len(cells) != len(header):
        row.reject(
            "activity_id",
            f"the row has {len(cells)} cells, the header {len(header)}",
            "Put quotes around cells that hold commas",
        )
        return row
    for name, cell in list(row.values.items()):
        try:
            row.values[name] = _convert(BY_NAME[name], cell)
        except ValueError as error:
            reason, remedy = error.args
            row.reject(name, reason, remedy)
    if not row.problems:
        _check_values(row, file_name)
    return row


def _convert(column: Column, cell: str) -> Any:
    if len(cell) > MAX_CELL:
        raise ValueError(f"is longer than {MAX_CELL} characters", "Shorten it")
    if not cell:
        if column.required:
            raise ValueError("is empty", "Fill it in")
        return None
    if column.kind == "date":
        try:
            if not DAY.fullmatch(cell):
                raise ValueError
            return pd.Timestamp(date.fromisoformat(cell))
        except ValueError:
            raise ValueError("is not a date of the form 2025-12-31", "Write it as year-month-day") from None
    if column.kind == "number":
        try:
            if not NUMBER.fullmatch(cell):
                raise ValueError
            number = float(cell)
        except ValueError:
            raise ValueError("is not a number", "Write digits with a decimal point, without unit or currency") from None
        if not -1e15 < number < 1e15:
            raise ValueError("is not a finite number", "Leave it empty if it is not known")
        return number
    return cell


def _check_values(row: _Row, file_name: str) -> None:
    values = row.values
    if not values.get("project_id"):
        values["project_id"] = PurePosixPath(file_name).stem
    begin = values.get("baseline_start") or values["start"]
    days = values.get("baseline_duration_days")
    if days is None:
        days = values["baseline_duration_days"] = float((values["baseline_finish"] - begin).days)
        if days <= 0:
            row.reject("baseline_finish", "is not after the start", "Check start and baseline finish")
    elif days <= 0:
        row.reject("baseline_duration_days", "is not positive", "Give the planned calendar days, or leave it empty")
    finish = values.get("actual_finish")
    if finish is not None and finish < values["start"]:
        row.reject("actual_finish", "is before the start", "Check start and finish")
    if finish is not None and finish > values["data_date"]:
        row.reject("actual_finish", "is after the data date", "A finish in the future is a forecast: leave it empty")
    share = values.get("percent_complete")
    if share is not None and not 0 <= share <= 100:
        row.reject("percent_complete", "is not between 0 and 100", "Give per cent")
    for name in ("budget", "predecessor_count"):
        number = values.get(name)
        if number is not None and number < 0:
            row.reject(name, "is negative", "Leave it empty if it is not known")
    _derive_status(row)


def _derive_status(row: _Row) -> None:
    values = row.values
    status = values.get("status")
    if status is not None and status not in STATUSES:
        row.reject("status", f"is not one of {', '.join(STATUSES)}", "Use one of them, or leave it empty")
    elif status == "complete" and values.get("actual_finish") is None:
        row.reject("actual_finish", "is empty although the activity is complete", "Give the finish or the right status")
    elif values.get("actual_finish") is not None:
        values["status"] = "complete"
    elif status is None:
        values["status"] = "not_started" if values["start"] > values["data_date"] else "in_progress"


def _check_unique(rows: list[_Row]) -> None:
    first: dict[str, int] = {}
    for row in rows:
        key = row.values.get("activity_id")
        if not key:
            continue
        if key in first:
            row.reject("activity_id", f"stands in line {first[key]} already", "Give each activity an id of its own")
        else:
            first[key] = row.line


def _data_date(rows: list[_Row], file_name: str) -> date:
    dates = {row.values["data_date"] for row in rows}
    if len(dates) > 1:
        other = next(row for row in rows if row.values["data_date"] != rows[0].values["data_date"])
        raise ScheduleRefused(
            file_name,
            f"the file has {len(dates)} data dates",
            "Drop one file for each data date",
            other.line,
            "data_date",
        )
    return dates.pop().date()


def _table(values: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=[column.name for column in COLUMNS])
    for column in COLUMNS:
        if column.kind == "date":
            table[column.name] = pd.to_datetime(table[column.name]).astype("datetime64[s]")
        elif column.kind == "number":
            table[column.name] = table[column.name].astype("float64")
        else:
            table[column.name] = table[column.name].astype(object).where(table[column.name].notna(), None)
    return table
