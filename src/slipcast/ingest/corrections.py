"""Workbook with the rows of a table as they were dropped, in which what has to be corrected is marked.

Somebody corrects the marked cells and drops the workbook under the name that it has: it is read as the table was, and
the column of remarks is left out.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipcast.ingest.files import grid as layout
from slipcast.ingest.files.formats import Limits, Text, open_upload
from slipcast.ingest.files.grid import Record
from slipcast.ingest.mapping.detect import detect, known
from slipcast.ingest.mapping.profile import Profile, built_in, normal
from slipcast.ingest.reading import Schedule, line_of, read_file
from slipcast.ingest.refusal import REMARKS, ScheduleRefused
from slipcast.ingest.understanding import Column

# A workbook of more cells opens slowly, and takes longer to write than a person waits: `rejected.csv` has the lines.
MOST_CELLS = 1_000_000
# Excel takes no longer text in a cell; what is longer than `grid.MAX_CELL` is a bad cell anyway.
LONGEST = 32_767
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MARK = {"bg_color": "#FFC7CE", "font_color": "#9C0006"}
_FILL = {"bg_color": "#FFEB9C"}


@dataclass
class _Marks:
    """What is to be done: remarks and canonical columns by line; of the whole table remarks, columns and new ones."""

    remarks: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    cells: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    general: list[str] = field(default_factory=list)
    everywhere: set[str] = field(default_factory=set)
    new: tuple[str, ...] = ()


def write(
    target: Path,
    path: Path,
    name: str,
    outcome: Schedule | ScheduleRefused,
    *,
    workdir: Path,
    profile: Profile | None = None,
    limits: Limits | None = None,
) -> bool:
    """Write the workbook of a table that was refused, or of which rows were rejected.

    Parameters
    ----------
    target
        Workbook (xlsx) to write.
    path, name
        The dropped file, and what it was called.
    outcome
        What came of reading it.
    workdir
        An empty folder for what is needed on the way.
    profile
        The profile that its folder names; None if it was to be found.
    limits
        As the file was read with.

    Returns
    -------
    bool
        Whether it was written: not for a schedule of a tool, which is corrected there, not for a zip file of several
        files, and not for a table of more than `MOST_CELLS` cells.
    """
    limits = limits or Limits()
    choice = [profile] if profile is not None else [*built_in()]
    (opened := workdir / "opened").mkdir()
    try:
        text = open_upload(
            path,
            name,
            workdir=opened,
            limits=limits,
            encoding=profile.encoding if profile is not None else None,
            headers=frozenset().union(*map(known, choice)),
        )
    except ScheduleRefused:
        return False
    if text.network is not None:
        return False
    heads = layout.heads(text.path, text.delimiter)
    lines = {mark: [line_of(text, record) for record in records] for mark, records in heads.items()}
    columns: Sequence[Column] = ()
    try:
        found = detect(
            {mark: [record.cells for record in records] for mark, records in heads.items()}, choice, name, lines
        )
        delimiter, header = found.delimiter, heads[found.delimiter][found.index]
        profile = found.profile
    except ScheduleRefused as refusal:
        place = _nearest(heads, lines, refusal.row)
        if place is None or not refusal.missing:
            return False
        (delimiter, header), outcome = place, refusal
    if isinstance(outcome, ScheduleRefused) and outcome.quarantined:
        outcome = _all_rows(path, name, profile, workdir / "again", limits, outcome)
    if isinstance(outcome, Schedule):
        columns = outcome.understood["columns"]
        marks = _of_rows(outcome)
    else:
        columns = outcome.understood
        marks = _of_refusal(outcome, line_of(text, header))
    return _write(target, text, delimiter, header, marks, {item["column"]: item["headers"] for item in columns})


def _all_rows(
    path: Path, name: str, profile: Profile | None, workdir: Path, limits: Limits, refusal: ScheduleRefused
) -> Schedule | ScheduleRefused:
    """Return the file as it is without a limit to its bad rows; the refusal, with the first ones, if none is good."""
    workdir.mkdir()
    try:
        return read_file(path, name, profile=profile, workdir=workdir, max_bad_share=1, limits=limits)
    except ScheduleRefused:
        return refusal


def _nearest(
    heads: Mapping[str, Sequence[Record]], lines: Mapping[str, Sequence[int | None]], line: int | None
) -> tuple[str, Record] | None:
    """Return the record of a line, with the delimiter that finds most cells in it."""
    records = [
        (mark, record)
        for mark, listed in heads.items()
        for record, place in zip(listed, lines[mark], strict=True)
        if place == line
    ]
    return max(records, key=lambda item: len(item[1].cells), default=None)


def _of_rows(schedule: Schedule) -> _Marks:
    marks = _Marks()
    if schedule.rejected is None:
        return marks
    with schedule.rejected.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            # Of a zip file the name of the member stands before the line.
            if row["line"].isdecimal():
                line = int(row["line"])
                called = schedule.own_names.get(row["column"], row["column"])
                marks.remarks[line].append(_remark(called, row["reason"], row["remedy"]))
                marks.cells[line].add(row["column"])
    return marks


def _of_refusal(refusal: ScheduleRefused, header: int | None) -> _Marks:
    marks = _Marks(new=tuple(refusal.missing))
    called = next((item["headers"] for item in refusal.understood if item["column"] == refusal.column), [])
    said = _remark(called[0] if called else "", refusal.reason, refusal.remedy)
    if marks.new:
        marks.general.append(f"Fill in {', '.join(marks.new)} in each row")
    elif refusal.quarantined:
        marks.general.append(f"{refusal.reason[:1].upper()}{refusal.reason[1:]}.")
        for row in refusal.quarantined:
            for cell in row["cells"]:
                marks.remarks[row["line"]].append(_remark(cell["header"], cell["reason"], cell["remedy"]))
                marks.cells[row["line"]].add(cell["column"])
    elif refusal.row is not None and header is not None and refusal.row > header:
        marks.remarks[refusal.row].append(said)
        marks.cells[refusal.row].add(refusal.column or "")
    else:
        marks.general.append(said)
        marks.everywhere.add(refusal.column or "")
    return marks


def _remark(called: str, reason: str, remedy: str) -> str:
    return f"{called}: {reason}. {remedy}." if called else f"{reason[:1].upper()}{reason[1:]}. {remedy}."


def _write(
    target: Path, text: Text, delimiter: str, header: Record, marks: _Marks, headers: Mapping[str, Sequence[str]]
) -> bool:
    if not (marks.remarks or marks.general):
        return False
    # Imported here: a file without a fault needs it not.
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(str(target), options)
    # The same rows are the same bytes, whenever they are written.
    book.set_properties({"created": datetime(1980, 1, 1, tzinfo=UTC)})
    bold = book.add_format({"bold": True, "bottom": 1})
    remark = book.add_format({**_MARK, "text_wrap": True, "valign": "top"})
    bad, fill = book.add_format(_MARK), book.add_format(_FILL)
    sheet = book.add_worksheet("Schedule")
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    sheet.set_column(0, 0, 48)
    sheet.set_column(1, 200, 16)
    names = [normal(cell) for cell in header.cells[text.numbered :]]
    places = {
        column: {names.index(normal(item)) for item in listed if normal(item) in names}
        for column, listed in headers.items()
    }
    everywhere = set().union(*(places.get(column, set()) for column in marks.everywhere))
    general, cells, at, row = marks.general, 0, 0, -1
    for record in layout.records(text.path, delimiter):
        own = record.cells[text.numbered :]
        line = line_of(text, record)
        # Rows of the sheet are the lines that messages name; a record of several lines leaves empty rows.
        row = line - 1 if line is not None and line > row + 1 else row + 1
        cells += len(own)
        if cells > MOST_CELLS:
            book.close()
            target.unlink()
            return False
        if record.line == header.line:
            at = row
            _row(sheet, row, [REMARKS, *own, *marks.new], {}, bold)
            continue
        said = list(marks.remarks.get(line, [])) if line is not None else []
        below = record.line > header.line and any(cell.strip() for cell in own)
        if below:
            said, general = [*general, *said], []
        wrong = set().union(*(places.get(column, set()) for column in marks.cells.get(line or 0, ())))
        formats = dict.fromkeys(wrong | everywhere if below else wrong, bad)
        if below and marks.new:
            own += [""] * (len(names) - len(own))
            formats |= dict.fromkeys(range(len(names), len(names) + len(marks.new)), fill)
            own += [""] * len(marks.new)
        own += [""] * (max(formats, default=-1) + 1 - len(own))
        _row(sheet, row, ["\n".join(said), *own], {place + 1: kind for place, kind in formats.items()}, None, remark)
    sheet.freeze_panes(at + 1, 1)
    sheet.autofilter(at, 0, max(row, at), len(names) + len(marks.new))
    book.close()
    return True


def _row(
    sheet: Any, row: int, cells: Sequence[str], formats: Mapping[int, Any], usual: Any, remark: Any = None
) -> None:
    for place, cell in _filled(cells, formats):
        kind = formats.get(place, usual)
        if place == 0 and remark is not None:
            kind = remark
        if cell:
            sheet.write_string(row, place, cell[:LONGEST], kind)
        else:
            sheet.write_blank(row, place, None, kind)


def _filled(cells: Sequence[str], formats: Mapping[int, Any]) -> Iterator[tuple[int, str]]:
    """Yield the cells that have a text or a format."""
    return ((place, cell) for place, cell in enumerate(cells) if cell or place in formats)
