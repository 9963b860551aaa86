"""Facts about how a file was understood, for its report: columns, codes, baseline, calendars, rows, a Gantt chart.

They are JSON: `report` puts them into the document, `slipcast.reports.intake` shows them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

import duckdb

from slipcast.datasets.database import connect, literal, one_row
from slipcast.ingest.files import mspdi, xer
from slipcast.ingest.mapping.codes import is_code
from slipcast.ingest.mapping.detect import known
from slipcast.ingest.mapping.profile import headers, normal
from slipcast.ingest.refusal import REMARKS
from slipcast.ingest.sql.query import KINDS, Query

# Bars of the chart, rows of the quarantine and calendars that a page shows: it does not grow with the file.
BARS, QUARANTINED, CALENDARS = 30, 10, 10
MAX_TEXT = 200
How = Literal["profile", "synonym", "code", "joined", "file name", "derived", "absent"]


class Column(TypedDict):
    """A canonical column and where it comes from.

    ``headers`` are those of the file, in the order in which they count; of an absent column those that the profile
    reads. ``filled`` is the share of accepted rows with a value, ``example`` the first of them as it was read.
    """

    column: str
    headers: list[str]
    how: How
    filled: float
    example: str


class Cell(TypedDict):
    """A cell that broke a rule; ``header`` is the file's own name of the column."""

    column: str
    header: str
    value: str
    reason: str
    remedy: str


class QuarantinedRow(TypedDict):
    """A row in quarantine with its bad cells; ``line`` is its place in ``file``."""

    file: str
    line: int
    activity_id: str
    activity_name: str
    cells: list[Cell]


class Problem(TypedDict):
    """A rule that cells broke: ``cells`` is their number."""

    column: str
    reason: str
    remedy: str
    cells: int


class Left(TypedDict):
    """Rows that a filter left out, by the value that it looks at."""

    header: str
    value: str
    rows: int


class Bar(TypedDict):
    """An activity of the chart; days in ISO 8601, None where the file does not say them."""

    activity_id: str
    activity_name: str
    status: str
    baseline_start: str | None
    baseline_finish: str | None
    start: str
    finish: str | None


class Gantt(TypedDict):
    """The activities of the first project that are nearest to its data date, in the order of their starts."""

    project: str
    projects: int
    activities: int
    data_date: str
    bars: list[Bar]


class Baseline(TypedDict):
    """Number of activities by the source of their baseline.

    ``file``: the file has it. ``declared``: the file is the baseline. ``first_seen``: the plan of what had not started.
    ``earlier``: an earlier file of the series has it. ``none``: nothing says what was planned. ``unassigned`` says that
    the baseline of every open activity is its current plan.
    """

    file: int
    declared: int
    first_seen: int
    earlier: int
    none: int
    unassigned: bool


class WorkCalendar(TypedDict):
    """A calendar that activities are on; hours None where the file does not say them."""

    name: str
    activities: int
    hours_per_day: float | None
    hours_per_week: float | None
    exceptions: int


class Network(TypedDict):
    """Sizes of the network, and its calendars with most activities."""

    activities: int
    relations: int
    calendars: int
    most_used: list[WorkCalendar]


class Understood(TypedDict):
    """Everything together; ``gantt`` is None for a file without dates, ``network`` for one without relations."""

    columns: list[Column]
    not_read: list[str]
    codes: dict[str, list[str]]
    codes_left: list[str]
    hints: list[str]
    left_out: list[Left]
    baseline: Baseline
    network: Network | None
    gantt: Gantt | None


def columns(query: Query) -> list[Column]:
    """Return where each canonical column comes from, before any row is read."""
    return [_column(query, name) for name in KINDS if name != "schedule_adherence" or query.profile.undated]


def _column(query: Query, name: str) -> Column:
    found: list[str] = []
    how: How = "absent"
    sources = [name]
    if name == "planned_finish":
        sources = [source for source in ("current_finish", name) if query.has(source)] or sources
    if query.has(sources[0]):
        origins = [origin for source in sources for origin in query.origins(source)]
        found, how = list(dict.fromkeys(header.removeprefix("code:") for header, _ in origins)), origins[0][1]
    elif name == "data_date" and query.data_date is not None:
        how = "file name"
    elif name == "project_id":
        found, how = [query.source], "file name"
    elif name in ("status", "data_date", "baseline_duration_days") and not query.profile.undated:
        how = "derived"
    elif name in ("baseline_start", "baseline_finish") and query.has("planned_finish"):
        found, how = _plan(query, name), "derived"
    elif (mapping := query.profile.columns.get(name)) is not None:
        found = [header for header in headers(mapping) if header != "code:*"][:5]
    return {"column": name, "headers": [_cut(header) for header in found], "how": how, "filled": 0.0, "example": ""}


def _plan(query: Query, name: str) -> list[str]:
    """Return the headers of the plan that stands in for the start or finish of a baseline."""
    helping = "planned_start" if name == "baseline_start" else "planned_finish"
    return [header for header, _ in query.origins(helping)] if query.has(helping) else []


def not_read(query: Query) -> list[str]:
    """Return the headers of the user that mean nothing to the profile, but for types of activity code."""
    taken = {header for found in query.used_codes.values() for header in found}
    # Tables made of XER and XML have columns that serve other ends.
    if query.grid.lined:
        taken |= {*xer.COLUMNS, *mspdi.COLUMNS}
    reads = known(query.profile) | {normal(REMARKS)}
    return [
        name for name in query.header if name and normal(name) not in reads and name not in taken and not is_code(name)
    ]


def codes_left(query: Query) -> list[str]:
    """Return the types of activity code that mean nothing to the profile."""
    taken = {header for found in query.used_codes.values() for header in found}
    return [header.removeprefix("code:") for header in query.header if is_code(header) and header not in taken]


def used_codes(query: Query) -> dict[str, list[str]]:
    """Return phase, work type and location → the types of activity code that say it."""
    return {name: [header.removeprefix("code:") for header in found] for name, found in query.used_codes.items()}


def planned(query: Query, found: list[Column], origin: Baseline) -> list[Column]:
    """Return the columns with the plan as the source of a baseline that the file has no dates of."""
    if origin["file"] or not (origin["declared"] or origin["first_seen"]):
        return found
    dates = ("baseline_start", "baseline_finish")
    return [
        {**item, "headers": _plan(query, item["column"]), "how": "derived"} if item["column"] in dates else item
        for item in found
    ]


def with_values(database: duckdb.DuckDBPyConnection, table: Path, found: list[Column]) -> list[Column]:
    """Return the columns with the share of rows that have a value and with an example, from the accepted rows."""
    names = [item["column"] for item in found]
    selected = ", ".join(f'count("{name}"), any_value("{name}")::VARCHAR' for name in names)
    relation = f"read_parquet({literal(str(table))})"
    rows, *values = one_row(database.execute(f"SELECT count(*), {selected} FROM {relation}"))
    pairs = zip(found, values[::2], values[1::2], strict=True)
    return [
        {**item, "filled": count / rows if rows else 0.0, "example": _cut((value or "").removesuffix(".0"))}
        for item, count, value in pairs
    ]


def left_out(database: duckdb.DuckDBPyConnection, query: Query) -> list[Left]:
    """Return how many rows each filter left out, by the value of the cell; of several filters the first counts."""
    if (sql := query.left_out()) is None:
        return []
    found = database.execute(sql).fetchall()
    return [{"header": _cut(header), "value": _cut(value or ""), "rows": rows} for header, value, rows in found]


def baseline(database: duckdb.DuckDBPyConnection, table: Path) -> Baseline:
    """Return the sources of the baselines of a table as it is before `tables.settle`."""
    relation = f"read_parquet({literal(str(table))})"
    names = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    unchanged = "count(*) FILTER (unchanged), count(unchanged)" if "unchanged" in names else "0, 0"
    kinds = ", ".join(f"count(*) FILTER (baseline_source = '{kind}')" for kind in ("file", "declared", "first_seen"))
    file, declared, first_seen, none, same, given = one_row(
        database.execute(
            f"SELECT {kinds}, count(*) FILTER (baseline_finish IS NULL AND data_date IS NOT NULL), {unchanged} "
            f"FROM {relation}"
        )
    )
    return {
        "file": file,
        "declared": declared,
        "first_seen": first_seen,
        "earlier": 0,
        "none": none,
        # One activity may well be on its plan.
        "unassigned": given > 1 and same == given,
    }


def gantt(database: duckdb.DuckDBPyConnection, table: Path) -> Gantt | None:
    """Return the chart of the first project of a table as it is before `tables.settle`."""
    relation = f"read_parquet({literal(str(table))})"
    found = database.execute(
        f"SELECT project_id, max(data_date), count(*), count(*) OVER () FROM {relation} WHERE data_date IS NOT NULL "
        "GROUP BY project_id ORDER BY project_id LIMIT 1"
    ).fetchone()
    if found is None:
        return None
    project, day, activities, projects = found
    planned = "CASE WHEN planned_finish >= start THEN planned_finish END"
    rows = database.execute(
        "SELECT activity_id, activity_name, status, baseline_start, baseline_finish, start, "
        f"coalesce(actual_finish, {planned}) AS finish, "
        "least(start, baseline_start) AS first, greatest(start, finish, baseline_finish) AS last "
        f"FROM {relation} WHERE project_id = ? "
        "ORDER BY greatest(0, date_diff('day', data_date, first), date_diff('day', last, data_date)), "
        f"last, first, activity_id LIMIT {BARS}",
        [project],
    ).fetchall()
    rows.sort(key=lambda row: (row[7], row[8], row[0]))
    return {
        "project": _cut(project),
        "projects": projects,
        "activities": activities,
        "data_date": day.isoformat(),
        "bars": [
            {
                "activity_id": _cut(row[0]),
                "activity_name": _cut(row[1] or ""),
                "status": row[2],
                "baseline_start": _iso(row[3]),
                "baseline_finish": _iso(row[4]),
                "start": row[5].isoformat(),
                "finish": _iso(row[6]),
            }
            for row in rows
        ],
    }


def in_series(understood: Understood, merged: Path, table: Path, workdir: Path) -> Understood:
    """Return what is understood of a file once it is merged with the earlier files of its series.

    Parameters
    ----------
    understood
        Of the file alone.
    merged, table
        Parquet files of all activities and of those of the file.
    workdir
        For what does not fit into memory.
    """
    earlier = "f.data_date IS NOT NULL AND m.baseline_data_date < f.data_date"
    kinds = ", ".join(
        f"count(*) FILTER (m.baseline_source = '{kind}' AND NOT coalesce({earlier}, false))"
        for kind in ("file", "declared", "first_seen")
    )
    both = (
        f"read_parquet({literal(str(merged))}) AS m JOIN read_parquet({literal(str(table))}) AS f "
        "ON m.project_id = f.project_id AND m.activity_id = f.activity_id"
    )
    chart = understood["gantt"]
    with connect(workdir) as database:
        file, declared, first_seen, before, none = one_row(
            database.execute(
                f"SELECT {kinds}, count(*) FILTER ({earlier}), "
                f"count(*) FILTER (m.baseline_finish IS NULL AND f.data_date IS NOT NULL) FROM {both}"
            )
        )
        plans: dict[str, tuple[Any, Any]] = {}
        if chart is not None:
            found = database.execute(
                "SELECT m.activity_id, m.baseline_start, m.baseline_finish "
                f"FROM {both} WHERE m.project_id = ? AND list_contains(?, m.activity_id)",
                [chart["project"], [bar["activity_id"] for bar in chart["bars"]]],
            ).fetchall()
            plans = {name: (start, finish) for name, start, finish in found if finish is not None}
    if chart is not None:
        bars = [_planned(bar, *plans.get(bar["activity_id"], (None, None))) for bar in chart["bars"]]
        chart = {**chart, "bars": bars}
    origin: Baseline = {
        "file": file,
        "declared": declared,
        "first_seen": first_seen,
        "earlier": before,
        "none": none,
        "unassigned": understood["baseline"]["unassigned"] and not before,
    }
    return {**understood, "baseline": origin, "gantt": chart}


def _planned(bar: Bar, start: Any, finish: Any) -> Bar:
    if finish is None:
        return bar
    return {**bar, "baseline_start": _iso(start), "baseline_finish": _iso(finish)}


def network(database: duckdb.DuckDBPyConnection, files: Mapping[str, Path]) -> Network | None:
    """Return what the network of a file holds; None if it has none."""
    if not files:
        return None
    parts = {name: f"read_parquet({literal(str(path))})" for name, path in files.items()}
    counts = ", ".join(f"(SELECT count(*) FROM {part})" for part in parts.values())
    sizes = dict(zip(parts, one_row(database.execute(f"SELECT {counts}")), strict=True))
    used = database.execute(
        "SELECT any_value(c.calendar_name), count(*) AS activities, any_value(c.hours_per_day), "
        "any_value(c.hours_per_week), any_value(len(json_keys(c.exceptions))) "
        f"FROM {parts['activities']} AS a JOIN {parts['calendars']} AS c "
        "USING (project_id, data_date, calendar_id) "
        f"GROUP BY calendar_id ORDER BY activities DESC, calendar_id LIMIT {CALENDARS}"
    ).fetchall()
    keys = ("name", "activities", "hours_per_day", "hours_per_week", "exceptions")
    return {
        "activities": sizes["activities"],
        "relations": sizes["relations"],
        "calendars": sizes["calendars"],
        "most_used": [_work_calendar(dict(zip(keys, row, strict=True))) for row in used],
    }


def _work_calendar(row: dict[str, Any]) -> WorkCalendar:
    return {
        "name": _cut(row["name"] or ""),
        "activities": row["activities"],
        "hours_per_day": row["hours_per_day"],
        "hours_per_week": row["hours_per_week"],
        "exceptions": row["exceptions"] or 0,
    }


def _iso(day: Any) -> str | None:
    return None if day is None else day.isoformat()


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
