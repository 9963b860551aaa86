"""Any text file as UTF-8 without a byte order mark."""

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import chardet

from slipcast.ingest.refusal import ScheduleRefused

BLOCK = 1 << 20
LONGEST_LINE = 1 << 20
SAMPLE = 4096
# Line breaks, tabs, the end mark of DOS, and 0x7F, which Primavera writes for a line break inside a value.
TEXT_CONTROLS = b"\t\n\v\f\r\x1a\x7f"
CONTROLS = bytes(set(range(32)) - set(TEXT_CONTROLS))
# Some control characters are left by tools inside values; a binary file has many.
MAX_CONTROLS = 0.01
CELLS = re.compile(rb"[,;|\t\"]")
# What Windows calls the code page of a computer; P6, MS Project and Excel write in it and do not say which it is.
CODE_PAGES = (
    *(f"windows-{number}" for number in range(1250, 1259)),
    *("cp874", "cp932", "gb18030", "cp949", "big5"),
)
USUAL = "cp1252"
# The detector's confidence in one code page over another that makes this a decision.
CLEAR = 1.3
MAX_EVIDENCE = 16_000
# Bytes above ASCII from which on a code page must be found.
ENOUGH = 4
HIGH = re.compile(rb"[\x80-\xff]")
SAVE = "Save the file as CSV UTF-8"
SAY = (
    "Save the file as CSV UTF-8, or drop it under incoming/<name>/ with a profile that says which it is, such as "
    "encoding: cp1251 (docs/profiles.md)"
)


class Evidence:
    """Text of the user in which the code page shows: values that are not ASCII, each once.

    Attributes
    ----------
    utf8, other
        How many values are UTF-8, and how many are not.
    """

    def __init__(self) -> None:
        self.utf8 = self.other = 0
        self._values: dict[bytes, None] = {}
        self._size = 0

    def add(self, value: bytes) -> None:
        """Take a value into account; one that is ASCII says nothing."""
        if value.isascii() or value in self._values:
            return
        try:
            value.decode()
        except UnicodeDecodeError:
            self.other += 1
        else:
            self.utf8 += 1
        if self._size < MAX_EVIDENCE:
            self._values[value] = None
            self._size += len(value)

    def update(self, other: "Evidence") -> None:
        """Take the values of other evidence into account."""
        for value in other._values:
            self.add(value)

    @property
    def enough(self) -> bool:
        """True if there is as much text as is looked at: more would say the same."""
        return self._size >= MAX_EVIDENCE

    def damaged(self) -> bool:
        """Return whether these are UTF-8 with some damaged values; text in a code page is UTF-8 only by accident."""
        return 2 * self.utf8 >= self.other

    def readable(self, codec: str) -> bool:
        """Return whether all values are text in a code page."""
        return readable(self._values, codec)

    def code_page(self) -> str | None:
        """Return Python's name of the code page that the values are in; None if that cannot be determined.

        A few odd bytes are no evidence and no loss: they are read as the usual code page.
        """
        found = self.candidates()
        if not found:
            return USUAL if self._odd() < ENOUGH else None
        best, confidence = found[0]
        near = [codec for codec, other in found if other * CLEAR >= confidence]
        texts = {b"\n".join(self._values).decode(codec, "replace") for codec in near}
        if len(texts) == 1:
            return USUAL if USUAL in near else best
        return USUAL if USUAL in near or self._odd() < ENOUGH else None

    def _odd(self) -> int:
        return sum(len(HIGH.findall(value)) for value in self._values)

    def candidates(self) -> list[tuple[str, float]]:
        """Return the code pages in which all values are text, with the detector's confidence, highest first."""
        text = b"\n".join(self._values)
        found: list[tuple[str, float]] = []
        for item in chardet.detect_all(text, ignore_threshold=True, include_encodings=CODE_PAGES):
            codec = _python_name(item["encoding"])
            if codec is not None and all(codec != other for other, _ in found) and readable(self._values, codec):
                found.append((codec, item["confidence"]))
        return found


def _python_name(encoding: str | None) -> str | None:
    return codecs.lookup(encoding).name if encoding else None


def readable(values: Iterable[bytes], codec: str) -> bool:
    """Return whether values are text in a code page: every byte means a character, and none a control character."""
    try:
        text = b"\n".join(values).decode(codec)
    except UnicodeDecodeError:
        return False
    return not any("\x80" <= character <= "\x9f" for character in text)


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


def to_utf8(source: Path, target: Path, file: str, encoding: str | None = None) -> tuple[Path, str]:
    """Return a text file as UTF-8, and the encoding that it was in.

    Parameters
    ----------
    source
        The file.
    target
        Written only if the file is in another encoding or has a byte order mark.
    file
        Name for messages.
    encoding
        What the user says that it is in; else found from the file itself.

    Returns
    -------
    path : `source` if it is UTF-8 already, else `target`
    encoding : ``utf-8``, ``utf-8-sig``, ``utf-16`` or the code page, as Python names it

    Raises
    ------
    ScheduleRefused
        If the file is empty or blank, holds binary data, or is in no encoding that can be determined.
    """
    with source.open("rb") as stream:
        codec = codec_of(stream.read(SAMPLE))
    if codec.startswith("utf-16"):
        _write(_from_utf16(source, codec, file), target, file)
        return target, "utf-16"
    if codec == "utf-8-sig":
        _write(_utf8(source, len(codecs.BOM_UTF8), file), target, file)
        return target, codec
    if encoding is not None and codecs.lookup(encoding).name not in ("utf-8", "utf-16"):
        _write(_decoded(source, encoding, file), target, file)
        return target, codecs.lookup(encoding).name
    try:
        _write(_utf8(source, 0, file), None, file)
    except _NotUtf8 as error:
        found = _code_page(source, error.offset, file)
        _write(_decoded(source, found, file), target, file)
        return target, found
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


def _lines(source: Path) -> Iterator[bytes]:
    with source.open("rb") as stream:
        while line := stream.readline(LONGEST_LINE):
            yield line


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


def _decoded(source: Path, codec: str, file: str) -> Iterator[bytes]:
    decoder, lines = codecs.getincrementaldecoder(codec)(), 1
    for block in chain(_blocks(source), [b""]):
        if (nul := block.find(0)) >= 0:
            raise _binary(file, lines + block.count(b"\n", 0, nul))
        try:
            yield decoder.decode(block, final=not block).encode()
        except UnicodeDecodeError as error:
            lines += error.object[: error.start].count(b"\n")
            raise ScheduleRefused(file, f"the text is not all {codec}", SAVE, lines) from error
        lines += block.count(b"\n")


def _binary(file: str, line: int) -> ScheduleRefused:
    return ScheduleRefused(file, "the file holds binary data", "Export the schedule as CSV", line)


def _code_page(source: Path, offset: int, file: str) -> str:
    """Return the code page of a file whose byte at `offset` is not UTF-8; ScheduleRefused if it is not clear."""
    evidence, controls, size, first = Evidence(), 0, 0, 1
    for number, line in enumerate(_lines(source), 1):
        if 0 in line:
            raise _binary(file, number)
        size += len(line)
        if bare := len(line) - len(line.translate(None, CONTROLS)):
            first = number if not controls else first
            controls += bare
        if not line.isascii():
            for value in CELLS.split(line):
                evidence.add(value.strip())
    if controls > MAX_CONTROLS * size:
        raise _binary(file, first)
    place = line_at(source, offset)
    if evidence.damaged():
        raise ScheduleRefused(file, f"byte {offset} is not UTF-8 text while others are", SAVE, place)
    if (found := evidence.code_page()) is None:
        raise unknown(file, evidence, SAY, place)
    return found


def unknown(file: str, evidence: Evidence, remedy: str, line: int | None) -> ScheduleRefused:
    """Return the refusal of text in an encoding that cannot be determined."""
    names = [codec for codec, _ in evidence.candidates()[:2]]
    perhaps = f" (perhaps {' or '.join(names)})" if names else ""
    reason = f"the text is not UTF-8, and its code page cannot be determined{perhaps}"
    return ScheduleRefused(file, reason, remedy, line)
