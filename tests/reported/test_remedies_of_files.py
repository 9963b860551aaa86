"""Remedy that does not help, of whole files: each remedy for XER, XML, workbooks and archives is carried out."""

# objectionary/phino#389: a message names the option that was given, and not the command that is missing
# joniles/mpxj#157: an import is refused, and nobody says what to change in the export

import ast
import gzip
import importlib
import io
import itertools
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import slipcast.ingest
from slipcast.ingest.files import archive, encoding, mspdi, sniff, xer, xer_reader, xlsx
from slipcast.ingest.files.formats import Limits
from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.reading import SCHEDULE_FIRST
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from support.hall import XER, msp, p6

DAY = "2025-06-05"
MSPDI, PMXML = msp(), p6()
TABLE = (
    b"activity_id,data_date,start,baseline_finish,actual_finish\n"
    b"A1,2025-06-05,2025-06-06,2025-06-19,\nA2,2025-06-05,2025-06-02,2025-06-04,2025-06-04\n"
)
MSP_TABLE = (
    b"Unique ID,Name,Start,Finish,Baseline Start,Baseline Finish,Actual Start,Actual Finish,Summary,Milestone\n"
    b"1,Walls,2025-06-06,2025-06-19,2025-06-06,2025-06-19,,,No,No\n"
    b"2,Roof,2025-06-02,2025-06-06,2025-06-02,2025-06-06,2025-06-02,,No,No\n"
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Russian in the code page of Windows: too little text to tell which one it is.
SHORT = XER.replace("Walls", "Корпус").encode("cp1251")
SHORT_TABLE = TABLE.replace(b"A1,", "Корпус,".encode("cp1251"))


@dataclass(frozen=True)
class Case:
    """A file that is refused, a part of its remedy, and the file that comes of carrying it out."""

    remedy: str
    wrong: bytes | str
    right: bytes | str
    name: str = f"hall_{DAY}.csv"
    new_name: str = f"hall_{DAY}.csv"
    limits: dict[str, Any] = field(default_factory=dict)
    new: dict[str, Any] = field(default_factory=dict)


def zipped(*files: tuple[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, raw in files:
            packed.writestr(name, raw)
    return out.getvalue()


def locked() -> bytes:
    """Return a zip file whose only file has the mark of encryption."""
    raw = bytearray(zipped(("hall.csv", TABLE)))
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def workbook(rows: str, name: str = "xl/worksheets/sheet1.xml") -> bytes:
    """Return a workbook as Excel writes it, with the rows of `rows` as text."""
    office = "http://schemas.openxmlformats.org"
    main, relation = f"{office}/spreadsheetml/2006/main", f"{office}/officeDocument/2006/relationships"
    cells = "".join(
        f'<row r="{row}">'
        + "".join(
            f'<c r="{chr(65 + place)}{row}" t="inlineStr"><is><t>{text}</t></is></c>'
            for place, text in enumerate(line.split(","))
        )
        + "</row>"
        for row, line in enumerate(rows.splitlines(), 1)
    )
    types = f"{office}/package/2006/content-types"
    parts = f"{office}/package/2006/relationships"
    return zipped(
        (
            "[Content_Types].xml",
            f'<Types xmlns="{types}"><Default Extension="xml" ContentType="application/xml"/></Types>',
        ),
        (
            "_rels/.rels",
            f'<Relationships xmlns="{parts}"><Relationship Id="rId1" Type="{relation}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        ),
        (
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets>'
            "</workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{parts}"><Relationship Id="rId1" Type="{relation}/worksheet" '
            f'Target="worksheets/sheet1.xml"/></Relationships>',
        ),
        (name, f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'),
    )


def directory(part: str) -> bytes:
    """Return the beginning of an OLE document that has a part of this name."""
    return OLE + bytes(22) + (9).to_bytes(2, "little") + bytes(16) + bytes(4) + bytes(460) + part.encode("utf-16-le")


def without(text: str, *names: str) -> str:
    """Return XML without the elements of these names."""
    return re.sub(rf"<({'|'.join(names)})>[^<]*</\1>", "", text)


SHEET = workbook(TABLE.decode())
WIDE = workbook(TABLE.decode().replace("\n", ",x\n"))
UNSCHEDULED = XER
for stamp in dict.fromkeys(re.findall(r"2025-06-\d\d \d\d:00", XER.partition("%T\tTASK\r\n")[2])):
    UNSCHEDULED = UNSCHEDULED.replace(f"\t{stamp}", "\t")
UNSCHEDULED = UNSCHEDULED.replace("\tHALL\t\t", f"\tHALL\t{DAY} 08:00\t")
TASKS = MSPDI[MSPDI.index("<Tasks>") : MSPDI.index("</Tasks>")]
CODES = (
    "%T\tACTVTYPE\r\n%F\tactv_code_type_id\tactv_code_type\r\n%R\t1\tArea\r\n%R\t2\tTrade\r\n"
    "%T\tACTVCODE\r\n%F\tactv_code_id\tactv_code_type_id\tactv_code_name\r\n%R\t1\t1\tA\r\n%R\t2\t2\tB\r\n"
    "%T\tTASKACTV\r\n%F\ttask_id\tactv_code_type_id\tactv_code_id\r\n%R\t1\t1\t1\r\n%R\t2\t2\t2\r\n%E"
)
FIELDS = "".join(
    f"<ExtendedAttribute><FieldID>1887437{n}</FieldID><Alias>Own {n}</Alias></ExtendedAttribute>" for n in range(30, 34)
)
CUSTOM = MSPDI.replace("<Calendars>", f"<ExtendedAttributes>{FIELDS}</ExtendedAttributes><Calendars>", 1)
ENTITY = '<!DOCTYPE x [<!ENTITY a "b">]>'
HEAD, BODY = MSPDI.split("?>", 1)
P6_AGAIN, XER_AGAIN, MSP_AGAIN = "Export the XML file again", xer_reader.AGAIN, mspdi.AGAIN

CASES = (
    # XER
    Case(sniff.PRIMAVERA, "PROJECT\tHALL", XER, "hall.xer", "hall.xer"),
    Case(XER_AGAIN, XER[: XER.index("\tTK_Active")], XER, "hall.xer", "hall.xer"),
    Case(XER_AGAIN, XER.replace("%T\tPROJECT", "%T\tPROJEKT"), XER),
    Case(XER_AGAIN, XER.replace("\ttask_code\t", "\tcode\t"), XER),
    Case(XER_AGAIN, re.sub("(%T\tTASK\r\n)%F[^\r]*\r\n", r"\1", XER), XER),
    Case(XER_AGAIN, re.sub("(%T\tTASK\r\n%F)[^\r]*\r\n", "\\1\t\r\n", XER), XER),
    Case(XER_AGAIN, XER.replace("%R\t100\tHALL\t2025-06-05 08:00\tY\r\n", ""), XER),
    Case(XER_AGAIN, XER.replace("Walls", "W" * 4_000_001), XER),
    Case("Export the project with its activities", re.sub("%R\t[12]\t100\t11[^\r]*\r\n", "", XER), XER),
    Case("Export fewer activity codes", XER.replace("%E", CODES), XER, limits={"max_columns": len(xer.COLUMNS) + 1}),
    Case(SCHEDULE_FIRST["xer"], UNSCHEDULED, XER),
    Case(SCHEDULE_FIRST["xer"], XER.replace(f"HALL\t{DAY} 08:00", "HALL\t"), XER, "hall.xer", "hall.xer"),
    Case(
        "put the data date into its name",
        XER.replace(f"HALL\t{DAY} 08:00", "HALL\t"),
        XER.replace(f"HALL\t{DAY} 08:00", "HALL\t"),
        "hall.xer",
    ),
    Case(
        "with a profile that says extends: p6_xer and the code page",
        SHORT,
        SHORT,
        "hall.xer",
        "hall.xer",
        new={"profile": load_profile("name: own\nextends: p6_xer\nencoding: cp1251", "profiles/own.yaml")},
    ),
    Case(encoding.SAVE, SHORT_TABLE, SHORT_TABLE.decode("cp1251")),
    Case(
        "with a profile that says which it is",
        SHORT_TABLE,
        SHORT_TABLE,
        new={"profile": load_profile("name: own\nextends: canonical\nencoding: cp1251", "profiles/own.yaml")},
    ),
    Case("Fill it in", XER.replace("\tA1\t", "\t\t"), XER),
    # XML
    Case("Remove the declaration <!DOCTYPE", f"{HEAD}?>{ENTITY}{BODY}", MSPDI),
    Case(MSP_AGAIN, MSPDI[: MSPDI.index("</Tasks>")], MSPDI),
    Case(MSP_AGAIN, MSPDI.replace("</Tasks>", "</Task>"), MSPDI),
    Case(f"{MSP_AGAIN}, as UTF-8", MSPDI.replace('encoding="UTF-8"', 'encoding="klingon"'), MSPDI),
    Case(f"{MSP_AGAIN}, as UTF-8", MSPDI.replace('encoding="UTF-8"', 'encoding="utf-7"'), MSPDI),
    Case("Export the file again", MSPDI.replace("<Tasks>", "<a>" * 101 + "</a>" * 101 + "<Tasks>"), MSPDI),
    Case("Export the file again", MSPDI.replace("Walls", "W" * 4_000_001), MSPDI),
    Case("Save the project with its tasks", MSPDI.replace(TASKS, "<Tasks>"), MSPDI),
    Case(
        "Remove custom fields",
        CUSTOM,
        MSPDI,
        limits={"max_columns": len(mspdi.COLUMNS) + 3},
        new={"limits": Limits(max_columns=len(mspdi.COLUMNS) + 3)},
    ),
    Case(SCHEDULE_FIRST["mspdi"], without(MSPDI, "Start", "Finish", "ActualStart", "EarlyStart"), MSPDI),
    Case(P6_AGAIN, PMXML[: PMXML.index("</Project>")], PMXML),
    Case(P6_AGAIN, re.sub("(?s)<Activity>.*</Activity>", "", PMXML), PMXML),
    Case(sniff.EXPORT, "<?xml version='1.0'?><actions><action/></actions>", PMXML),
    Case(sniff.EXPORT, '{"tasks": []}', MSPDI),
    Case(sniff.EXCEL, "<html><table><tr><td>Name</td></tr></table></html>", SHEET),
    # Workbooks
    Case(sniff.UNLOCK, directory("EncryptedPackage"), SHEET, "hall.xlsx"),
    Case(sniff.EXCEL, directory("Workbook"), SHEET, "hall.xls"),
    Case("Save it as Excel Workbook (.xlsx)", zipped(("xl/workbook.bin", b"x"), ("[Content_Types].xml", "")), SHEET),
    Case("as CSV UTF-8", zipped(("mimetype", "application/vnd.oasis"), ("content.xml", "<a/>")), TABLE),
    Case(
        "Save it as Excel Workbook (.xlsx)", zipped(("word/document.xml", "<a/>"), ("[Content_Types].xml", "")), SHEET
    ),
    Case("Open it in Excel and save it again", workbook("", "xl/worksheets/sheet9.xml"), SHEET),
    Case("Export the schedule again", workbook(""), SHEET),
    Case("Remove some", WIDE, SHEET, limits={"max_columns": 5}, new={"limits": Limits(max_columns=5)}),
    Case(xlsx.CSV, SHEET, TABLE, limits={"xlsx_seconds": 0.001}),
    Case(xlsx.CSV, SHEET, TABLE, limits={"xlsx_memory_bytes": 1 << 20}),
    # Archives
    Case(archive.AGAIN, gzip.compress(TABLE)[:-9], gzip.compress(TABLE), "hall.csv.gz", f"hall_{DAY}.csv.gz"),
    Case(archive.AGAIN, gzip.compress(TABLE)[:12] + b"\xff" * 40, gzip.compress(TABLE), "hall.csv.gz"),
    Case(archive.AGAIN, zipped(("hall.csv", TABLE))[:-30], zipped(("hall.csv", TABLE)), "hall.zip"),
    Case(archive.AGAIN, zipped(("hall.csv", TABLE), ("Hall.csv", TABLE)), zipped(("hall.csv", TABLE)), "hall.zip"),
    Case("without a password", locked(), zipped(("hall.csv", TABLE)), "hall.zip"),
    Case("Pack it with deflate", zipped(("hall.csv", TABLE), method=zipfile.ZIP_BZIP2), zipped(("hall.csv", TABLE))),
    Case("Drop the file unpacked", gzip.compress(TABLE + b"\n" * (65 << 20)), TABLE, "hall.csv.gz"),
    Case("raise the parameter MaxFileMegabytes", TABLE, TABLE, limits={"max_bytes": 100}),
    Case("Pack the schedule once, or not at all", gzip.compress(gzip.compress(TABLE)), gzip.compress(TABLE)),
    Case(
        "Put exactly one CSV, XER or XML file", zipped(("hall.pdf", b"%PDF")), zipped(("hall.xml", MSPDI)), "hall.zip"
    ),
    Case("drop the files one by one", zipped(("hall.pdf", b"%PDF"), ("b.pdf", b"%PDF")), XER, "hall.zip"),
    Case(sniff.UNPACK, b"7z\xbc\xaf\x27\x1c", SHEET, "hall.7z"),
    # Other tools: each way that the remedy names gives a file that is read.
    Case("Excel Workbook (*.xlsx) > Selected Data", directory("MSProject"), workbook(MSP_TABLE.decode()), "hall.mpp"),
    Case("File > Save As > XML Format (*.xml)", b"MPX,Microsoft Project,4.0", MSPDI, "hall.mpx"),
    Case("File > Save As > Primavera XER", b"\0\0" + b"000000", XER, "hall.pp"),
    Case(
        "Project > Export > Microsoft Project", "<?xml version='1.0'?><project view-date='x'><tasks/>", MSPDI, "a.gan"
    ),
    Case("Save the table as CSV", b"PAR1", TABLE, "hall.parquet"),
    # Text
    Case("Export the schedule again", "", TABLE),
    Case(encoding.SAVE, TABLE.decode().encode("utf-16") + b"x", TABLE),
    Case("Export the schedule as CSV", TABLE.replace(b"A1", b"A\0"), TABLE),
)


@pytest.fixture
def read(tmp_path) -> Any:
    """Read a file as the prepare function does, each time in a folder of its own."""
    number = itertools.count()

    def reading(raw: bytes | str, name: str, **options: Any) -> Any:
        work = tmp_path / str(next(number))
        work.mkdir()
        (work / "dropped").write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return read_schedule(work / "dropped", name, workdir=work, **options)

    return reading


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.remedy[:40]} {case.name}")
def test_a_file_that_is_exported_as_told_is_read(read, case):
    with pytest.raises(ScheduleRefused) as refused:
        read(case.wrong, case.name, limits=Limits(**case.limits))

    assert case.remedy in refused.value.remedy, str(refused.value)
    found = read(case.right, case.new_name, **case.new)
    assert (found.counts["accepted"], found.counts["rejected"]) == (2, 0)


def remedies() -> Iterator[tuple[str, str]]:
    """Yield the remedies that readers of files name, with where they do: text of constants, and names of others."""
    folder = Path(slipcast.ingest.__file__).parent / "files"
    for path in sorted(folder.glob("*.py")):
        module = importlib.import_module(f"slipcast.ingest.files.{path.stem}")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in ("ScheduleRefused", "Unusable"):
                continue
            place = 2 if node.func.id == "ScheduleRefused" else 1
            given = node.args[place] if len(node.args) > place else None
            if isinstance(given, ast.Constant):
                yield given.value, f"{path.name}:{node.lineno}"
            elif isinstance(given, ast.Name) and isinstance(getattr(module, given.id, None), str):
                yield getattr(module, given.id), f"{path.name}:{node.lineno}"


def test_each_remedy_of_the_readers_is_carried_out():
    known = [case.remedy for case in CASES] + ["Pack the schedules once, or not at all", "Drop them in several parts"]
    found = dict(remedies())

    assert len(found) > 15
    left = {remedy: place for remedy, place in found.items() if not any(part in remedy for part in known)}
    assert left == {}
