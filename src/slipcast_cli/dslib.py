"""Reader of DSLIB workbooks: real projects with network, frozen baseline and tracking periods.

The database is OR-AS's and Ghent University's (Batselier and Vanhoucke 2015, "Construction and evaluation framework for
a real-life project database"). It has no licence, so nothing of it is in this repository: users download it themselves.

A workbook has a sheet with the baseline (activities, predecessors, planned dates), one for each tracking period (actual
start and duration, what is finished), and the working hours. Planned dates are the baseline's in every period.

**Percent complete and remaining duration are no progress.** In two thirds of the records of work in progress they were
calculated from the duration that the work had in the end: they know the future (`leaks`).
"""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.network import Activity, Key, Network, Project, Relation, Status
from slipcast.schedule.options import Options, OutOfSequence
from slipcast.schedule.working_time import WorkingTime, minute_of

CALENDAR = "agenda"
# Actual dates in these workbooks often contradict the logic: what has started goes on.
OPTIONS = Options(out_of_sequence=OutOfSequence.PROGRESS_OVERRIDE)
_PERIOD = re.compile(r"(Project Control - )?TP(\d+)")
_PARTS = re.compile(r"(\d+(?:[.,]\d+)?)\s*(mo|w|d|h|m)", re.IGNORECASE)
_PREDECESSOR = re.compile(r"(\d+)\s*(FS|SS|FF|SF)?\s*(?:([+-])\s*(.*))?", re.IGNORECASE)
_CODE = re.compile(r"(C\d{4})-(\d+)")
_DAYS_OF_MONTH, _DAYS_OF_WEEK = 20, 5
type Sheet = list[list[Any]]


@dataclass(frozen=True)
class Progress:
    """Progress of an activity as a period has it.

    Attributes
    ----------
    actual_start
        minute since 1970
    worked
        minutes of work from the actual start to the finish, or to the status date
    finished
        whether it is finished
    percent
        share that is called complete, from 0 to 1; None if nothing is said. See the module on why it is not used
    remaining
        minutes of work that are said to remain; None if nothing is said, and not used either
    """

    actual_start: int
    worked: int
    finished: bool
    percent: float | None = None
    remaining: int | None = None


@dataclass(frozen=True)
class Period:
    """A tracking period: its status date, minutes since 1970, and the progress of what has started."""

    data_date: int
    progress: Mapping[Key, Progress]


@dataclass(frozen=True)
class TrackedProject:
    """A project of the database.

    Attributes
    ----------
    name
        code of the project, such as C2011-05
    network
        baseline: activities without summaries, relations, and the one calendar
    value
        planned value of each activity (total cost)
    periods
        in the order of their status dates
    sector
        sector, as the overview of the database has it; empty if there is none
    """

    name: str
    network: Network
    value: Mapping[Key, float]
    periods: Sequence[Period]
    sector: str = ""
    clock: WorkingTime = field(repr=False, default_factory=lambda: WorkingTime(Calendar(), 0, 0))

    def as_of(self, period: Period) -> Network:
        """Return the network at the end of a period: what has started is in progress, what is finished is complete.

        What remains of work in progress is the planned duration less what has passed, but not less than 15 % of it.
        """
        activities = {}
        for key, item in self.network.activities.items():
            progress = period.progress.get(key)
            if progress is None:
                activities[key] = item
                continue
            finish = self.clock.finish(self.clock.worked(progress.actual_start) + progress.worked)
            elapsed = self.clock.between(progress.actual_start, period.data_date)
            remaining = max(item.duration - elapsed, round(0.15 * item.duration), 1)
            activities[key] = Activity(
                key,
                CALENDAR,
                item.duration,
                0 if progress.finished else remaining,
                item.name,
                status=Status.COMPLETE if progress.finished else Status.IN_PROGRESS,
                actual_start=progress.actual_start,
                actual_finish=max(finish, progress.actual_start) if progress.finished else None,
                planned_start=item.planned_start,
                planned_finish=item.planned_finish,
            )
        projects = {self.name: Project(period.data_date, options=OPTIONS)}
        return Network(projects, activities, self.network.relations, self.network.calendars)


def read_folder(folder: Path) -> Iterator[TrackedProject]:
    """Yield the projects of all workbooks below a folder that have a network, in the order of their codes.

    The overview of the database, which names the sectors, may lie in the folder above.
    """
    sectors: dict[str, str] = {}
    files: dict[str, Path] = {}
    for file in sorted(folder.rglob("*.xlsx")):
        code = _CODE.match(file.name)
        if code:
            files.setdefault(f"{code[1]}-{int(code[2]):02d}", file)
    for file in sorted([*folder.rglob("*.xlsx"), *folder.resolve().parent.glob("*.xlsx")]):
        if not _CODE.match(file.name) and "dslib" in file.name.lower():
            sectors |= _sectors(CalamineWorkbook.from_path(str(file)))
    for name, file in sorted(files.items()):
        project = read(file, name, sectors.get(name, ""))
        if project is not None:
            yield project


def read(file: Path, name: str, sector: str = "") -> TrackedProject | None:
    """Return the project of a workbook; None if it has no baseline."""
    workbook = CalamineWorkbook.from_path(str(file))
    sheets = {title.strip(): title for title in workbook.sheet_names}
    baseline = next((title for key, title in sheets.items() if key.startswith("Baseline Schedule")), None)
    if baseline is None:
        return None
    agenda = workbook.get_sheet_by_name(sheets["Agenda"]).to_python() if "Agenda" in sheets else []
    calendar = _calendar(agenda)
    day = sum(end - begin for begin, end in next(spans for spans in calendar.week if spans))
    rows = _records(workbook.get_sheet_by_name(baseline).to_python(), "ID")
    activities, relations, value = _baseline(rows, name, day)
    if not activities:
        return None
    dates = [item.planned_finish for item in activities.values() if item.planned_finish is not None]
    start = min(item.planned_start for item in activities.values() if item.planned_start is not None)
    network = Network({name: Project(start, options=OPTIONS)}, activities, relations, {CALENDAR: calendar})
    periods = []
    for key, title in sheets.items():
        if _PERIOD.fullmatch(key):
            period = _period(workbook.get_sheet_by_name(title).to_python(), network, day, name)
            if period is not None:
                periods.append(period)
    clock = WorkingTime(calendar, start, max(dates))
    return TrackedProject(name, network, value, sorted(periods, key=lambda item: item.data_date), sector, clock)


def leaks(projects: Sequence[TrackedProject], within_minutes: int) -> dict[str, tuple[float, int]]:
    """Return for each progress column the share of records that give away the finish, and the number of records.

    Elapsed time · (1 - percent) / percent is what would remain if work went on evenly. Where it is the true remaining
    time, the percentage was calculated from it afterwards. Of the remaining duration the same is asked as it stands.

    Parameters
    ----------
    within_minutes
        minutes of work by which both may differ; records with less than twice as much to go are left out
    """
    hits: dict[str, list[bool]] = {"percent complete": [], "remaining duration": []}
    for project in projects:
        finished = finishes(project)
        for period in project.periods:
            now = project.clock.worked(period.data_date)
            for key, progress in period.progress.items():
                finish = finished.get(key)
                if progress.finished or finish is None:
                    continue
                left = project.clock.worked(finish[1]) - now
                if left <= 2 * within_minutes:
                    continue
                percent, elapsed = progress.percent, now - project.clock.worked(progress.actual_start)
                if percent is not None and 0 < percent < 1:
                    even = elapsed * (1 - percent) / percent
                    hits["percent complete"].append(abs(even - left) <= within_minutes)
                if progress.remaining is not None:
                    hits["remaining duration"].append(abs(progress.remaining - left) <= within_minutes)
    return {name: (statistics.fmean(found) if found else float("nan"), len(found)) for name, found in hits.items()}


def finishes(project: TrackedProject) -> dict[Key, tuple[int, int]]:
    """Return actual start and finish of what the last period calls finished, minutes since 1970."""
    if not project.periods:
        return {}
    found = {}
    for key, progress in project.periods[-1].progress.items():
        if progress.finished:
            end = project.clock.finish(project.clock.worked(progress.actual_start) + progress.worked)
            found[key] = progress.actual_start, max(end, progress.actual_start)
    return found


def unusable(project: TrackedProject) -> str:
    """Return why nothing can be learned from a project; empty if it can be used.

    A forecast is judged by what came true, so the last period must be the end of the project, and a state must not
    call open what has a finish before its status date: that was filled in afterwards.
    """
    if not project.periods:
        return "no tracking periods"
    if len(project.network.activities) < 5:
        return "fewer than five activities"
    finished = finishes(project)
    if len(finished) < 0.98 * len(project.network.activities):
        return "not complete in the last period"
    clock = project.clock
    end = clock.worked(project.periods[-1].data_date) + _day(clock, project)
    if statistics.fmean(clock.worked(finish) <= end for _, finish in finished.values()) < 0.9:
        return "finishes after the last status date"
    backdated = [
        clock.worked(finish) < clock.worked(period.data_date) - _day(clock, project) / 2
        for period in project.periods
        for key, (_, finish) in finished.items()
        if not (key in period.progress and period.progress[key].finished)
    ]
    if backdated and statistics.fmean(backdated) > 0.25:
        return "states filled in afterwards"
    return ""


def _day(clock: WorkingTime, project: TrackedProject) -> float:
    return day_minutes(project.network.calendars[CALENDAR])


def day_minutes(calendar: Calendar) -> int:
    """Return the minutes of work of a working day."""
    return sum(end - begin for begin, end in next(spans for spans in calendar.week if spans))


def _sectors(workbook: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for title in workbook.sheet_names:
        rows = workbook.get_sheet_by_name(title).to_python()
        head = next((row for row in rows if "Code" in row and "Sector" in row), None)
        if head is not None:
            code, sector = head.index("Code"), head.index("Sector")
            found |= {
                str(row[code]).strip(): str(row[sector]).strip().lower() for row in rows if _CODE.match(str(row[code]))
            }
    return found


def _records(rows: Sheet, column: str) -> list[dict[str, Any]]:
    """Return the rows below the header that has `column`, by heading; of two columns of one name the first counts."""
    place = next((number for number, row in enumerate(rows) if column in [str(cell).strip() for cell in row]), None)
    if place is None:
        return []
    head = [str(cell).strip() for cell in rows[place]]
    records = []
    for row in rows[place + 1 :]:
        record: dict[str, Any] = {}
        for name, cell in zip(head, row, strict=False):
            record.setdefault(name, cell)
        records.append(record)
    return records


def _baseline(
    records: list[dict[str, Any]], name: str, day: int
) -> tuple[dict[Key, Activity], list[Relation], dict[Key, float]]:
    outline = [str(record.get("WBS") or "").strip() for record in records]
    parents = {
        ".".join(parts[:depth]) for parts in (code.split(".") for code in outline) for depth in range(1, len(parts))
    }
    activities: dict[Key, Activity] = {}
    relations: list[Relation] = []
    value: dict[Key, float] = {}
    for record, code in zip(records, outline, strict=True):
        number, start, length = (
            _whole(record["ID"]),
            _moment(record.get("Baseline Start")),
            _length(record.get("Duration"), day),
        )
        # Number 0 is the project itself; what has a code below its own is a summary.
        if not number or start is None or length is None or (code and code in parents):
            continue
        key = Key(name, str(number))
        finish = _moment(record.get("Baseline End"))
        activities[key] = Activity(
            key,
            CALENDAR,
            length,
            length,
            str(record.get("Name", "")),
            planned_start=start,
            planned_finish=finish or start,
        )
        cost = record.get("Total Cost")
        value[key] = max(float(cost), 0.0) if isinstance(cost, int | float) else 0.0
        relations += _predecessors(str(record.get("Predecessors") or ""), key, day)
    return activities, relations, value


def _predecessors(text: str, key: Key, day: int) -> Iterator[Relation]:
    for part in text.split(";"):
        found = _PREDECESSOR.fullmatch(part.strip())
        if found:
            lag = (_length(found[4], day) or 0) * (-1 if found[3] == "-" else 1)
            kind = (found[2] or "FS").upper()
            yield Relation(Key(key.project, str(int(found[1]))), key, kind, lag, CALENDAR)


def _period(rows: Sheet, network: Network, day: int, name: str) -> Period | None:
    data_date = next((moment for row in rows[:1] for cell in row if (moment := _moment(cell)) is not None), None)
    if data_date is None:
        return None
    progress = {}
    for record in _records(rows, "Actual Start"):
        number, start = _whole(record.get("ID")), _moment(record.get("Actual Start"))
        key = Key(name, str(number))
        if start is None or key not in network.activities:
            continue
        percent = record.get("Percentage Completed")
        percent = float(percent) if isinstance(percent, int | float) else None
        tracking = str(record.get("Tracking") or "").strip().lower()
        worked = _length(record.get("Actual Duration"), day)
        remaining = _length(record.get("Remaining Duration"), day)
        finished = tracking == "finished" or (not tracking and (percent or 0) >= 0.9999)
        if finished and worked is not None:
            progress[key] = Progress(start, worked, True, percent)
        elif tracking == "started" or (not tracking and (percent or 0) > 0):
            progress[key] = Progress(start, worked or 0, False, percent, remaining)
    return Period(data_date, progress)


def _calendar(rows: Sheet) -> Calendar:
    worked = [row[1] for row in rows[1:25] if len(row) > 1]
    hours = [hour for hour, cell in enumerate(worked) if str(cell).strip().lower() == "yes"]
    spans: list[tuple[int, int]] = []
    for hour in hours or [*range(8, 12), *range(13, 17)]:
        if spans and spans[-1][1] == hour * 60:
            spans[-1] = spans[-1][0], hour * 60 + 60
        else:
            spans.append((hour * 60, hour * 60 + 60))
    days = [str(row[4]).strip().lower() == "yes" for row in rows[1:8] if len(row) > 4]
    if not any(days):
        days = [True] * 5 + [False] * 2
    holidays: dict[date, tuple[tuple[int, int], ...]] = {}
    for row in rows[1:]:
        moment = _datetime(row[6]) if len(row) > 6 else None
        if moment is not None:
            holidays[moment.date()] = ()
    return Calendar(tuple(tuple(spans) if works else () for works in days), holidays)


def _length(value: Any, day: int) -> int | None:
    """Return a duration such as ``3d 5h`` in minutes of work; None if it is none."""
    text = str(value).strip().lower()
    if text in ("0", "0.0"):
        return 0
    parts = _PARTS.findall(text)
    if not parts:
        return None
    minutes = {"mo": _DAYS_OF_MONTH * day, "w": _DAYS_OF_WEEK * day, "d": day, "h": 60, "m": 1}
    return round(sum(float(number.replace(",", ".")) * minutes[unit.lower()] for number, unit in parts))


def _datetime(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    for form in ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"):
        try:
            return datetime.strptime(str(value).strip(), form)
        except ValueError:
            continue
    return None


def _moment(value: Any) -> int | None:
    moment = _datetime(value) if value else None
    return None if moment is None else minute_of(moment)


def _whole(value: Any) -> int:
    try:
        return int(float(str(value)))
    except ValueError:
        return 0
