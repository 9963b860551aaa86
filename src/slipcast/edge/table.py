"""Reader of a canonical CSV file, by the standard library: errors name line, column and remedy.

The rules are those of ``POST /predictions``; a test holds the two together. Runs on Python 3.9.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from slipcast.features.point_in_time import HISTORY

TEXTS = {"activity_id": 200, **dict.fromkeys(("activity_name", "project_id", "phase", "work_type", "location"), 500)}
DAYS = ("start", "baseline_start", "baseline_finish")
# Name and lower bound of each number; whether the bound itself is allowed.
NUMBERS = {
    "baseline_duration_days": (0.0, False),
    "total_float_days": (-math.inf, True),
    "predecessor_count": (0.0, True),
    "budget": (0.0, True),
    **dict.fromkeys(HISTORY, (-math.inf, True)),
}
COLUMNS = (*TEXTS, *DAYS, *NUMBERS)

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DAYS_OF_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class TableError(ValueError):
    """The file as a whole cannot be used; the message says why and what to do."""


class Problem(NamedTuple):
    """Problem that keeps a row from being scored.

    Attributes
    ----------
    line
        number of the row's last line in the file, from 1
    column
        name of the column; empty for the whole row
    message, remedy
        the error, and its remedy
    """

    line: int
    column: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: {self.message}; {self.remedy}"


class Row(NamedTuple):
    """An activity by canonical columns, or the problems that it has."""

    activity: dict[str, Any]
    problems: tuple[Problem, ...]


def read(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a canonical CSV file, the header being its first.

    Parameters
    ----------
    lines
        text with line ends, as a file opened with ``newline=""`` gives it

    Raises
    ------
    TableError
        If the header lacks a column that every row needs, names one twice, or the file is no CSV.
    """
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, None)
        names = _names(header)
        for cells in reader:
            if not cells or cells == [""]:
                continue
            if len(cells) != len(names):
                message = f"{len(cells)} cells under {len(names)} columns"
                problem = Problem(reader.line_num, "", message, "put a cell that holds a comma between double quotes")
                yield Row({}, (problem,))
            else:
                yield _row(reader.line_num, dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise TableError(f"line {reader.line_num}: not CSV ({error}); save it as CSV with commas, UTF-8") from error


def _names(header: list[str] | None) -> list[str]:
    if not header:
        raise TableError("the file is empty; its first line must name the columns, such as activity_id,start")
    names = [name.strip().lower() for name in header]
    twice = sorted({name for name in names if name in COLUMNS and names.count(name) > 1})
    if twice:
        raise TableError(f"the header names {', '.join(twice)} more than once; keep one column of each name")
    missing = [name for name in ("activity_id", "start") if name not in names]
    if not {"baseline_finish", "baseline_duration_days"}.intersection(names):
        missing.append("baseline_finish (or baseline_duration_days)")
    if missing:
        found = ", ".join(names)[:200]
        raise TableError(
            f"the header has no column {', '.join(missing)}; it has: {found}. Name the columns as README.md lists them "
            "and separate cells by commas"
        )
    return names


def _row(line: int, cells: dict[str, str]) -> Row:
    activity: dict[str, Any] = {}
    history: dict[str, float] = {}
    problems: list[Problem] = []

    def wrong(column: str, message: str, remedy: str) -> None:
        problems.append(Problem(line, column, message, remedy))

    for name, longest in TEXTS.items():
        text = cells.get(name, "")
        if len(text) > longest:
            wrong(name, f"{len(text)} characters", f"write at most {longest}")
        elif text:
            activity[name] = text
    for name in DAYS:
        text = cells.get(name, "").strip()
        if text and not is_day(text):
            wrong(name, f"{text[:40]!r} is no day", "write the day as year-month-day, such as 2025-12-31")
        elif text:
            activity[name] = text
    for name, (least, included) in NUMBERS.items():
        text = cells.get(name, "").strip()
        if not text:
            continue
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            wrong(name, f"{text[:40]!r} is no number", "write it as 1234.5, without unit and thousands separator")
        elif value < least or (value == least and not included):
            wrong(name, f"{text[:40]} is too small", f"write a number {'from' if included else 'above'} {least:g} on")
        elif name in HISTORY:
            history[name] = value
        else:
            activity[name] = value
    faulty = {problem.column for problem in problems}
    for name in ("activity_id", "start"):
        if name not in activity and name not in faulty:
            wrong(name, "empty", "every activity needs one")
    if not faulty.intersection({"start", "baseline_finish", "baseline_duration_days"}):
        _check_order(activity, wrong)
    if history:
        activity["history"] = history
    return Row(activity, tuple(problems))


def _check_order(activity: dict[str, Any], wrong: Any) -> None:
    if "baseline_duration_days" in activity or "start" not in activity:
        return
    finish = activity.get("baseline_finish")
    if finish is None:
        wrong("baseline_finish", "empty", "give it, or baseline_duration_days")
    elif finish < activity.get("baseline_start", activity["start"]):
        wrong("baseline_finish", "before the start", "look whether the two dates are mixed up")


def is_day(text: str) -> bool:
    """Return whether `text` is a day of the calendar, written as year-month-day."""
    found = _DAY.fullmatch(text)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    if not (year >= 1 and 1 <= month <= 12):
        return False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= _DAYS_OF_MONTH[month - 1] + leap
