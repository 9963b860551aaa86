"""Activities and durations of XER files against the files' own figures: ``benchmarks/p6_durations.py FOLDER``.

Of each file the rows that a plain reader of the tables finds with the type TT_Task or TT_Rsrc are compared with the
activities that the intake accepts. Of those that have not started, the planned duration in calendar days is compared
with the planned dates, both included, and the working hours between these dates, by the calendars that the intake has
read, with P6's own ``target_drtn_hr_cnt``.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from slipcast.datasets.database import literal
from slipcast.ingest.schedule import Schedule, read_schedule

# Activities as planners count them; the rest are milestones, summaries and level of effort.
TYPES = ("TT_Task", "TT_Rsrc")
# Minutes by which P6's hours may differ: it stores them rounded.
ROUNDED = 1.0


def main(folder: str) -> None:
    """Print a line for each file of `folder`, and the sums."""
    print(f"{'file':28} {'activities':>10} {'read':>6} {'not started':>11} {'equal dates':>11} {'equal hours':>11}")
    sums = [0] * 5
    for path in sorted(Path(folder).glob("*.xer")):
        counts = compared(path)
        sums = [total + count for total, count in zip(sums, counts, strict=True)]
        print(f"{path.name:28} {counts[0]:>10} {counts[1]:>6} {counts[2]:>11} {counts[3]:>11} {counts[4]:>11}")
    print(f"{'sum':28} {sums[0]:>10} {sums[1]:>6} {sums[2]:>11} {sums[3]:>11} {sums[4]:>11}")


def compared(path: Path) -> tuple[int, int, int, int, int]:
    """Return activities of the file, read ones, not started ones, and those of equal dates and of equal hours."""
    tasks = {row["task_code"]: row for row in tasks_of(path) if row["task_type"] in TYPES}
    with tempfile.TemporaryDirectory() as folder:
        schedule = read_schedule(path, path.name, workdir=Path(folder), max_bad_share=1.0)
        rows = {row["activity_id"]: row for row in schedule.rows()}
        hours = working_minutes(schedule, tasks)
    waiting = {code: row for code, row in tasks.items() if row["status_code"] == "TK_NotStart" and code in rows}
    equal = sum(rows[code]["baseline_duration_days"] == days_of(row) for code, row in waiting.items())
    same = sum(
        abs(hours[code] - 60 * float(row["target_drtn_hr_cnt"])) < ROUNDED
        for code, row in waiting.items()
        if code in hours
    )
    return len(tasks), len(tasks.keys() & rows.keys()), len(waiting), equal, same


def tasks_of(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of the table TASK, read without any of Slipcast's code."""
    table, fields = "", [""]
    for line in path.read_bytes().decode("cp1252", "replace").split("\n"):
        cells = line.rstrip("\r").split("\t")
        if cells[0] == "%T":
            table = cells[1]
        elif cells[0] == "%F":
            fields = cells[1:]
        elif cells[0] == "%R" and table == "TASK":
            yield dict(zip(fields, cells[1:], strict=False))


def days_of(row: dict[str, str]) -> int:
    """Return the calendar days of the planned dates, both included; midnight ends the day before."""
    start, end = (datetime.fromisoformat(row[name]) for name in ("target_start_date", "target_end_date"))
    return ((end - timedelta(seconds=1)).date() - start.date()).days + 1


def working_minutes(schedule: Schedule, tasks: dict[str, dict[str, str]]) -> dict[str, float]:
    """Return the minutes of work between the planned dates, by the calendars of the dataset."""
    calendars = {row["calendar_id"]: row for row in table(schedule, "calendars")}
    found = {}
    for activity in table(schedule, "activities"):
        row, calendar = tasks.get(activity["activity_id"]), calendars.get(activity["calendar_id"])
        if row is not None and calendar is not None:
            start, end = (datetime.fromisoformat(row[name]) for name in ("target_start_date", "target_end_date"))
            found[activity["activity_id"]] = minutes(calendar, start, end)
    return found


def minutes(calendar: dict[str, Any], start: datetime, end: datetime) -> float:
    """Return the minutes of work between two moments."""
    week, exceptions = json.loads(calendar["week"]), json.loads(calendar["exceptions"])
    total, day = 0.0, start.date()
    while day <= end.date():
        for begin, finish in exceptions.get(day.isoformat(), week[day.weekday()]):
            low, high = max(moment(day, begin), start), min(moment(day, finish), end)
            total += max((high - low).total_seconds() / 60, 0)
        day += timedelta(days=1)
    return total


def moment(day: date, minute: int) -> datetime:
    """Return a minute of a day."""
    return datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)


def table(schedule: Schedule, name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the network."""
    with duckdb.connect() as database:
        rows = database.execute(f"SELECT * FROM read_parquet({literal(str(schedule.network[name]))})")  # noqa: S608
        columns = [column[0] for column in rows.description]
        return [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]


if __name__ == "__main__":
    main(sys.argv[1])
