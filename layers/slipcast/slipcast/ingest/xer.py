"""The activities of a Primavera P6 XER file as one table."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from slipcast.ingest._xer_reader import AGAIN, Record, XerReader
from slipcast.ingest._xer_tables import Tables, choose_baselines, clean, read_tables
from slipcast.ingest.refusal import ScheduleRefused

FROM_TASK = (
    *("task_type", "target_start_date", "target_end_date", "act_start_date", "act_end_date"),
    *("early_start_date", "early_end_date", "total_float_hr_cnt", "target_drtn_hr_cnt", "remain_drtn_hr_cnt"),
    "phys_complete_pct",
)
COLUMNS = (
    *("#line", "task_code", "task_name", "status_code", "proj_short_name", "wbs_path", "wbs_name", "wbs_top_name"),
    *FROM_TASK,
    *("predecessor_count", "day_hr_cnt", "target_cost", "last_recalc_date", "bl_start_date", "bl_finish_date"),
)
REQUIRED = {"PROJECT": ("proj_id",), "TASK": ("task_code", "proj_id")}
MAX_DEPTH = 100


def to_csv(path: Path, out: Path, *, name: str, max_columns: int = 1_000) -> tuple[str, ...]:
    """Write one row for each activity of an XER file.

    Parameters
    ----------
    path : the XER file in UTF-8
    out : CSV to write: ``#line`` (line in the file), P6's field names, and ``code:<type>`` for every type of activity
        code that is assigned. ``wbs_path`` joins P6's WBS codes with dots, ``wbs_name`` is the name of the deepest
        level, ``wbs_top_name`` that of the first level below the project (a phase, in many schedules; empty for
        activities of the project itself). ``*_hr_cnt`` are hours, ``day_hr_cnt`` the hours per day of the activity's
        calendar, ``target_cost`` the sum over its resources, ``last_recalc_date`` the project's data date.
        ``bl_start_date`` and ``bl_finish_date`` come from a baseline project in the same file, joined by task_code;
        target dates are no baseline, they move with every update.
    name : of the dropped file, for messages
    max_columns : most columns to write

    Returns
    -------
    notes for the report

    Raises
    ------
    ScheduleRefused
        If PROJECT or TASK is missing, empty or lacks a field that is needed, a table has no field names, there are too
        many types of activity code, or the file is cut within a row.
    """
    reader = XerReader(path, name)
    tables, notes = read_tables(reader), []
    _check(reader, tables, name)
    if not reader.complete:
        notes.append("the end mark %E is missing: the file may be cut between two rows")
    notes += choose_baselines(tables)
    baseline_dates = _baseline_dates(reader, tables)
    headings = _headings(tables, name, max_columns)
    with out.open("w", encoding="utf-8", newline="") as sink:
        write = csv.writer(sink, lineterminator="\n").writerow
        write((*COLUMNS, *(f"code:{heading}" for heading in headings)))
        for record in reader.records({"TASK"}):
            if record.values.get("proj_id", "") not in tables.behind:
                write(clean(value) for value in _row(record, tables, baseline_dates, headings))
    return (*notes, *_remarks(tables, reader.stray))


def _check(reader: XerReader, tables: Tables, name: str) -> None:
    for table, needed in REQUIRED.items():
        if table not in reader.fields:
            raise ScheduleRefused(name, f"the XER file has no table {table}", AGAIN)
        for wanted in needed:
            if wanted not in reader.fields[table]:
                raise ScheduleRefused(name, f"table {table} has no field {wanted}", AGAIN, column=wanted)
    if not tables.projects:
        raise ScheduleRefused(name, "the XER file holds no project", AGAIN)
    if not tables.tasks:
        raise ScheduleRefused(name, "the XER file holds no activities", "Export the project with its activities")


def _baseline_dates(reader: XerReader, tables: Tables) -> dict[tuple[str, str], tuple[str, str]]:
    dates: dict[tuple[str, str], tuple[str, str]] = {}
    wanted = set(tables.baselines.values())
    for record in reader.records({"TASK"}) if wanted else ():
        value = defaultdict(str, record.values)
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


def _row(
    record: Record, tables: Tables, baseline_dates: dict[tuple[str, str], tuple[str, str]], headings: list[str]
) -> Iterator[str]:
    value = defaultdict(str, record.values)
    project, task = value["proj_id"], value["task_id"]
    levels = _levels(tables, value["wbs_id"])
    codes: defaultdict[str, list[str]] = defaultdict(list)
    for type_id, code in tables.assigned.get(task, ()):
        owner, text = tables.codes.get(code, (type_id, ""))
        codes[tables.code_types.get(type_id or owner, "")].append(text)
    below = [level for level in levels if level.get("proj_node_flag") != "Y"]
    yield from (str(record.line), value["task_code"], value["task_name"], value["status_code"])
    yield from (tables.short_name(project), ".".join(level.get("wbs_short_name", "") for level in levels))
    yield from (levels[-1].get("wbs_name", "") if levels else "", below[0].get("wbs_name", "") if below else "")
    yield from (value[column] for column in FROM_TASK)
    yield str(tables.predecessors[task]) if task else ""
    yield tables.calendars.get(value["clndr_id"], "")
    yield repr(round(tables.costs[task], 4)).removesuffix(".0") if task in tables.costs else ""
    yield tables.projects.get(project, {}).get("last_recalc_date", "")
    yield from baseline_dates.get((tables.baselines.get(project, ""), value["task_code"]), ("", ""))
    yield from ("; ".join(codes[heading]) for heading in headings)


def _levels(tables: Tables, wbs_id: str) -> list[dict[str, str]]:
    levels: list[dict[str, str]] = []
    while wbs_id in tables.wbs and len(levels) < MAX_DEPTH:
        levels.insert(0, tables.wbs[wbs_id])
        wbs_id = levels[0].get("parent_wbs_id", "")
    return levels


def _remarks(tables: Tables, stray: int) -> Iterator[str]:
    for table, count in Counter(table for table, _ in tables.ragged).items():
        first = [str(line) for name, line in tables.ragged if name == table][:5]
        yield f"{count} rows of {table} have more or fewer values than fields, at lines {', '.join(first)}"
    if unknown := sum(count for project, count in tables.tasks.items() if project not in tables.projects):
        yield f"{unknown} activities belong to no project of the file"
    if stray:
        yield f"{stray} lines belong to no row"
    if tables.bad_costs:
        yield f"{tables.bad_costs} costs of resources are no numbers"
