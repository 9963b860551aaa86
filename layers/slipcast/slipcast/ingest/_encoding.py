"""Any text file as UTF-8 without a byte order mark."""

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from slipcast.ingest.refusal import ScheduleRefused

BLOCK = 1 << 20
SAMPLE = 4096
HIGH = bytes(range(0x80, 0x100))
LETTERS = bytes(range(ord("A"), ord("Z") + 1)) + bytes(range(ord("a"), ord("z") + 1))
# Control characters, and the five bytes that mean nothing in Windows-1252.
NOT_TEXT = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a")) + b"\x7f\x81\x8d\x8f\x90\x9d"
# Western text has 1 to 10 % of accented letters; Cyrillic or Greek in its own code page has mostly such bytes.
MAX_ACCENTED = 0.3
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
SAVE = "Save the file as CSV UTF-8"


def codec_of(head: bytes) -> str:
    """Return the codec that the first bytes of a file ask for: ``utf-8-sig``, ``utf-16-le``, ``utf-16-be``, ``utf-8``.

    Without a byte order mark UTF-16 is taken only where every other byte, and only those, is mostly NUL.
    """
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    even, odd = head[:SAMPLE:2], head[1:SAMPLE:2]
    if len(odd) >= 4 and not even.count(0) and odd.count(0) >= 0.7 * len(odd):
        return "utf-16-le"
    if len(odd) >= 4 and not odd.count(0) and even.count(0) >= 0.7 * len(even):
        return "utf-16-be"
    return "utf-8"


def to_utf8(source: Path, target: Path, file: str) -> tuple[Path, str]:
    """Return a text file as UTF-8, and the encoding that it was in.

    Parameters
    ----------
    source : the file
    target : written only if the file is in another encoding or has a byte order mark
    file : name for messages

    Returns
    -------
    path : `source` if it is UTF-8 already, else `target`
    encoding : ``utf-8``, ``utf-8-sig``, ``utf-16`` or ``cp1252``

    Raises
    ------
    ScheduleRefused
        If the file is empty or blank, holds binary data, or is in no encoding that can be told.
    """
    with source.open("rb") as stream:
        codec = codec_of(stream.read(SAMPLE))
    if codec.startswith("utf-16"):
        _write(_from_utf16(source, codec, file), target, file)
        return target, "utf-16"
    if codec == "utf-8-sig":
        _write(_utf8(source, len(codecs.BOM_UTF8), file), target, file)
        return target, codec
    try:
        _write(_utf8(source, 0, file), None, file)
    except _NotUtf8 as error:
        _check_cp1252(source, error.offset, file)
        _write((block.decode("cp1252").encode() for block in _blocks(source)), target, file)
        return target, "cp1252"
    return source, codec


class _NotUtf8(ScheduleRefused):
    def __init__(self, file: str, source: Path, offset: int) -> None:
        self.offset = offset
        super().__init__(file, f"byte {offset} is not UTF-8 text", SAVE, line_at(source, offset))


def line_at(source: Path, offset: int) -> int:
    """Return the number of the line that holds the byte at `offset`; lines end with LF, CR LF, or CR alone."""
    feeds = returns = 0
    for block in _blocks(source):
        block = block[:offset]
        feeds, returns, offset = feeds + block.count(b"\n"), returns + block.count(b"\r"), offset - len(block)
        if not offset:
            break
    return (feeds or returns) + 1


def _blocks(source: Path, skip: int = 0) -> Iterator[bytes]:
    with source.open("rb") as stream:
        stream.seek(skip)
        while block := stream.read(BLOCK):
            yield block


def _write(blocks: Iterator[bytes], target: Path | None, file: str) -> None:
    sink = target.open("wb") if target else None
    try:
        blank = True
        for block in blocks:
            blank = blank and not block.strip(b" \t\r\n\v\f\x1a\xef\xbb\xbf")
            if sink:
                sink.write(block)
    finally:
        if sink:
            sink.close()
    if blank:
        raise ScheduleRefused(file, "the file is empty", "Export the schedule again")


def _utf8(source: Path, skip: int, file: str) -> Iterator[bytes]:
    offset, rest = skip, b""
    for block in _blocks(source, skip):
        if (nul := block.find(0)) >= 0:
            raise _binary(file, line_at(source, offset + nul))
        if rest or not block.isascii():
            rest = _check_utf8(rest + block, offset - len(rest), source, file, final=False)
        offset += len(block)
        yield block
    _check_utf8(rest, offset - len(rest), source, file, final=True)


def _check_utf8(data: bytes, offset: int, source: Path, file: str, *, final: bool) -> bytes:
    try:
        return data[codecs.utf_8_decode(data, "strict", final)[1] :]
    except UnicodeDecodeError as error:
        raise _NotUtf8(file, source, offset + error.start) from error


def _from_utf16(source: Path, codec: str, file: str) -> Iterator[bytes]:
    decoder, lines, first = codecs.getincrementaldecoder(codec)(), 1, True
    for block in chain(_blocks(source), [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            lines += error.object[: error.start].decode(codec, "ignore").count("\n")
            raise ScheduleRefused(file, "the file is damaged: not UTF-16 text", SAVE, lines) from error
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        if "\0" in text:
            raise _binary(file, lines + text[: text.index("\0")].count("\n"))
        lines += text.count("\n")
        yield text.encode()


def _binary(file: str, line: int) -> ScheduleRefused:
    return ScheduleRefused(file, "the file holds binary data", "Export the schedule as CSV", line)


def _check_cp1252(source: Path, offset: int, file: str) -> None:
    """Raise ScheduleRefused unless a file whose byte at `offset` is not UTF-8 reads well as Windows-1252."""
    high = valid = valid_bytes = letters = 0
    place = 0
    for block in _blocks(source):
        rest = block.translate(None, NOT_TEXT)
        if len(rest) != len(block):
            odd = next(position for position, byte in enumerate(block) if byte in NOT_TEXT)
            raise _binary(file, line_at(source, place + odd))
        place += len(block)
        letters += len(block) - len(block.translate(None, LETTERS))
        if block.isascii():
            continue
        high += len(block) - len(block.translate(None, HIGH))
        known = "".join(NOT_ASCII.findall(block.decode("utf-8", "ignore")))
        valid, valid_bytes = valid + len(known), valid_bytes + len(known.encode())
    line = line_at(source, offset)
    # Two accented bytes in a row seldom happen to be UTF-8; where they often are, the file is UTF-8 and damaged.
    if 20 * valid > high - valid_bytes:
        raise ScheduleRefused(file, f"byte {offset} is not UTF-8 text while others are", SAVE, line)
    if high > max(16, MAX_ACCENTED * (high + letters)):
        raise ScheduleRefused(file, "the text is neither UTF-8 nor Windows-1252 (Western)", SAVE, line)
