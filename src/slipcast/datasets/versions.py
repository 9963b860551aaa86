"""Dataset versions: the activities of all files so far, each as last seen, as an immutable Parquet file.

The bytes of the table, and of those of its network, are its identity. An activity that stands in several files is
merged by its project and id, or by the GUID that its tool gave it if the id is another one: the file with the latest
data date says what became of it, the earliest one that knows it what the baseline was, unless a file was declared to be
the baseline.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, cast

import pandas as pd

from slipcast.contracts import DatasetRef
from slipcast.datasets import labels, network
from slipcast.datasets.database import connect, literal, one_row
from slipcast.datasets.merging import BASELINE as BASELINE
from slipcast.datasets.merging import merge as merge
from slipcast.datasets.merging import rename as rename
from slipcast.schema import COLUMNS

CATEGORIES = ("project_id", "phase", "work_type", "location", "status", "source")
ID_DIGITS = 16
# What a Step Functions payload carries of a manifest: it may have 256 KiB.
REFERENCE = (
    *("dataset_id", "uri", "sha256", "manifest_uri", "labels_uri", "last_seen_uri"),
    *("data_date", "rows", "labels", "labels_digest", "dated", "profile"),
)
# What the monitor needs of an activity whose outcome is known.
LABELLED = ("project_id", "activity_id", "phase", "work_type", "location")


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(table: Path, workdir: Path, *, tolerance_days: int) -> dict[str, Any]:
    """Return what the manifest says about a table: rows, columns with their statistics, labels.

    Returns
    -------
    ``dataset_id``, ``sha256``, ``rows``, ``data_date`` (ISO day or None), ``dated``, ``columns`` (for each column its
    type, how many are missing, smallest and largest value, mean of numbers, distinct values of categories), ``labels``
    (matured, late, open, censored), ``labels_digest`` (another one if the outcome of any activity is)
    """
    digest = sha256(table)
    with connect(workdir) as database:
        relation = f"read_parquet({literal(str(table))})"
        types = {row[0]: row[1] for row in database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
        rows, data_date = one_row(database.execute(f"SELECT count(*), max(data_date) FROM {relation}"))
        columns = {name: _statistics(database, relation, name, kind) for name, kind in types.items()}
        counts = _labels(database, relation, tolerance_days)
        labels_digest = counts.pop("digest")
    return {
        "dataset_id": digest[:ID_DIGITS],
        "sha256": digest,
        "rows": rows,
        "data_date": data_date and data_date.isoformat(),
        "dated": data_date is not None,
        "columns": columns,
        "labels": counts,
        "labels_digest": labels_digest,
    }


def with_network(manifest: dict[str, Any], files: Mapping[str, Path], workdir: Path) -> dict[str, Any]:
    """Return a manifest that says the network as well: rows and digest of each table (`datasets.network`).

    The id of the version then stands for all its tables; without a network for the one alone.

    Parameters
    ----------
    manifest
        As `describe` returns it.
    files
        Parquet files by table; empty if no file has a network.
    """
    if not files:
        return manifest
    digests = {name: sha256(path) for name, path in files.items()}
    whole = hashlib.sha256("".join([manifest["sha256"], *(digests[name] for name in sorted(digests))]).encode())
    rows = network.counts(files, workdir)
    tables = {name: {"sha256": digests[name], "rows": rows[name]} for name in files}
    return {**manifest, "dataset_id": whole.hexdigest()[:ID_DIGITS], "network": tables}


def _statistics(database: Any, relation: str, name: str, kind: str) -> dict[str, Any]:
    extra = "NULL" if kind != "DOUBLE" else f'avg("{name}")'
    distinct = f'count(DISTINCT "{name}")' if name in CATEGORIES else "NULL"
    present, low, high, mean, values, rows = database.execute(
        f'SELECT count("{name}"), min("{name}")::VARCHAR, max("{name}")::VARCHAR, {extra}, {distinct}, count(*) '
        f"FROM {relation}"
    ).fetchone()
    found = {"type": kind, "missing": rows - present, "min": low and low[:80], "max": high and high[:80]}
    if mean is not None:
        found["mean"] = mean
    if values is not None:
        found["distinct"] = values
    return found


def write_labels(table: Path, target: Path, workdir: Path, *, tolerance_days: int) -> None:
    """Write the outcomes of the matured activities as gzipped CSV: what `labels.label` says, for whoever has no duckdb.

    Columns: `LABELLED`, ``matured_at`` (the last day in time) and ``is_late``.
    """
    with connect(workdir) as database:
        relation = f"read_parquet({literal(str(table))})"
        types = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
        limit, matured, late = labels.rule(tolerance_days, types)
        columns = [name if name in types else f"NULL AS {name}" for name in LABELLED]
        database.execute(
            f"COPY (SELECT {', '.join(columns)}, {limit}::DATE AS matured_at, ({late})::INTEGER AS is_late "
            f"FROM {relation} WHERE {matured} ORDER BY project_id, activity_id) "
            f"TO {literal(str(target))} (FORMAT csv, HEADER, COMPRESSION gzip)"
        )


def write_last_seen(table: Path, target: Path, workdir: Path) -> None:
    """Write when each activity was last seen, and its finish, as gzipped CSV: what the scoreboard judges by.

    Columns: ``project_id``, ``activity_id``, ``data_date`` and ``actual_finish`` (empty while open).
    """
    with connect(workdir) as database:
        database.execute(
            "COPY (SELECT project_id, activity_id, data_date, actual_finish "
            f"FROM read_parquet({literal(str(table))}) WHERE data_date IS NOT NULL ORDER BY project_id, activity_id) "
            f"TO {literal(str(target))} (FORMAT csv, HEADER, COMPRESSION gzip)"
        )


def baselines(table: Path, among: Path, workdir: Path) -> list[tuple[str, str, date]]:
    """Return project, activity and baseline finish of the activities of `table` that `among` has too."""
    with connect(workdir) as database:
        return database.execute(
            f"SELECT project_id, activity_id, baseline_finish FROM read_parquet({literal(str(table))}) AS t "
            f"SEMI JOIN read_parquet({literal(str(among))}) AS a USING (project_id, activity_id) "
            "WHERE baseline_finish IS NOT NULL"
        ).fetchall()


def baseline_edits(before: Path, new: Path, workdir: Path) -> list[tuple[str, str, str | None, date, date]]:
    """Return the activities whose baseline finish is another one in a new file than in the dataset before it.

    Parameters
    ----------
    before
        Parquet file of the dataset before the file: of several baselines it has the earliest.
    new
        Parquet file of the schedule. Baselines that no file says count on neither side.

    Returns
    -------
    list[tuple[str, str, str | None, date, date]]
        project, activity, name, baseline finish before and now; the largest move first
    """
    said = "baseline_source IN ('file', 'declared')"
    with connect(workdir) as database:
        tables = [f"read_parquet({literal(str(path))})" for path in (before, new)]
        types = [{row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()} for table in tables]
        if not all("baseline_source" in names for names in types):
            return []
        return database.execute(
            "SELECT n.project_id, n.activity_id, n.activity_name, o.baseline_finish, n.baseline_finish "
            f"FROM (FROM {tables[0]} WHERE {said}) AS o JOIN (FROM {tables[1]} WHERE {said}) AS n "
            "USING (project_id, activity_id) WHERE o.baseline_finish <> n.baseline_finish "
            "ORDER BY abs(n.baseline_finish - o.baseline_finish) DESC, n.project_id, n.activity_id"
        ).fetchall()


def outcomes(table: Path, among: Path, workdir: Path, *, tolerance_days: int) -> dict[str, int]:
    """Return how many activities of a table are matured, late, open and censored.

    Parameters
    ----------
    table
        Parquet file of a dataset.
    among
        Parquet file of the activities that count.
    workdir
        For what does not fit into memory.
    tolerance_days
        Calendar days after the baseline finish that still count as on time.
    """
    with connect(workdir) as database:
        relation = (
            f"(SELECT * FROM read_parquet({literal(str(table))}) AS t "
            f"SEMI JOIN read_parquet({literal(str(among))}) AS a USING (project_id, activity_id))"
        )
        counts = _labels(database, relation, tolerance_days)
    del counts["digest"]
    return counts


def _labels(database: Any, relation: str, tolerance_days: int) -> dict[str, Any]:
    _, dated, late = labels.rule(tolerance_days, {"schedule_adherence"})
    matured = f"(coalesce({dated}, false) OR (data_date IS NULL AND schedule_adherence IS NOT NULL))"
    # Exclusive or of a digest for each outcome: whatever the order, and whatever else the rows say.
    outcome = f"md5_number(project_id || chr(31) || activity_id || chr(31) || ({late})::INT)"
    names = ("matured", "late", "open", "censored", "digest")
    found = database.execute(
        f"SELECT count(*) FILTER ({matured}), count(*) FILTER ({matured} AND {late}), "
        "count(*) FILTER (actual_finish IS NULL AND data_date IS NOT NULL), "
        f"count(*) FILTER (NOT {matured}), "
        f"format('{{:032x}}', coalesce(bit_xor({outcome}) FILTER ({matured}), 0)) FROM {relation}"
    ).fetchone()
    return dict(zip(names, found, strict=True))


def reference(manifest: dict[str, Any]) -> DatasetRef:
    """Return what the steps of the pipeline need of a manifest."""
    return cast("DatasetRef", {name: manifest[name] for name in REFERENCE if name in manifest})


def read_table(path: Path, where: str = "true") -> pd.DataFrame:
    """Return a dataset's rows: dates ``datetime64[s]``, numbers float64, text object with None where missing."""
    with connect(path.parent) as database:
        table = database.execute(f"SELECT * FROM read_parquet({literal(str(path))}) WHERE {where}").df()
    kinds = {column.name: column.kind for column in COLUMNS} | {"baseline_data_date": "date"}
    for name in table.columns:
        kind = kinds.get(name)
        if kind == "date":
            table[name] = pd.to_datetime(table[name]).astype("datetime64[s]")
        elif kind == "number" or (kind is None and table[name].dtype.kind == "f"):
            table[name] = table[name].astype("float64")
        else:
            table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def write_open(table: Path, target: Path, workdir: Path) -> int:
    """Write the open activities of a schedule as gzipped JSON lines and return how many there are (`write_dated`)."""
    return write_dated(table, target, workdir, "actual_finish IS NULL")


def write_dated(table: Path, target: Path, workdir: Path, where: str = "true") -> int:
    """Write the activities of a schedule that has dates as gzipped JSON lines and return how many there are.

    Parameters
    ----------
    table
        Parquet file of one schedule.
    target
        File to write; canonical columns, dates as ISO days, null where not known.
    where
        Condition of duckdb that they meet.
    """
    names = ", ".join(f'"{column.name}"' for column in COLUMNS)
    with connect(workdir) as database:
        rows = database.execute(
            f"COPY (SELECT {names} FROM read_parquet({literal(str(table))}) "
            f"WHERE data_date IS NOT NULL AND {where} ORDER BY project_id, activity_id) "
            f"TO {literal(str(target))} (FORMAT json, COMPRESSION gzip)"
        )
        return int(one_row(rows)[0])
