"""Kind of a file that is no schedule export, by its first bytes."""

import re
from pathlib import Path

from slipcast.ingest.files.encoding import codec_of
from slipcast.ingest.refusal import ScheduleRefused

GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OLE = b"\xd0\xcf\x11\xe0"
EXPORT = "Export the schedule as XER, XML (Primavera P6 or MS Project), XLSX or CSV"
UNPACK = "Unpack it and drop the XER, XML, XLSX or CSV file"
MS_PROJECT = (
    "In MS Project: File > Save As > Excel Workbook (*.xlsx) > Selected Data, with a map of tasks that has Unique ID, "
    "Name, Start, Finish, Baseline Start, Baseline Finish, Actual Start, Actual Finish, Summary and Milestone; or "
    "File > Save As > XML Format (*.xml), which has calendars and links as well"
)
EXCEL = "In Excel: File > Save As > Excel Workbook (.xlsx) or CSV UTF-8"
PRIMAVERA = "In Primavera P6: File > Export > Primavera PM - (XER) > Project"
ASTA = "In Asta Powerproject: File > Save As > Primavera XER, or File > Export to Excel"
GANTTPROJECT = "In GanttProject: Project > Export > Microsoft Project, in the format XML (*.xml)"
BINARY = (
    (b"%PDF", "a PDF document", EXPORT),
    (b"\x89PNG", "an image", EXPORT),
    (b"\xff\xd8\xff", "an image", EXPORT),
    (b"GIF8", "an image", EXPORT),
    (b"II*\0", "an image", EXPORT),
    (b"MM\0*", "an image", EXPORT),
    (b"PAR1", "a Parquet file", "Save the table as CSV"),
    (b"MPX,", "an MPX file of an old MS Project", MS_PROJECT),
    (b"MPX;", "an MPX file of an old MS Project", MS_PROJECT),
    (b"\0\0" + b"000000", "an Asta Powerproject file", ASTA),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
)
UNLOCK = "In Excel: File > Info > Protect Workbook > Encrypt with Password, remove the password and save"
# Names of parts of an OLE document, in UTF-16, that tell which program wrote it; the more special ones first.
OLE_PARTS = (
    ("MSProject", "an MS Project file", MS_PROJECT),
    ("Props", "an MS Project file", MS_PROJECT),
    ("EncryptedPackage", "a workbook with a password", UNLOCK),
    ("Workbook", "a workbook of Excel 97-2003", EXCEL),
    ("WordDocument", "a Word document", EXPORT),
)
OLE_SUFFIXES = {
    ".mpp": ("an MS Project file", MS_PROJECT),
    ".mpt": ("an MS Project file", MS_PROJECT),
    ".xls": ("a workbook of Excel 97-2003", EXCEL),
    ".xlsm": ("a workbook with a password", UNLOCK),
    ".xlsx": ("a workbook with a password", UNLOCK),
}
# Tables of databases that scheduling tools keep their projects in.
SQLITE = (
    (b"PROJWBS", "a database of Primavera P6", PRIMAVERA),
    (b"exceptionn", "an Asta Powerproject file", ASTA),
    (b"bar_chart", "an Asta Powerproject file", ASTA),
)
MARKUP = re.compile(r"<(\?xml|!doctype|!--|[a-z][\w.:-]*[\s>/])", re.IGNORECASE)
ROOT = re.compile(r"<(?P<name>[^\W\d][\w.:-]*)(?P<rest>[^>]*)")
# What may stand before the root element, and how it ends.
PROLOGUE = (("<?", "?>"), ("<!--", "-->"), ("<!DOCTYPE", ">"))
MSPDI_PART = re.compile(r"<(?:SaveVersion|MinutesPerDay|ScheduleFromStart|ProjectExternallyEdited|Tasks)>")
JSON = re.compile(r"(\[\s*)?\{\s*\"|\[\s*\[")


def ole_directory(path: Path) -> bytes:
    """Return the beginning of the directory of an OLE document, which may lie anywhere in the file."""
    with path.open("rb") as stream:
        header = stream.read(512)
        if len(header) < 52:
            return b""
        shift, first = int.from_bytes(header[30:32], "little"), int.from_bytes(header[48:52], "little")
        if not 7 <= shift <= 16:
            return b""
        stream.seek((first + 1) << shift)
        return stream.read(8192)


def refuse_other_formats(head: bytes, suffix: str, file: str) -> None:
    """Raise ScheduleRefused if the first bytes belong to a known format that is not read; the remedy fits the format.

    Parameters
    ----------
    head
        The first bytes, some thousand, and of an OLE document its directory.
    suffix
        Of the name, lower case, such as ``.xls``; tells apart the kinds of OLE documents.
    file
        Name for messages.
    """
    if head.startswith(OLE):
        raise _refusal(file, *_ole(head, suffix))
    if head.startswith(b"SQLite format 3\0"):
        what, remedy = next(
            ((what, remedy) for name, what, remedy in SQLITE if name.lower() in head.lower()),
            ("an Asta Powerproject file", ASTA) if suffix == ".pp" else ("a database", EXPORT),
        )
        raise _refusal(file, what, remedy)
    for magic, what, remedy in BINARY:
        if head.startswith(magic):
            raise _refusal(file, what, remedy)
    text = beginning(head)
    if MARKUP.match(text) and xml_kind(head) is None:
        raise _refusal(file, *_markup(text))
    if JSON.match(text):
        raise _refusal(file, "JSON", EXPORT)


def xml_kind(head: bytes) -> str | None:
    """Return ``pmxml`` or ``mspdi`` for a schedule in XML, by its root element and namespace; None for all else."""
    root = _root(beginning(head))
    if root is None:
        return None
    name, attributes = root["name"].rpartition(":")[2], root["rest"]
    if name in ("APIBusinessObjects", "BusinessObjects"):
        return "pmxml"
    # GanttProject, GNOME Planner and Maven call their root so as well, in lower case or another namespace.
    microsoft = "schemas.microsoft.com/project" in attributes
    if name == "Project" and (microsoft or ("xmlns" not in attributes and MSPDI_PART.search(root.string, root.end()))):
        return "mspdi"
    return None


def _root(text: str) -> re.Match[str] | None:
    place = 0
    while (mark := next((mark for mark in PROLOGUE if text.startswith(mark[0], place)), None)) is not None:
        if mark[0] == "<!DOCTYPE" and "[" in text[place : text.find(">", place)]:
            # Its declarations; the reader refuses them, in a message of its own.
            place = max(place, text.find("]", place))
        end = text.find(mark[1], place)
        if end < 0:
            return None
        place = end + len(mark[1])
        place += len(text[place:]) - len(text[place:].lstrip())
    return ROOT.match(text, place)


def beginning(head: bytes) -> str:
    """Return the first bytes as text, without byte order mark and leading white space."""
    return head.decode(codec_of(head), "ignore").lstrip("\ufeff \t\r\n")


def _ole(head: bytes, suffix: str) -> tuple[str, str]:
    for name, what, remedy in OLE_PARTS:
        if name.encode("utf-16-le") in head or (name == "MSProject" and name.encode() in head):
            return what, remedy
    return OLE_SUFFIXES.get(suffix, ("an old Office document", EXPORT))


def _markup(text: str) -> tuple[str, str]:
    text = text.lower()
    if "mrproject-version" in text:
        return "a file of GNOME Planner", EXPORT
    if "<project" in text and ("<tasks" in text or "view-date" in text or "weblink" in text):
        return "a GanttProject file", GANTTPROJECT
    if "<html" in text or "<!doctype html" in text or "<table" in text:
        return "a web page (HTML)", EXCEL
    return "an XML file", EXPORT


def _refusal(file: str, what: str, remedy: str) -> ScheduleRefused:
    return ScheduleRefused(file, f"the file is {what}", remedy)
