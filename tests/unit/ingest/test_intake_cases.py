"""One row for each kind of file in a list of what planners dropped and the intake once refused or misread.

Each is a minimal file of its kind with the outcome that a planner expects: how many activities, how many of them have
matured and were late, single values, what the notes say; or the refusal with its remedy. `test_intake_kinds.py` tries
the other forms of each kind.
"""

import io
import tempfile
import zipfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from slipcast.datasets import versions
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from support.p6_files import clndr_data, project, started, task, xer
from support.workbooks import workbook

P6 = "Activity ID,Activity Name,Activity Status,Original Duration,Start,Finish,BL Project Start,BL Project Finish"
PILES = "A10,Piles,Completed,{ten},03-Mar-25 A,12-May-25 A,03-Mar-25,14-Mar-25"
CAPS = "A20,Caps,In Progress,{ten},17-Mar-25 A,29-Aug-25,17-Mar-25,28-Mar-25"
COLUMNS = "A40,Columns,Not Started,{ten},06-Oct-25,17-Oct-25,06-Oct-25,17-Oct-25"
GATES = (
    "M10,Permit,Completed,{zero},03-Mar-25 A,03-Mar-25 A,03-Mar-25,03-Mar-25",
    "M20,Handover,Not Started,{zero},17-Oct-25,17-Oct-25,17-Oct-25,17-Oct-25",
)
DAY = "2025-07-31"


def _table(*rows: str, ten: str = "10d", zero: str = "0d") -> list[str]:
    return [row.format(ten=ten, zero=zero) for row in rows]


def _text(*lines: str) -> bytes:
    return "\n".join([*lines, ""]).encode()


def _sheet(*rows: str) -> list[list[str]]:
    return [row.split(",") for row in rows]


# An XER file with its baseline as old versions of P6 wrote it: a late, a timely and a future activity.
BASED = [project(DAY, "PLANT", baseline="200"), project("2025-02-01", "PLANT - B1", "200", original="100")]
DATES = {"A10": ("2025-03-03", "2025-03-14"), "A20": ("2025-03-17", "2025-03-28"), "A40": ("2025-10-06", "2025-10-17")}
PLANNED = [task(code, *dates, proj_id="200", task_id=f"B{code}") for code, dates in DATES.items()]
NOW = [
    started("A10", *DATES["A10"], "2025-05-12"),
    started("A20", *DATES["A20"], "2025-03-28"),
    task("A40", *DATES["A40"], total_float_hr_cnt="40"),
]


def _based(names: tuple[str, ...] = (), wbs: str = "Plant", encoding: str = "cp1252") -> bytes:
    now = [row | {"task_name": name} for row, name in zip(NOW, names, strict=True)] if names else NOW
    return xer([*now, *PLANNED], BASED, wbs=wbs, encoding=encoding)


# The same hall at two data dates: at the first nothing has started, at the second the plan has moved.
FIRST = {
    **{"A10": ("2025-03-03", "2025-03-14"), "A20": ("2025-03-17", "2025-03-28"), "A30": ("2025-04-07", "2025-04-18")},
    **{"A40": ("2025-10-06", "2025-10-17"), "A50": ("2025-10-20", "2025-10-31")},
}
PLAN = xer([task(code, *dates) for code, dates in FIRST.items()], [project("2025-02-28", "HALL-BL")])
UPDATE = xer(
    [
        started("A10", "2025-03-03", "2025-05-12", "2025-05-12"),
        started("A20", "2025-05-13", "2025-05-23", "2025-05-23"),
        started("A30", "2025-07-14", "2025-08-15"),
        task("A40", "2026-02-02", "2026-02-13"),
        task("A50", "2026-02-16", "2026-02-27"),
    ],
    [project(DAY, "HALL-UP2")],
)
SERIES = {
    f"A{number}": {"baseline_finish": date.fromisoformat(FIRST[f"A{number}"][1])} for number in (10, 20, 30, 40, 50)
}


def _renamed(day: str, caps: str) -> bytes:
    head = "activity_id,project_id,start,baseline_start,baseline_finish,actual_finish,data_date"
    rows = [
        f"A10,HALL-{day},2025-03-03,2025-03-03,2025-03-14,2025-03-14,{day}",
        f"A20,HALL-{day},2025-03-17,2025-03-17,2025-03-28,{caps},{day}",
        f"A30,HALL-{day},2025-04-07,2025-04-07,2025-04-18,,{day}",
        f"A40,HALL-{day},2025-10-06,2025-10-06,2025-10-17,,{day}",
        f"A50,HALL-{day},2025-10-20,2025-10-20,2025-10-31,,{day}",
    ]
    return _text(head, *rows)


def _programme() -> bytes:
    projects = [
        project(DAY, "P1", baseline="200"),
        project("2025-06-30", "P2", "110", baseline="210"),
        project("2025-02-01", "P1 - B1", "200", original="100"),
        project("2025-02-01", "P2 - B1", "210", original="110"),
    ]
    rows = [
        NOW[0],
        task("B10", "2025-11-03", "2025-11-12", proj_id="110"),
        task("A10", *DATES["A10"], proj_id="200", task_id="3"),
        task("B10", "2025-10-06", "2025-10-15", proj_id="210", task_id="4"),
    ]
    return xer(rows, projects)


def _calendars() -> bytes:
    spans = {"8": ("10", "70", "07:00-17:00"), "9": ("8", "56", "08:00-16:00"), "10": ("24", "168", "00:00-00:00")}
    calendars = [
        (number, number, "", day, week, clndr_data(range(1, 8), shift)) for number, (day, week, shift) in spans.items()
    ]
    rows = [
        task("A1", "2025-08-04", "2025-08-08", clndr_id="8", total_float_hr_cnt="100"),
        task("A2", "2025-08-04", "2025-08-08", clndr_id="9", total_float_hr_cnt="80"),
        task("A3", "2025-08-04", "2025-08-14", clndr_id="10", total_float_hr_cnt="240")
        | {"target_end_date": "2025-08-14 00:00", "early_end_date": "2025-08-14 00:00"},
    ]
    return xer(rows, [project(DAY)], calendars=calendars)


def _packed(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, raw in members.items():
            archive.writestr(f"{name}.xer", raw)
    return target.getvalue()


FIELDS = (
    "task_code,status_code,wbs_id,task_name,target_drtn_hr_cnt,start_date,end_date,base_start_date,base_end_date,"
    "total_float_hr_cnt"
)
TITLES = (
    "Activity ID,Activity Status,WBS Code,Activity Name,Original Duration(h),Start,Finish,BL Project Start,"
    "BL Project Finish,Total Float(h)"
)


def _p6_sheet(*rows: str) -> bytes:
    return workbook(TASK=_sheet(FIELDS, TITLES, *rows), USERDATA=_sheet("user_data", "DurationQtyType=QT_Day"))


GERMAN = (
    "Nr.;Vorgangsname;Gliederungsebene;Dauer;Anfang;Ende;Aktueller Anfang;Aktuelles Ende;Geplanter Anfang;"
    "Geplantes Ende;Geplante Dauer;% Abgeschlossen;Vorgänger;Sammelvorgang;Meilenstein\n"
    "1;Halle;1;160 Tage;Mo 03.03.25;Fr 17.10.25;Mo 03.03.25;NV;Mo 03.03.25;Fr 17.10.25;160 Tage;40%;;Ja;Nein\n"
    "2;Pfähle;2;51 Tage;Mo 03.03.25;Mo 12.05.25;Mo 03.03.25;Mo 12.05.25;Mo 03.03.25;Fr 14.03.25;10 Tage;100%;;"
    "Nein;Nein\n"
    "3;Stützen;2;10 Tage;Mo 06.10.25;Fr 17.10.25;NV;NV;Mo 06.10.25;Fr 17.10.25;10 Tage;0%;2EA+2 Tage;Nein;Nein\n"
)
RUSSIAN = ("Земляные работы", "Монтаж каркаса", "Остекление фасада")
CYRILLIC = {
    code: {"activity_name": name, "phase": "Здание"} for code, name in zip(("A10", "A20", "A40"), RUSSIAN, strict=True)
}
PMXML = (
    '<?xml version="1.0" encoding="utf-8"?>\n<APIBusinessObjects '
    'xmlns="http://xmlns.oracle.com/Primavera/P6/V20.12/API/BusinessObjects"><Project><Id>HALL</Id>'
    "<Activity><Id>A10</Id></Activity></Project></APIBusinessObjects>"
)
GAN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<project name="Hall" company="" version="3.2"><tasks>'
    '<task id="0" name="Piles" start="2025-03-03" duration="10"/></tasks></project>'
)
CANONICAL = "activity_id,start,baseline_finish,actual_finish,data_date"
BANDS = (
    "Activity ID,Activity Name,Original Duration,Start,Finish,BL Project Start,BL Project Finish,Total Float",
    "Tower,,160d,03-Mar-25 A,17-Oct-25,03-Mar-25,17-Oct-25,0d",
    "  Foundation,,40d,03-Mar-25 A,29-Aug-25,03-Mar-25,28-Mar-25,0d",
    "    A10,Piles,10d,03-Mar-25 A,12-May-25 A,03-Mar-25,14-Mar-25,",
    "    A20,Caps,10d,17-Mar-25 A,29-Aug-25,17-Mar-25,28-Mar-25,0d",
    "  Frame,,10d,06-Oct-25,17-Oct-25,06-Oct-25,17-Oct-25,5d",
    "    A40,Columns,10d,06-Oct-25,17-Oct-25,06-Oct-25,17-Oct-25,5d",
)
DUE = (
    "Activity ID,Activity Name,Activity Type,Original Duration,Actual Start,Actual Finish,Start,Finish,"
    "BL Project Start,BL Project Finish,Total Float",
    "A10,Piles,Task Dependent,10d,03-Mar-25,12-May-25,03-Mar-25 A,12-May-25 A,03-Mar-25,14-Mar-25,",
    "A20,Caps,Task Dependent,10d,,,31-Jul-25,13-Aug-25,17-Mar-25,28-Mar-25,0d",
    "A30,Walls,Task Dependent,10d,,,14-Jul-25,25-Jul-25,14-Jul-25,25-Jul-25,5d",
)
UNASSIGNED = (
    "Activity ID,Activity Name,Activity Status,Activity Type,Original Duration,Start,Finish,BL Project Start,"
    "BL Project Finish",
    "A10,Piles,Completed,Task Dependent,10d,03-Mar-25 A,12-May-25 A,28-Apr-25,12-May-25",
    "A20,Caps,In Progress,Task Dependent,10d,17-Mar-25 A,29-Aug-25,18-Aug-25,29-Aug-25",
    "A40,Columns,Not Started,Task Dependent,10d,02-Feb-26,13-Feb-26,02-Feb-26,13-Feb-26",
)
ONE_DAY_MSP = (
    "ID,Unique ID,Name,Duration,Start,Finish,Actual Start,Actual Finish,Baseline Start,Baseline Finish,Summary,"
    "Milestone",
    "1,11,Survey,1 day,2025-03-03,2025-03-05,2025-03-03,2025-03-05,2025-03-03,2025-03-03,No,No",
    "2,12,Columns,10 days,2025-10-06,2025-10-17,NA,NA,2025-10-06,2025-10-17,No,No",
)


@dataclass(frozen=True)
class Right:
    """A file, or several of a series, and its right outcome.

    Attributes
    ----------
    files : name → bytes, in the order in which they are dropped
    read, accepted : rows of the last file
    outcomes : how many activities have matured, and how many of them are late, after the last file
    values : activity → column → value, after the last file
    notes : part of the text of a note on the last file
    refused : what the refusal says, reason and remedy
    """

    files: dict[str, bytes]
    read: int = 0
    accepted: int = 0
    outcomes: tuple[int, int] | None = None
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def _days(*counts: int) -> dict[str, dict[str, Any]]:
    return {
        f"A{number}": {"baseline_duration_days": count, "total_float_days": 10}
        for number, count in enumerate(counts, 1)
    }


_DEL = _based()
RIGHT = {
    "01": Right({f"plant_{DAY}.xer": _DEL}, 3, 3, (2, 1)),
    "01b": Right({f"plant_{DAY}.xer": _DEL.replace(b"\x7f", b"")}, 3, 3, (2, 1)),
    "01c": Right({f"plant_{DAY}.xer": _DEL.replace(b"\xa3", b"L")}, 3, 3, (2, 1)),
    "03 first": Right({"hall_2025-02-28.xer": PLAN}, 5, 5, (0, 0), SERIES, ("the file has no baseline: 5 that",)),
    "03": Right(
        {"hall_2025-02-28.xer": PLAN, f"hall_{DAY}.xer": UPDATE}, 5, 5, (3, 3), SERIES, ("3 activities had started",)
    ),
    "04": Right(
        {"hall_2025-04-30.csv": _renamed("2025-04-30", ""), f"hall_{DAY}.csv": _renamed(DAY, "2025-06-20")},
        5,
        5,
        (3, 2),
        {"A10": {"project_id": "hall"}},
    ),
    "06": Right(
        {"programme.xer": _programme()},
        2,
        2,
        (1, 1),
        {"A10": {"data_date": date(2025, 7, 31)}, "B10": {"data_date": date(2025, 6, 30)}},
    ),
    "07": Right({"hall.xer": _calendars()}, 3, 3, (0, 0), _days(5, 5, 10)),
    "08": Right(
        {
            f"report_{DAY}.xlsx": workbook(
                Cover=_sheet("Monthly report,", "Prepared by,planning"),
                Baseline=_sheet("Activity ID,Start,Finish", "A10,03-Mar-25,14-Mar-25"),
                Update=_sheet(P6, *_table(PILES, CAPS, COLUMNS, GATES[1])),
            )
        },
        4,
        3,
        (2, 2),
        {},
        ("sheet 'Update' of 3", "sheets not read: Cover, Baseline"),
    ),
    "09": Right(
        {
            f"seven_{DAY}.xlsx": workbook(
                Update=_sheet(
                    f"{P6},Activity % Complete",
                    *(f"{row},{part}" for row, part in zip(_table(PILES, CAPS, ten="12d"), ("1", "0.5"), strict=True)),
                )
            )
        },
        2,
        2,
        (2, 2),
        {
            "A10": {"baseline_duration_days": 12, "percent_complete": 100},
            "A20": {"baseline_duration_days": 12, "percent_complete": 50},
        },
    ),
    "10": Right({f"bands_{DAY}.csv": _text(*BANDS)}, 6, 3, (2, 2)),
    "11": Right(
        {f"zero_{DAY}.csv": _text(P6, *_table(PILES, CAPS, COLUMNS, *GATES, ten="10.0", zero="0.0"))}, 5, 3, (2, 2)
    ),
    "13": Right(
        {f"halle_{DAY}.csv": GERMAN.encode("cp1252")},
        3,
        2,
        (1, 1),
        {"2": {"activity_name": "Pfähle"}, "3": {"activity_name": "Stützen", "status": "not_started"}},
        ("read as cp1252",),
    ),
    "14": Right({f"dom_{DAY}.xer": _based(RUSSIAN, "Здание", "cp1251")}, 3, 3, (2, 1), CYRILLIC, ("read as cp1251",)),
    "14b": Right(
        {f"dom_{DAY}.xer": _based(RUSSIAN, "Здание", "utf-8").decode().encode("utf-16")}, 3, 3, (2, 1), CYRILLIC
    ),
    "15a": Right({"hall.xml": PMXML.encode()}, refused=("does not say which day", "In Primavera P6: Tools > Schedule")),
    "15b": Right({"hall.gan": GAN.encode()}, refused=("a GanttProject file", "Project > Export > Microsoft Project")),
    "16a": Right(
        {
            "zone.csv": _text(
                CANONICAL,
                f"A1,2025-03-03T08:00:00+01:00,2025-03-14T17:00:00+01:00,2025-05-12T17:00:00+02:00,{DAY}",
                f"A2,2025-03-03T08:00:00Z,2025-03-14T17:00:00Z,,{DAY}",
            )
        },
        2,
        2,
        (2, 2),
        {name: {"start": date(2025, 3, 3), "baseline_finish": date(2025, 3, 14)} for name in ("A1", "A2")}
        | {"A1": {"actual_finish": date(2025, 5, 12)}},
    ),
    "16c": Right(
        {
            "spelled.csv": _text(
                CANONICAL, f'A1,"Monday, March 3, 2025","Friday, March 14, 2025","Monday, May 12, 2025",{DAY}'
            )
        },
        1,
        1,
        (1, 1),
        {"A1": {"start": date(2025, 3, 3), "baseline_finish": date(2025, 3, 14), "actual_finish": date(2025, 5, 12)}},
    ),
    "17": Right(
        {
            f"cover_{DAY}.csv": _text(
                "Report", *(f"Line {number},text" for number in range(18)), P6, *_table(PILES, CAPS, COLUMNS, *GATES)
            )
        },
        5,
        3,
        (2, 2),
        {},
        ("not read: 19 lines above the header",),
    ),
    "18": Right(
        {
            f"semicolons_{DAY}.csv": _text(
                "sep=;", *(row.replace(",", ";") for row in (P6, *_table(PILES, CAPS, COLUMNS, *GATES)))
            )
        },
        5,
        3,
        (2, 2),
    ),
    "20": Right(
        {
            f"p6_{DAY}.xlsx": _p6_sheet(
                "A10,Completed,H.1,Piles,80,03-03-2025 08:00,12-05-2025 17:00,03-03-2025 08:00,14-03-2025 17:00,",
                "A20,In Progress,H.1,Caps,80,17-03-2025 08:00,29-08-2025 17:00,17-03-2025 08:00,28-03-2025 17:00,0",
            )
        },
        2,
        2,
        (2, 2),
        {"A10": {"baseline_finish": date(2025, 3, 14)}, "A20": {"baseline_duration_days": 12}},
    ),
    "21": Right(
        {
            f"p6_{DAY}.xlsx": _p6_sheet(
                "A10,Completed,H.1,Piles,16,06-03-2025 08:00,05-06-2025 17:00,06-03-2025 08:00,07-03-2025 17:00,",
                "A20,In Progress,H.1,Caps,24,10-03-2025 08:00,29-08-2025 17:00,10-03-2025 08:00,12-03-2025 17:00,0",
            )
        },
        2,
        2,
        (2, 2),
        {"A10": {"baseline_duration_days": 2, "actual_finish": date(2025, 6, 5)}, "A20": {"baseline_duration_days": 3}},
        ("numeric dates read as DMY",),
    ),
    "22": Right(
        {
            f"short_{DAY}.csv": _text(
                "activity_id,start,baseline_start,baseline_finish,actual_finish",
                "A10,2025-03-03,2025-03-03,2025-03-03,2025-03-05",
                "A30,2025-03-06,2025-03-06,2025-03-06,",
                "A40,2025-10-06,2025-10-06,2025-10-17,",
            )
        },
        3,
        3,
        (2, 1),
        {"A10": {"baseline_duration_days": 1}, "A30": {"baseline_duration_days": 1, "status": "in_progress"}},
    ),
    "22b": Right({f"short_{DAY}.csv": _text(*ONE_DAY_MSP)}, 2, 2, (1, 0), {"11": {"baseline_duration_days": 1}}),
    "23": Right({"series.zip": _packed(**{"hall_2025-02-28": PLAN, f"hall_{DAY}": UPDATE})}, 10, 10, (3, 3), SERIES),
    "26": Right({f"plan_{DAY}.csv": _text(*UNASSIGNED)}, 3, 3, (1, 0), {}, ("no baseline was assigned",)),
    "27": Right(
        {f"due_{DAY}.csv": _text(*DUE)},
        3,
        3,
        (2, 2),
        {
            "A20": {"status": "not_started", "total_float_days": 0},
            "A30": {"status": "not_started", "total_float_days": 7},
        },
    ),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_a_kind_of_file_has_its_right_outcome(kind: str, tmp_path: Path):
    right, table, schedule = RIGHT[kind], None, None
    for number, (name, raw) in enumerate(right.files.items()):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        (folder / "work").mkdir()
        (folder / "dropped").write_bytes(raw)
        if right.refused:
            with pytest.raises(ScheduleRefused) as refused:
                read_schedule(folder / "dropped", name, workdir=folder / "work")
            assert all(part in str(refused.value) for part in right.refused), str(refused.value)
            return
        schedule = read_schedule(folder / "dropped", name, workdir=folder / "work")
        versions.merge(table, schedule.table, tmp_path / f"merged-{number}.parquet", tmp_path)
        table = tmp_path / f"merged-{number}.parquet"

    counts = schedule.counts
    assert (counts["read"], counts["accepted"], counts["rejected"]) == (right.read, right.accepted, 0)
    labels = versions.describe(table, tmp_path, tolerance_days=30)["labels"]
    assert (labels["matured"], labels["late"]) == right.outcomes
    last = {row["activity_id"]: row for row in schedule.rows()}
    kept = {row["activity_id"]: row for row in versions.read_table(table).to_dict("records")}
    # A zip has each activity in both files of the series.
    assert len(kept) == (5 if kind == "23" else right.accepted)
    for activity, values in right.values.items():
        for column, value in values.items():
            found = kept[activity][column] if column.startswith("baseline") else last[activity][column]
            found = found.date() if hasattr(found, "date") else found
            assert found == value, f"{activity}.{column}"
    for part in right.notes:
        assert any(part in note for note in schedule.notes), schedule.notes
