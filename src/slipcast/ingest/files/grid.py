"""Text on disk as a grid of cells that duckdb can read: at full speed where the text is plain, else line by line."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from slipcast.schema import WHITE_SPACE

DELIMITERS = (",", ";", "\t", "|")
# Lines among which the header is looked for: reports have a cover.
HEAD = 60
# What a cell may begin and end with and still be the same, or be empty; for every way of reading.
WHITE = WHITE_SPACE
BLOCK = 1 << 24
# An opening quote that is never closed would swallow the rest of the file.
MAX_LINES_IN_RECORD = 200
# What is longer is refused cell by cell; csv's own limit of 128 KiB would end in an error without a row.
MAX_CELL = 10_000
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Grid:
    """Records below the header, as a file for duckdb.

    Attributes
    ----------
    path
        UTF-8 text.
    delimiter
        Between the cells.
    skip
        Physical lines before the first record.
    width
        Cells of the header.
    numbered
        Whether each record begins with three further cells: its line in the dropped file, how many cells it had
        there, and 1 if it sums up the records below it.
    bare
        Whether the cells have no white space but spaces.
    lined
        Whether only the line stands before the cells of a numbered grid, all records being whole and none a sum.
    records
        How many records of a numbered grid were written.
    columns
        Cells of the file's own header, where each line was made several records.
    """

    path: Path
    delimiter: str
    skip: int
    width: int
    numbered: bool
    bare: bool = False
    lined: bool = False
    records: int | None = None
    columns: int | None = None


@dataclass(frozen=True)
class Groups:
    """Groups of cells of which each becomes a record of its own.

    Attributes
    ----------
    header
        Of the records: the headers of all groups, that of the group's name, and those of its cells.
    common
        Positions of the cells that all records of a line have.
    cells
        By name of the group the positions of its cells, in the order of the header; None where it has none.
    """

    header: tuple[str, ...]
    common: tuple[int, ...]
    cells: dict[str, tuple[int | None, ...]]

    def records(self, cells: list[str]) -> Iterator[tuple[bool, list[str]]]:
        """Yield each record of a line, and whether the group has nothing in it."""
        for name, places in self.cells.items():
            own = [_cell(cells, place) for place in places]
            yield not any(own), [*(cells[place] if place < len(cells) else "" for place in self.common), name, *own]


@dataclass(frozen=True)
class Plain:
    """Text in which each line may be a record: how many follow the header, and what its cells may hold.

    Attributes
    ----------
    lines
        Physical lines below the header.
    bare
        Whether there is no white space but spaces.
    """

    lines: int
    bare: bool


@dataclass(frozen=True)
class Record:
    """A record as it stands in the file: first physical line, and cells."""

    line: int
    cells: list[str]


def heads(path: Path, delimiter: str | None) -> dict[str, list[Record]]:
    """Return the first `HEAD` records that are not blank, for `delimiter` or for each that people use."""
    return {
        mark: [record for record in islice(records(path, mark), HEAD) if any(cell.strip() for cell in record.cells)]
        for mark in ([delimiter] if delimiter else DELIMITERS)
    }


def records(path: Path, delimiter: str) -> Iterator[Record]:
    """Yield the records of delimited text, bad ones too: a record that cannot be read is its first line alone."""
    with path.open(encoding="utf-8", newline="") as text:
        pending: list[str] = []
        number = 0
        while True:
            line = pending.pop(0) if pending else text.readline()
            if not line:
                return
            number += 1
            lines, inside = [line], _goes_on(line, delimiter)
            while inside and len(lines) < MAX_LINES_IN_RECORD:
                following = pending.pop(0) if pending else text.readline()
                if not following:
                    break
                lines.append(following)
                inside = _goes_on(following, delimiter, inside=True)
            if inside:
                # Alone in one cell, so that it is seen to lack the others.
                yield Record(number, [line.rstrip("\r\n")])
                pending = lines[1:] + pending
                continue
            yield Record(number, _cells("".join(lines), delimiter))
            number += len(lines) - 1


def _goes_on(line: str, delimiter: str, *, inside: bool = False) -> bool:
    """Return whether a quoted cell goes on in the next line. Only at its beginning does a quote open a cell (12" pipe).

    `inside` says that the line begins in such a cell.
    """
    place = 0
    if not inside and line.startswith('"'):
        inside, place = True, 1
    while True:
        if inside:
            place = line.find('"', place) + 1
            if not place:
                return True
            inside = line.startswith('"', place)
            place += inside
        else:
            place = line.find(delimiter + '"', place) + 2
            if place == 1:
                return False
            inside = True


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return text.rstrip("\r\n").split(delimiter)


def plain(path: Path, header_line: int, delimiter: str) -> Plain | None:
    """Return what is clear at a glance about the text below its header; None if lines surely are not records.

    As many records as lines will show that no line is blank and no cell holds a line break.
    """
    odd = [b"\xa0"] if delimiter == "\t" else [b"\xa0", b"\t"]
    newlines = returns = pairs = 0
    bare, last = True, b"\n"
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            newlines += block.count(b"\n")
            if b"\r" in block:
                returns += block.count(b"\r")
                pairs += block.count(b"\r\n")
            pairs += last == b"\r" and block.startswith(b"\n")
            bare = bare and not any(byte in block for byte in odd)
            last = block[-1:]
    # One carriage return alone is a line's end here, and none for duckdb.
    if returns and not newlines == returns == pairs:
        return None
    return Plain(newlines - header_line + (last != b"\n"), bare)


def lines(path: Path) -> int:
    """Return the number of lines of a file that ends with one."""
    with path.open("rb", buffering=0) as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK), b""))


@dataclass(frozen=True)
class Outline:
    """Outline of a table: positions of cells that hold its level, its number, or indented text.

    Of several the first that is there in all records counts. A record sums up others if the next one lies deeper.
    """

    level: int | None = None
    number: int | None = None
    indented: tuple[int, ...] = ()

    @property
    def shows(self) -> bool:
        """True if there is anything to tell it from."""
        return self.level is not None or self.number is not None or bool(self.indented)

    def sums_up(self, cells: list[str], following: list[str]) -> bool:
        """Return whether the record that follows lies below this one."""
        own, other = _cell(cells, self.level), _cell(following, self.level)
        if own.isdecimal() and other.isdecimal():
            return int(other) > int(own)
        own, other = _cell(cells, self.number), _cell(following, self.number)
        if own and other:
            return other.startswith(f"{own.rstrip('.')}.")
        return any(_indentation(following, place) > _indentation(cells, place) for place in self.indented)


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place].strip(WHITE) if place is not None and place < len(cells) else ""


def _indentation(cells: list[str], place: int) -> int:
    text = cells[place] if place < len(cells) else ""
    return len(text) - len(text.lstrip(WHITE)) if text.strip(WHITE) else -1


def number(
    path: Path,
    delimiter: str,
    header: Record,
    target: Path,
    *,
    numbered: bool,
    outline: Outline | None = None,
    groups: Groups | None = None,
) -> Grid:
    """Write the records after the header so that each has the header's width and knows its line.

    Blank records are left out. `numbered` says that the first cell already is the line in the dropped file. `outline`
    is how summary records are known. Of `groups` each line becomes as many records; a record of an empty group has 2
    where a summary record has 1.
    """
    width, written = len(header.cells) - numbered, 0
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        waiting: tuple[int, list[str]] | None = None
        for line, cells in chain(_below(path, delimiter, header, numbered, width), [(0, [])]):
            if waiting is not None:
                place, current = waiting
                summary = outline is not None and bool(cells) and outline.sums_up(current, cells)
                count = len(current)
                current = [cell if len(cell) <= MAX_CELL else cell[: MAX_CELL + 1] for cell in current[:width]]
                for empty, made in groups.records(current) if groups is not None else ():
                    whole = len(made) if count == width else len(made) + 1
                    writer.writerow([place, whole, 2 * empty, *made])
                    written += 1
                if groups is not None:
                    waiting = line, cells
                    continue
                writer.writerow([place, count, int(summary), *current, *[""] * (width - len(current))])
                written += 1
            waiting = line, cells
    if groups is not None:
        return Grid(target, ",", 0, len(groups.header), True, records=written, columns=width)
    return Grid(target, ",", 0, width, True, records=written)


def _below(path: Path, delimiter: str, header: Record, numbered: bool, width: int) -> Iterator[tuple[int, list[str]]]:
    for record in records(path, delimiter):
        if record.line <= header.line:
            continue
        line, cells = record.line, record.cells
        if numbered:
            line, cells = (int(cells[0]) if cells[0].isdigit() else record.line), cells[1:]
        while len(cells) > width and not cells[-1].strip(WHITE):
            cells.pop()
        if any(cell.strip(WHITE) for cell in cells):
            yield line, cells
