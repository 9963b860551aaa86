"""What must hold: a dataset and a quarantine that add up, or a refusal with file, place and remedy."""

import csv
import json
import re
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest import mock

import duckdb

from intake_fuzz.cases import Case
from intake_fuzz.expected import expected_rows, lines_of, members, unpacked
from intake_fuzz.outcomes import Outcome, demand, reason_class
from intake_fuzz.page import check_page, is_formula
from slipcast.ingest import report
from slipcast.ingest.files import grid
from slipcast.ingest.mapping.profile import Profile, load_profile, normal
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import REJECTED_COLUMNS, Schedule, read_schedule
from slipcast.reports.intake import render


def check(case: Case, *, thorough: bool = True) -> Outcome:
    """Read a case and raise Violation if anything that must hold does not.

    Parameters
    ----------
    thorough : whether to read it a second time, and a third time line by line
    """
    profile = None
    if case.profile is not None:
        try:
            profile = _quietly(lambda: load_profile(case.profile, "own.yaml"))
        except ScheduleRefused as refusal:
            _check_refusal(refusal, "own.yaml", len(case.profile) + 1)
            return Outcome("profile refused", reason_class(refusal.reason), refusal=refusal)
        demand(isinstance(profile, Profile), "load_profile returned no profile")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        text = unpacked(case.raw)
        lines = lines_of(text) if text is not None else None
        outcome = _read(case, profile, folder / "first")
        if outcome.refusal is not None:
            _check_refusal(outcome.refusal, case.name, lines and len(lines))
            _check_place(outcome.refusal, lines)
        else:
            _check_schedule(case, outcome.schedule, text, lines)
        if thorough:
            _check_again(case, profile, outcome, folder)
        outcome.schedule = None
        return outcome


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return a database of the checks' own: to open one takes longer than any of their queries."""
    return duckdb.connect(config={"threads": 1})


def _quietly[T](run: Callable[[], T]) -> T:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return run()


def _read(case: Case, profile: Profile | None, folder: Path) -> Outcome:
    (folder / "work").mkdir(parents=True)
    dropped = folder / "dropped"
    dropped.write_bytes(case.raw)
    try:
        schedule = _quietly(
            lambda: read_schedule(
                dropped, case.name, profile=profile, workdir=folder / "work", max_bad_share=case.max_bad_share
            )
        )
    except ScheduleRefused as refusal:
        return Outcome("refused", reason_class(refusal.reason), refusal=refusal)
    kind = "dataset and quarantine" if schedule.rejected else "dataset"
    return Outcome(kind, schedule=schedule)


def _check_refusal(refusal: ScheduleRefused, file: str, lines: int | None) -> None:
    demand(refusal.file == file, f"the refusal is about {refusal.file!r}")
    demand(refusal.reason.strip() and refusal.remedy.strip(), f"no reason or no remedy: {refusal}")
    demand(refusal.row is None or refusal.row >= 1, f"row {refusal.row}")
    demand(refusal.row is None or lines is None or refusal.row <= lines, f"row {refusal.row} of {lines}: {refusal}")
    demand(refusal.column is None or refusal.column, "an empty column")
    demand(len(str(refusal)) < 3000, f"{len(str(refusal))} characters: {str(refusal)[:300]}")
    document = report.refused(file, refusal)
    json.dumps(document, allow_nan=False).encode()
    check_page(render(document))


def _check_place(refusal: ScheduleRefused, lines: list[str] | None) -> None:
    if lines is None or refusal.row is None or any('"' in line for line in lines) or lines[0].startswith("<"):
        return
    line = lines[refusal.row - 1]
    if found := re.match(r"the header names (.*) twice", refusal.reason, re.DOTALL):
        demand(normal(line).count(normal(found[1])) > 1, f"{found[1]!r} is not twice in line {refusal.row}: {line!r}")
    if found := re.search(r"rows are bad, .*; the first: '([\w.-]{1,50})' ", refusal.reason):
        demand(found[1] in line, f"{found[1]!r} is not in line {refusal.row}: {line[:300]!r}")


def _check_schedule(case: Case, schedule: Schedule, text: str | None, lines: list[str] | None) -> None:
    counts = schedule.counts
    total = counts["accepted"] + counts["rejected"] + counts["filtered"]
    demand(counts["read"] == total, f"{counts} do not add up")
    demand(min(counts.values()) >= 0 and counts["accepted"] > 0, f"{counts}")
    (rows,) = _database().execute("SELECT count(*) FROM read_parquet(?)", [str(schedule.table)]).fetchone()
    # An activity that several files of a series have stands in the table once.
    most = counts["accepted"]
    demand(most <= rows * members(case.raw) and rows <= most, f"the table holds {rows} rows: {counts}")
    cells = rejected_cells(schedule)
    distinct = {cell["line"] for cell in cells}
    demand(len(distinct) == counts["rejected"], f"{len(distinct)} lines in quarantine: {counts}")
    demand(sum(item["cells"] for item in schedule.problems) == len(cells), f"{len(cells)} cells: {schedule.problems}")
    for cell in cells:
        demand(not any(is_formula(cell[name]) for name in REJECTED_COLUMNS), f"{cell}")
        demand(cell["reason"] and cell["remedy"], f"{cell}")
        # Of several files the place begins with the name of one.
        demand(int(cell["line"].rpartition(" ")[2]) >= 1, f"{cell}")
    if lines is not None:
        last = max((int(cell["line"]) for cell in cells), default=0)
        demand(last <= len(lines), f"line {last} of {len(lines)}")
    if text is not None and not text.lstrip("\ufeff \t\r\n").startswith("<"):
        demand(counts["read"] <= len(lines), f"{counts['read']} rows of {len(lines)} lines")
    if text is not None and not text.lstrip("\ufeff \t\r\n").startswith(("ERMHDR", "<")):
        _check_cells(schedule, text, lines, cells)
    _check_network(schedule)
    labels = dict.fromkeys(("matured", "late", "open", "censored"), 0)
    document = report.accepted(schedule, schedule.understood, file=case.name, labels=labels, changes=[])
    left_out = sum(item["rows"] for item in document["understood"]["left_out"])
    demand(left_out <= counts["filtered"] or schedule.profile.duplicates != "reject", f"{left_out} left out: {counts}")
    first = [row["line"] for row in schedule.quarantined]
    demand(len(first) == min(10, counts["rejected"]), f"{first} of {counts}")
    json.dumps(document, allow_nan=False).encode()
    page = render(document)
    check_page(page)
    demand(len(page.encode()) < 300_000, f"a page of {len(page.encode())} bytes")


def _check_network(schedule: Schedule) -> None:
    """Each relation is between activities of the network, unless it leads to another project."""
    if not schedule.network:
        return
    lost, repeated = (
        _database()
        .execute(
            "SELECT (SELECT count(*) FROM read_parquet($relations) AS r WHERE r.successor_id IS NULL OR "
            "(r.predecessor_project_id = r.project_id AND NOT EXISTS (SELECT 1 FROM read_parquet($activities) AS a "
            "WHERE a.project_id = r.project_id AND a.activity_id = r.predecessor_id))), "
            "(SELECT count(*) - count(DISTINCT (project_id, activity_id)) FROM read_parquet($activities))",
            {name: str(schedule.network[name]) for name in ("relations", "activities")},
        )
        .fetchone()
    )
    demand(not lost, f"{lost} relations lead nowhere")
    demand(not repeated, f"{repeated} activities of the network stand there twice")


def _check_cells(schedule: Schedule, text: str, lines: list[str], cells: list[dict[str, str]]) -> None:
    """Count rows, and look for rejected cells and accepted ids in the file itself, where its lines are its rows."""
    expected = expected_rows(schedule, text)
    if expected is not None:
        demand(schedule.counts["read"] == expected, f"{expected} rows below the header: {schedule.counts}")
    if '"' in text:
        return
    for cell in cells:
        value = cell["value"].removeprefix("'")
        # What else a byte means is for the code page to say, which the checks do not look for.
        if re.fullmatch(r"[\w.-]{1,190}", value, re.ASCII) and cell["column"] not in ("project_id", "activity_name"):
            demand(value in lines[int(cell["line"]) - 1], f"{cell} is not in its line")
    if isinstance(schedule.profile.columns.get("activity_id"), list):
        for row in schedule.rows():
            found = row["activity_id"] in text or not row["activity_id"].isascii()
            demand(found, f"{row['activity_id']!r} is not in the file")


def rejected_cells(schedule: Schedule) -> list[dict[str, str]]:
    """Return the quarantine."""
    if schedule.rejected is None:
        return []
    with schedule.rejected.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _check_again(case: Case, profile: Profile | None, first: Outcome, folder: Path) -> None:
    """The same bytes give the same bytes; line by line they give the same rows."""
    again = _read(case, profile, folder / "again")
    with mock.patch.object(grid, "plain", return_value=None):
        careful = _read(case, profile, folder / "careful") if _is_text(case) else again
    for other in (again, careful):
        demand(other.kind == first.kind, f"first {first.kind} ({first.refusal}), then {other.kind} ({other.refusal})")
    if first.schedule is None:
        demand(str(first.refusal) == str(again.refusal), f"first {first.refusal}, then {again.refusal}")
        demand(str(first.refusal) == str(careful.refusal), f"fast {first.refusal}, careful {careful.refusal}")
        return
    demand(first.schedule.table.read_bytes() == again.schedule.table.read_bytes(), "the tables are not the same bytes")
    for name, path in first.schedule.network.items():
        demand(path.read_bytes() == again.schedule.network[name].read_bytes(), f"the {name} are not the same bytes")
    demand(_comparable(first.schedule) == _comparable(again.schedule), "the schedules are not the same")
    for fast, slow in zip(_comparable(first.schedule), _comparable(careful.schedule), strict=True):
        demand(fast == slow, f"fast {str(fast)[:1500]}\ncareful {str(slow)[:1500]}")


def _is_text(case: Case) -> bool:
    """Return whether a file may be read in the fast way: rows of XER, XML and workbooks are always numbered."""
    return not case.raw.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"ERMHDR", b"<", b"PK"))


def _comparable(schedule: Schedule) -> list[object]:
    return [
        schedule.counts,
        [list(cell.values()) for cell in rejected_cells(schedule)],
        sorted(repr(row) for row in schedule.rows()),
        schedule.problems,
        schedule.data_date,
        schedule.header,
        schedule.notes,
    ]
