"""Reader of a canonical CSV file, by the standard library: errors name line, column and remedy.

The rules are those of every door (:mod:`slipcast.features.activity`). Runs on Python 3.9.
"""

import csv
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from slipcast.features import activity
from slipcast.features.point_in_time import HISTORY

COLUMNS = (*activity.BY_NAME, *HISTORY)


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
    taken, errors = activity.check(activity.from_cells(cells))
    problems = (Problem(line, error.field.rpartition(".")[2], error.message, error.remedy) for error in errors)
    return Row(taken, tuple(problems))
