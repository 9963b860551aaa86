"""Workbooks of several sheets, as Excel writes them."""

import io
import zipfile

from intake_fuzz.containers import workbook as one


def workbook(**sheets: list[list[str]]) -> bytes:
    """Return a workbook of sheets: name → rows of text."""
    packed = one(next(iter(sheets.values())), next(iter(sheets)))
    with zipfile.ZipFile(io.BytesIO(packed)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    listed, related = "", ""
    for number, (name, rows) in enumerate(sheets.items(), 1):
        with zipfile.ZipFile(io.BytesIO(one(rows, name))) as other:
            parts[f"xl/worksheets/sheet{number}.xml"] = other.read("xl/worksheets/sheet1.xml")
        listed += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
        related += (
            f'<Relationship Id="r{number}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
            f'worksheet" Target="worksheets/sheet{number}.xml"/>'
        )
    book = parts["xl/workbook.xml"].decode()
    parts["xl/workbook.xml"] = (book[: book.index("<sheet ")] + listed + "</sheets></workbook>").encode()
    rels = parts["xl/_rels/workbook.xml.rels"].decode()
    parts["xl/_rels/workbook.xml.rels"] = (rels[: rels.index("<Relationship ")] + related + "</Relationships>").encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()
