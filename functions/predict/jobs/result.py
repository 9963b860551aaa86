"""Result of a batch job: rows as bytes of their format, so that what follows can be appended."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from predict.api import tables
from predict.api.schemas import FieldError
from predict.transport import body

Wrong = Mapping[int, list[FieldError]]
# Ends a stream of Arrow IPC: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
# Rows of a group of Parquet: the columns of one are held in memory until it is complete.
_GROUP = 100_000


def columns(*, forecasts: bool) -> tuple[str, ...]:
    """Return the columns of a result."""
    more = tuple(name for name in tables.FORECAST if name not in tables.PREDICTION)
    return tables.PREDICTION + (more if forecasts else ())


def rows(placed: Sequence[Any], wrong: Wrong, kind: str, names: Sequence[str], *, first: bool) -> bytes:
    """Return answers as bytes that follow those of the rows before.

    Parameters
    ----------
    placed, wrong
        as of `tables.rows`
    kind
        media type of the rows; those of Parquet are streams of Arrow until `parquet` makes a file of them
    names
        columns of a table, as `columns` returns them
    first
        whether there are no rows before
    """
    if kind not in body.BINARY:
        return tables.rows(placed, wrong, kind, names, header=first).encode()
    from arro3 import io as arrow
    from arro3.core import RecordBatchReader

    from predict.api import columnar

    table = columnar.answered(placed, wrong, names)
    buffer, head = io.BytesIO(), io.BytesIO()
    arrow.write_ipc_stream(table, buffer)
    if first:
        return buffer.getvalue().removesuffix(_END)
    arrow.write_ipc_stream(RecordBatchReader.from_batches(table.schema, []), head)
    return buffer.getvalue().removeprefix(head.getvalue().removesuffix(_END)).removesuffix(_END)


def end(kind: str) -> bytes:
    """Return what follows the last row."""
    return _END if kind in body.BINARY else b""


def parquet(source: Any, add: Callable[[bytes], None], part_bytes: int) -> None:
    """Write a stream of Arrow as a file of Parquet, part by part.

    Parameters
    ----------
    source
        file that is read as it is needed
    add
        takes the next part
    part_bytes
        size of a part; the last one is shorter
    """
    from arro3 import io as arrow

    sink = _Parts(add, part_bytes)
    arrow.write_parquet(arrow.read_ipc_stream(source), sink, max_row_group_size=_GROUP)  # type: ignore[arg-type]
    sink.finish()


class _Parts(io.RawIOBase):
    def __init__(self, add: Callable[[bytes], None], part_bytes: int) -> None:
        super().__init__()
        self.add, self.part_bytes = add, part_bytes
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.waiting += data
        if len(self.waiting) >= self.part_bytes:
            self.finish()
        return len(data)

    def finish(self) -> None:
        """Hand over what is waiting."""
        if self.waiting:
            self.add(bytes(self.waiting))
            self.waiting.clear()
