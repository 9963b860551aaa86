"""The activities of a Primavera P6 file, XER or XML, as one table."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from slipcast.datasets.calendars import Calendar, days_between
from slipcast.datasets.network import Writer
from slipcast.ingest.files.pmxml_reader import PmxmlReader
from slipcast.ingest.files.xer_network import (
    remember_activity,
    write_activity,
    write_calendars,
    write_projects,
    write_relation,
)
from slipcast.ingest.files.xer_reader import Record, XerReader, clean_all, find_encodings
from slipcast.ingest.files.xer_tables import AROUND_TASK, Tables, choose_projects, number, read_tables
from slipcast.ingest.refusal import ScheduleRefused

FROM_TASK = (
    *("task_type", "target_start_date", "target_end_date", "act_start_date", "act_end_date"),
    *("early_start_date", "early_end_date", "total_float_hr_cnt", "target_drtn_hr_cnt", "remain_drtn_hr_cnt"),
    *("phys_complete_pct", "guid"),
)
COLUMNS = (
    *("#line", "task_code", "task_name", "status_code", "proj_short_name"),
    *("wbs_path", "wbs_name", "wbs_top_name", "wbs_names"),
    *FROM_TASK,
    *("complete_pct", "predecessor_count", "day_hr_cnt", "target_cost", "last_recalc_date"),
    *("bl_start_date", "bl_finish_date", "bl_days", "float_days"),
)
REQUIRED = {"PROJECT": ("proj_id",), "TASK": ("task_code", "proj_id")}
MAX_DEPTH = 100
# Longest path of names of the WBS, in characters.
MAX_PATH = 1_000
type Reader = XerReader | PmxmlReader
NO_CALENDAR = Calendar()


def table_encodings(path: Path, name: str, encoding: str | None = None) -> dict[str, str]:
    """Return the encodings of the tables of an XER file that are read and not all ASCII, by table.

    Parameters
    ----------
    encoding
        What the user says that the file is in; else found from the text of each table.

    Raises
    ------
    ScheduleRefused
        If the encoding of a table cannot be determined.
    """
    return find_encodings(path, name, AROUND_TASK, encoding)


def to_csv(
    path: Path | Reader,
    out: Path,
    *,
    name: str,
    max_columns: int = 1_000,
    encodings: Mapping[str, str] | None = None,
    network: Writer | None = None,
) -> tuple[str, ...]:
    """Write one row for each activity of an XER file, or of a P6 XML file.

    Parameters
    ----------
    path
        The XER file, in any encoding in which ASCII is ASCII, or a reader of a file.
    out
        CSV to write, UTF-8: ``#line`` (line in the file), P6's field names, and ``code:<type>`` for every type of
        activity code that is assigned. ``wbs_path`` joins P6's WBS codes with dots, ``wbs_name`` is the name of the
        deepest level, ``wbs_top_name`` that of the first level below the project (a phase, in many schedules; empty for
        activities of the project itself), ``wbs_names`` joins the names from there on with `` > ``. ``*_hr_cnt``
        are hours of work, ``day_hr_cnt`` those in a day of the activity's calendar, ``complete_pct`` per cent by the
        activity's ``complete_pct_type``, ``target_cost`` the sum over its resources and expenses, ``last_recalc_date``
        the data date of its project. ``bl_start_date`` and ``bl_finish_date`` come from a baseline project in the file,
        joined by task_code. ``bl_days`` are the calendar days of the baseline, or of the plan while the activity has
        not started, both ends included; ``float_days`` the calendar days of its total float, by its own calendar.
    name
        Of the dropped file, for messages.
    max_columns
        Most columns to write.
    encodings
        Of its tables, as `encodings` returns them; else found from the file itself.
    network
        Where to write activities, relations and calendars.

    Returns
    -------
    notes for the report

    Raises
    ------
    ScheduleRefused
        If PROJECT or TASK is missing, empty or lacks a field that is needed, a table has no field names, there are too
        many types of activity code, the file is cut within a row, or its encoding cannot be determined.
    """
    reader: Reader
    if isinstance(path, Path):
        reader = XerReader(path, name, table_encodings(path, name) if encodings is None else encodings)
    else:
        reader = path
    tables, notes = read_tables(reader), _encoding_notes(reader)
    _check(reader, tables, name)
    if not reader.complete:
        notes.append("the end mark %E is missing: the file may be cut between two rows")
    notes += choose_projects(tables)
    rows = _Rows(tables, _baseline_dates(reader, tables), _headings(tables, name, max_columns))
    with out.open("w", encoding="utf-8", newline="") as sink:
        write = csv.writer(sink, lineterminator="\n").writerow
        write(rows.header)
        links: list[Record] = []
        for record in reader.records({"TASK"} if network is None else {"TASK", "TASKPRED"}):
            if network is not None and record.table == "TASKPRED":
                # An activity of another project may come later.
                if not write_relation(network, tables, record.values):
                    links.append(record)
                continue
            if record.ragged:
                tables.ragged.append((record.table, record.line))
            if network is not None:
                remember_activity(tables, record.values)
            if (cells := rows.cells(record)) is not None:
                write(cells)
                if network is not None:
                    values = defaultdict(str, record.values)
                    write_activity(network, tables, values, percent_complete(values))
    if network is not None:
        for record in links:
            write_relation(network, tables, record.values)
        write_projects(network, tables)
        write_calendars(network, tables)
    return (*notes, *_remarks(reader, tables))


def _encoding_notes(reader: Reader) -> list[str]:
    found = defaultdict(list)
    for table, codec in reader.encodings.items():
        found[codec].append(table)
    if len(found) == 1:
        return [f"read as {codec}" for codec in found if codec != "utf-8"]
    return [f"read as {codec}: tables {', '.join(sorted(names))}" for codec, names in sorted(found.items())]


def _check(reader: Reader, tables: Tables, name: str) -> None:
    for table, needed in REQUIRED.items():
        if table not in reader.fields:
            raise ScheduleRefused(name, f"the {reader.kind} has no {_table(reader, table)}", reader.again)
        for wanted in needed:
            if wanted not in reader.fields[table]:
                raise ScheduleRefused(name, f"table {table} has no field {wanted}", reader.again, column=wanted)
    if not tables.projects:
        raise ScheduleRefused(name, f"the {reader.kind} holds no project", reader.again)
    if not tables.tasks:
        raise ScheduleRefused(name, f"the {reader.kind} holds no activities", "Export the project with its activities")


def _table(reader: Reader, table: str) -> str:
    """Return what a planner knows a table as: an element of XML is called otherwise."""
    if isinstance(reader, PmxmlReader):
        return {"PROJECT": "project", "TASK": "activities"}[table]
    return f"table {table}"


def _baseline_dates(reader: Reader, tables: Tables) -> dict[tuple[str, str], tuple[str, str]]:
    dates: dict[tuple[str, str], tuple[str, str]] = {}
    wanted = set(tables.baselines.values())
    for record in reader.records({"TASK"}) if wanted else ():
        value = record.values
        if value["proj_id"] in wanted:
            start = value["act_start_date"] or value["target_start_date"]
            finish = value["act_end_date"] or value["target_end_date"]
            dates.setdefault((value["proj_id"], value["task_code"]), (start, finish))
    return dates


def _headings(tables: Tables, name: str, max_columns: int) -> list[str]:
    used = {type_id for pairs in tables.assigned.values() for type_id, _ in pairs}
    headings = list(dict.fromkeys(text for type_id, text in tables.code_types.items() if type_id in used and text))
    if len(COLUMNS) + len(headings) > max_columns:
        raise ScheduleRefused(
            name,
            f"{len(headings):,} types of activity code are assigned, at most {max_columns - len(COLUMNS):,} may be",
            "Export fewer activity codes",
        )
    return headings


class _Rows:
    """Rows of the table, from records of TASK."""

    def __init__(
        self, tables: Tables, baseline_dates: dict[tuple[str, str], tuple[str, str]], headings: list[str]
    ) -> None:
        self._tables, self._baseline_dates, self._headings = tables, baseline_dates, headings
        self._levels: dict[str, tuple[str, str, str, str]] = {}
        self._left_out = tables.behind | tables.stubs
        self.header = [*COLUMNS, *(f"code:{heading}" for heading in headings)]

    def cells(self, record: Record) -> list[str] | None:
        """Return the cells of an activity; None for one of a baseline project or a stub."""
        value = record.values
        project, task, tables = value["proj_id"], value["task_id"], self._tables
        if project in self._left_out:
            return None
        baseline = self._baseline_dates.get((tables.baselines.get(project, ""), value["task_code"]), ("", ""))
        calendar = tables.calendars.get(value["clndr_id"], NO_CALENDAR)
        cells = [str(record.line), value["task_code"], value["task_name"], value["status_code"]]
        cells += (tables.short_name(project), *self._wbs(value["wbs_id"]))
        cells += [value[column] for column in FROM_TASK]
        cells += (percent_complete(value), str(tables.predecessors[task]) if task else "")
        cells.append(f"{calendar.day_hours:g}" if calendar.day_hours else "")
        cells.append(repr(round(tables.costs[task], 4)).removesuffix(".0") if task in tables.costs else "")
        cells.append(tables.projects.get(project, {}).get("last_recalc_date", ""))
        cells += (*baseline, _baseline_days(value, baseline, calendar), _float_days(value, calendar))
        if self._headings:
            cells += self._codes(task)
        return clean_all(cells)

    def _wbs(self, wbs_id: str) -> tuple[str, str, str, str]:
        """Return path of codes, deepest name, name of the first level below the project, and path of names below it."""
        if wbs_id not in self._levels:
            levels = _levels(self._tables, wbs_id)
            below = [level for level in levels if level.get("proj_node_flag") != "Y"]
            path = ".".join(level.get("wbs_short_name", "") for level in levels)
            name = levels[-1].get("wbs_name", "") if levels else ""
            names = [level.get("wbs_name", "") for level in below]
            self._levels[wbs_id] = path, name, names[0] if names else "", " > ".join(filter(None, names))[:MAX_PATH]
        return self._levels[wbs_id]

    def _codes(self, task: str) -> Iterator[str]:
        codes: defaultdict[str, list[str]] = defaultdict(list)
        for type_id, code in self._tables.assigned.get(task, ()):
            owner, text = self._tables.codes.get(code, (type_id, ""))
            codes[self._tables.code_types.get(type_id or owner, "")].append(text)
        return ("; ".join(codes[heading]) for heading in self._headings)


def _levels(tables: Tables, wbs_id: str) -> list[dict[str, str]]:
    levels: list[dict[str, str]] = []
    while wbs_id in tables.wbs and len(levels) < MAX_DEPTH:
        levels.insert(0, tables.wbs[wbs_id])
        wbs_id = levels[0].get("parent_wbs_id", "")
    return levels


def percent_complete(value: dict[str, str]) -> str:
    """Return per cent complete as P6 shows it: of the duration, the units or the scope, or as somebody has judged it.

    XER files do not hold that of the scope, so it is empty there: the physical one of such an activity is another.
    """
    if value["status_code"] == "TK_Complete":
        return "100"
    if value["status_code"] == "TK_NotStart":
        return "0"
    match value["complete_pct_type"]:
        case "CP_Drtn":
            whole, left = number(value["target_drtn_hr_cnt"]), number(value["remain_drtn_hr_cnt"]) or 0
            return "" if whole is None else f"{max(0, 100 * (1 - left / whole)):.6g}"
        case "CP_Units":
            done, left = (
                sum(number(value[f"{kind}_{unit}_qty"]) or 0 for unit in ("work", "equip"))
                for kind in ("act", "remain")
            )
            return f"{100 * done / (done + left):.6g}" if done + left else ""
        case "CP_Scope":
            return value["scope_complete_pct"]
        case _:
            return value["phys_complete_pct"]


def _baseline_days(value: dict[str, str], baseline: tuple[str, str], calendar: Calendar) -> str:
    """Return the calendar days of the baseline, else of the plan of what has not started; from dates, else hours."""
    start, finish = map(_moment, baseline)
    if finish is None and value["status_code"] == "TK_NotStart":
        start, finish = _moment(value["target_start_date"]), _moment(value["target_end_date"])
    if finish is None:
        return ""
    if start is not None:
        return str(days_between(start, finish))
    hours = number(value["target_drtn_hr_cnt"])
    return "" if hours is None else f"{max(1, round(hours / calendar.hours_per_week * 7))}"


def _float_days(value: dict[str, str], calendar: Calendar) -> str:
    """Return the calendar days from the early to the late finish, which are the total float on its calendar.

    XER files have the hours as well; XML files have the dates alone.
    """
    early, late = _moment(value["early_end_date"]), _moment(value["late_end_date"])
    if value["total_float_hr_cnt"]:
        try:
            hours = float(value["total_float_hr_cnt"].replace(",", "."))
        except ValueError:
            return value["total_float_hr_cnt"]
    elif early is None or late is None or value["act_end_date"]:
        return ""
    else:
        hours = calendar.between(early, late)
    return float_days(hours, early, late, calendar)


def float_days(hours: float, early: datetime | None, late: datetime | None, calendar: Calendar) -> str:
    """Return total float in calendar days: from the early to the late finish; of the hours where these do not say it.

    Parameters
    ----------
    hours
        Of work.
    early, late
        Finish.
    """
    if not hours:
        return "0"
    if early is not None and late is not None and (late > early) == (hours > 0):
        return str((late.date() - early.date()).days)
    return f"{calendar.days(hours, early):.6g}"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def _remarks(reader: Reader, tables: Tables) -> Iterator[str]:
    for table, (count, line) in sorted(reader.undecodable.items()):
        codec = reader.encodings.get(table, "utf-8")
        yield f"{count} rows of {table} hold bytes that mean nothing in {codec}, the first at line {line}"
    for table, count in Counter(table for table, _ in tables.ragged).items():
        first = [str(line) for name, line in tables.ragged if name == table][:5]
        yield f"{count} rows of {table} have more or fewer values than fields, at lines {', '.join(first)}"
    if unknown := sum(count for project, count in tables.tasks.items() if project not in tables.projects):
        yield f"{unknown} activities belong to no project of the file"
    if reader.stray:
        yield f"{reader.stray} lines belong to no row"
    if tables.bad_costs:
        yield f"{tables.bad_costs} costs of resources and expenses are no numbers"
