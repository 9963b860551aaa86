"""What a file holds, told without the intake: its text, its lines, how many rows follow the header."""

import csv
import gzip
import io
import re
import zipfile

from intake_fuzz.seeds import decoded
from intake_fuzz.words import DELIMITERS
from slipcast.ingest.files import grid
from slipcast.ingest.schedule import Schedule

# A row of other white space, as the ideographic one, is a row.
WHITE = " \t\u00a0\r\n"


def unpacked(raw: bytes) -> str | None:
    """Return the dropped text; None where it cannot be determined what it is."""
    try:
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
        elif raw.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                if len(archive.namelist()) != 1:
                    return None
                raw = archive.read(archive.namelist()[0])
    except Exception:
        return None
    return decoded(raw)


def members(raw: bytes) -> int:
    """Return how many files were dropped: those of a zip file, else one."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return len(archive.namelist())
    except Exception:
        return 1


def lines_of(text: str) -> list[str]:
    """Return the lines of text, which end with LF, CR LF, or CR alone."""
    return re.split(r"\r\n|\r|\n", text)


def expected_rows(schedule: Schedule, text: str) -> int | None:
    """Return how many rows follow the header if Python's csv module can tell beyond doubt."""
    text = text.removeprefix("\ufeff")
    found = set()
    for mark in DELIMITERS:
        records = _strict(text, mark)
        if records is None:
            continue
        for place, record in enumerate(records[:30]):
            if tuple(cell.strip() for cell in record) == schedule.header:
                found.add((mark, place, sum(any(cell.strip(WHITE) for cell in row) for row in records[place + 1 :])))
    # The same header twice, or with several delimiters: the count depends on a choice.
    return found.pop()[2] if len(found) == 1 else None


def _strict(text: str, mark: str) -> list[list[str]] | None:
    """Return the records; None where quotes are not as they should be or a record is longer than is read."""
    if '"' not in text:
        return [line.split(mark) for line in lines_of(text)]
    reader, records, last = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True), [], 0
    try:
        for record in reader:
            if reader.line_num - last > grid.MAX_LINES_IN_RECORD // 2:
                return None
            last = reader.line_num
            records.append(record)
    except csv.Error:
        return None
    return records
