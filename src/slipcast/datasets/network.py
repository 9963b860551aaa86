"""The network of a schedule: projects, activities as the tool computed them, their relations, and the calendars.

It stands next to the table of a dataset version, for forecasts from a data date. The features of an activity at its
start never see it: remaining durations and computed dates are written after the start.
"""

import csv
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from slipcast.datasets.calendars import Calendar
from slipcast.datasets.database import connect, literal, one_row
from slipcast.datasets.network_columns import KEYS, ORIGIN, TABLES

# Data dates of a project that a dataset keeps, the latest ones: five years of monthly updates.
KEPT = 60


class Writer:
    """Writes the network of one file as it is read, into CSV files that `tables` turns into Parquet.

    Parameters
    ----------
    folder
        Where to write; made if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._sinks = {name: (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") for name in TABLES}
        self._writers = {name: csv.writer(sink, lineterminator="\n") for name, sink in self._sinks.items()}
        self._columns = {name: tuple(columns) for name, columns in TABLES.items()}

    def project(self, project: str, values: Mapping[str, Any]) -> None:
        """Write what a project is scheduled with."""
        self._write("projects", project, values)

    def activity(self, project: str, values: Mapping[str, Any]) -> None:
        """Write an activity; `project` is the name that the file gives it."""
        self._write("activities", project, values)

    def relation(self, project: str, values: Mapping[str, Any]) -> None:
        """Write a relation; `project` is that of the successor."""
        self._write("relations", project, values)

    def calendar(self, identifier: str, name: str, base: str, calendar: Calendar) -> None:
        """Write a calendar, with what it takes from its base; those that nothing uses are left out later."""
        values: dict[str, Any] = {"calendar_id": identifier, "calendar_name": name, "base_calendar_id": base}
        values |= {"hours_per_day": calendar.day_hours or "", "hours_per_week": calendar.week_hours or ""}
        exceptions = {day.isoformat(): spans for day, spans in sorted(calendar.exceptions.items())}
        values |= {"week": json.dumps(calendar.week), "exceptions": json.dumps(exceptions)}
        self._write("calendars", "", values)

    def _write(self, table: str, project: str, values: Mapping[str, Any]) -> None:
        # What is None or absent is written as nothing.
        self._writers[table].writerow([project, *map(values.get, self._columns[table])])

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        for sink in self._sinks.values():
            sink.close()


def tables(
    database: duckdb.DuckDBPyConnection, folder: Path, table: Path, source: str, names: Mapping[str, str]
) -> dict[str, Path]:
    """Return the network that a `Writer` has written as Parquet files by table; none if it has no activities.

    Parameters
    ----------
    database
        For the queries; nothing stays in it.
    folder
        Of the writer.
    table
        Parquet file of the accepted activities: it says the data date of each project.
    source
        The series of files.
    names
        Lasting name of a project by the name that the file gives it.
    """
    parts = {name: _typed(folder / f"{name}.csv", columns) for name, columns in TABLES.items()}
    project = _lasting("project", names, source)
    dates = f"(SELECT project_id, max(data_date) AS data_date FROM read_parquet({literal(str(table))}) GROUP BY ALL)"
    # What the file says of a project of which nothing was accepted has no data date, and is of no use.
    dated = f"SELECT {literal(source)} AS source, d.project_id, d.data_date"
    joined = f"JOIN {dates} AS d ON d.project_id = {project}"
    other = f"CASE WHEN predecessor_project_id IS NOT NULL THEN {_lasting('predecessor_project_id', names, source)} END"
    used = (
        f"(SELECT project, calendar_id FROM {parts['activities']} UNION SELECT project, lag_calendar_id "
        f"FROM {parts['relations']})"
    )
    selects = {
        **{
            name: f"{dated}, n.* EXCLUDE (project) FROM {parts[name]} AS n {joined}"
            for name in ("projects", "activities")
        },
        # A relation from or to an activity that is not in the file says nothing, unless it is of another project.
        "relations": (
            f"SELECT * FROM ({dated}, n.* EXCLUDE (project) REPLACE (coalesce({other}, d.project_id) AS "
            f"predecessor_project_id) FROM {parts['relations']} AS n {joined}) AS r "
            "WHERE r.successor_id IS NOT NULL AND (r.predecessor_project_id <> r.project_id OR EXISTS "
            f"(SELECT 1 FROM {parts['activities']} AS a WHERE a.activity_id = r.predecessor_id "
            f"AND {_lasting('a.project', names, source)} = r.project_id))"
        ),
        "calendars": (
            f"{dated}, n.* EXCLUDE (project) FROM (SELECT u.project AS project, c.* EXCLUDE (project) "
            f"FROM {parts['calendars']} AS c JOIN {used} AS u USING (calendar_id)) AS n {joined}"
        ),
    }
    if not one_row(database.execute(f"SELECT count(*) FROM ({selects['activities']})"))[0]:
        return {}
    files = {name: _copy(database, name, select, folder / f"{name}.parquet") for name, select in selects.items()}
    for name in TABLES:
        (folder / f"{name}.csv").unlink()
    return files


def _typed(path: Path, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f"'{name}': 'VARCHAR'" for name in ("project", *columns))
    values = ["nullif(project, '') AS project", *(f"{_value(name, kind)} AS {name}" for name, kind in columns.items())]
    return (
        f"(SELECT {', '.join(values)} FROM read_csv({literal(str(path))}, header=false, auto_detect=false, "
        f"delim=',', quote='\"', escape='\"', new_line='\\n', max_line_size=16000000, columns={{{listed}}}))"
    )


def _value(name: str, kind: str) -> str:
    if kind == "VARCHAR":
        return f"nullif({name}, '')"
    # Minutes may come as 62.5 and as 1e9: nothing of that size is a duration.
    if kind == "BIGINT":
        return f"TRY_CAST(round(TRY_CAST({name} AS DOUBLE)) AS BIGINT)"
    return f"TRY_CAST({name} AS {kind})"


def _lasting(column: str, names: Mapping[str, str], source: str) -> str:
    cases = " ".join(f"WHEN {literal(given)} THEN {literal(lasting)}" for given, lasting in sorted(names.items()))
    text = f"coalesce({column}, {literal(source)})"
    return f"CASE {text} {cases} ELSE {text} END" if cases else text


def _copy(database: Any, name: str, select: str, target: Path) -> Path:
    """Write a table of the network: each row once, in one order whatever the order of the file."""
    keys = ("source", "project_id", "data_date", *KEYS[name])
    columns = (*ORIGIN, *TABLES[name])
    others = [column for column in columns if column not in keys]
    place = f"row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {', '.join(others)})"
    once = f" QUALIFY {place} = 1" if others else ""
    order = ", ".join(f"{column} NULLS FIRST" for column in keys)
    database.execute(
        f"COPY (SELECT DISTINCT {', '.join(columns)} FROM ({select}){once} ORDER BY {order}) "
        f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
    )
    return target


def merge(previous: Mapping[str, Path], new: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """Write the networks of two datasets as one: a project at a data date is what `new` says, if it says it.

    Of each project of a source the latest 60 data dates are kept. The result does not depend on the order of files of
    different data dates.

    Parameters
    ----------
    previous, new
        Parquet files by table; empty if there is no network.
    folder
        For the files to write.
    """
    if not previous and not new:
        return {}
    merged = {}
    with connect(folder) as database:
        whole = {}
        for name in TABLES:
            old, last = (_relation(part.get(name), name) for part in (previous, new))
            known = _relation(new.get("activities"), "activities")
            whole[name] = (
                # By name: a version that is older than a column lacks it.
                f"(SELECT * FROM {last} UNION ALL BY NAME SELECT * FROM {old} ANTI JOIN "
                f"(SELECT DISTINCT source, project_id, data_date FROM {known}) USING (source, project_id, data_date))"
            )
        kept = (
            "(SELECT source, project_id, data_date FROM (SELECT DISTINCT source, project_id, data_date "
            f"FROM {whole['activities']}) QUALIFY row_number() OVER "
            f"(PARTITION BY source, project_id ORDER BY data_date DESC) <= {KEPT})"
        )
        for name, relation in whole.items():
            select = f"SELECT * FROM {relation} SEMI JOIN {kept} USING (source, project_id, data_date)"
            merged[name] = _copy(database, name, select, folder / f"{name}.parquet")
    return merged


def _relation(path: Path | None, name: str) -> str:
    if path is not None:
        return f"read_parquet({literal(str(path))})"
    columns = ", ".join(f"NULL::{kind} AS {column}" for column, kind in (ORIGIN | TABLES[name]).items())
    return f"(SELECT {columns} WHERE false)"


def updates(
    whole: Mapping[str, Path], new: Mapping[str, Path], folder: Path
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[dict[str, Any]]]]:
    """Return the rows by table of the last update in a file, and of the last one before it.

    Calendars have their project in their id: two updates may use a number for different ones.

    Parameters
    ----------
    whole
        Parquet files by table of the dataset version that has the file.
    new
        Those of the file alone, of one source.
    folder
        For what does not fit into memory.
    """
    with connect(folder) as database:
        last = (
            "(SELECT source, project_id, max(data_date) AS data_date "
            f"FROM {_relation(new.get('activities'), 'activities')} GROUP BY ALL)"
        )
        before = (
            f"(SELECT source, project_id, max(a.data_date) AS data_date FROM {_relation(whole['activities'], '')} AS a "
            f"JOIN {last} AS l USING (source, project_id) WHERE a.data_date < l.data_date GROUP BY ALL)"
        )
        now, earlier = (
            {name: _rows(database, path, dates) for name, path in whole.items()} for dates in (last, before)
        )
    return now, earlier


class Updates:
    """Networks of a dataset version, one update of a project at a time.

    Parameters
    ----------
    files
        Parquet files by table.
    folder
        For what does not fit into memory.
    """

    def __init__(self, files: Mapping[str, Path], folder: Path) -> None:
        self._files, self._database = files, connect(folder)

    def listed(self) -> list[tuple[str, str, date, int]]:
        """Return source, project, data date and number of activities of every update that has relations."""
        return self._database.execute(
            f"SELECT source, project_id, data_date, count(*) FROM {_relation(self._files['activities'], '')} SEMI JOIN "
            f"{_relation(self._files.get('relations'), 'relations')} AS r USING (source, project_id, data_date) "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()

    def rows(self, source: str, project_id: str, data_date: date) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of an update by table, with calendars as `updates` names them."""
        wanted = (
            f"(SELECT {literal(source)} AS source, {literal(project_id)} AS project_id, "
            f"{literal(data_date.isoformat())}::DATE AS data_date)"
        )
        return {name: _rows(self._database, path, wanted) for name, path in self._files.items()}


def _rows(database: Any, path: Path, dates: str) -> list[dict[str, Any]]:
    found = database.execute(
        f"SELECT t.* FROM read_parquet({literal(str(path))}) AS t JOIN {dates} USING (source, project_id, data_date)"
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for row in rows:
        for column in ("calendar_id", "lag_calendar_id"):
            if row.get(column) is not None:
                row[column] = f"{row['project_id']}/{row[column]}"
    return rows


def stored(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON takes it: moments as ISO 8601, nothing for what is empty."""
    known = ((name, value) for name, value in row.items() if value is not None)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in known}


def counts(files: Mapping[str, Path], folder: Path) -> dict[str, int]:
    """Return the number of rows by table."""
    with connect(folder) as database:
        return {
            name: one_row(database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]))[0]
            for name, path in files.items()
        }
