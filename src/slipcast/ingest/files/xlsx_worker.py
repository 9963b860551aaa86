"""One sheet of a workbook as CSV. Runs as a script of its own, with limited memory and without the package."""

import csv
import datetime as dt
import json
import re
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import python_calamine as calamine

PREFERRED = "TASK"
# Rows among which the header is looked for, as in the package.
HEAD = 60
WHOLE = 1e15


class Unusable(Exception):
    """The workbook cannot be used; the arguments are reason and remedy."""


def convert(
    source: str, target: str, *, max_bytes: int, max_columns: int, headers: Sequence[str] = ()
) -> dict[str, Any]:
    """Write the sheet with the schedule to `target`, its row numbers in the first column, ``#line``.

    Empty rows are left out; the first row written bears the header ``#line``.

    Parameters
    ----------
    headers
        Names of columns that schedules have, in lower case, other characters than letters and digits as a space;
        the sheet that has most of them in one row is taken.

    Returns
    -------
    dict with ``sheet``, ``sheets`` (how many there are), ``others`` (names of other sheets) and ``first`` (row number)

    Raises
    ------
    Unusable, calamine.CalamineError
    """
    with calamine.load_workbook(source) as book:
        name, sheet = _choose(book, frozenset(headers))
        if sheet.width > max_columns:
            raise Unusable(f"sheet {name!r} has {sheet.width:,} columns, at most {max_columns:,} may be", "Remove some")
        first = size = 0
        with Path(target).open("w", encoding="utf-8", newline="") as out:
            write = csv.writer(out, lineterminator="\n").writerow
            for number, row in enumerate(sheet.iter_rows(), 1):
                cells = [TEXT[type(value)](value) for value in row]
                if not any(cells):
                    continue
                size += sum(map(len, cells))
                if size > max_bytes:
                    raise Unusable(
                        f"sheet {name!r} holds more than {max_bytes / 1e6:,.0f} MB of text",
                        "Split it by project, or raise the parameter MaxFileMegabytes",
                    )
                write((number if first else "#line", *cells))
                first = first or number
        if not first:
            raise Unusable(f"sheet {name!r} is empty", "Export the schedule again")
        return {
            "sheet": name,
            "sheets": len(book.sheet_names),
            "others": [other for other in book.sheet_names if other != name],
            "first": first,
        }


def _choose(book: calamine.CalamineWorkbook, headers: frozenset[str]) -> tuple[str, calamine.CalamineSheet]:
    """Return the sheet that fits best; of several the one called TASK as Primavera calls it, then the first visible."""
    best: tuple[tuple[int, bool, bool], str, calamine.CalamineSheet] | None = None
    for item in book.sheets_metadata:
        if item.typ != calamine.SheetTypeEnum.WorkSheet:
            continue
        sheet, visible = book.get_sheet_by_name(item.name), item.visible == calamine.SheetVisibleEnum.Visible
        if sheet.start is None:
            continue
        rank = (_known(sheet, headers), item.name.strip().upper() == PREFERRED, visible)
        if best is None or rank > best[0]:
            best = rank, item.name, sheet
    if best is None:
        raise Unusable("the workbook is empty", "Export the schedule again")
    return best[1:]


def _known(sheet: calamine.CalamineSheet, headers: frozenset[str]) -> int:
    """Return how many known headers stand in one row near the top of a sheet."""
    rows = islice(sheet.iter_rows(), HEAD)
    return max((len({_normal(cell) for cell in row if isinstance(cell, str)} & headers) for row in rows), default=0)


def _normal(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < WHOLE else repr(value)


def _moment(value: dt.datetime) -> str:
    # A serial number of a day holds the time to about 10 microseconds.
    with suppress(OverflowError):
        value += dt.timedelta(milliseconds=500)
    day = value.date().isoformat()
    return f"{day} {value:%H:%M:%S}" if value.time() >= dt.time(0, 0, 1) else day


def _duration(value: dt.timedelta) -> str:
    seconds = round(value.total_seconds())
    return f"{'-' * (seconds < 0)}{abs(seconds) // 3600}:{abs(seconds) // 60 % 60:02}:{abs(seconds) % 60:02}"


def _text(value: str) -> str:
    return value if value.isprintable() else " ".join(value.replace("\0", " ").split())


TEXT: dict[type, Callable[[Any], str]] = {
    str: _text,
    float: _number,
    int: str,
    bool: lambda value: "TRUE" if value else "FALSE",
    dt.datetime: _moment,
    dt.date: dt.date.isoformat,
    dt.time: lambda value: value.isoformat("seconds"),
    dt.timedelta: _duration,
}


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job; return what `convert` does, or ``reason`` and ``remedy``."""
    try:
        return convert(**job)
    except Unusable as error:
        return dict(zip(("reason", "remedy"), error.args, strict=True))
    except calamine.CalamineError as error:
        return {"reason": f"the workbook is damaged ({error})", "remedy": "Open it in Excel and save it again"}


if __name__ == "__main__":
    todo = json.load(sys.stdin)
    memory = todo.pop("memory_bytes")
    # Not every system has this limit.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    print(json.dumps(main(todo)))
