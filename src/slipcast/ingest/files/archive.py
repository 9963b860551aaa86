"""Unpacking gzip and zip in blocks, within a budget."""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from slipcast.ingest.refusal import ScheduleRefused

BLOCK = 1 << 20
# A small file that unpacks to this much is no danger, however well it packs.
RATIO_FLOOR = 64 << 20
# zipfile reads the whole directory of an archive into memory; this is room for 20,000 files.
MAX_READ = 2 << 20
# Every gzip member costs a decompressor, and an empty one has 20 bytes.
MAX_MEMBERS = 100_000
GZIP_BLOCK = 1 << 16
AGAIN = "Pack or export the file again and drop it once it is complete"
JUNK = ("__macosx/", ".ds_store", "thumbs.db")


@dataclass
class Budget:
    """Bytes that one upload may unpack to.

    Attributes
    ----------
    file
        Name for messages.
    packed
        Size of the dropped file, bytes.
    max_bytes
        Largest unpacked size, bytes.
    max_ratio
        Largest unpacked size as a multiple of `packed`; not applied below 64 MiB.
    spent
        Bytes unpacked so far.
    """

    file: str
    packed: int
    max_bytes: int
    max_ratio: float
    spent: int = 0

    def spend(self, count: int) -> None:
        """Count bytes; raise ScheduleRefused as soon as they are too many."""
        self.spent += count
        self.check(self.spent)

    def check(self, total: int) -> None:
        """Raise ScheduleRefused if `total` bytes would be too many."""
        if total > self.max_bytes:
            raise too_large(self.file, self.max_bytes, "unpacks to")
        if total > max(RATIO_FLOOR, self.max_ratio * self.packed):
            raise ScheduleRefused(
                self.file,
                f"the file unpacks to more than {self.max_ratio:g} times its size, as a decompression bomb would",
                "Drop the file unpacked; if it is then too large, raise MaxFileMegabytes",
            )


def too_large(file: str, max_bytes: int, verb: str) -> ScheduleRefused:
    """Return the refusal of a file that is larger than `max_bytes`."""
    return ScheduleRefused(
        file,
        f"the file {verb} more than {max_bytes / 1e6:,.0f} MB",
        "Split it by project, or raise the parameter MaxFileMegabytes",
    )


def gunzip(source: Path, target: Path, budget: Budget) -> None:
    """Write the unpacked content of a gzip file, all its members, to `target`.

    Raises
    ------
    ScheduleRefused
        If the file is damaged or cut, or unpacks to more than the budget.
    """
    with source.open("rb") as packed, target.open("wb") as sink:
        for block in _gunzip(packed, budget.file):
            budget.spend(len(block))
            sink.write(block)


def _gunzip(packed: BinaryIO, file: str) -> Iterator[bytes]:
    # Not gzip.GzipFile: it looks for the end of the name in the header byte by byte, in Python.
    data, members = packed.read(GZIP_BLOCK), 0
    while data:
        member = zlib.decompressobj(wbits=31)
        members += 1
        if members > MAX_MEMBERS:
            raise ScheduleRefused(file, f"the gzip file has more than {MAX_MEMBERS:,} members", AGAIN)
        while not member.eof:
            if not data and not (data := packed.read(GZIP_BLOCK)):
                raise ScheduleRefused(file, "the gzip file is cut: its end is missing", AGAIN)
            try:
                block = member.decompress(data, BLOCK)
            except zlib.error as error:
                raise ScheduleRefused(file, f"the gzip file is damaged ({error})", AGAIN) from error
            data = member.unused_data if member.eof else member.unconsumed_tail
            if block:
                yield block
        # Zeros after the last member are padding by tape tools.
        data = data.lstrip(b"\0")
        while not data and (data := packed.read(GZIP_BLOCK)):
            data = data.lstrip(b"\0")


class _SmallReads(io.FileIO):
    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_READ:
            raise zipfile.BadZipFile("its directory is too large")
        return super().read(size)


class Archive:
    """A zip file that has been looked at before anything is unpacked.

    Parameters
    ----------
    source
        The zip file.
    file
        Name for messages.

    Attributes
    ----------
    members
        The files within, without folders and what macOS and Windows add.

    Raises
    ------
    ScheduleRefused
        If the archive is damaged, cut, encrypted, names a file twice or packs by another method than deflate.
    """

    def __init__(self, source: Path, file: str) -> None:
        self._file, self._source = file, _SmallReads(source)
        try:
            self._zip = self._safe(lambda: zipfile.ZipFile(self._source))
            self._check()
        except ScheduleRefused:
            self._source.close()
            raise

    def _check(self) -> None:
        file = self._file
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        self.members = [info for info in infos if not info.filename.lower().startswith(JUNK[0])]
        self.members = [info for info in self.members if not info.filename.lower().endswith(JUNK[1:])]
        if any(info.flag_bits & 1 for info in self.members):
            raise ScheduleRefused(file, "the zip file is encrypted", "Drop the schedule without a password")
        if len(self.names) != len(self.members):
            raise ScheduleRefused(file, "the zip file names a file twice", AGAIN)
        # bz2 and lzma unpack a block in one step, however large it becomes.
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in self.members):
            raise ScheduleRefused(file, "the zip file is packed by an unusual method", "Pack it with deflate")

    @property
    def names(self) -> set[str]:
        """Names of the files within, lower case."""
        return {info.filename.lower().replace("\\", "/") for info in self.members}

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._source.close()

    def copy(self, member: zipfile.ZipInfo, sink: IO[bytes], budget: Budget) -> None:
        """Unpack one member into `sink`; raise ScheduleRefused if it is damaged or exceeds the budget."""
        # The directory may lie, so this is no more than a quick answer for the honest.
        budget.check(budget.spent + member.file_size)
        with self._safe(lambda: self._zip.open(member)) as packed:
            while block := self._safe(lambda: packed.read(BLOCK)):
                budget.spend(len(block))
                sink.write(block)

    def _safe[T](self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Exception as error:
            # zipfile leaves many exceptions of other modules to its callers.
            raise ScheduleRefused(self._file, f"the zip file is damaged or cut ({error})", AGAIN) from error


def unzip_only(archive: Archive, target: Path, budget: Budget) -> str:
    """Unpack the only file of an archive to `target` and return its name within.

    Raises
    ------
    ScheduleRefused
        If there is no file, more than one, or the one is not named as a CSV, text, XER or XML file.
    """
    remedy = "Put exactly one CSV, XER or XML file into the zip file, or drop the files one by one"
    if len(archive.members) != 1:
        raise ScheduleRefused(budget.file, f"the zip file holds {len(archive.members)} files", remedy)
    member = archive.members[0]
    if not member.filename.lower().endswith((".csv", ".txt", ".tsv", ".xer", ".xml", ".pmxml")):
        raise ScheduleRefused(budget.file, f"the zip file holds {member.filename[-100:]!r}", remedy)
    with target.open("wb") as sink:
        archive.copy(member, sink, budget)
    return member.filename
