"""The tasks of a Microsoft Project XML file (MSPDI) as one table, under the names of MS Project's own columns.

Elements and units are those of Microsoft's schema (``http://schemas.microsoft.com/project``): durations are
working time in ISO 8601, slack tenths of a minute, money hundredths of the currency unit.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from slipcast.datasets.calendars import Calendar, days_between
from slipcast.datasets.network import Writer
from slipcast.ingest.files import file_names
from slipcast.ingest.files.mspdi_calendars import Calendars
from slipcast.ingest.files.xer import float_days
from slipcast.ingest.files.xer_reader import clean
from slipcast.ingest.files.xml_stream import Element, XmlReader
from slipcast.ingest.mapping.profile import normal
from slipcast.ingest.refusal import ScheduleRefused

AGAIN = "Save the XML file again (In MS Project: File > Save As > XML Format)"
COLUMNS = (
    *("#line", "Unique ID", "ID", "Name", "Project", "Outline Parent", "Outline Level", "WBS", "Status Date"),
    "Outline Path",
    *("Start", "Finish", "Actual Start", "Actual Finish", "Baseline Start", "Baseline Finish", "Baseline Duration"),
    *("Baseline Days", "Float Days", "Remaining Duration", "Total Slack", "Predecessors", "Predecessor Count"),
    *("Baseline Cost", "% Complete", "Summary", "Milestone", "Active", "GUID"),
)
# Longest path of names of summary tasks, in characters.
MAX_PATH = 1_000
# Other names of these columns: a custom field of such a name would be taken for them.
OTHER_NAMES = ("Task Name", "Duration", "Start Date", "Finish Date", "Project Name", "Data Date", "Percent Complete")
LINKS = {"0": "FF", "1": "FS", "2": "SF", "3": "SS"}
# Units of a lag that are a share of the predecessor's duration and not a time.
PERCENT_FORMATS = {"19", "20", "51", "52"}
# Units of time that runs on at night and on holidays: elapsed minutes to months, and their estimates.
ELAPSED_FORMATS = {"4", "6", "8", "10", "12", "20", "36", "38", "40", "42", "44", "52"}
CONSTRAINTS = {
    "1": "as_late_as_possible",
    "2": "mandatory_start",
    "3": "mandatory_finish",
    "4": "start_on_or_after",
    "5": "start_on_or_before",
    "6": "finish_on_or_after",
    "7": "finish_on_or_before",
}
_MOMENTS = {
    "planned_start": "Start",
    "planned_finish": "Finish",
    "early_start": "EarlyStart",
    "early_finish": "EarlyFinish",
    "late_start": "LateStart",
    "late_finish": "LateFinish",
    "constraint_date": "ConstraintDate",
    "suspended": "Stop",
    "resumed": "Resume",
}
_DURATION = re.compile(r"(-?)P(?:(\d{1,9})D)?T?(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?")
_TASK = frozenset(
    {"UID", "ID", "Name", "WBS", "OutlineLevel", "Start", "Finish", "ActualStart", "ActualFinish", "Baseline"}
    | {"RemainingDuration", "TotalSlack", "PredecessorLink", "PercentComplete", "Summary", "Milestone", "Active"}
    | {"IsNull", "ExternalTask", "IsSubproject", "ExtendedAttribute", "GUID", "CalendarUID", "EarlyFinish"}
    | {"LateFinish", "EarlyStart", "LateStart", "Duration", "ConstraintType", "ConstraintDate", "Deadline", "Stop"}
    | {"Resume", "PhysicalPercentComplete"}
)
_PROJECT = frozenset(
    {"Name", "Title", "StatusDate", "CurrentDate", "ExtendedAttributes", "MinutesPerDay", "MinutesPerWeek"}
    | {"CalendarUID", "DaysPerMonth", "StartDate", "MultipleCriticalPaths"}
)


def to_csv(
    path: Path, out: Path, *, name: str, max_columns: int = 1_000, network: Writer | None = None
) -> tuple[str, ...]:
    """Write one row for each task of a Microsoft Project XML file.

    Parameters
    ----------
    path
        The XML file as it was dropped.
    out
        CSV to write: ``#line`` (line in the XML file), MS Project's names of columns, and a column for each custom
        field, under its alias. Durations are hours of working time; ``Outline Parent`` is the summary task above. The
        baseline is number 0, else the lowest number that the task has. ``Baseline Days`` are its calendar days, or
        those of the plan while the task has not started, both ends included; ``Float Days`` the calendar days from the
        early to the late finish. ``Status Date`` is empty if the file's name has to say it.
    name
        Name of the dropped file, for messages.
    max_columns
        Most columns to write.
    network
        Where to write activities, relations and calendars.

    Returns
    -------
    notes for the report

    Raises
    ------
    ScheduleRefused
        If the XML is not well-formed or declares entities, there are no tasks, or there are too many custom fields.
    """
    table = _Table(name, max_columns)
    with out.open("w", encoding="utf-8", newline="") as sink:
        write = csv.writer(sink, lineterminator="\n").writerow
        for element in XmlReader(path, name, AGAIN).records({"Project": _PROJECT, "Calendar": None, "Task": _TASK}):
            if element.name == "Calendar":
                table.calendars.add(element.fields)
            elif element.name == "Task":
                if table.header is None:
                    write(table.open(element.inside))
                if (row := table.row(element)) is not None:
                    write(row)
                    if network is not None:
                        table.write_network(network, element.fields)
    if table.header is None:
        raise ScheduleRefused(name, "the XML file holds no tasks", "Save the project with its tasks")
    if network is not None:
        table.write_project(network)
    return tuple(table.notes())


class _Table:
    def __init__(self, name: str, max_columns: int) -> None:
        self._name, self._max_columns = name, max_columns
        self.header: tuple[str, ...] | None = None
        self._project: Mapping[str, Any] = {}
        self._custom: dict[str, str] = {}
        # Names of the summary tasks above the current one, by level.
        self._above: dict[int, str] = {}
        self.calendars = Calendars()
        self._baselines: dict[str, int] = {}
        self._status_date = ""
        self._dated_by = ""
        self._blank = self._foreign = self._derived = 0

    def open(self, project: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the header; the fields of the project stand before its tasks."""
        self._project = project
        self._status_date = self._date_of_status()
        reserved = {normal(column) for column in (*COLUMNS, *OTHER_NAMES)}
        taken: set[str] = set()
        for group in _list(project, "ExtendedAttributes"):
            for field in _list(group, "ExtendedAttribute"):
                heading = _text(field, "Alias") or _text(field, "FieldName")
                if normal(heading) in reserved:
                    heading += " (custom)"
                if normal(heading) and normal(heading) not in taken and _text(field, "FieldID"):
                    taken.add(normal(heading))
                    self._custom[_text(field, "FieldID")] = heading
        if len(COLUMNS) + len(self._custom) > self._max_columns:
            raise ScheduleRefused(
                self._name,
                f"{len(self._custom):,} custom fields are defined, at most {self._max_columns - len(COLUMNS):,} may be",
                "Remove custom fields that no task uses (In MS Project: Project > Custom Fields)",
            )
        self.header = (*COLUMNS, *self._custom.values())
        return self.header

    def row(self, element: Element) -> list[str] | None:
        """Return the cells of a task; None for an empty line and for a task of another project."""
        task = element.fields
        if _text(task, "IsNull") == "1":
            self._blank += 1
            return None
        if _text(task, "ExternalTask") == "1" or _text(task, "IsSubproject") == "1":
            self._foreign += 1
            return None
        level = int(_text(task, "OutlineLevel")) if _text(task, "OutlineLevel").isdecimal() else 0
        above = [self._above[depth] for depth in sorted(self._above) if 0 < depth < level]
        self._above = {depth: above for depth, above in self._above.items() if depth < level}
        if _text(task, "Summary") == "1":
            self._above[level] = _text(task, "Name")
        baseline, calendar = self._baseline(task), self.calendars.get(_text(task, "CalendarUID"), self._project)
        custom = {_text(item, "FieldID"): _text(item, "Value") for item in _list(task, "ExtendedAttribute")}
        actual = _actual_dates(task)
        if _text(task, "Summary") != "1":
            self._derived += actual != (_text(task, "ActualStart"), _text(task, "ActualFinish"))
        return [
            *(str(element.line), _text(task, "UID"), _text(task, "ID"), _text(task, "Name")),
            *(_text(self._project, "Title"), above[-1] if above else "", str(level), _text(task, "WBS")),
            *(self._status_date, " > ".join(filter(None, above))[:MAX_PATH]),
            *(_moment(text) for text in (_text(task, "Start"), _text(task, "Finish"), *actual)),
            *(_moment(_text(baseline, name)) for name in ("Start", "Finish")),
            *(hours(_text(baseline, "Duration")), _days(task, baseline, calendar), _float(task, calendar)),
            hours(_text(task, "RemainingDuration")),
            *(_slack(_text(task, "TotalSlack")), links(task)),
            *(str(len(_list(task, "PredecessorLink"))), _money(_text(baseline, "Cost"))),
            _text(task, "PercentComplete"),
            *("Yes" if _text(task, name) == "1" else "No" for name in ("Summary", "Milestone")),
            # Files of MS Project 2007 and older have no such element: every task is active.
            *("No" if _text(task, "Active") == "0" else "Yes", _text(task, "GUID")),
            *(custom.get(field, "") for field in self._custom),
        ]

    def write_network(self, network: Writer, task: Mapping[str, Any]) -> None:
        """Write a task and the links to its predecessors; an inactive one moves nothing."""
        if _text(task, "Active") == "0":
            return
        uid = self.calendars.known(_text(task, "CalendarUID"), self._project)
        calendar = self.calendars.get(uid, self._project)
        project, identifier = _text(self._project, "Title"), _text(task, "UID")
        started, finished = _actual_dates(task)
        kind = "summary" if _text(task, "Summary") == "1" else "task"
        if kind == "task" and _text(task, "Milestone") == "1":
            kind = "finish_milestone"
        total_float: str | float = ""
        slack = _text(task, "TotalSlack")
        early, late = (_time(_text(task, name)) for name in ("EarlyFinish", "LateFinish"))
        if re.fullmatch(r"-?\d{1,12}", slack):
            total_float = int(slack) / 10
        elif early is not None and late is not None and not finished:
            total_float = calendar.between(early, late) * 60
        deadline = _moment(_text(task, "Deadline"))
        network.activity(
            project,
            {
                **{column: _moment(_text(task, name)) for column, name in _MOMENTS.items()},
                "actual_start": _moment(started),
                "actual_finish": _moment(finished),
                "activity_id": identifier,
                "activity_name": _text(task, "Name"),
                "activity_type": kind,
                "status": "complete" if finished else "in_progress" if started else "not_started",
                "calendar_id": uid,
                "planned_minutes": minutes(_text(task, "Duration")),
                "remaining_minutes": minutes(_text(task, "RemainingDuration")),
                "total_float_minutes": total_float,
                "percent_complete": _text(task, "PercentComplete"),
                "percent_complete_type": "duration",
                "constraint_type": CONSTRAINTS.get(_text(task, "ConstraintType"), ""),
                "second_constraint_type": "deadline" if deadline else "",
                "second_constraint_date": deadline,
            },
        )
        for link in _list(task, "PredecessorLink"):
            lag, unit = _text(link, "LinkLag"), _text(link, "LagFormat")
            amount = int(lag) if re.fullmatch(r"-?\d{1,12}", lag) else 0
            elapsed = unit in ELAPSED_FORMATS
            network.relation(
                project,
                {
                    "predecessor_id": _text(link, "PredecessorUID"),
                    "successor_id": identifier,
                    "relation_type": LINKS.get(_text(link, "Type"), "FS"),
                    "lag_minutes": "" if unit in PERCENT_FORMATS else amount / 10,
                    "lag_percent": amount if unit in PERCENT_FORMATS else "",
                    "lag_calendar": "elapsed" if elapsed else "successor",
                    "lag_calendar_id": "" if elapsed else uid,
                },
            )

    def write_project(self, network: Writer) -> None:
        """Write the project, and the calendars, each with what it takes from its base."""
        network.project(
            _text(self._project, "Title"),
            {
                "data_time": self._status_date or _moment(_text(self._project, "StartDate")),
                "planned_start": _moment(_text(self._project, "StartDate")),
                "calendar_id": _text(self._project, "CalendarUID"),
                "out_of_sequence": "retained_logic",
                "float_kind": "smallest",
                "lag_from_actual_start": True,
                "open_ends_critical": _text(self._project, "MultipleCriticalPaths") == "1",
                "float_to_own_finish": True,
            },
        )
        for uid, name in self.calendars.names.items():
            network.calendar(uid, name, self.calendars.bases.get(uid, ""), self.calendars.get(uid, self._project))

    def _baseline(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = {_text(item, "Number") or "0": item for item in _list(task, "Baseline") if _text(item, "Finish")}
        if not kept:
            return {}
        number = min(kept, key=lambda text: int(text) if text.isdecimal() else 99)
        self._baselines[number] = self._baselines.get(number, 0) + 1
        return kept[number]

    def _date_of_status(self) -> str:
        """Return the data date; what MS Project calls the current date is that of the computer when it saved."""
        if found := _moment(_text(self._project, "StatusDate")):
            return found
        current = _moment(_text(self._project, "CurrentDate"))
        if file_names.data_date(self._name) is None and current:
            self._dated_by = f"no status date: the day on which the file was saved, {current[:10]}, is taken for it"
            return current
        return ""

    def notes(self) -> Iterator[str]:
        """Yield notes for the report."""
        if self._dated_by:
            yield f"{self._dated_by} (In MS Project: Project > Status Date)"
        if not self._baselines:
            yield "no task has a baseline (In MS Project: Project > Set Baseline)"
        for number, tasks in sorted(self._baselines.items()):
            if number != "0":
                yield f"{tasks} tasks have no baseline but baseline {number}, which is used"
        if self._derived:
            yield (
                f"{self._derived} tasks have per cent complete and no actual dates: their start, and at 100 % their "
                "finish, are taken for these"
            )
        if self._blank:
            yield f"{self._blank} empty lines between tasks"
        if self._foreign:
            yield f"{self._foreign} tasks stand for other projects and are left out"


def _actual_dates(task: Mapping[str, Any]) -> tuple[str, str]:
    """Return actual start and finish; those of a task with progress are its dates where other tools leave them out.

    MS Project writes both, and keeps the dates of what has started or is complete at the actual ones. GanttProject and
    others know per cent complete alone.
    """
    started, finished, done = (_text(task, name) for name in ("ActualStart", "ActualFinish", "PercentComplete"))
    percent = int(done) if done.isdecimal() else 0
    if percent >= 100:
        finished = finished or _text(task, "Finish")
    if percent or finished:
        started = started or _text(task, "Start")
    return started, finished


def hours(text: str) -> str:
    """Return an ISO 8601 duration, such as ``PT56H0M0S``, as hours of working time: ``56 hrs``; empty if it is none.

    Examples
    --------
    >>> hours("PT56H30M0S")
    '56.5 hrs'
    """
    found = minutes(text)
    return "" if found is None else f"{round(found / 60, 4):g} hrs"


def minutes(text: str) -> float | None:
    """Return an ISO 8601 duration in minutes; None if it is none."""
    found = _DURATION.fullmatch(text) if text else None
    if found is None:
        return None
    sign, days, whole, parts, seconds = found.groups("0")
    value = (int(days) * 24 + int(whole)) * 60 + int(parts) + float(seconds) / 60
    return -value if sign == "-" else value


def links(task: Mapping[str, Any]) -> str:
    """Return the links of a task to its predecessors in MS Project's notation with unique ids: ``12FS+5 hrs,14SS``.

    Examples
    --------
    >>> links({"PredecessorLink": [{"PredecessorUID": "12", "Type": "1", "LinkLag": "4800", "LagFormat": "7"}]})
    '12FS+8 hrs'
    """
    found = []
    for link in _list(task, "PredecessorLink"):
        text = _text(link, "PredecessorUID") + LINKS.get(_text(link, "Type"), "FS")
        lag = _text(link, "LinkLag")
        if re.fullmatch(r"-?\d+", lag) and int(lag):
            percent = _text(link, "LagFormat") in PERCENT_FORMATS
            text += f"{int(lag):+d}%" if percent else f"{int(lag) / 600:+g} hrs"
        found.append(text)
    return ",".join(found)


def _days(task: Mapping[str, Any], baseline: Mapping[str, Any], calendar: Calendar) -> str:
    """Return the calendar days of the baseline, else of the plan of what has not started; from dates, else hours."""
    source = baseline or ({} if _text(task, "ActualStart") else task)
    start, finish = (_time(_text(source, name)) for name in ("Start", "Finish"))
    if finish is None:
        return ""
    if start is not None:
        return str(days_between(start, finish))
    found = minutes(_text(source, "Duration"))
    return "" if found is None else f"{max(1, round(found / 60 / calendar.hours_per_week * 7))}"


def _float(task: Mapping[str, Any], calendar: Calendar) -> str:
    text = _text(task, "TotalSlack")
    early, late = (_time(_text(task, name)) for name in ("EarlyFinish", "LateFinish"))
    if re.fullmatch(r"-?\d{1,12}", text):
        return float_days(int(text) / 600, early, late, calendar)
    if early is None or late is None or _text(task, "ActualFinish"):
        return ""
    return float_days(calendar.between(early, late), early, late, calendar)


def _slack(text: str) -> str:
    return f"{int(text) / 600:g} hrs" if re.fullmatch(r"-?\d+", text) else ""


def _money(text: str) -> str:
    try:
        return f"{float(text) / 100:.2f}" if text else ""
    except ValueError:
        return text


def _moment(text: str) -> str:
    """Return a moment as ``2025-06-30 08:00``; what is none stays as it is, for the report."""
    found = _time(text)
    return text if found is None else f"{found:%Y-%m-%d %H:%M}"


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def _list(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    return clean(value) if isinstance(value, str) else ""
