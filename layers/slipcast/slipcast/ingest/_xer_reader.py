"""The tables of a Primavera P6 XER file."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from slipcast.ingest.refusal import ScheduleRefused

AGAIN = "Export the XER file again (In Primavera P6: File > Export)"
# One record with all its text; more is no record, and would be held in memory.
MAX_RECORD = 4_000_000
MARKS = ("%T", "%F", "%R", "%E")


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a table.

    Attributes
    ----------
    table : name, such as ``TASK``
    line : physical line in the file where the row begins; the first is 1
    values : text by field name; fields that the row lacks are absent
    ragged : whether the row has another number of values than the table has fields
    """

    table: str
    line: int
    values: dict[str, str]
    ragged: bool


class XerReader:
    """Reads an XER file from its beginning, as often as needed.

    Parameters
    ----------
    path : the file in UTF-8
    file : name for messages

    Attributes
    ----------
    fields : field names by table, of the tables read so far
    complete : whether the last pass met the end mark, ``%E``
    stray : lines of the last pass that bear no mark and continue no row; they are passed over
    """

    def __init__(self, path: Path, file: str) -> None:
        self._path, self._file = path, file
        self.fields: dict[str, list[str]] = {}
        self.complete = False
        self.stray = self._last_row = 0

    def records(self, tables: Collection[str]) -> Iterator[Record]:
        """Yield the rows of some tables in the order of the file.

        A value may hold line breaks: a line that begins with no mark continues a row that still lacks values.

        Raises
        ------
        ScheduleRefused
            If one of the tables has rows before its field names or a header without names, if a record is endless,
            or if the file is cut within a row.
        """
        self.complete = False
        table, fields, last = "", [], None
        for line, mark, cells in self._marked():
            if mark == "%T":
                table, fields = (cells[0].strip() if cells else ""), []
            elif mark == "%F" and table in tables:
                fields = self.fields[table] = self._header(table, line, cells)
            elif mark == "%R" and table in tables:
                if not fields:
                    raise ScheduleRefused(
                        self._file, f"table {table} has no field names (%F) before its rows", AGAIN, line
                    )
                ragged = len(cells) < len(fields) or any(cells[len(fields) :])
                last = Record(table, line, dict(zip(fields, cells, strict=False)), ragged)
                yield last
            elif mark == "%E":
                self.complete = True
        if not self.complete and last is not None and last.ragged and last.line == self._last_row:
            raise ScheduleRefused(self._file, "the file is cut within a row: its end (%E) is missing", AGAIN, last.line)

    def _header(self, table: str, line: int, cells: list[str]) -> list[str]:
        fields = [cell.strip() for cell in cells]
        while fields and not fields[-1]:
            fields.pop()
        if not fields:
            raise ScheduleRefused(self._file, f"the header of table {table} names no fields", AGAIN, line)
        return fields

    def _marked(self) -> Iterator[tuple[int, str, list[str]]]:
        """Yield line, mark and cells, continued lines joined."""
        line, mark, cells, width = 0, "", [], 0
        self.stray = self._last_row = 0
        for number, text in self._lines():
            begin = text[:2]
            if begin in MARKS and text[2:3] in ("", "\t"):
                if mark:
                    yield line, mark, cells
                line, mark, cells = number, begin, text[3:].split("\t") if len(text) > 3 else []
                if mark == "%F":
                    width = len(cells)
                elif mark == "%R":
                    self._last_row = number
            elif mark == "%R" and len(cells) < width and len(cells) + text.count("\t") <= width:
                first, *rest = text.split("\t")
                cells[-1:] = [f"{cells[-1] if cells else ''} {first}".rstrip(" "), *rest]
                if sum(map(len, cells)) > MAX_RECORD:
                    raise self._endless(line)
            elif mark and text.strip():
                self.stray += 1
        if mark:
            yield line, mark, cells

    def _lines(self) -> Iterator[tuple[int, str]]:
        # newline="\n": other separators, such as U+2028, belong to the text.
        with self._path.open(encoding="utf-8", newline="\n") as stream:
            yield from enumerate(self._bounded(stream), 1)

    def _bounded(self, stream: TextIO) -> Iterator[str]:
        number = 1
        while text := stream.readline(MAX_RECORD):
            if len(text) == MAX_RECORD:
                raise self._endless(number)
            yield text.rstrip("\r\n")
            number += 1

    def _endless(self, line: int) -> ScheduleRefused:
        return ScheduleRefused(self._file, f"a row has more than {MAX_RECORD:,} characters", AGAIN, line)
