"""Facts that all rows of a file tell together: whose project they are, what per cent means, what their baseline is."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb

from slipcast.datasets.database import literal, one_row
from slipcast.ingest.files import file_names
from slipcast.ingest.sql.query import Query


def settle(database: duckdb.DuckDBPyConnection, table: Path, query: Query, *, assigned: bool) -> list[str]:
    """Rewrite the table with what only all rows together tell, and return notes for the report.

    - One project is called as its series, since tools give it another id with every update; several are called by their
      ids without dates and marks of updates.
    - Per cent written as a fraction, as Excel keeps it, becomes per cent.

    Parameters
    ----------
    table
        Parquet file; replaced.
    assigned
        Whether the note is wanted that baseline and plan do not differ.
    """
    relation = f"read_parquet({literal(str(table))})"
    columns = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
    notes: list[str] = []
    changes: list[str] = []
    if not query.profile.undated:
        notes += _baselines(database, relation)
        if renamed := _projects(database, relation, query):
            changes.append(f"{renamed} AS project_id")
    if _fractions(database, relation):
        changes.append("100 * percent_complete AS percent_complete")
        notes.append("per cent complete is written as a fraction: 0.5 is read as 50 %")
    if "unchanged" in columns and assigned:
        notes += _unassigned(database, relation)
    if changes or "unchanged" in columns:
        excluded = " EXCLUDE (unchanged)" if "unchanged" in columns else ""
        replaced = f" REPLACE ({', '.join(changes)})" if changes else ""
        target = table.with_name("settled.parquet")
        database.execute(
            f"COPY (SELECT *{excluded}{replaced} FROM {relation}) TO {literal(str(target))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        target.replace(table)
    return notes


def lasting_names(database: duckdb.DuckDBPyConnection, table: Path, query: Query) -> dict[str, str]:
    """Return the lasting name of each project by the one that the file gives it, before `settle` puts it there."""
    relation = f"read_parquet({literal(str(table))})"
    renamed = None if query.profile.undated else _projects(database, relation, query)
    if renamed is None:
        return {}
    return dict(database.execute(f"SELECT DISTINCT project_id, {renamed} FROM {relation}").fetchall())


def _projects(database: duckdb.DuckDBPyConnection, relation: str, query: Query) -> str | None:
    """Return the SQL expression of the project's lasting name; None if the ids last."""
    ids = [row[0] for row in database.execute(f"SELECT DISTINCT project_id FROM {relation}").fetchall()]
    if len(ids) == 1:
        name = query.source
        if file_names.says_nothing(name) and (own := file_names.without_marks(ids[0])):
            name = own
        return literal(name) if name != ids[0] else None
    lasting = {item: file_names.without_marks(item) or item for item in ids}
    times = Counter(lasting.values())
    # Marks that tell projects of one file apart are no marks of updates.
    changed = {item: name for item, name in lasting.items() if name != item and times[name] == 1}
    if not changed:
        return None
    cases = " ".join(f"WHEN {literal(item)} THEN {literal(name)}" for item, name in sorted(changed.items()))
    return f"CASE project_id {cases} ELSE project_id END"


def _fractions(database: duckdb.DuckDBPyConnection, relation: str) -> bool:
    """Return whether per cent complete is a fraction: none above 1, and either some between, or 1 where all is done."""
    highest, between, done, odd = one_row(
        database.execute(
            "SELECT max(percent_complete), count(*) FILTER (percent_complete > 0 AND percent_complete < 1), "
            "count(*) FILTER (status = 'complete' AND percent_complete = 1), "
            f"count(*) FILTER (status <> 'complete' AND percent_complete = 1) FROM {relation}"
        )
    )
    return highest is not None and highest <= 1 and (done > 0 or (between > 0 and not odd))


def _baselines(database: duckdb.DuckDBPyConnection, relation: str) -> Iterator[str]:
    planned, started, given = one_row(
        database.execute(
            "SELECT count(*) FILTER (baseline_source = 'first_seen'), count(*) FILTER (baseline_finish IS NULL), "
            f"count(*) FILTER (baseline_source = 'file') FROM {relation}"
        )
    )
    if planned:
        yield (
            f"{'part of the activities have' if given else 'the file has'} no baseline: {planned:,} that had not "
            "started keep what is planned for them here as their baseline, unless an earlier file of the series says it"
        )
    if started:
        yield (
            f"{started:,} activities had started already and have no baseline: nothing here tells what was planned "
            "for them, so they get no outcome; drop an update from before they started under the same name, or the "
            "baseline under incoming/baseline/, to give them one"
        )


def _unassigned(database: duckdb.DuckDBPyConnection, relation: str) -> Iterator[str]:
    same, given = one_row(database.execute(f"SELECT count(*) FILTER (unchanged), count(unchanged) FROM {relation}"))
    # One activity may well be on its plan.
    if given > 1 and same == given:
        yield (
            f"no baseline was assigned: the baseline of all {given:,} open activities equals their current plan, as "
            "tools write it then, so nothing is ever late against it; assign the baseline in the tool, or drop the "
            "updates of the project without these columns, the first one first"
        )
