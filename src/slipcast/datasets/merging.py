"""Tables of several files as one: each activity once, whichever file came first."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipcast.datasets.database import connect, literal, one_row

BASELINE = ("baseline_start", "baseline_finish", "baseline_duration_days", "baseline_source", "baseline_data_date")


def merge(
    previous: Path | None,
    new: Path,
    target: Path,
    workdir: Path,
    *,
    later: Collection[str] = (),
    corrected: bool = False,
) -> None:
    """Write the activities of two tables, each one once.

    The result does not depend on which of the two came first. If both have an activity of the same data date, the file
    that was dropped later is a correction and wins; `new` is that file unless `later` says otherwise. What is known of
    an activity's total float was known before it started, so it stays when a later file no longer says it.

    Parameters
    ----------
    previous
        Parquet file of the dataset so far; None if there is none.
    new
        Parquet file of the schedule that was read last.
    target
        Parquet file to write; rows in the order of project and activity.
    workdir
        For what does not fit into memory.
    later
        SHA-256 of the files in `previous` that were dropped after `new`.
    corrected
        Whether one of them is of the series and of the data date of `new`.
    """
    with connect(workdir) as database:
        last = f"read_parquet({literal(str(new))})"
        # Merged with nothing: a file ingested twice leads to the same bytes as once.
        old = f"read_parquet({literal(str(previous))})" if previous else f"(SELECT * FROM {last} LIMIT 0)"
        columns = _columns(database, old), _columns(database, last)
        names = [*columns[0], *(name for name in columns[1] if name not in columns[0])]
        place, choose = "coalesce(o.activity_id, n.activity_id)", _Choice(columns, frozenset(later), corrected).of
        if "activity_guid" in columns[0] and "activity_guid" in columns[1]:
            last, place = _by_guid(old, last), choose("activity_id")
        database.execute(
            f"COPY (SELECT {', '.join(f'{choose(name)} AS "{name}"' for name in names)} "
            f"FROM {old} AS o FULL JOIN {last} AS n "
            f"ON o.project_id = n.project_id AND o.activity_id = n.{'same_as' if 'same_as' in last else 'activity_id'} "
            f"ORDER BY coalesce(o.project_id, n.project_id), {place}) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )


def _columns(database: Any, relation: str) -> list[str]:
    return [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]


def _by_guid(old: str, last: str) -> str:
    """Return the new rows with ``same_as``: their id among the old ones, which may have been another.

    An id that both have is the same activity whatever the GUIDs say: a copied project has new ones.
    """
    ids = f"(SELECT project_id, activity_id FROM {old})"
    fresh = f"(SELECT project_id, activity_id FROM {last})"
    left = "project_id = l.project_id AND r.activity_id = l.activity_id"
    renamed = (
        f"SELECT l.project_id, l.activity_guid, min(l.activity_id) AS former FROM {old} AS l "
        f"WHERE l.activity_guid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {fresh} AS r WHERE r.{left}) "
        "GROUP BY ALL HAVING count(*) = 1"
    )
    return (
        f"(SELECT l.*, CASE WHEN EXISTS (SELECT 1 FROM {ids} AS r WHERE r.{left}) "
        "OR count(*) OVER (PARTITION BY l.project_id, l.activity_guid) > 1 THEN l.activity_id "
        f"ELSE coalesce(f.former, l.activity_id) END AS same_as FROM {last} AS l LEFT JOIN ({renamed}) AS f "
        "ON f.project_id = l.project_id AND f.activity_guid = l.activity_guid)"
    )


@dataclass(frozen=True)
class _Choice:
    """Choice between the old and the new row of an activity.

    Attributes
    ----------
    columns
        Of the old table and of the new one.
    later
        SHA-256 of the files of old rows that were dropped after the new one.
    corrected
        Whether one of them is of the new file's series and data date.
    """

    columns: tuple[list[str], list[str]]
    later: frozenset[str]
    corrected: bool

    def of(self, name: str) -> str:
        """Return the SQL expression of a column."""
        old = f'o."{name}"' if name in self.columns[0] else "NULL"
        new = f'n."{name}"' if name in self.columns[1] else "NULL"
        # A row that is on one side alone has no data date on the other.
        newer = "(n.data_date > o.data_date OR o.data_date IS NULL OR "
        newer += f"(n.data_date = o.data_date AND NOT {self._was_dropped_later()}))"
        if name in BASELINE:
            return f"CASE WHEN {self._baseline_is_new()} THEN {new} ELSE {old} END"
        if name == "total_float_days":
            return f"CASE WHEN {newer} THEN coalesce({new}, {old}) ELSE coalesce({old}, {new}) END"
        return f"CASE WHEN {newer} THEN {new} ELSE {old} END"

    def _was_dropped_later(self) -> str:
        if not self.later or "source_sha256" not in self.columns[0]:
            return "false"
        return f"coalesce(o.source_sha256 IN ({', '.join(map(literal, sorted(self.later)))}), false)"

    def _baseline_is_new(self) -> str:
        """A declared baseline counts before others, then the one of the earliest data date; none counts last."""
        old, new = (
            f"coalesce({side}.baseline_source = 'declared', false)" if "baseline_source" in names else "false"
            for side, names in zip("on", self.columns, strict=True)
        )
        # The old row does not say which file its baseline is from, if it is not from the file of its state.
        kept = f"CASE WHEN o.baseline_data_date = o.data_date THEN {self._was_dropped_later()} "
        kept += f"ELSE {str(self.corrected).lower()} END"
        earlier = (
            "coalesce(n.baseline_data_date < o.baseline_data_date OR (n.baseline_data_date = o.baseline_data_date "
        )
        earlier += f"AND NOT {kept}), o.baseline_data_date IS NULL)"
        return f"CASE WHEN {old} <> {new} THEN {new} ELSE {earlier} END"


def rename(table: Path, target: Path, workdir: Path, *, files: Collection[str], then: str, now: str) -> bool:
    """Give the activities of some files of a series a name of their own, and return whether there are any.

    Parameters
    ----------
    table
        Parquet file of a dataset.
    target
        Parquet file to write; not written if there are none.
    workdir
        For what does not fit into memory.
    files
        SHA-256 of the files.
    then, now
        Name of the series in `table`, which may be that of their project too, and its name from now on.
    """
    with connect(workdir) as database:
        relation = f"read_parquet({literal(str(table))})"
        theirs = f"source = {literal(then)} AND source_sha256 IN ({', '.join(map(literal, sorted(files)))})"
        if not one_row(database.execute(f"SELECT count(*) FROM {relation} WHERE {theirs}"))[0]:
            return False
        project = f"CASE WHEN {theirs} AND project_id = {literal(then)} THEN {literal(now)} ELSE project_id END"
        series = f"CASE WHEN {theirs} THEN {literal(now)} ELSE source END"
        database.execute(
            f"COPY (SELECT * REPLACE ({project} AS project_id, {series} AS source) FROM {relation}) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
    return True
