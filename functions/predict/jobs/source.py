"""Input of a batch job: an object that is read block by block, and its activities chunk by chunk."""

import io
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from predict.api import requests, tables
from predict.api.requests import NotJsonError, invalid
from predict.transport import body
from slipcast.features import activity
from slipcast_aws import storage

BLOCK = 2 << 20
# The pages of a column of Parquet are read one after the other, those of all columns in turn.
BLOCKS = 32
# Rows that are scored at once, and characters of text from which fewer are.
ROWS = 10_000
CHARACTERS = 8 << 20
# A longer line is no activity; it would have to be held in memory.
LONGEST_LINE = 4 << 20


class Chunk(NamedTuple):
    """Activities that follow each other.

    Attributes
    ----------
    records
        as `requests.from_records` takes them
    offset
        bytes of the object before the next chunk, of text; 0 of a table by columns
    """

    records: list[Any]
    offset: int = 0


class Object(io.RawIOBase):
    """Version of an object in S3 as a file, of which a few blocks are held in memory.

    Parameters
    ----------
    uri, version_id, size
        as S3 names it
    """

    def __init__(self, uri: str, version_id: str, size: int) -> None:
        super().__init__()
        self.uri, self.version_id, self.size = uri, version_id, size
        self.position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def close(self) -> None:
        """Do nothing: the readers of text, which close what they read, come and go."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self.position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence])
        return self.position

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        block, begin = divmod(self.position, BLOCK)
        if self.position >= self.size or not view:
            return 0
        part = self._block(block)[begin : begin + len(view)]
        view[: len(part)] = part
        self.position += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            length = min(BLOCK, self.size - number * BLOCK)
            self._blocks[number] = storage.read_range(
                self.uri, number * BLOCK, length, version_id=self.version_id or None
            )
            if len(self._blocks) > BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]


class _Lines:
    """Lines of an object, with their ends, from an offset on; `offset` is where the next one begins."""

    def __init__(self, found: Object, offset: int, newline: str) -> None:
        found.seek(offset)
        self.offset = offset
        self._text = io.TextIOWrapper(io.BufferedReader(found, BLOCK), encoding="utf-8", newline=newline)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            line = self._text.readline(LONGEST_LINE)
        except UnicodeDecodeError as error:
            raise invalid("body", "utf-8", "it is not UTF-8", "send it as UTF-8") from error
        if not line:
            raise StopIteration
        if len(line) == LONGEST_LINE:
            found = f"the line that begins at byte {self.offset:,} has more than {LONGEST_LINE:,} characters"
            raise invalid("body", "too_long", found, "send a line for each activity")
        if body.REPLACED in line:
            found = "it has the character U+FFFD, which stands for lost ones"
            raise invalid("body", "utf-8", found, "send it as UTF-8")
        self.offset += len(line) if line.isascii() else len(line.encode())
        return line


def chunks(found: Object, kind: str, offset: int, rows: int) -> Iterator[Chunk]:
    """Yield the activities of an object whose first `rows`, in `offset` bytes, have been answered.

    Raises
    ------
    InvalidRequest
        If it is not what `kind`, its media type, says.
    """
    if kind in body.BINARY:
        # Imported here: only one layer has the library.
        from predict.api import columnar

        # io.BufferedReader would read a block for each page again.
        for part in columnar.parts(file(found), kind, ROWS, rows):
            yield Chunk(columnar.records(part))
        return
    yield from (_table if kind == body.CSV else _documents)(found, offset)


class _Whole(io.RawIOBase):
    """File whose reads are filled, as the library for columns expects it."""

    def __init__(self, found: Object) -> None:
        super().__init__()
        self.found = found

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self.found.seek(offset, whence)

    def tell(self) -> int:
        return self.found.tell()

    def read(self, size: int = -1, /) -> bytes:
        found = b""
        while size < 0 or len(found) < size:
            part = self.found.read(BLOCK if size < 0 else size - len(found))
            if not part:
                break
            found = found + part if found else part
        return found


def _begin(found: Object) -> int:
    """Return the length of the byte order mark."""
    found.seek(0)
    return 3 if found.read(3) == b"\xef\xbb\xbf" else 0


def _table(found: Object, offset: int) -> Iterator[Chunk]:
    lines = _Lines(found, _begin(found), "")
    rows = tables.records(lines)
    names = next(rows, [])
    tables.check_header(names)
    if offset:
        lines = _Lines(found, offset, "")
        rows = tables.records(_with_header(names, lines))
        next(rows)
    records: list[Any] = []
    begin = lines.offset
    for row in rows:
        records.append(activity.from_cells(dict(zip(names, row, strict=True))))
        if len(records) == ROWS or lines.offset - begin > CHARACTERS:
            yield Chunk(records, lines.offset)
            records, begin = [], lines.offset
    if records:
        yield Chunk(records, lines.offset)


def _with_header(names: list[str], lines: _Lines) -> Iterator[str]:
    yield ",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n"
    yield from lines


def _documents(found: Object, offset: int) -> Iterator[Chunk]:
    lines = _Lines(found, offset or _begin(found), "\n")
    records: list[Any] = []
    begin = lines.offset
    for line in lines:
        if line.strip():
            try:
                records.append(requests.parse(line))
            except NotJsonError as error:
                raise invalid(
                    "body",
                    "json",
                    f"the line that ends at byte {lines.offset:,} is not JSON",
                    "send an activity as JSON in each line",
                ) from error
        if len(records) == ROWS or lines.offset - begin > CHARACTERS:
            if records:
                yield Chunk(records, lines.offset)
            records, begin = [], lines.offset
    if records:
        yield Chunk(records, lines.offset)


def file(found: Object) -> IO[bytes]:
    """Return an object as the library for columns reads it."""
    return _Whole(found)  # type: ignore[return-value]
