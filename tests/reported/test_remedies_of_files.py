"""Remedy that does not help, of whole files: each remedy for XER, XML, workbooks and archives is carried out."""

# objectionary/phino#389: a message names the option that was given, and not the command that is missing
# joniles/mpxj#157: an import is refused, and nobody says what to change in the export

import ast
import gzip
import importlib
import io
import itertools
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import slipcast.ingest
from reported.test_remedy import FILES
from slipcast.ingest.files import archive, encoding, mspdi, sniff, xer, xer_reader, xlsx
from slipcast.ingest.files.formats import Limits
from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.read_network import read_network
from slipcast.ingest.reading import SCHEDULE_FIRST
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.ingest.suggest import suggest
from support.hall import XER, msp, p6

ROOT = Path(__file__).resolve().parents[2]
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
# 5 April or 4 May, 7 June or 6 July.
EITHER = re.sub(rb"2025-06-0[26],2025", b"04/05/2025,2025", MSP_TABLE)
EITHER = re.sub(rb"2025-06-(06|19),", b"06/07/2025,", EITHER).replace(b"2025-06-02,", b"04/05/2025,")
LABELS = (ROOT / "examples" / "exports" / "schedule_management.csv").read_bytes()
LABELS = b"".join(LABELS.splitlines(keepends=True)[:3])
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
UNDATED = UNSCHEDULED.replace(f"HALL\t{DAY} 08:00", "HALL\t").replace(f"\tHALL\t\t{DAY} 08:00", "\tHALL\t\t")
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
    Case(
        "Drop the files one by one",
        zipped(("a.csv", LABELS), ("b.csv", LABELS)),
        LABELS,
        "hall.zip",
    ),
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
    Case("Write dates year first", EITHER, MSP_TABLE),
    Case(
        "or write a profile with dates.order",
        EITHER,
        EITHER,
        new={"profile": load_profile("name: own\nextends: msproject\ndates: {order: MDY}", "profiles/own.yaml")},
    ),
    Case("Export activities, not only summaries and milestones", MSP_TABLE.replace(b",No\n", b",Yes\n"), MSP_TABLE),
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
    assert refused.value.file == case.name
    found = read(case.right, case.new_name, **case.new)
    assert (found.counts["accepted"], found.counts["rejected"]) == (2, 0)


def of_profile(text: str) -> object:
    return load_profile(text, "profiles/own.yaml")


def of_suggestion(text: str, tmp_path: Path) -> object:
    (tmp_path / "file").write_text(text)
    return suggest(tmp_path / "file", f"hall_{DAY}.csv", workdir=Path(tempfile.mkdtemp(dir=tmp_path)))


def of_network(text: str, tmp_path: Path) -> object:
    (tmp_path / "file").write_text(text)
    return read_network(tmp_path / "file")


OWN = "name: own\nextends: canonical\n"
OTHER_NAMES = "Code,Start,Planned finish,Finished\nA1,2025-06-06,2025-06-19,\nA2,2025-06-02,2025-06-04,2025-06-05\n"


@dataclass(frozen=True)
class Written:
    """What somebody writes for Slipcast, or asks of a file, and what the remedy makes of it."""

    read: Callable[..., object]
    remedy: str
    wrong: str
    right: str


TEXTS = (
    Written(of_profile, "Shorten it", f"{OWN}#{'x' * 200_000}", OWN),
    Written(of_profile, "Correct the line, or quote the word", f"{OWN}title: [a", f'{OWN}title: "[a"'),
    Written(of_profile, "Extend one of", "name: own\nextends: cannonical", OWN),
    Written(of_profile, "among the built-in profiles", f"{OWN}tittle: Own", f"{OWN}title: Own"),
    Written(of_suggestion, "Write them into the first row", "1,2,3\n4,5,6\n", OTHER_NAMES),
    Written(of_suggestion, "A schedule needs for each activity a start", "Code,Crew,Area\nA1,b,c\n", OTHER_NAMES),
    Written(of_network, "Export XER or XML from Primavera P6", TABLE.decode(), PMXML),
    Written(of_network, "Schedule the project once", UNDATED, XER),
)


@pytest.mark.parametrize("case", TEXTS, ids=lambda case: case.remedy[:40])
def test_what_is_corrected_as_told_is_taken(tmp_path, case):
    more = {} if case.read is of_profile else {"tmp_path": tmp_path}
    with pytest.raises(ScheduleRefused) as refused:
        case.read(case.wrong, **more)

    assert case.remedy in refused.value.remedy
    case.read(case.right, **more)


def remedies() -> Iterator[tuple[str, str]]:
    """Yield the remedy of each refusal in the source, with where it stands; `*` is what a run fills in.

    A remedy is text, a name of a constant, or a choice of both. Of another expression it is the expression: what it
    may become has to be named in `COMPUTED`.
    """
    root = Path(slipcast.ingest.__file__).parent
    for path in sorted(root.rglob("*.py")):
        name = ".".join(("slipcast.ingest", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        module = importlib.import_module(name)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            local: dict[str, list[ast.expr]] = {}
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    local.setdefault(node.targets[0].id, []).append(node.value)
            for node in ast.walk(function):
                place = {"ScheduleRefused": 2, "Unusable": 1}.get(getattr(getattr(node, "func", None), "id", ""))
                if place is not None and len(node.args) > place:
                    for text in _texts(node.args[place], local, module):
                        yield text, f"{path.name}:{node.lineno}"


def _texts(node: ast.expr, local: dict[str, list[ast.expr]], module: Any) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, local, module)
        yield from _texts(node.orelse, local, module)
    elif isinstance(node, ast.Name) and node.id in local:
        for value in local[node.id]:
            yield from _texts(value, {}, module)
    elif isinstance(node, ast.Name) and isinstance(getattr(module, node.id, None), str):
        yield getattr(module, node.id)
    else:
        owner = getattr(module, getattr(getattr(node, "value", None), "id", ""), None)
        constant = getattr(owner, getattr(node, "attr", ""), None)
        yield constant if isinstance(constant, str) else ast.unparse(node)


# Expressions in the source → what they become.
COMPUTED = {
    "sniff.py remedy": [
        *(sniff.EXPORT, sniff.UNPACK, sniff.MS_PROJECT, sniff.EXCEL, sniff.PRIMAVERA, sniff.ASTA, sniff.GANTTPROJECT),
        *(sniff.UNLOCK, "Save the table as CSV"),
    ],
    "encoding.py remedy": [encoding.SAY, "with a profile that says extends: p6_xer and the code page"],
    "xer.py reader.again": [XER_AGAIN, P6_AGAIN],
    "xml_stream.py self._again": [P6_AGAIN, MSP_AGAIN],
    "xml_stream.py *, as UTF-8": [f"{MSP_AGAIN}, as UTF-8"],
    "reading.py *, or put the data date into its name, as in name_2025-06-30": ["put the data date into its name"],
    # Rules of cells, and what fills an empty column.
    "reading.py rule.remedy": [],
    "reading.py self._filling(column, rule.remedy)": list(SCHEDULE_FIRST.values()),
    "reading.py self._filling(name, 'Export it as well')": ["Export it as well"],
    # The words of another refusal.
    "reading.py refusal.remedy": [],
    "refusal.py self.remedy": [],
    "xlsx.py result['remedy']": [],
    # No file is known that leads to it: the counts are compared to notice a fault of the reader.
    "reading.py Save it as CSV UTF-8 and drop that; report the file as a fault of Slipcast": [],
}


def test_each_remedy_of_the_intake_is_carried_out():
    cases = [case.remedy for case in (*CASES, *FILES, *TEXTS)] + ["Drop the file under incoming/<profile>/"]
    found = {f"{place.partition(':')[0]} {remedy}": place for remedy, place in remedies()}

    assert len(found) > 45
    assert COMPUTED.keys() <= found.keys()
    left = [
        f"{found[key]} {remedy}"
        for key in found
        for remedy in COMPUTED.get(key, [key.partition(" ")[2]])
        if not any(part in remedy for part in cases)
    ]
    assert left == []
