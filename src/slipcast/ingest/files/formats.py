"""A dropped file, in any format that is read, as delimited UTF-8 text on disk."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from slipcast.datasets.network import Writer
from slipcast.ingest.files import archive as _archive
from slipcast.ingest.files import mspdi, sniff, xer, xlsx
from slipcast.ingest.files.encoding import codec_of, to_utf8
from slipcast.ingest.files.pmxml_reader import PmxmlReader
from slipcast.ingest.refusal import ScheduleRefused

HEAD = 1 << 16
CONVERTED, NETWORK = "converted", "network"


@dataclass(frozen=True)
class Limits:
    """Limits of one upload.

    Attributes
    ----------
    max_bytes
        Largest size of the unpacked file, bytes (parameter ``MaxFileMegabytes``).
    max_ratio
        Largest unpacked size as a multiple of the packed size; not applied below 64 MiB.
    max_columns
        Most columns of a table, in whatever format it comes.
    xlsx_memory_bytes, xlsx_seconds
        What reading a workbook may take.
    """

    max_bytes: int = 2_000_000_000
    max_ratio: float = 200
    max_columns: int = 1_000
    xlsx_memory_bytes: int = 2 << 30
    xlsx_seconds: float = 300


@dataclass(frozen=True)
class Text:
    """A file as delimited UTF-8 text.

    Attributes
    ----------
    path
        UTF-8 without byte order mark and NUL; the dropped file itself where it already is so.
    kind
        ``csv``, ``xlsx``, ``xer``, ``pmxml`` (Primavera P6 XML) or ``mspdi`` (MS Project XML).
    encoding
        What the file was in: ``utf-8``, ``utf-8-sig``, ``utf-16`` or a code page, as Python names it.
    delimiter
        None for csv, to be found; else ``,``.
    numbered
        Whether the first column is ``#line`` and holds the row of the sheet or the line of the XER or XML file.
    notes
        For the report, such as ``read as cp1252``.
    first
        Where its first line stands in the dropped file; None for the header of a table made of XER or XML.
    network
        Folder of what `network.Writer` has written; None for tables.
    place
        Which sheet of a workbook it is, for messages; None for other files.
    epoch
        Year from which numbers of days count, 1900 or 1904, as a workbook says it.
    """

    path: Path
    kind: str
    encoding: str
    delimiter: str | None
    numbered: bool
    notes: tuple[str, ...]
    first: int | None = 1
    place: str | None = None
    network: Path | None = None
    epoch: Literal[1900, 1904] = 1900


def open_upload(
    path: Path,
    name: str,
    *,
    workdir: Path,
    limits: Limits | None = None,
    encoding: str | None = None,
    headers: Collection[str] = (),
) -> Text:
    """Return a dropped file as delimited UTF-8 text.

    The content decides what the file is: gzip or zip around one file, xlsx, XER, XML of Primavera P6 or MS Project,
    delimited text. Large files pass in blocks.

    Parameters
    ----------
    path
        The dropped file; never changed.
    name
        Its name, for messages; the suffix is compared with the content.
    workdir
        An empty folder of this upload, for what is unpacked or converted.
    encoding
        What the user says that the text is in; else found from the text.
    headers
        Names of columns that schedules have, as `profile.normal` writes them: of the sheets of a workbook the one
        with most of them is read.

    Raises
    ------
    ScheduleRefused
        For every file that cannot be used: empty, damaged, cut, encrypted, too large, binary, or in another format.
    OSError
        If the disk, not the file, fails.
    """
    limits = limits or Limits()
    size = path.stat().st_size
    head = _head(path)
    budget = _archive.Budget(name, size, limits.max_bytes, limits.max_ratio)
    unpacked, suffix, notes = workdir / "unpacked", _suffix(name), []
    if size > limits.max_bytes:
        raise _archive.too_large(name, limits.max_bytes, "has")
    if head.startswith(sniff.GZIP):
        _archive.gunzip(path, unpacked, budget)
        notes.append("unpacked from gzip")
    elif head.startswith(sniff.ZIP):
        archive = _archive.Archive(path, name)
        try:
            if xlsx.is_workbook(archive):
                return _workbook(archive, workdir / "sheet.csv", budget, limits, _misnamed(suffix, "xlsx"), headers)
            xlsx.refuse_other_documents(archive, name)
            member = _archive.unzip_only(archive, unpacked, budget)
        finally:
            archive.close()
        suffix = _suffix(member)
        notes.append(f"{member!r} unpacked from zip")
    source = unpacked if notes else path
    head = _head(source)
    if notes and head.startswith((sniff.GZIP, *sniff.ZIP)):
        raise ScheduleRefused(name, "the archive holds another archive", "Pack the schedule once, or not at all")
    if head.startswith(sniff.OLE):
        head += sniff.ole_directory(source)
    sniff.refuse_other_formats(head, suffix, name)
    text = _text(source, name, suffix, workdir, limits, tuple(notes), encoding)
    for leftover in {unpacked, workdir / CONVERTED} - {text.path}:
        leftover.unlink(missing_ok=True)
    return text


def _text(
    source: Path, name: str, suffix: str, workdir: Path, limits: Limits, notes: tuple[str, ...], encoding: str | None
) -> Text:
    head = _head(source)
    if (kind := sniff.xml_kind(head)) is not None:
        return _xml(source, kind, name, suffix, workdir, limits, notes)
    kind = "xer" if sniff.beginning(head).startswith("ERMHDR") else "csv"
    if suffix == ".xer" and kind == "csv":
        raise ScheduleRefused(name, "the file does not begin with ERMHDR as XER files do", sniff.PRIMAVERA, 1)
    if kind == "xer" and not codec_of(head).startswith("utf-16"):
        return _xer(source, xer.table_encodings(source, name, encoding), name, suffix, workdir, limits, notes)
    path, found = to_utf8(source, workdir / CONVERTED, name, encoding)
    if not found.startswith("utf-8"):
        notes += (f"read as {found}",)
    if kind == "xer":
        return replace(_xer(path, {}, name, suffix, workdir, limits, notes), encoding=found)
    return Text(path, kind, found, None, False, (*notes, *_misnamed(suffix, kind)))


def _xer(
    path: Path,
    encodings: dict[str, str],
    name: str,
    suffix: str,
    workdir: Path,
    limits: Limits,
    notes: tuple[str, ...],
) -> Text:
    target = workdir / "tasks.csv"
    with Writer(workdir / NETWORK) as network:
        found = xer.to_csv(
            path, target, name=name, max_columns=limits.max_columns, encodings=encodings, network=network
        )
    encoding = next(iter(sorted(set(encodings.values()) - {"utf-8"})), "utf-8")
    return Text(
        target, "xer", encoding, ",", True, (*notes, *_misnamed(suffix, "xer"), *found), None, None, network.folder
    )


def _xml(path: Path, kind: str, name: str, suffix: str, workdir: Path, limits: Limits, notes: tuple[str, ...]) -> Text:
    """The parser reads the bytes as they are: XML says itself what it is in."""
    target = workdir / "tasks.csv"
    with Writer(workdir / NETWORK) as network:
        if kind == "pmxml":
            reader = PmxmlReader(path, name)
            found = xer.to_csv(reader, target, name=name, max_columns=limits.max_columns, network=network)
        else:
            found = mspdi.to_csv(path, target, name=name, max_columns=limits.max_columns, network=network)
    notes = (*notes, *_misnamed(suffix, kind), *found)
    return Text(target, kind, "utf-8", ",", True, notes, None, None, network.folder)


def _workbook(
    archive: _archive.Archive,
    target: Path,
    budget: _archive.Budget,
    limits: Limits,
    notes: tuple[str, ...],
    headers: Collection[str],
) -> Text:
    first, place, found, epoch = xlsx.xlsx_to_csv(
        archive,
        target,
        budget,
        max_columns=limits.max_columns,
        memory_bytes=limits.xlsx_memory_bytes,
        seconds=limits.xlsx_seconds,
        headers=headers,
    )
    return Text(target, "xlsx", "utf-8", ",", True, (*notes, *found), first, place, epoch=epoch)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD)


def _suffix(name: str) -> str:
    pure = PurePosixPath(name.lower())
    return PurePosixPath(pure.stem).suffix if pure.suffix in (".gz", ".zip") else pure.suffix


def _misnamed(suffix: str, kind: str) -> tuple[str, ...]:
    usual = {
        "csv": ("", ".csv", ".txt", ".tsv"),
        "xlsx": (".xlsx", ".xlsm"),
        "xer": (".xer",),
        "pmxml": (".xml", ".pmxml"),
    }.get(kind, (".xml",))
    kind = {"pmxml": "XML of Primavera P6", "mspdi": "XML of MS Project"}.get(kind, kind)
    return () if suffix in usual else (f"named {suffix or 'without suffix'}, but the content is {kind}",)
