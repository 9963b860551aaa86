"""The tables of an XER file next to its activities, by P6's identifiers."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from slipcast.datasets.calendars import Calendar, p6_calendar
from slipcast.ingest.files.pmxml_reader import PmxmlReader
from slipcast.ingest.files.xer_reader import Record, XerReader, clean

AROUND_TASK = frozenset(
    {"PROJECT", "CALENDAR", "PROJWBS", "TASKPRED", "TASKRSRC", "PROJCOST", "ACTVTYPE", "ACTVCODE", "TASKACTV", "TASK"}
    | {"SCHEDOPTIONS"}
)


@dataclass
class Tables:
    """Tables next to the activities, by P6's identifiers.

    Attributes
    ----------
    projects, wbs
        Rows by identifier.
    calendars
        By identifier.
    calendar_names
        Name and base calendar by identifier.
    activities
        Project, code and calendar by task_id.
    options
        Schedule options by project.
    predecessors
        Number of predecessors by task_id.
    costs
        Target cost of resources and expenses by task_id.
    assigned
        Pairs of code type and code by task_id.
    code_types, codes
        Name of a type; type and text of a code.
    baselines
        The baseline project of a project.
    behind
        Projects that are baselines.
    stubs
        Projects that are in the file only because of relations to them.
    tasks
        Number of activities by project.
    ragged
        Table and line of rows with more or fewer values than fields.
    bad_costs
        Costs that are no numbers.
    """

    projects: dict[str, dict[str, str]] = field(default_factory=dict)
    calendars: dict[str, Calendar] = field(default_factory=dict)
    calendar_names: dict[str, tuple[str, str]] = field(default_factory=dict)
    activities: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    wbs: dict[str, dict[str, str]] = field(default_factory=dict)
    predecessors: Counter[str] = field(default_factory=Counter)
    costs: dict[str, float] = field(default_factory=dict)
    code_types: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    assigned: defaultdict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    baselines: dict[str, str] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    stubs: set[str] = field(default_factory=set)
    tasks: Counter[str] = field(default_factory=Counter)
    ragged: list[tuple[str, int]] = field(default_factory=list)
    bad_costs: int = 0

    def short_name(self, project: str) -> str:
        """Return the short name of a project; empty for one that is not in the file."""
        return self.projects.get(project, {}).get("proj_short_name", "")


def read_tables(reader: XerReader | PmxmlReader) -> Tables:
    """Return what the tables hold; raise ScheduleRefused as the reader does."""
    tables = Tables()
    collect = _Collector(tables)
    # Of the activities only their project is wanted here; they are read after all that is around them.
    for record in reader.records(AROUND_TASK, upto={"TASK": "proj_id"}):
        if record.ragged:
            tables.ragged.append((record.table, record.line))
        collect(record)
    collect.inherit_exceptions()
    return tables


class _Collector:
    """Puts records into `Tables`; the large tables by the position of their fields, not by name."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._fields: tuple[str, ...] = ()
        self._places: dict[str, int] = {}
        self._bases: dict[str, str] = {}

    def __call__(self, record: Record) -> None:
        tables = self._tables
        if record.fields is not self._fields:
            self._fields = record.fields
            self._places = {name: place for place, name in enumerate(record.fields)}
        match record.table:
            case "TASK":
                tables.tasks[self._value(record, "proj_id")] += 1
            case "SCHEDOPTIONS":
                tables.options[self._value(record, "proj_id")] = record.values
            case "TASKPRED":
                tables.predecessors[self._value(record, "task_id")] += 1
            case "TASKRSRC" | "PROJCOST":
                if cost := self._value(record, "target_cost").strip():
                    _add_cost(tables, self._value(record, "task_id"), cost)
            case "TASKACTV":
                pair = self._value(record, "actv_code_type_id"), self._value(record, "actv_code_id")
                tables.assigned[self._value(record, "task_id")].append(pair)
            case "PROJECT":
                tables.projects[self._value(record, "proj_id")] = record.values
            case "PROJWBS":
                tables.wbs[self._value(record, "wbs_id")] = record.values
            case "CALENDAR":
                self._calendar(record)
            case "ACTVTYPE":
                tables.code_types[self._value(record, "actv_code_type_id")] = clean(
                    self._value(record, "actv_code_type")
                )
            case "ACTVCODE":
                text = self._value(record, "actv_code_name") or self._value(record, "short_name")
                tables.codes[self._value(record, "actv_code_id")] = (self._value(record, "actv_code_type_id"), text)

    def _value(self, record: Record, name: str) -> str:
        place = self._places.get(name)
        return record.cells[place] if place is not None and place < len(record.cells) else ""

    def _calendar(self, record: Record) -> None:
        identifier, base = self._value(record, "clndr_id"), self._value(record, "base_clndr_id")
        hours = (number(self._value(record, name)) for name in ("day_hr_cnt", "week_hr_cnt"))
        self._tables.calendars[identifier] = p6_calendar(self._value(record, "clndr_data"), *hours)
        self._tables.calendar_names[identifier] = clean(self._value(record, "clndr_name")), base
        if base:
            self._bases[identifier] = base

    def inherit_exceptions(self) -> None:
        """The holidays of a global calendar count in the calendars of projects that are based on it."""
        calendars = self._tables.calendars
        for identifier, base in self._bases.items():
            if base in calendars:
                own = calendars[identifier]
                exceptions = {**calendars[base].exceptions, **own.exceptions}
                calendars[identifier] = Calendar(own.week, exceptions, own.day_hours, own.week_hours)


def number(text: str) -> float | None:
    """Return a positive number as P6 writes it; None if there is none. Some locales export a decimal comma."""
    found = _number(text)
    return found if math.isfinite(found) and found > 0 else None


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "" if "." in text else "."))
    except ValueError:
        return math.nan


def _add_cost(tables: Tables, task: str, text: str) -> None:
    cost = _number(text)
    if math.isfinite(cost):
        tables.costs[task] = tables.costs.get(task, 0) + cost
    else:
        tables.bad_costs += 1


def choose_projects(tables: Tables) -> Iterator[str]:
    """Set which projects are stubs, which are baselines, and of which project; yield notes."""
    yield from _leave_out_stubs(tables)
    projects, copies = tables.projects, defaultdict(list)
    for identifier, project in projects.items():
        original = project.get("orig_proj_id", "")
        if original in projects and original != identifier:
            copies[original].append(identifier)
    assigned = {
        identifier: base
        for identifier, project in projects.items()
        if (base := project.get("sum_base_proj_id", "")) in projects and base != identifier
    }
    behind = {copy for group in copies.values() for copy in group} | set(assigned.values())
    if behind and not any(tables.tasks[identifier] for identifier in projects if identifier not in behind):
        yield "all activities belong to baseline projects, which are read as current"
    else:
        tables.behind = behind
    for identifier in [identifier for identifier in projects if tables.behind and identifier not in behind]:
        if identifier in assigned:
            tables.baselines[identifier] = assigned[identifier]
        elif identifier in copies:
            # The earliest data date is the original plan.
            chosen = min(copies[identifier], key=lambda copy: (projects[copy].get("last_recalc_date", ""), copy))
            tables.baselines[identifier] = chosen
            if len(copies[identifier]) > 1:
                yield f"{len(copies[identifier])} baselines, none assigned: {tables.short_name(chosen)!r} is used"


def _leave_out_stubs(tables: Tables) -> Iterator[str]:
    """P6 adds the projects that relations lead to, with ``export_flag`` N and these activities alone."""
    stubs = {identifier for identifier, project in tables.projects.items() if project.get("export_flag") == "N"}
    if stubs and any(tables.tasks[identifier] for identifier in tables.projects if identifier not in stubs):
        tables.stubs = stubs
        names = ", ".join(sorted(filter(None, map(tables.short_name, stubs))))
        count = sum(tables.tasks[identifier] for identifier in stubs)
        yield f"left out: {count} activities of projects that are there for relations only ({names})"[:300]
