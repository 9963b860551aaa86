"""Series of a key as bytes, for the feature store, and back."""

import struct
import zlib
from itertools import accumulate, pairwise
from operator import sub

from slipcast.features.point_in_time import Series, Totals

# Version → format of a number. Nearly all series fit the first, which every released version reads.
WIDTHS = {1: "i", 2: "q"}
_HEADER = struct.Struct("<BI")
_WIDTH = 1 + len(Totals._fields)
# 270 years with a change on each day; longer series are not valid and must not be unpacked.
MAX_DAYS = 100_000


def encode(series: Series) -> bytes:
    """Return `series` as bytes: version and number of days, then the zlib-packed differences from day to day.

    A day takes 40 bytes before compression, and mostly less than 5 after it; the feature store splits what is larger
    than an item of DynamoDB. A series whose totals change by more than 32 bits hold, such as one with
    110,000 activities that start on one day, is of version 2: 64 bits for each number.

    Raises
    ------
    ValueError
        If there are more than `MAX_DAYS` days, or a difference does not fit 64 bits.
    """
    count = len(series.days)
    if count > MAX_DAYS:
        raise ValueError(f"{count} days are more than a series holds ({MAX_DAYS})")
    values = [value for column in (series.days, *series.totals) for value in map(sub, column, [0, *column])]
    for version, width in WIDTHS.items():
        try:
            raw = struct.pack(f"<{_WIDTH * count}{width}", *values)
        except struct.error as error:
            problem = error
        else:
            return _HEADER.pack(version, count) + zlib.compress(raw)
    raise ValueError(f"a total changes by more than 64 bits hold: {problem}")


def decode(raw: bytes) -> Series:
    """Return the series that `encode` wrote.

    Raises
    ------
    ValueError
        If the bytes are of another version, cut, damaged, or not a series.
    """
    if len(raw) < _HEADER.size:
        raise ValueError(f"{len(raw)} bytes are no series: its header has {_HEADER.size}")
    version, count = _HEADER.unpack_from(raw)
    width = WIDTHS.get(version)
    if width is None:
        raise ValueError(f"a series of version {version}; this code reads versions {', '.join(map(str, WIDTHS))}")
    if count > MAX_DAYS:
        raise ValueError(f"{count} days are more than a series holds ({MAX_DAYS})")
    bytes_of_column = struct.calcsize(f"<{count}{width}")
    size = _WIDTH * bytes_of_column
    unpacker = zlib.decompressobj()
    try:
        packed = unpacker.decompress(raw[_HEADER.size :], size + 1)
    except zlib.error as error:
        raise ValueError(f"the series is damaged: {error}") from None
    if len(packed) != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"the series does not hold the {count} days that its header says")
    columns = [
        list(accumulate(struct.unpack_from(f"<{count}{width}", packed, bytes_of_column * column)))
        for column in range(_WIDTH)
    ]
    days = columns[0]
    if any(earlier >= later for earlier, later in pairwise(days)):
        raise ValueError("the days of the series do not ascend")
    return Series(days, Totals(*columns[1:]))
