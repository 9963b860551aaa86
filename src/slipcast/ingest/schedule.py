"""One checked table of what is dropped: a file, or all files of a zip file of one series."""

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from slipcast.datasets import network
from slipcast.datasets.database import connect
from slipcast.datasets.merging import merge
from slipcast.ingest import understanding
from slipcast.ingest.files import archive as _archive
from slipcast.ingest.files import file_names, sniff, xlsx
from slipcast.ingest.files.formats import Limits
from slipcast.ingest.reading import REJECTED_COLUMNS, Schedule, read_file
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.understanding import Understood
from slipcast.schema import STATUSES

__all__ = ["REJECTED_COLUMNS", "Schedule", "connect", "read_schedule"]
WORKBOOKS = (".xlsx", ".xlsm")
READABLE = (".csv", ".txt", ".tsv", ".xer", ".xml", ".pmxml", *WORKBOOKS)
# A year of weekly updates and the baseline.
MOST = 60


@dataclass(frozen=True)
class Member:
    """A file in a zip file.

    Attributes
    ----------
    name
        Within the zip file.
    path
        Where it was unpacked to.
    source
        The series that it belongs to.
    baseline
        Whether it is the baseline, as its name says.
    """

    name: str
    path: Path
    source: str
    baseline: bool


def read_schedule(
    path: Path,
    name: str,
    *,
    folder: str = "",
    source: str | None = None,
    former: Mapping[str, str] | None = None,
    baseline: bool = False,
    workdir: Path,
    limits: Limits | None = None,
    **options: Any,
) -> Schedule:
    """Read a dropped file, or all files of a zip file.

    Parameters
    ----------
    path
        The file.
    name
        What it was called, for messages, its kind, its source and the data date.
    folder
        Where it was dropped; part of the name of its source.
    source
        The series of files that it belongs to; from folder and name by default.
    former
        Series that are stored under another name (`file_names.former_names`).
    baseline
        Whether the file is the baseline of its series, whatever the profile says.
    workdir
        An empty folder for the table and what is needed on the way.
    limits
        What is too large.
    options
        As `reading.read_file` takes them.

    Raises
    ------
    ScheduleRefused
        If the file, or one of the files in it, cannot be used at all; the message names file, row, column and remedy.
    """
    limits = limits or Limits()
    former = former or {}
    members, notes = _unpack(path, name, folder, workdir / "members", limits)
    if not members:
        source = source or file_names.name_in_use(file_names.source(name, folder), former)
        return read_file(path, name, source=source, baseline=baseline, workdir=workdir, limits=limits, **options)
    found = []
    for place, member in enumerate(members):
        own = workdir / f"member-{place}"
        own.mkdir()
        try:
            schedule = read_file(
                member.path,
                member.name,
                source=source or file_names.name_in_use(member.source, former),
                baseline=baseline or member.baseline,
                workdir=own,
                limits=limits,
                **options,
            )
        except ScheduleRefused as refusal:
            reason = f"in {member.name!r}: {refusal.reason}"
            raise refusal.within(name, reason) from refusal
        member.path.unlink()
        found.append((member, schedule))
    return _as_one(found, name, notes, workdir)


def _unpack(path: Path, name: str, folder: str, target: Path, limits: Limits) -> tuple[list[Member], list[str]]:
    """Return the files of a zip file that holds several, or a workbook; none if it is no such file."""
    with path.open("rb") as stream:
        if not stream.read(4).startswith(sniff.ZIP):
            return [], []
    archive = _archive.Archive(path, name)
    try:
        single = len(archive.members) < 2
        if (single and not any(name.endswith(WORKBOOKS) for name in archive.names)) or xlsx.is_workbook(archive):
            return [], []
        xlsx.refuse_other_documents(archive, name)
        infos = [info for info in archive.members if info.filename.lower().endswith(READABLE)]
        if not infos:
            return [], []
        if len(infos) > MOST:
            raise ScheduleRefused(
                name,
                f"the zip file holds {len(infos):,} schedules, at most {MOST} are read",
                "Drop them in several parts",
            )
        target.mkdir()
        budget = _archive.Budget(name, path.stat().st_size, limits.max_bytes, limits.max_ratio)
        members = []
        for place, info in enumerate(infos):
            file = target / str(place)
            with file.open("wb") as sink:
                archive.copy(info, sink, budget)
            _refuse_archives(file, info.filename, name)
            own = PurePosixPath(info.filename.replace("\\", "/")).name
            members.append(Member(own, file, _source(own, name, folder), file_names.is_baseline(own)))
    finally:
        archive.close()
    left = [info.filename for info in archive.members if info not in infos]
    notes = [f"{len(members)} file{'s' * (len(members) > 1)} unpacked from zip"]
    if left:
        notes.append(f"not read: {', '.join(left)}"[:300])
    return _of_one_series(members), notes


def _of_one_series(members: list[Member]) -> list[Member]:
    """Put the baselines into the series of the updates, if these have one: planners name a baseline otherwise."""
    series = {member.source for member in members if not member.baseline}
    if len(series) != 1:
        return members
    (one,) = series
    return [replace(member, source=one) for member in members]


def _refuse_archives(file: Path, member: str, name: str) -> None:
    with file.open("rb") as stream:
        head = stream.read(4)
    nested = head.startswith(sniff.GZIP)
    if head.startswith(sniff.ZIP):
        inner = _archive.Archive(file, name)
        nested = not xlsx.is_workbook(inner)
        inner.close()
    if nested:
        reason = f"{member[-100:]!r} in the zip file is another archive"
        raise ScheduleRefused(name, reason, "Pack the schedules once, or not at all")


def _source(member: str, name: str, folder: str) -> str:
    """A name that says nothing but date, update or baseline belongs to the series that the zip file is called after."""
    own = file_names.without_marks(file_names.stem(member))
    return file_names.source(name if own.casefold() in ("", *file_names.NAMELESS) else member, folder)


def _as_one(found: list[tuple[Member, Schedule]], name: str, notes: list[str], workdir: Path) -> Schedule:
    """Return the schedules of several files as one: what the latest says, with the baseline of the earliest."""
    order = sorted(found, key=_place(found))
    if len({schedule.data_date is None for _, schedule in order}) > 1 or order[0][1].data_date is None:
        member, _ = next((item for item in order if item[1].data_date is None), order[0])
        reason = f"in {member.name!r}: a file with labels and no dates is no update of a series"
        raise ScheduleRefused(name, reason, "Drop the files one by one")
    table = order[0][1].table
    for place, (_, schedule) in enumerate(order):
        target = workdir / f"merged-{place}.parquet"
        merge(table if place else None, schedule.table, target, workdir)
        table = target
    links: dict[str, Path] = {}
    for place, (_, schedule) in enumerate(order):
        folder = workdir / f"network-{place}"
        folder.mkdir()
        links = network.merge(links, schedule.network, folder)
    last = order[-1][1]
    counts = Counter[str]()
    problems: Counter[tuple[str, str, str]] = Counter()
    for member, schedule in order:
        counts.update({name: schedule.counts[name] for name in ("read", "accepted", "rejected", "filtered")})
        for item in schedule.problems:
            problems[item["column"], item["reason"], item["remedy"]] += item["cells"]
        notes.append(f"{member.name} of {schedule.data_date}: {schedule.counts['accepted']:,} activities")
        notes += [f"{member.name}: {note}" for note in schedule.notes]
    with connect(workdir) as database:
        statuses = dict(
            database.execute("SELECT status, count(*) FROM read_parquet(?) GROUP BY status", [str(table)]).fetchall()
        )
        understood = _understood(order, database, table, workdir)
    return replace(
        last,
        understood=understood,
        quarantined=tuple(row for _, schedule in order for row in schedule.quarantined)[: understanding.QUARANTINED],
        table=table,
        network=links,
        rejected=_rejected(order, workdir),
        counts={**counts, **{status: statuses.get(status, 0) for status in STATUSES}},
        problems=[
            {"column": column, "reason": reason, "remedy": remedy, "cells": cells}
            for (column, reason, remedy), cells in problems.most_common()
        ],
        notes=tuple(notes),
    )


def _understood(
    order: list[tuple[Member, Schedule]], database: duckdb.DuckDBPyConnection, table: Path, workdir: Path
) -> Understood:
    """Return what was understood of the last file, with the baseline of the series and the rows of all files."""
    last = order[-1][1].understood
    left: Counter[tuple[str, str]] = Counter()
    for _, schedule in order:
        left.update({(item["header"], item["value"]): item["rows"] for item in schedule.understood["left_out"]})
    found = understanding.in_series(last, table, table, workdir)
    return {
        **found,
        "columns": understanding.with_values(database, table, last["columns"]),
        "left_out": [{"header": header, "value": value, "rows": rows} for (header, value), rows in left.most_common()],
    }


def _place(found: list[tuple[Member, Schedule]]) -> Callable[[tuple[Member, Schedule]], tuple[Any, ...]]:
    """Baselines first, then by data date; of one day in the order of the zip file."""
    return lambda item: (not item[0].baseline, str(item[1].data_date or ""), found.index(item))


def _rejected(order: list[tuple[Member, Schedule]], workdir: Path) -> Path | None:
    if all(schedule.rejected is None for _, schedule in order):
        return None
    target = workdir / "rejected.csv"
    with target.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(REJECTED_COLUMNS)
        for member, schedule in order:
            if schedule.rejected is None:
                continue
            with schedule.rejected.open(encoding="utf-8", newline="") as lines:
                for line, *cells in list(csv.reader(lines))[1:]:
                    writer.writerow([f"{member.name} {line}", *cells])
    return target
