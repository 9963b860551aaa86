"""The network of a table of text: relations from columns such as ``Predecessors``, in the languages of MS Project."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from slipcast.datasets.database import one_row
from slipcast.datasets.network import Writer
from slipcast.ingest.mapping.profile import normal
from slipcast.ingest.relations import UNKNOWN, lag, relations
from slipcast.ingest.sql import expressions
from slipcast.ingest.sql.query import Query

BATCH = 10_000
# The references of all rows are held in memory.
MOST_ROWS = 500_000
# Headers by what they hold, the better ones first; P6's field names stand among them.
PREDECESSORS = (
    *("Unique ID Predecessors", "Predecessor Details", "Predecessors", "pred_list", "pred_details", "Vorgänger"),
    *("Prédécesseurs", "Predecesoras", "Predecessoras", "Predecessori", "Voorafgaande taken"),
)
SUCCESSORS = (
    *("Unique ID Successors", "Successor Details", "Successors", "succ_list", "succ_details", "Nachfolger"),
    *("Successeurs", "Sucesoras", "Sucessoras", "Successori", "Opvolgende taken", "Opvolgers"),
)
# The number of the line, which MS Project's links name.
NUMBERS = ("ID", "Nr.", "Nr", "N°", "Id")
CALENDAR = ("Calendar Name", "Calendar", "Task Calendar", "clndr_id", "Vorgangskalender")
KIND = ("Activity Type", "task_type")
PLANNED = (
    *("Original Duration", "Original Duration(h)", "Planned Duration", "target_drtn_hr_cnt", "Duration"),
    *("Dauer", "Durée", "Duración", "Duração", "Durata", "Duur"),
)
REMAINING = (
    *("Remaining Duration", "Remaining Duration(h)", "remain_drtn_hr_cnt", "Verbleibende Dauer"),
    *("Durée restante", "Duración restante", "Duração restante", "Durata rimanente", "Resterende duur"),
)
FLOAT = ("Total Float", "Total Float(h)", "total_float_hr_cnt", "Total Slack", "Gesamte Pufferzeit")
EXPECTED = ("Expected Finish", "expect_end_date")
CONSTRAINT = ("Primary Constraint", "cstr_type", "Constraint Type", "Einschränkungsart", "Type de contrainte")
CONSTRAINT_DATE = ("Primary Constraint Date", "cstr_date", "Constraint Date", "Einschränkungstermin")
PERCENT_TYPE = ("Percent Complete Type", "complete_pct_type")
EARLY_LATE = {
    "early_start": ("Early Start", "early_start_date"),
    "early_finish": ("Early Finish", "early_end_date"),
    "late_start": ("Late Start", "late_start_date"),
    "late_finish": ("Late Finish", "late_end_date"),
}
# What the network has of each row: text and dates by header, and what the profile has read already.
TEXTS = {
    "calendar_id": CALENDAR,
    "activity_type": KIND,
    "planned_minutes": PLANNED,
    "remaining_minutes": REMAINING,
    "total_float_minutes": FLOAT,
    "constraint_type": CONSTRAINT,
    "percent_complete_type": PERCENT_TYPE,
}
DATES = {"expected_finish": EXPECTED, "constraint_date": CONSTRAINT_DATE, **EARLY_LATE}
KNOWN = ("activity_name", "planned_start", "planned_finish", "actual_start", "actual_finish", "percent_complete")
WORDS = {
    **{"task dependent": "task", "tt task": "task", "resource dependent": "resource_dependent"},
    **{"tt rsrc": "resource_dependent", "level of effort": "level_of_effort", "tt loe": "level_of_effort"},
    **{"start milestone": "start_milestone", "tt mile": "start_milestone", "finish milestone": "finish_milestone"},
    **{"tt finmile": "finish_milestone", "wbs summary": "summary", "tt wbs": "summary"},
}


def write(database: duckdb.DuckDBPyConnection, query: Query, folder: Path, notes: list[str]) -> bool:
    """Write the network of a table of text; return whether it has one.

    Rows that the profile filters out, such as milestones, belong to the network; bad ones do not.

    Parameters
    ----------
    notes
        What cannot be read is added.
    """
    found = cells(query)
    if not found:
        return False
    columns = _columns(query)
    # Once, for all that follows: the SQL of a profile is long.
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE network_rows AS SELECT coalesce(project_id, '') AS project, activity_id, "
        f"known_status, {', '.join((*KNOWN, *found))} FROM {query.checked(further=found)} "
        "WHERE NOT blank AND NOT bad AND activity_id IS NOT NULL"
    )
    try:
        return _write(database, query, columns, folder, notes)
    finally:
        database.execute("DROP TABLE network_rows")


def cells(query: Query) -> dict[str, str]:
    """Return the cells that a network is read from, by name, as `Query.checked` takes them; none without relations."""
    places = _places(query)
    before, after = _column(places, PREDECESSORS), _column(places, SUCCESSORS)
    named = before if before is not None else after
    if named is None:
        return {}
    number = None
    # MS Project's links name lines, but for the columns that say Unique ID.
    if not normal(query.header[named]).startswith("unique id"):
        number = _column(places, NUMBERS)
    found = {"number": number, "before": before, "after": after, **_columns(query)}
    return {f"network_{name}": _cell(query, place) for name, place in found.items()}


def _places(query: Query) -> dict[str, int]:
    return {normal(cell): place for place, cell in reversed(list(enumerate(query.header)))}


def _columns(query: Query) -> dict[str, int | None]:
    places = _places(query)
    return {name: _column(places, headers) for name, headers in (TEXTS | DATES).items()}


def _write(
    database: duckdb.DuckDBPyConnection, query: Query, columns: dict[str, int | None], folder: Path, notes: list[str]
) -> bool:
    count = one_row(database.execute("SELECT count(*) FROM network_rows"))[0]
    if count > MOST_ROWS:
        notes.append(
            f"the network of {count:,} rows is not kept, at most {MOST_ROWS:,} are: drop the projects one by one"
        )
        return False
    links = "SELECT project, activity_id, network_number, network_before, network_after FROM network_rows"
    ids: dict[tuple[str, str], str] = {}
    for project, activity, line, _, _ in _fetch(database, links):
        ids.setdefault((project, line if line is not None else activity), activity)
    with Writer(folder) as network:
        unread = _relations(database, links, ids, query, network)
        _activities(database, query, columns, network)
    if unread:
        notes.append(f"{unread:,} lags of relations cannot be read: these relations are kept without one")
    return True


def _column(places: dict[str, int], headers: tuple[str, ...]) -> int | None:
    return next((places[normal(header)] for header in headers if normal(header) in places), None)


def _cell(query: Query, place: int | None) -> str:
    return "NULL::VARCHAR" if place is None else expressions.cell(place, query.profile.missing, bare=query.grid.bare)


def _fetch(database: duckdb.DuckDBPyConnection, sql: str) -> Iterator[tuple[Any, ...]]:
    # Not a cursor: it would not see a temporary table.
    found = database.execute(sql)
    while rows := found.fetchmany(BATCH):
        yield from rows


class _Known:
    """References within a project."""

    def __init__(self, ids: dict[tuple[str, str], str], project: str) -> None:
        self._ids, self._project = ids, project

    def __contains__(self, reference: object) -> bool:
        return (self._project, reference) in self._ids


def _relations(
    database: duckdb.DuckDBPyConnection, sql: str, ids: dict[tuple[str, str], str], query: Query, network: Writer
) -> int:
    """Write the relations of both columns, each once; return the number of lags that cannot be read."""
    durations, unread = query.profile.durations, 0
    day = durations.hours_per_day
    week, unit = day * durations.days_per_week, durations.unit
    microsoft = query.profile.name.startswith("msproject")
    for project, activity, _, before, after in _fetch(database, sql):
        known = _Known(ids, project)
        for text, backwards in ((before, True), (after, False)):
            for item in relations(text, known, day=day, week=week, unit=unit) if text else ():
                other = ids.get((project, item.reference))
                if other is None:
                    continue
                unread += item.lag == UNKNOWN
                # MS Project counts on the calendar of the successor, Primavera as a rule on that of the predecessor.
                whose = "elapsed" if item.lag.elapsed else "successor" if microsoft else "predecessor"
                network.relation(
                    project,
                    {
                        "predecessor_id": other if backwards else activity,
                        "successor_id": activity if backwards else other,
                        "relation_type": item.kind,
                        "lag_minutes": item.lag.minutes,
                        "lag_percent": item.lag.percent,
                        "lag_calendar": whose,
                    },
                )
    return unread


def _activities(
    database: duckdb.DuckDBPyConnection, query: Query, columns: dict[str, int | None], network: Writer
) -> None:
    durations = query.profile.durations
    day, week = durations.hours_per_day, durations.hours_per_day * durations.days_per_week
    values = list(KNOWN)
    for name, place in columns.items():
        is_date = name in DATES and place is not None
        cell = f"network_{name}"
        values.append(expressions.day(cell, query.profile.dates, query.order) if is_date else cell)
    sql = f"SELECT project, activity_id, known_status, {', '.join(values)} FROM network_rows"
    for project, activity, status, *found in _fetch(database, sql):
        cells = dict(zip((*KNOWN, *columns), found, strict=True))
        for name in ("planned_minutes", "remaining_minutes", "total_float_minutes"):
            place = columns[name]
            hours = place is not None and normal(query.header[place]).endswith((" h", "hr cnt"))
            amount = lag(cells[name] or "", day=day, week=week, unit="h" if hours else "d") if cells[name] else UNKNOWN
            cells[name] = amount.minutes
        kind = cells["activity_type"]
        cells["activity_type"] = WORDS.get(normal(kind or ""), kind)
        network.activity(project, {**cells, "activity_id": activity, "status": status})
