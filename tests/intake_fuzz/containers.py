"""What a table may come in: zip and gzip files, workbooks."""

import gzip
import io
import random
import re
import zipfile
from xml.sax.saxutils import escape, quoteattr

from intake_fuzz.cells import Rows


def zipped(*files: tuple[str, bytes]) -> bytes:
    """Return files as a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def workbook(rows: Rows, sheet: str = "Sheet1") -> bytes:
    """Return cells as an xlsx workbook of text."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    allowed = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
    lines = ""
    for number, row in enumerate(rows, 1):
        cells = (f'<c t="inlineStr"><is><t>{escape(allowed.sub(" ", cell))}</t></is></c>' for cell in row)
        lines += f'<row r="{number}">{"".join(cells)}</row>'
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return zipped(
        (
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>'.encode(),
        ),
        (
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" '
            f'Target="xl/workbook.xml"/></Relationships>'.encode(),
        ),
        (
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name={quoteattr(sheet)} sheetId="1" '
            f'r:id="r1"/></sheets></workbook>'.encode(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/worksheet" '
            f'Target="worksheets/sheet1.xml"/></Relationships>'.encode(),
        ),
        (
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'.encode(),
        ),
    )


def wrapped(raw: bytes, rng: random.Random) -> tuple[bytes, str]:
    how = rng.choice(("gzip", "gzip_twice", "zip", "zip_two", "zip_name", "gzip_members", "zip_deep"))
    if how.startswith("gzip"):
        packed = gzip.compress(raw, mtime=0)
        return {"gzip": packed, "gzip_twice": gzip.compress(packed, mtime=0), "gzip_members": packed + packed}[how], how
    files = {
        "zip": [("a.csv", raw)],
        "zip_two": [("a.csv", raw), ("b.csv", raw)],
        "zip_name": [(rng.choice(("=a.csv", "<b>.csv", "../a.csv", "a.exe", "a\\b.txt", "a.xer", ".csv")), raw)],
        "zip_deep": [("a.csv", zipped(("a.csv", raw)))],
    }[how]
    return zipped(*files), how
