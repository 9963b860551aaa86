"""What a file is that is no schedule export, told from its first bytes."""

import re

from slipcast.ingest._encoding import codec_of
from slipcast.ingest.refusal import ScheduleRefused

GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OLE = b"\xd0\xcf\x11\xe0"
EXPORT = "Export the schedule as CSV, XLSX or XER"
UNPACK = "Unpack it and drop the CSV, XLSX or XER file"
MS_PROJECT = "In MS Project: File > Save As > CSV"
EXCEL = "In Excel: File > Save As > CSV UTF-8 or Excel Workbook (.xlsx)"
PRIMAVERA = "In Primavera P6: File > Export > XER or spreadsheet (XLSX)"
BINARY = (
    (b"%PDF", "a PDF document", EXPORT),
    (b"\x89PNG", "an image", EXPORT),
    (b"\xff\xd8\xff", "an image", EXPORT),
    (b"GIF8", "an image", EXPORT),
    (b"II*\0", "an image", EXPORT),
    (b"MM\0*", "an image", EXPORT),
    (b"PAR1", "a Parquet file", "Save the table as CSV"),
    (b"SQLite format 3\0", "a database", EXPORT),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
)
OLE_KINDS = {
    ".mpp": ("an MS Project file", MS_PROJECT),
    ".mpt": ("an MS Project file", MS_PROJECT),
    ".xls": ("a workbook of Excel 97-2003", EXCEL),
    ".xlsm": ("a workbook with a password", "In Excel: remove the password (File > Info > Protect Workbook)"),
    ".xlsx": ("a workbook with a password", "In Excel: remove the password (File > Info > Protect Workbook)"),
}
MARKUP = re.compile(r"<(\?xml|!doctype|!--|[a-z][\w.:-]*[\s>/])", re.IGNORECASE)
JSON = re.compile(r"(\[\s*)?\{\s*\"|\[\s*\[")


def refuse_other_formats(head: bytes, suffix: str, file: str) -> None:
    """Raise ScheduleRefused if the first bytes belong to a known format that is not read; the remedy fits the format.

    Parameters
    ----------
    head : the first bytes, some thousand
    suffix : of the name, lower case, such as ``.xls``; tells apart the kinds of OLE documents
    file : name for messages
    """
    if head.startswith(OLE):
        what, remedy = OLE_KINDS.get(suffix, ("an old Office document", EXPORT))
        raise _refusal(file, what, remedy)
    for magic, what, remedy in BINARY:
        if head.startswith(magic):
            raise _refusal(file, what, remedy)
    text = beginning(head)
    if MARKUP.match(text):
        raise _refusal(file, *_markup(text))
    if JSON.match(text):
        raise _refusal(file, "JSON", EXPORT)


def beginning(head: bytes) -> str:
    """Return the first bytes as text, without byte order mark and leading white space."""
    return head.decode(codec_of(head), "ignore").lstrip("\ufeff \t\r\n")


def _markup(text: str) -> tuple[str, str]:
    text = text.lower()
    if "schemas.microsoft.com/project" in text or "<project" in text:
        return "an MS Project XML file", MS_PROJECT
    if "apibusinessobjects" in text:
        return "a Primavera P6 XML file", PRIMAVERA
    if "<html" in text or "<!doctype html" in text or "<table" in text:
        return "a web page (HTML)", EXCEL
    return "an XML file", EXPORT


def _refusal(file: str, what: str, remedy: str) -> ScheduleRefused:
    return ScheduleRefused(file, f"the file is {what}", remedy)
