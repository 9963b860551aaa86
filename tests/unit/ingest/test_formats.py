"""Whatever is dropped becomes delimited UTF-8 text, or is refused with a remedy."""

import codecs
import gzip
import io
import tempfile
import zipfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipcast.ingest.files import archive as _archive
from slipcast.ingest.files import encoding as _encoding
from slipcast.ingest.files import xlsx_worker
from slipcast.ingest.files.formats import Limits, Text, open_upload
from slipcast.ingest.refusal import ScheduleRefused

# Without the time: these bytes name tests, which must be called the same in every worker.
packed = partial(gzip.compress, mtime=0)
CSV = "Activity ID,Activity Name\nA1,Größe prüfen\nA2,Béton\n"
ASCII = b"Activity ID,Start\nA1,2025-05-19\n"
XER = (
    "ERMHDR\t19.12\r\n%T\tPROJECT\r\n%F\tproj_id\r\n%R\t1\r\n%T\tTASK\r\n%F\ttask_code\tproj_id\r\n%R\tÄ1\t1\r\n%E\r\n"
)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Formats by position: general, day, day with time, [h]:mm:ss, h:mm.
STYLES = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 22, 46, 20))


@pytest.fixture
def upload(tmp_path):
    (tmp_path / "work").mkdir()

    def call(content: bytes, name: str = "may.csv", **limits) -> Text:
        (tmp_path / "dropped").write_bytes(content)
        text = open_upload(tmp_path / "dropped", name, workdir=tmp_path / "work", limits=Limits(**limits))
        left = {path.name for path in (tmp_path / "work").iterdir()}
        assert left == {text.path.name, *([text.network.name] if text.network else [])} - {"dropped"}
        return text

    return call


@pytest.fixture
def refused(upload):
    def call(content: bytes, name: str = "may.csv", **limits) -> ScheduleRefused:
        with pytest.raises(ScheduleRefused) as caught:
            upload(content, name, **limits)
        assert str(caught.value).startswith(name)
        return caught.value

    return call


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


def workbook(**sheets: str) -> bytes:
    """Return an xlsx with the given rows, as XML, by sheet name."""
    numbers = range(1, len(sheets) + 1)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
        for name, number in zip(sheets, numbers, strict=True)
    )
    targets = "".join(
        f'<Relationship Id="r{number}" Type="{OFFICE}/worksheet" Target="worksheets/s{number}.xml"/>'
        for number in numbers
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{targets}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs>{STYLES}</cellXfs></styleSheet>',
        "xl/media/plan.png": "\x89PNG" * 100,
    }
    for number, rows in zip(numbers, sheets.values(), strict=True):
        parts[f"xl/worksheets/s{number}.xml"] = f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return zipped(*((name, content.encode()) for name, content in parts.items()))


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def said(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def value(reference: str, number: str, style: int = 0, kind: str = "n", formula: str = "") -> str:
    return f'<c r="{reference}" s="{style}" t="{kind}">{formula}<v>{number}</v></c>'


SHEET = row(1, said("A1", "ID"), said("B1", "Start")) + row(2, said("A2", "A1"), value("B2", "45796", 1))


@pytest.mark.parametrize("content", [ASCII, CSV.encode(), b"only one line", "\n\n x;ü".encode()])
def test_utf8_is_used_where_it_is(upload, tmp_path, content):
    assert upload(content) == Text(tmp_path / "dropped", "csv", "utf-8", None, False, ())


@pytest.mark.parametrize(
    ("content", "encoding", "notes"),
    [
        (codecs.BOM_UTF8 + CSV.encode(), "utf-8-sig", ()),
        (codecs.BOM_UTF16_LE + CSV.encode("utf-16-le"), "utf-16", ("read as utf-16",)),
        (codecs.BOM_UTF16_BE + CSV.encode("utf-16-be"), "utf-16", ("read as utf-16",)),
        (CSV.encode("utf-16-le"), "utf-16", ("read as utf-16",)),
        (CSV.encode("utf-16-be"), "utf-16", ("read as utf-16",)),
        (CSV.encode("cp1252"), "cp1252", ("read as cp1252",)),
    ],
)
def test_other_encodings_become_utf8(upload, content, encoding, notes):
    text = upload(content)

    assert (text.encoding, text.notes, text.path.name) == (encoding, notes, "converted")
    assert text.path.read_bytes() == CSV.encode()


@pytest.mark.parametrize("block", [1, 2, 3, 7])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_characters_may_lie_on_the_border_of_two_blocks(upload, monkeypatch, block, encoding):
    monkeypatch.setattr(_encoding, "BLOCK", block)

    assert upload(CSV.encode(encoding)).path.read_text("utf-8") == CSV


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (CSV.encode().replace(b"B\xc3\xa9", b"B\xff"), 3, "byte 49 is not UTF-8 text while others are"),
        ("é\n".encode() * 50 + "é".encode()[:1], 51, "byte 150 is not UTF-8 text while others are"),
        (codecs.BOM_UTF8 + b"a\nb\xe9", 2, "byte 6 is not UTF-8"),
        (b"a\nb\n\xe9\n\x01", 4, "binary"),
        (b"a\nb\0c", 2, "binary"),
        (b"a\rb\0c", 2, "binary"),
        ("ID,Name\nA1,Корпус\n".encode("cp1251"), 2, "code page cannot be determined (perhaps cp1253 or cp1251)"),
        (codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le") + b"\x00", 2, "damaged"),
        (codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le") + b"\x00\xd8a\0", 2, "damaged"),
        (codecs.BOM_UTF16_BE + "a\n\0b".encode("utf-16-be"), 2, "binary"),
    ],
)
def test_broken_text_is_refused_with_its_line(refused, content, line, reason):
    error = refused(content)

    assert error.row == line
    assert reason in error.reason


@pytest.mark.parametrize("content", [b"", b" \r\n\t\n", codecs.BOM_UTF8 + b"\n", codecs.BOM_UTF16_LE + b" \0\n\0"])
@pytest.mark.parametrize("pack", [bytes, packed])
def test_an_empty_file_is_refused(refused, content, pack):
    assert "is empty" in refused(pack(content)).reason


@pytest.mark.parametrize(
    ("content", "name", "reason", "remedy"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "plan.xls", "Excel 97-2003", "Excel Workbook"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "plan.mpp",
            "MS Project file",
            "In MS Project: File > Save As > Excel Workbook",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "plan.xlsx", "password", "remove the password"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "plan.csv", "old Office document", "Export"),
        (b"%PDF-1.7", "plan.pdf", "PDF", "Export the schedule as XER, XML"),
        (b"\x89PNG\r\n", "plan.csv", "image", "Export"),
        (b"PAR1\x15\x04", "plan.parquet", "Parquet", "CSV"),
        (b"7z\xbc\xaf\x27\x1c", "plan.7z", "7z archive", "Unpack"),
        (b"\n <HTML><table>", "plan.xls", "web page", "Excel"),
        ("<html>".encode("utf-16"), "plan.xls", "web page", "Excel"),
        (b"<svg ", "p.xml", "an XML file", "Export"),
        (b'[{"id": 1}]', "p.json", "JSON", "Export"),
        (ASCII, "plan.xer", "ERMHDR", "Primavera"),
    ],
)
def test_another_format_is_refused_with_its_remedy(refused, content, name, reason, remedy):
    error = refused(content, name)

    assert reason in error.reason
    assert remedy in error.remedy


def test_gzip_is_unpacked_with_all_its_members(upload):
    text = upload(packed(ASCII) + packed(ASCII) + bytes(8), "may.csv.gz")

    assert text.path.read_bytes() == 2 * ASCII
    assert (text.kind, text.notes) == ("csv", ("unpacked from gzip",))
    assert upload(packed(CSV.encode("cp1252"))).path.read_text("utf-8") == CSV
    assert upload(packed(XER.encode("cp1252")), "a.xer.gz").kind == "xer"


def test_gzip_passes_in_blocks(upload, monkeypatch):
    monkeypatch.setattr(_archive, "BLOCK", 5)
    monkeypatch.setattr(_archive, "GZIP_BLOCK", 3)

    assert upload(packed(ASCII) + bytes(5) + packed(b"end")).path.read_bytes() == ASCII + b"end"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (packed(ASCII)[:-5], "cut"),
        (packed(ASCII)[:4], "cut"),
        (packed(ASCII)[:-8] + bytes(8), "damaged"),
        (packed(ASCII) + b"more", "damaged"),
        (packed(packed(ASCII)), "another archive"),
        (packed(zipped(("a.csv", ASCII))), "another archive"),
        (packed(b"%PDF"), "PDF"),
    ],
)
def test_unusable_gzip_is_refused(refused, content, reason):
    assert reason in refused(content, "may.csv.gz").reason


def test_too_many_gzip_members_are_refused(refused, monkeypatch):
    monkeypatch.setattr(_archive, "MAX_MEMBERS", 3)

    assert "more than 3 members" in refused(packed(b"") * 4).reason


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_with_one_file_is_unpacked(upload, method):
    packed = zipped(
        ("in/", b""), ("in/May.CSV", ASCII), ("__MACOSX/in/._May.CSV", b"x"), ("in/.DS_Store", b"y"), method=method
    )
    text = upload(packed, "may.zip")

    assert text.path.read_bytes() == ASCII
    assert text.notes == ("'in/May.CSV' unpacked from zip",)
    assert upload(zipped(("plan.xer", XER.encode())), "plan.zip").kind == "xer"


def encrypted() -> bytes:
    packed = bytearray(zipped(("a.csv", ASCII)))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(packed)


def lying() -> bytes:
    packed = bytearray(zipped(("a.csv", ASCII)))
    place = packed.index(b"PK\x01\x02") + 24
    packed[place : place + 4] = (7).to_bytes(4, "little")
    return bytes(packed)


def vast_directory() -> bytes:
    packed = bytearray(zipped(("a.csv", ASCII)) + bytes(_archive.MAX_READ))
    end = packed.index(b"PK\x05\x06")
    packed[end:] = bytes(_archive.MAX_READ) + packed[end : end + 22]
    packed[-10:-6] = (_archive.MAX_READ + 100).to_bytes(4, "little")
    return bytes(packed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(("a.csv", ASCII), ("b.csv", ASCII)), "holds 2 files"),
        (zipped(), "holds 0 files"),
        (zipped(("a.pdf", ASCII)), "holds 'a.pdf'"),
        (zipped(("a.zip", zipped(("a.csv", ASCII)))), "holds 'a.zip'"),
        (zipped(("a.csv", zipped(("a.csv", ASCII)))), "another archive"),
        (zipped(("a.csv", packed(ASCII))), "another archive"),
        (zipped(("a.csv", ASCII), ("A.CSV", ASCII)), "names a file twice"),
        (zipped(("a.csv", ASCII))[:-30], "damaged or cut"),
        (zipped(("a.csv", ASCII))[:10], "damaged or cut"),
        (zipped(("a.csv", ASCII), method=zipfile.ZIP_STORED).replace(ASCII, ASCII.upper()), "damaged"),
        (zipped(("a.csv", ASCII), method=zipfile.ZIP_BZIP2), "unusual method"),
        (encrypted(), "encrypted"),
        (lying(), "damaged"),
        (vast_directory(), "directory is too large"),
        (zipped(("xl/workbook.bin", b"")), "xlsb"),
        (zipped(("mimetype", b""), ("content.xml", b"")), "OpenDocument"),
        (zipped(("[Content_Types].xml", b""), ("word/document.xml", b"")), "Office document"),
    ],
)
def test_unusable_zip_is_refused(refused, content, reason):
    assert reason in refused(content, "may.zip").reason


@pytest.mark.parametrize(
    "content",
    [
        bytes(b"a,b\n" * 1000),
        packed(b"a,b\n" * 1000),
        zipped(("a.csv", b"a,b\n" * 1000)),
        workbook(S=SHEET * 20),
    ],
)
def test_a_file_above_the_limit_is_refused_with_the_parameter(refused, content):
    error = refused(content, max_bytes=3999)

    assert "more than 0 MB" in error.reason
    assert "MaxFileMegabytes" in error.remedy


@pytest.mark.parametrize("pack", [packed, lambda content: zipped(("a.csv", content))])
def test_a_bomb_is_refused_while_it_unpacks(refused, monkeypatch, tmp_path, pack):
    monkeypatch.setattr(_archive, "RATIO_FLOOR", 1000)
    monkeypatch.setattr(_archive, "BLOCK", 1000)
    error = refused(pack(bytes(1_000_000)), max_ratio=3)

    assert "more than 3 times" in error.reason
    assert "MaxFileMegabytes" in error.remedy
    assert (tmp_path / "work" / "unpacked").stat().st_size < 20_000


def test_a_workbook_becomes_csv_with_row_numbers(upload, tmp_path):
    rows = (
        row(3, *(said(f"{letter}3", f"h{letter}") for letter in "BCDEFGHIJKL")),
        row(
            5,
            *(said("B5", "a_x000D_b_x0000_\nc"), value("C5", "12"), value("D5", "0.30000000000000004")),
            *(value("E5", "45796", 1), value("F5", "45796.333333", 2), value("G5", "1.5", 3), value("H5", "0.25", 4)),
            *(
                value("I5", "1", kind="b"),
                value("J5", "#N/A", kind="e"),
                value("K5", "A,1", kind="str", formula="<f>B1</f>"),
            ),
            value("L5", "1E+300"),
        ),
        row(6, said("B6", " "), value("C6", "45796", 2), value("D6", "0", kind="b"), value("G6", "-0.5", 3)),
    )
    text = upload(workbook(Notes="", Plan="".join(rows)), "plan.xlsx")

    assert (text.kind, text.encoding, text.delimiter, text.numbered) == ("xlsx", "utf-8", ",", True)
    assert text.notes == ("sheet 'Plan' of 2", "sheets not read: Notes", "the sheet begins at row 3")
    # The same in this process, for a debugger and for coverage.
    job = {"source": str(tmp_path / "dropped"), "target": str(tmp_path / "again.csv"), "max_bytes": 9999}
    assert xlsx_worker.main(job | {"max_columns": 11})["first"] == 3
    assert (tmp_path / "again.csv").read_bytes() == text.path.read_bytes()
    assert "11 columns" in xlsx_worker.main(job | {"max_columns": 10})["reason"]
    assert "damaged" in xlsx_worker.main(job | {"max_columns": 10, "source": __file__})["reason"]
    assert text.path.read_text("utf-8").split("\n") == [
        "#line,hB,hC,hD,hE,hF,hG,hH,hI,hJ,hK,hL",
        '5,a b c,12,0.30000000000000004,2025-05-19,2025-05-19 08:00:00,36:00:00,06:00:00,TRUE,,"A,1",1e+300',
        "6,,2025-05-19,FALSE,,,-12:00:00,,,,,",
        "",
    ]


def test_the_sheet_named_task_is_preferred(upload):
    text = upload(workbook(Cover=SHEET, task=SHEET.replace("Start", "start_date")), "plan.csv")

    assert text.path.read_text("utf-8") == "#line,ID,start_date\n2,A1,2025-05-19\n"
    assert text.notes == ("named .csv, but the content is xlsx", "sheet 'task' of 2", "sheets not read: Cover")


FAR = row(1, value("A1", "1")) + row(1048576, value("XFD1048576", "1"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (workbook(S=""), "the workbook is empty"),
        (workbook(TASK=row(1, said("A1", ""))), "'TASK' is empty"),
        (workbook(S=row(1, value("A1", "7", kind="s"))), "damaged"),
        (workbook(S="<row"), "damaged"),
        (workbook(S=FAR), "not within 512 MB of memory"),
        (workbook(S=row(1, value("A1", "1"), value("K1", "1"))), "11 columns, at most 10"),
        (workbook(S=SHEET)[:-40], "damaged or cut"),
        (zipped(("xl/workbook.xml", b"")), "damaged"),
    ],
)
def test_an_unusable_workbook_is_refused(refused, content, reason):
    assert reason in refused(content, "a.xlsx", max_columns=10, xlsx_memory_bytes=512_000_000).reason


def test_a_slow_workbook_is_refused(refused):
    assert "takes more than 0 s" in refused(workbook(S=SHEET), xlsx_seconds=0).reason


def test_the_worker_limits_the_text(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(workbook(S=SHEET))
    job = {"source": str(tmp_path / "a.xlsx"), "target": str(tmp_path / "a.csv"), "max_columns": 9}

    with pytest.raises(xlsx_worker.Unusable, match=r"MB of text.*MaxFileMegabytes"):
        xlsx_worker.convert(**job, max_bytes=3)
    assert xlsx_worker.convert(**job, max_bytes=99) == {"sheet": "S", "sheets": 1, "others": [], "first": 1}
    for sheets, reason in (({"S": ""}, "workbook is empty"), ({"TASK": row(1, said("A1", ""))}, "'TASK' is empty")):
        (tmp_path / "a.xlsx").write_bytes(workbook(**sheets))
        with pytest.raises(xlsx_worker.Unusable, match=reason):
            xlsx_worker.convert(**job, max_bytes=99)


def test_xer_becomes_csv(upload):
    text = upload(XER.encode("cp1252"), "plan.XER")

    assert (text.kind, text.encoding, text.delimiter, text.numbered) == ("xer", "cp1252", ",", True)
    assert text.notes[0] == "read as cp1252"
    assert text.path.read_text("utf-8").splitlines()[1].startswith("7,Ä1,")
    assert upload(codecs.BOM_UTF8 + XER.encode(), "plan.csv").notes[0] == "named .csv, but the content is xer"


ANY = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=100).map(str.encode),
    st.builds(
        lambda head, rest: head + rest,
        st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"ERMHDR\n%T\tTASK\n%F\t"]),
        st.binary(),
    ),
    st.binary(max_size=100).map(packed),
    st.binary(max_size=100).map(lambda content: zipped(("a.csv", content))),
    st.builds(
        lambda packed, place, byte: packed[:place] + byte + packed[place + 1 :],
        *(st.just(zipped(("a.csv", ASCII))), st.integers(0, 140), st.binary(max_size=3)),
    ),
)


@settings(deadline=None)
@given(content=ANY, name=st.sampled_from(["a.csv", "a.xlsx", "a.xer", "a.csv.gz", "a.zip", "", "\0/"]))
@example(content=b"\xff\xfe", name="a.csv")
@example(content=workbook(S=SHEET.replace("45796", "9e99")), name="a.xlsx")
def test_any_bytes_are_read_or_refused(content, name):
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        dropped = workdir / "dropped"
        dropped.write_bytes(content)
        try:
            text = open_upload(dropped, name, workdir=workdir)
        except ScheduleRefused as error:
            assert error.remedy  # noqa: PT017 (a refusal is one of two good ends)
        else:
            assert "\0" not in text.path.read_text("utf-8")
            assert dropped.read_bytes() == content
