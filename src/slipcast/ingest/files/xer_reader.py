"""The tables of a Primavera P6 XER file, each decoded by the evidence of its own text."""

import codecs
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from slipcast.ingest.files.encoding import Evidence, unknown
from slipcast.ingest.refusal import ScheduleRefused

AGAIN = "Export the XER file again (In Primavera P6: File > Export)"
SAY = (
    "Drop it under incoming/<name>/ with a profile that says extends: p6_xer and the code page of the computer that "
    "exported it, such as encoding: cp1251 (docs/profiles.md)"
)
# One record with all its text; more is no record, and would be held in memory.
MAX_RECORD = 4_000_000
SMALL = 64 << 20
# Machine-made text in the user's tables: it says nothing about the code page.
NOT_TEXT = frozenset({"clndr_data", "guid", "tmpl_guid"})
_MARKS = (b"%T", b"%F", b"%R", b"%E")
# P6 writes 0x7F for a line break inside a value; other control characters come from pasted text.
_CONTROLS = dict.fromkeys((*range(32), 127), " ")


class Record(NamedTuple):
    """A row of a table.

    Attributes
    ----------
    table
        Name, such as ``TASK``.
    line
        Physical line in the file where the row begins; the first is 1.
    fields
        Names of the table's fields.
    cells
        Text; fewer than `fields` where the row lacks values.
    ragged
        Whether the row has another number of values than the table has fields.
    """

    table: str
    line: int
    fields: tuple[str, ...]
    cells: list[str]
    ragged: bool

    @property
    def values(self) -> defaultdict[str, str]:
        """Text by field name; empty where the row or the table has none."""
        return defaultdict(str, zip(self.fields, self.cells, strict=False))


class XerReader:
    """Reads an XER file from its beginning, as often as needed.

    Only the tables that are asked for are decoded: bytes of other tables do not matter. P6 writes a file in the code
    page of its computer and does not say which; some tables, filled by other programs, may be in another one.

    Parameters
    ----------
    path
        The file, in any encoding in which ASCII is ASCII.
    file
        Name for messages.
    encodings
        Python's name of the encoding of each table that is not all ASCII, as `find_encodings` returns it.

    Attributes
    ----------
    kind, again
        The file for messages, and how to export it once more.
    fields
        Field names by table, of the tables read so far.
    complete
        Whether the last pass met the end mark, ``%E``.
    stray
        Lines of the last pass that bear no mark and continue no row; they are passed over.
    undecodable
        Values that hold bytes which mean nothing, by table, and the line of the first.
    """

    kind, again = "XER file", AGAIN

    def __init__(self, path: Path, file: str, encodings: Mapping[str, str] | None = None) -> None:
        self._path, self._file = path, file
        self.encodings = dict(encodings or {})
        self.fields: dict[str, tuple[str, ...]] = {}
        self.complete = False
        self.stray = self._last_row = 0
        self.undecodable: dict[str, tuple[int, int]] = {}

    def records(self, tables: Collection[str], *, upto: Mapping[str, str] | None = None) -> Iterator[Record]:
        """Yield the rows of some tables in the order of the file.

        A value may hold line breaks: a line that begins with no mark continues a row that still lacks values.

        Parameters
        ----------
        upto
            By table the last field that is wanted, to split large tables faster; the cell after it holds the rest.

        Raises
        ------
        ScheduleRefused
            If one of the tables has rows before its field names or a header without names, if a record is endless,
            or if the file is cut within a row.
        """
        self.complete = False
        self.undecodable = {name: value for name, value in self.undecodable.items() if name not in tables}
        wanted, table = False, ""
        fields: tuple[str, ...] = ()
        last: Record | None = None
        for line, mark, cells in self._marked(tables, upto or {}):
            if mark == b"%R":
                if not fields:
                    raise ScheduleRefused(
                        self._file, f"table {table} has no field names (%F) before its rows", AGAIN, line
                    )
                ragged = table not in (upto or ()) and len(cells) != len(fields)
                ragged = ragged and (len(cells) < len(fields) or any(cells[len(fields) :]))
                last = Record(table, line, fields, cells, ragged)
                yield last
            elif mark == b"%T":
                table, fields = (cells[0].strip() if cells else ""), ()
                wanted = table in tables
            elif mark == b"%F" and wanted:
                fields = self.fields[table] = self._header(table, line, cells)
            elif mark == b"%E":
                self.complete = True
        if not self.complete and last is not None and last.ragged and last.line == self._last_row:
            raise ScheduleRefused(self._file, "the file is cut within a row: its end (%E) is missing", AGAIN, last.line)

    def _header(self, table: str, line: int, cells: list[str]) -> tuple[str, ...]:
        fields = [cell.strip() for cell in cells]
        while fields and not fields[-1]:
            fields.pop()
        if not fields:
            raise ScheduleRefused(self._file, f"the header of table {table} names no fields", AGAIN, line)
        return tuple(fields)

    def _marked(self, tables: Collection[str], upto: Mapping[str, str]) -> Iterator[tuple[int, bytes, list[str]]]:
        """Yield line, mark and cells, continued lines joined; rows of other tables are passed over."""
        line, mark, width = 0, b"", 0
        cells: list[str] = []
        wanted, table, codec, cuts = False, "", "utf-8", -1
        self.stray = self._last_row = 0
        for number, raw in _lines(self._path, self._file):
            begin = raw[:2]
            if begin == b"%R" and raw[2:3] == b"\t":
                if mark:
                    yield line, mark, cells
                self._last_row = number
                if not wanted:
                    mark = b""
                    continue
                line, mark, cells = number, begin, self._text(raw, codec, table, number)[3:].split("\t", cuts)
            elif begin in _MARKS and raw[2:3] in (b"", b"\t", b"\r", b"\n"):
                if mark:
                    yield line, mark, cells
                if begin == b"%R" and not wanted:
                    mark = b""
                    continue
                text = raw.decode("utf-8", "replace").rstrip("\r\n")
                line, mark, cells = number, begin, text[3:].split("\t") if len(text) > 3 else []
                if begin == b"%T":
                    table = cells[0].strip() if cells else ""
                    wanted, codec = table in tables, self.encodings.get(table, "utf-8")
                    cuts = -1
                elif begin == b"%F":
                    width = len(cells)
                    if table in upto and upto[table] in cells:
                        cuts = cells.index(upto[table]) + 1
                elif begin == b"%R":
                    self._last_row = number
            elif mark == b"%R":
                text = self._text(raw, codec, table, number)
                if cuts >= 0:
                    continue
                if len(cells) < width and len(cells) + text.count("\t") <= width:
                    first, *rest = text.split("\t")
                    cells[-1:] = [f"{cells[-1] if cells else ''} {first}".rstrip(" "), *rest]
                    if sum(map(len, cells)) > MAX_RECORD:
                        raise _endless(self._file, line)
                elif text.strip():
                    self.stray += 1
            elif mark and raw.strip():
                self.stray += 1
        if mark:
            yield line, mark, cells

    def _text(self, raw: bytes, codec: str, table: str, number: int) -> str:
        try:
            return raw.decode(codec).rstrip("\r\n")
        except UnicodeDecodeError:
            count, line = self.undecodable.get(table, (0, number))
            self.undecodable[table] = count + 1, line
            return raw.decode(codec, "replace").rstrip("\r\n")


def find_encodings(path: Path, file: str, tables: Collection[str], encoding: str | None = None) -> dict[str, str]:
    """Return Python's name of the encoding of each of some tables of an XER file that is not all ASCII.

    Parameters
    ----------
    encoding
        What the user says that the file is in; else found from the text of each table.

    Raises
    ------
    ScheduleRefused
        If the encoding of one cannot be determined.
    """
    if encoding is not None:
        return dict.fromkeys(tables, codecs.lookup(encoding).name)
    found: dict[str, Evidence] = {}
    first: dict[str, int] = {}
    table = ""
    skipped: frozenset[int] = frozenset()
    for number, line in _lines(path, file):
        mark = line[:2]
        if mark == b"%T":
            table = line[3:].strip().decode("ascii", "replace")
        elif mark == b"%F" and table in tables:
            names = line[3:].decode("ascii", "replace").split("\t")
            skipped = frozenset(place for place, name in enumerate(names) if name.strip() in NOT_TEXT)
        elif not line.isascii() and mark not in _MARKS[:2] and table in tables:
            evidence = found.setdefault(table, Evidence())
            if evidence.enough:
                continue
            for place, value in enumerate(line.rstrip(b"\r\n").split(b"\t")[mark == b"%R" :]):
                if place not in skipped:
                    evidence.add(value)
            if evidence.other:
                first.setdefault(table, number)
    foreign = [table for table, evidence in found.items() if not evidence.damaged()]
    encodings = dict.fromkeys(set(found) - set(foreign), "utf-8")
    if not foreign:
        return encodings
    # A computer has one code page, so all tables that are not UTF-8 bear witness of it; else each of its own.
    together = Evidence()
    for table in foreign:
        together.update(found[table])
    codec = together.code_page()
    for table in foreign:
        own = codec if codec is not None and found[table].readable(codec) else found[table].code_page()
        if own is None:
            raise unknown(file, together, SAY, first[table])
        encodings[table] = own
    return encodings


def _lines(path: Path, file: str) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each line. Lines end with LF: other separators, such as U+2028, belong to the text.

    Where the file has no LF, as old programs for the Macintosh leave it, they end with CR.
    """
    with path.open("rb", buffering=1 << 18) as stream:
        begin = stream.read(1 << 16)
        if b"\r" in begin and b"\n" not in begin:
            yield from _lines_of_macintosh(path, file)
            return
        stream.seek(0)
        if stream.read(3) != codecs.BOM_UTF8:
            stream.seek(0)
        # A line of a large file may be endless; iterating is faster.
        small = path.stat().st_size <= SMALL
        for number, line in enumerate(stream if small else iter(lambda: stream.readline(MAX_RECORD + 1), b""), 1):
            if len(line) > MAX_RECORD:
                raise _endless(file, number)
            yield number, line


def _lines_of_macintosh(path: Path, file: str) -> Iterator[tuple[int, bytes]]:
    # Latin-1 has a character for each byte.
    with path.open(encoding="latin-1", newline="\r") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MAX_RECORD + 1), ""), 1):
            if len(line) > MAX_RECORD:
                raise _endless(file, number)
            yield number, line.encode("latin-1")


def _endless(file: str, line: int) -> ScheduleRefused:
    return ScheduleRefused(file, f"a row has more than {MAX_RECORD:,} characters", AGAIN, line)


def clean_all(cells: list[str]) -> list[str]:
    """Return cells as `clean` does each."""
    if "".join(cells).isprintable():
        return list(map(str.strip, cells))
    return [clean(cell) for cell in cells]


def clean(text: str) -> str:
    """Return text on one line, without control characters and without white space around it."""
    if text.isprintable():
        return text.strip()
    return " ".join(text.translate(_CONTROLS).split())
