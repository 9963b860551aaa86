"""Kinds of files that planners have, as their tools write them: each is read rightly, or refused with a way out."""

import io
import math
import tempfile
import zipfile
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, to_excel

from slipcast.datasets import versions
from slipcast.features.activity import baseline, check
from slipcast.features.row import feature_row
from slipcast.features.table import feature_table
from slipcast.forecast.stage import as_of
from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule, read_schedule
from support.p6_files import FIVE_DAYS, clndr_data, project, started, task, xer
from support.workbooks import workbook

DAY = "2025-06-30"
DONE = started("A10", "2025-01-06", "2025-01-17", "2025-03-03")
OPEN = started("A20", "2025-01-20", "2025-01-31")
AHEAD = task("A40", "2025-09-01", "2025-09-12", total_float_hr_cnt="40")


@pytest.fixture
def read(tmp_path):
    """A reader of bytes or text under a name."""

    def run(raw: bytes | str, name: str = f"hall_{DAY}.xer", **options) -> Schedule:
        workdir = Path(tempfile.mkdtemp(dir=tmp_path))
        (workdir / "dropped").write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        (workdir / "work").mkdir()
        return read_schedule(workdir / "dropped", name, workdir=workdir / "work", **options)

    return run


@pytest.fixture
def merged(tmp_path):
    """A merger of schedules in the order in which they were dropped: the rows by id, and the labels."""

    def run(*schedules: Schedule) -> tuple[dict[str, dict], dict[str, int]]:
        table = None
        for number, schedule in enumerate(schedules):
            target = tmp_path / f"merged-{number}.parquet"
            versions.merge(table, schedule.table, target, tmp_path)
            table = target
        rows = versions.read_table(table).to_dict("records")
        assert len({row["activity_id"] for row in rows}) == len(rows)
        labels = versions.describe(table, tmp_path, tolerance_days=30)["labels"]
        return {row["activity_id"]: row for row in rows}, labels

    return run


def by_id(schedule: Schedule) -> dict[str, dict]:
    return {row["activity_id"]: row for row in schedule.rows()}


def labels(schedule: Schedule, tmp_path: Path) -> tuple[int, int]:
    found = versions.describe(schedule.table, tmp_path, tolerance_days=30)["labels"]
    return found["matured"], found["late"]


def noted(schedule: Schedule, text: str) -> bool:
    return any(text in note for note in schedule.notes)


# --- Bytes ---


BASED = [project(DAY, "PLANT", baseline="200"), project("2025-01-01", "PLANT - B1", "200", original="100")]
PLANNED = [
    task(code, first, last, proj_id="200", task_id=f"B{code}")
    for code, first, last in (
        ("A10", "2025-01-06", "2025-01-17"),
        ("A20", "2025-01-20", "2025-01-31"),
        ("A40", "2025-09-01", "2025-09-12"),
    )
]
TIMELY = started("A20", "2025-01-20", "2025-01-31", "2025-01-31")


def test_the_bytes_of_p6_are_text(read, tmp_path):
    """0x7F for line breaks in calendars, pound and euro of the currencies in Windows-1252."""
    raw = xer([DONE, TIMELY, AHEAD, *PLANNED], BASED)

    schedule = read(raw)

    assert b"\x7f\x7f" in raw
    assert b"\xa3" in raw
    assert schedule.counts["accepted"] == 3
    assert labels(schedule, tmp_path) == (2, 1)


JUNK = {
    "RISKTYPE": b"%T\tRISKTYPE\r\n%F\trisk_type_id\trisk_type\r\n%R\t1\tWeather \x81\xff\x9d\r\n",
    "POBS": b"%T\tPOBS\r\n%F\tobs_id\tobs_name\r\n%R\t1\t\x00\x01\x02\x81\r\n",
    "UDFVALUE": "%T\tUDFVALUE\r\n%F\tudf_type_id\tudf_text\r\n%R\t1\tКорпус\r\n".encode("cp1251"),
    "RSRC": b"%T\tRSRC\r\n%F\trsrc_id\trsrc_name\r\n%R\t1\tcut \xe2\x82\r\n%R\t2\t" + b"\xfe" * 3000 + b"\r\n",
}


@pytest.mark.parametrize("table", JUNK)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_bytes_of_tables_that_are_not_read_do_not_matter(read, table, encoding):
    raw = xer([DONE | {"task_name": "Größe prüfen"}, AHEAD], [project(DAY)], encoding=encoding)

    rows = by_id(read(raw.replace(b"%T\tCALENDAR", JUNK[table] + b"%T\tCALENDAR")))

    assert rows["A10"]["activity_name"] == "Größe prüfen"
    assert len(rows) == 2


WORDS = {
    "cp1252": ("Béton armé", "Façade côté rue", "Étanchéité"),
    "cp1250": ("Základová deska", "Montáž oken", "Zdění příček"),
    "cp1251": ("Устройство фундамента", "Монтаж колонн", "Кровля"),
    "cp1253": ("Εκσκαφή θεμελίων", "Σκυροδέτηση", "Τοιχοποιία"),
    "cp1254": ("Temel kazısı", "Çatı işleri", "Beton dökümü şantiye"),
    "cp1255": ("יציקת בטון", "חפירה", "עבודות גמר"),
    "cp1256": ("حفر حتى منسوب التأسيس", "صب الخرسانة", "أعمال التشطيب"),
    "gb18030": ("基础施工", "混凝土浇筑", "钢结构安装"),
    "cp932": ("基礎工事", "コンクリート打設", "鉄骨建方"),
    "cp949": ("기초 공사", "콘크리트 타설", "철골 공사"),
    "utf-8": ("Устройство фундамента", "基礎工事", "Façade"),
    "utf-16": ("Устройство фундамента", "基礎工事", "Façade"),
}


@pytest.mark.parametrize("encoding", WORDS)
def test_the_encoding_is_found_from_the_users_own_words(read, encoding):
    tasks = [DONE, OPEN, AHEAD]
    tasks = [item | {"task_name": word} for item, word in zip(tasks, WORDS[encoding], strict=True)]
    raw = xer(tasks, [project(DAY)], encoding="utf-8" if encoding == "utf-16" else encoding)
    if encoding == "utf-16":
        raw = raw.decode().encode("utf-16")

    schedule = read(raw)

    assert [row["activity_name"] for row in schedule.rows()] == list(WORDS[encoding])
    assert ("read as " + encoding in schedule.notes) == (encoding != "utf-8")


@pytest.mark.parametrize("encoding", ["cp1251", "cp1256", "gb18030", "cp932"])
def test_a_table_in_another_code_page_is_found_too(read, encoding):
    rows = ",".join(WORDS[encoding])
    text = f"activity_id,activity_name,start,baseline_finish\nA1,{rows.replace(',', ' ')},2025-01-06,2025-01-17\n"

    schedule = read(text.encode(encoding), f"hall_{DAY}.csv")

    assert schedule.rows()[0]["activity_name"] == " ".join(WORDS[encoding])
    assert f"read as {encoding}" in schedule.notes


def test_each_table_is_decoded_by_itself(read):
    tasks = [DONE | {"task_name": "Устройство фундамента"}, AHEAD | {"task_name": "Монтаж колонн"}]
    raw = xer(tasks, [project(DAY)], wbs="Корпус – Süd", encoding="utf-8", tables={"TASK": "cp1251"})

    schedule = read(raw)
    rows = by_id(schedule)

    assert rows["A10"]["activity_name"] == "Устройство фундамента"
    assert rows["A10"]["phase"] == "Корпус – Süd"
    assert "read as cp1251: tables TASK" in schedule.notes


def test_control_characters_in_text_are_white_space(read):
    rows = by_id(read(xer([DONE | {"task_name": "Pour\x7f\x7fslab\x01 2\x0b"}, AHEAD], [project(DAY)])))

    assert rows["A10"]["activity_name"] == "Pour slab 2"


def test_a_damaged_value_is_a_note(read):
    names = ("Größe", "Dächer", "Süd", "Türen")
    tasks = [task(f"A{place}", "2025-09-01", "2025-09-12", task_name=name) for place, name in enumerate(names)]
    raw = xer(tasks, [project(DAY)], encoding="utf-8").replace("Süd".encode(), b"S\xfcd")

    schedule = read(raw)

    assert [row["activity_name"] for row in schedule.rows()] == ["Größe", "Dächer", "S�d", "Türen"]
    assert noted(schedule, "1 rows of TASK hold bytes that mean nothing in utf-8, the first at line")


def test_a_code_page_that_cannot_be_told_is_said_in_a_profile(read):
    """The refusal's own remedy, followed."""
    raw = xer([DONE | {"task_name": "Корпус"}, AHEAD], [project(DAY)], encoding="cp1251")

    with pytest.raises(ScheduleRefused, match=r"code page cannot be determined") as refused:
        read(raw)
    assert "extends: p6_xer" in refused.value.remedy
    assert "encoding: cp1251" in refused.value.remedy
    own = load_profile("name: own\nextends: p6_xer\nencoding: cp1251", "own.yaml")

    assert by_id(read(raw, profile=own))["A10"]["activity_name"] == "Корпус"


# --- Baselines ---


def updates() -> tuple[bytes, bytes]:
    """A first file in which nothing has started, and an update with another project id that has moved the plan."""
    plan = (
        ("A10", "2025-01-06", "2025-01-17"),
        ("A20", "2025-01-20", "2025-01-31"),
        ("A30", "2025-02-03", "2025-02-14"),
        ("A40", "2025-09-01", "2025-09-12"),
        ("A50", "2025-09-15", "2025-09-26"),
    )
    first = xer([task(*item) for item in plan], [project("2025-01-01", "HALL-BL")])
    second = xer(
        [
            started("A10", "2025-01-06", "2025-01-17", "2025-03-03"),
            started("A20", "2025-03-04", "2025-03-17", "2025-03-17"),
            started("A30", "2025-06-16", "2025-07-11"),
            task("A40", "2026-01-12", "2026-01-23"),
            task("A50", "2026-01-26", "2026-02-06"),
        ],
        [project(DAY, "HALL-UP2")],
    )
    return first, second


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_plan_of_the_first_file_is_the_baseline_of_a_series(read, merged, order):
    first, second = updates()
    schedules = read(first, "hall_2025-01-01.xer"), read(second, f"hall_{DAY}.xer")

    rows, found = merged(*(schedules[place] for place in order))

    assert schedules[0].counts["not_started"] == 5
    assert noted(schedules[0], "the file has no baseline: 5 that had not started keep what is planned")
    assert set(rows) == {"A10", "A20", "A30", "A40", "A50"}
    assert str(rows["A40"]["baseline_finish"].date()) == "2025-09-12"
    assert (found["matured"], found["late"]) == (3, 3)


def test_what_had_started_at_first_sight_has_no_outcome_and_the_report_says_how_many(read, tmp_path):
    schedule = read(updates()[1])
    rows = by_id(schedule)

    assert [rows[code]["baseline_finish"] for code in ("A10", "A20", "A30")] == [None] * 3
    assert rows["A40"]["baseline_finish"] == date(2026, 1, 23)
    assert labels(schedule, tmp_path) == (0, 0)
    assert noted(schedule, "3 activities had started already and have no baseline")


@pytest.mark.parametrize("how", ["folder", "profile"])
def test_a_file_may_be_the_baseline(read, merged, how):
    """Dropped after the update and of a later day: it was declared to be the baseline."""
    first, second = updates()
    first = first.replace(b"2025-01-01 17:00", b"2025-07-31 17:00")
    own = load_profile("name: own\nextends: p6_xer\nrole: baseline", "own.yaml") if how == "profile" else None

    baseline = read(first, "hall_2025-07-31.xer", profile=own, baseline=how == "folder")
    rows, found = merged(read(second), baseline)

    assert {row["baseline_source"] for row in rows.values()} == {"declared"}
    assert str(rows["A30"]["baseline_finish"].date()) == "2025-02-14"
    assert found["matured"] == 3


def test_a_table_without_baseline_columns_is_a_series_too(read, merged):
    header = "Activity ID,Activity Name,Activity Type,Activity Status,Original Duration,Start,Finish\n"
    first = header + "A10,Piles,Task Dependent,Not Started,10d,06-Jan-25,17-Jan-25\n"
    second = header + "A10,Piles,Task Dependent,Completed,41d,06-Jan-25 A,03-Mar-25 A\n"

    rows, found = merged(read(first, "hall_2025-01-01.csv"), read(second, f"hall_{DAY}.csv"))

    assert str(rows["A10"]["baseline_finish"].date()) == "2025-01-17"
    assert (found["matured"], found["late"]) == (1, 1)


P6 = (
    "Activity ID,Activity Name,Activity Status,Activity Type,Original Duration,Start,Finish,"
    "BL Project Start,BL Project Finish"
)
UNASSIGNED = (
    "A10,Piles,Completed,Task Dependent,10d,06-Jan-25 A,03-Mar-25 A,17-Feb-25,03-Mar-25",
    "A20,Caps,In Progress,Task Dependent,10d,20-Jan-25 A,31-Jul-25,18-Jul-25,31-Jul-25",
    "A40,Columns,Not Started,Task Dependent,10d,12-Jan-26,23-Jan-26,12-Jan-26,23-Jan-26",
)


def test_a_baseline_that_is_the_current_plan_is_noted(read):
    schedule = read("\n".join((P6, *UNASSIGNED)), f"plan_{DAY}.csv")

    assert schedule.counts["accepted"] == 3
    assert noted(schedule, "no baseline was assigned: the baseline of all 2 open activities equals their current plan")


def test_a_baseline_that_differs_in_one_row_is_not(read):
    rows = (*UNASSIGNED[:2], UNASSIGNED[2].replace("12-Jan-26,23-Jan-26", "12-Jan-26,30-Jan-26", 1))

    assert not noted(read("\n".join((P6, *rows)), f"plan_{DAY}.csv"), "no baseline was assigned")


# --- Identity ---


@pytest.mark.parametrize(
    "ids",
    [
        ("HALL-2025-02-28", "HALL-2025-06-30"),
        ("HALL", "HALL-UP2"),
        ("C101", "C102"),
        ("Hall rev. A", "Hall rev. B"),
        ("HALL", ""),
    ],
)
def test_a_project_whose_id_changes_with_each_update_is_one(read, merged, ids):
    header = "activity_id,project_id,start,baseline_start,baseline_finish,actual_finish,data_date\n"
    first, second = (
        header
        + f"A10,{own},2025-01-06,2025-01-06,2025-01-17,2025-01-17,{day}\n"
        + f"A20,{own},2025-01-20,2025-01-20,2025-01-31,{finish},{day}\n"
        for own, day, finish in zip(ids, ("2025-02-28", DAY), ("", "2025-05-30"), strict=True)
    )

    rows, found = merged(read(first, "hall_2025-02-28.csv"), read(second, f"hall_{DAY}_rev2.csv"))

    assert {row["project_id"] for row in rows.values()} == {"hall"}
    assert (found["matured"], found["late"]) == (2, 1)


def test_projects_of_a_programme_keep_their_ids_without_marks(read):
    header = "activity_id,project_id,start,baseline_finish,data_date\n"
    ids = ("P1-UP3", "P2 - Update 3", "TOWER-B1", "TOWER-B2", "Q rev1", "Q rev2")
    rows = [f"A10,{own},2025-01-06,2025-01-17,{DAY}" for own in ids]

    found = {row["project_id"] for row in read(header + "\n".join(rows), f"programme_{DAY}.csv").rows()}

    assert found == {"P1", "P2", "TOWER-B1", "TOWER-B2", "Q rev1", "Q rev2"}


@pytest.mark.parametrize("name", ["export.csv", "update 5.csv", "rev2.csv"])
def test_a_name_that_says_nothing_leaves_the_project_its_own(read, name):
    text = f"activity_id,project_id,start,baseline_finish,data_date\nA10,HALL-UP2,2025-01-06,2025-01-17,{DAY}\n"

    assert read(text, name).rows()[0]["project_id"] == "HALL"


def test_an_activity_with_a_new_code_is_known_by_its_guid(read, merged):
    first = xer([task("A10", "2025-01-06", "2025-01-17", guid="x+1w")], [project("2025-01-01")])
    second = xer([started("B10", "2025-01-06", "2025-03-03", "2025-03-03", guid="x+1w")], [project(DAY)])

    rows, found = merged(read(first, "hall_2025-01-01.xer"), read(second))

    assert set(rows) == {"B10"}
    assert (found["matured"], found["late"]) == (1, 1)


def test_a_programme_has_a_data_date_for_each_project(read):
    tasks = [DONE, task("B10", "2025-10-01", "2025-10-10", proj_id="110")]
    raw = xer(tasks, [project(DAY, "P1"), project("2025-05-31", "P2", "110")])

    schedule = read(raw, "programme.xer")

    assert {row["project_id"]: row["data_date"] for row in schedule.rows()} == {
        "P1": date(2025, 6, 30),
        "P2": date(2025, 5, 31),
    }
    assert schedule.data_date == date(2025, 6, 30)


def test_several_data_dates_of_one_project_are_refused(read):
    text = "activity_id,project_id,start,baseline_finish,data_date\n"
    text += f"A,P,2025-01-06,2025-01-17,{DAY}\nB,P,2025-01-06,2025-01-17,2025-05-31\nC,Q,2025-01-06,2025-01-17,{DAY}\n"

    with pytest.raises(ScheduleRefused, match=r"line 3, column data_date: one project has several data dates"):
        read(text, "x.csv")


def test_projects_that_are_there_for_relations_only_are_left_out(read):
    tasks = [DONE, AHEAD, task("Z1", "2025-10-01", "2025-10-10", proj_id="900")]
    raw = xer(tasks, [project(DAY), project("2024-01-01", "OTHER", "900", flag="N")])

    schedule = read(raw)

    assert {row["activity_id"] for row in schedule.rows()} == {"A10", "A40"}
    assert noted(schedule, "left out: 1 activities of projects that are there for relations only (OTHER)")


# --- What counts as an activity ---


BANDS = """Activity ID,Activity Name,Original Duration,Start,Finish,BL Project Start,BL Project Finish,Total Float
Tower,{},190d,06-Jan-25 A,12-Sep-25,06-Jan-25,12-Sep-25,0d
  Foundation,{},40d,06-Jan-25 A,31-Jul-25,06-Jan-25,31-Jan-25,0d
    A10,Piles,10d,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25,
    A20,Caps,10d,20-Jan-25 A,31-Jul-25,20-Jan-25,31-Jan-25,0d
  Frame,{},10d,01-Sep-25,12-Sep-25,01-Sep-25,12-Sep-25,5d
    A40,Columns,10d,01-Sep-25,12-Sep-25,01-Sep-25,12-Sep-25,5d
"""


@pytest.mark.parametrize("titles", [("", "", ""), ("Tower", "Foundation", "Frame")], ids=["no name", "named"])
def test_bands_without_a_status_are_no_activities(read, tmp_path, titles):
    schedule = read(BANDS.format(*titles), f"bands_{DAY}.csv")

    assert (schedule.counts["accepted"], schedule.counts["filtered"]) == (3, 3)
    assert set(by_id(schedule)) == {"A10", "A20", "A40"}
    assert labels(schedule, tmp_path) == (2, 2)
    assert noted(schedule, "export Activity Type as well")


MSP = "Unique ID,{},Name,Duration,Start,Finish,Actual Start,Actual Finish,Baseline Start,Baseline Finish,Milestone"
TREE = [
    ("1", "1", "Hall", "2025-01-06", "2025-09-12"),
    ("2", "1.1", "   Piles", "2025-01-06", "2025-01-17"),
    ("2", "1.2", "   Frame", "2025-09-01", "2025-09-12"),
    ("3", "1.2.1", "      Columns", "2025-09-01", "2025-09-12"),
]


@pytest.mark.parametrize("column", ["Outline Level", "Outline Number", "WBS", "Notes"])
def test_summary_tasks_are_known_by_the_outline(read, column):
    """By level, by number, or by the indentation of names alone."""
    rows = []
    for place, (level, number, name, first, last) in enumerate(TREE):
        own = {"Outline Level": level, "Notes": ""}.get(column, number)
        name = name if column == "Notes" else name.strip()
        rows.append(f"{place},{own},{name},10 days,{first},{last},NA,NA,{first},{last},No")

    schedule = read("\n".join((MSP.format(column), *rows)), f"plan_{DAY}.csv")

    assert [row["activity_name"] for row in schedule.rows()] == ["Piles", "Columns"]
    assert schedule.counts["filtered"] == 2


def test_a_summary_that_cannot_be_told_is_said(read):
    rows = [
        f"{place},,{name.strip()},10 days,{a},{b},NA,NA,{a},{b},No" for place, (_, _, name, a, b) in enumerate(TREE)
    ]

    schedule = read("\n".join((MSP.format("Notes"), *rows)), f"plan_{DAY}.csv")

    assert schedule.counts["accepted"] == 4
    assert noted(schedule, "no column says which tasks are summary tasks")


@pytest.mark.parametrize(
    "zero", ["0", "0.0", "0d", "0.00d", "0 days", "0 hrs", '"0,0 Tage"', "0h", "0.0 wks", "0 days?"]
)
def test_a_milestone_is_known_by_a_duration_of_zero(read, zero):
    header = (
        "Activity ID,Activity Name,Activity Status,Original Duration,Start,Finish,BL Project Start,BL Project Finish\n"
    )
    rows = [
        "A10,Piles,Completed,10.0,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25",
        f"M10,Permit,Completed,{zero},06-Jan-25 A,06-Jan-25 A,06-Jan-25,06-Jan-25",
    ]

    schedule = read(header + "\n".join(rows), f"plan_{DAY}.csv")

    assert (schedule.counts["accepted"], schedule.counts["filtered"]) == (1, 1)


@pytest.mark.parametrize("duration", ["0.5d", "10", "1h", "0.05", '"0,5 Tage"'])
def test_a_short_duration_is_no_milestone(read, duration):
    header = (
        "Activity ID,Activity Name,Activity Status,Original Duration,Start,Finish,BL Project Start,BL Project Finish\n"
    )
    row = f"A10,Piles,Completed,{duration},06-Jan-25 A,06-Jan-25 A,06-Jan-25,06-Jan-25"

    assert read(header + row, f"plan_{DAY}.csv").counts["accepted"] == 1


def test_an_activity_of_one_day_is_one(read, tmp_path):
    header = "activity_id,start,baseline_start,baseline_finish,actual_finish\n"
    rows = ("A10,2025-01-06,2025-01-06,2025-01-06,2025-01-08", "A30,2025-01-09,2025-01-09,2025-01-09,")

    schedule = read(header + "\n".join(rows), f"plan_{DAY}.csv")

    assert [row["baseline_duration_days"] for row in schedule.rows()] == [1, 1]
    assert labels(schedule, tmp_path) == (2, 1)


@pytest.mark.parametrize("marks", ["columns", "marks"])
def test_what_was_due_to_start_and_has_not_is_not_in_progress(read, marks):
    """Its planned start is on or before the data date; its float is that of an activity that has not started."""
    header = "Activity ID,Activity Name,Activity Type,Original Duration,Start,Finish,BL Project Start,BL Project Finish"
    header += ",Total Float"
    rows = [
        "A10,Piles,Task Dependent,10d,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25,",
        "A20,Caps,Task Dependent,10d,30-Jun-25,11-Jul-25,20-Jan-25,31-Jan-25,0d",
        "A30,Walls,Task Dependent,10d,16-Jun-25,27-Jun-25,16-Jun-25,27-Jun-25,5d",
    ]
    if marks == "columns":
        header += ",Actual Start,Actual Finish"
        rows = [f"{rows[0]},06-Jan-25,03-Mar-25", *(f"{row},," for row in rows[1:])]

    rows = by_id(read("\n".join((header, *rows)), f"plan_{DAY}.csv"))

    assert [rows[code]["status"] for code in ("A10", "A20", "A30")] == ["complete", "not_started", "not_started"]
    assert [rows[code]["total_float_days"] for code in ("A20", "A30")] == [0, 7]


def test_dates_without_marks_leave_the_status_to_say_it(read):
    """A spreadsheet export of typed dates has no mark A anywhere."""
    header = "Activity ID,Activity Name,Activity Status,Start,Finish,BL Project Start,BL Project Finish\n"
    rows = (
        "A10,Piles,Completed,2025-01-06,2025-03-03,2025-01-06,2025-01-17",
        "A20,Caps,In Progress,2025-01-20,2025-07-31,2025-01-20,2025-01-31",
        "A40,Columns,Not Started,2025-06-16,2025-07-12,2025-06-16,2025-07-12",
    )

    schedule = read(header + "\n".join(rows), f"plan_{DAY}.csv")
    found = by_id(schedule)

    assert [found[code]["status"] for code in ("A10", "A20", "A40")] == ["complete", "in_progress", "not_started"]
    assert found["A10"]["actual_finish"] == date(2025, 3, 3)
    assert noted(schedule, "export Actual Start and Actual Finish as well")


# --- Durations and float ---


@pytest.mark.parametrize(
    ("calendar", "hours", "first", "last", "slack", "days", "float_days"),
    [
        # Ten hours on seven days.
        (("7", "7 x 10", "", "10", "70", ""), 50, "2025-02-03 07:00", "2025-02-07 17:00", 100, 5, 10),
        (("7", "7 x 8", "", "8", "56", ""), 40, "2025-02-03 08:00", "2025-02-07 17:00", 80, 5, 10),
        # An end at midnight is the end of the day before.
        (("7", "24/7", "", "24", "168", ""), 240, "2025-02-03 00:00", "2025-02-13 00:00", 240, 10, 10),
        # Two weeks of five days, and a week of float from Friday evening to Friday evening.
        (FIVE_DAYS, 80, "2025-02-03 08:00", "2025-02-14 17:00", 40, 12, 7),
        # Float over a holiday: Monday 17 February 2025 is day 45705 of Excel.
        (
            ("7", "x", "", "8", "40", clndr_data(exceptions={45705: ""})),
            80,
            "2025-02-03 08:00",
            "2025-02-14 17:00",
            8,
            12,
            4,
        ),
        # A Saturday that is worked.
        (
            ("7", "x", "", "8", "40", clndr_data(exceptions={45703: "08:00-12:00 13:00-17:00"})),
            *(80, "2025-02-03 08:00", "2025-02-14 17:00", 8, 12, 1),
        ),
        (FIVE_DAYS, 8, "2025-02-03 08:00", "2025-02-03 17:00", -8, 1, -3),
    ],
)
def test_durations_and_float_are_calendar_days_by_the_activitys_own_calendar(
    read, calendar, hours, first, last, slack, days, float_days
):
    """Worked out by hand."""
    item = task(
        "A1", "", "", target_start_date=first, target_end_date=last, early_start_date=first, early_end_date=last
    )
    item |= {"target_drtn_hr_cnt": str(hours), "total_float_hr_cnt": str(slack)}

    row = read(xer([item], [project("2025-01-01")], calendars=[calendar])).rows()[0]

    assert (row["baseline_duration_days"], row["total_float_days"]) == (days, float_days)


def test_a_calendar_has_the_holidays_of_the_one_it_is_based_on(read):
    own, base = (
        ("7", "own", "1", "8", "40", clndr_data()),
        ("1", "base", "", "8", "40", clndr_data(exceptions={45705: ""})),
    )
    item = task("A1", "2025-02-03", "2025-02-14", total_float_hr_cnt="8")

    assert read(xer([item], [project("2025-01-01")], calendars=[own, base])).rows()[0]["total_float_days"] == 4


def test_the_float_of_p6s_own_late_dates_counts(read):
    item = task("A1", "2025-02-03", "2025-02-14", total_float_hr_cnt="40", late_end_date="2025-02-25 17:00")

    assert read(xer([item], [project("2025-01-01")])).rows()[0]["total_float_days"] == 11


def test_dates_count_before_a_duration_of_working_time(read):
    """Twelve days on a calendar of seven days a week would become 16.8 otherwise."""
    row = "A10,Piles,Completed,Task Dependent,12,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25"

    assert read(f"{P6}\n{row}\n", f"plan_{DAY}.csv").rows()[0]["baseline_duration_days"] == 12


def test_a_duration_without_a_baseline_start_is_the_same_by_every_door(read):
    """It counts from the start, unless that is after the baseline finish: such an activity is late, not a fault."""
    header = "Activity ID,Activity Name,Activity Status,Start,Finish,BL Project Finish"
    starts = {"A1": "12-Jan-25 A", "A2": "20-Feb-25 A", "A3": "10-Jan-25", "A4": "01-Apr-25"}
    rows = [
        f"{name},Piles,{'In Progress' if day.endswith('A') else 'Not Started'},{day},31-Aug-25,17-Jan-25"
        for name, day in starts.items()
    ]

    found = by_id(read("\n".join((header, *rows)), "plan_2025-02-28.csv"))

    days = dict(zip(starts, (6, None, 8, None), strict=True))
    assert {name: row["baseline_duration_days"] for name, row in found.items()} == days
    assert {row["baseline_finish"] for row in found.values()} == {date(2025, 1, 17)}
    for name, activity in found.items():
        dates = {column: activity[column] for column in ("start", "baseline_start", "baseline_finish")}
        told = {"activity_id": name, "status": activity["status"], **dates}
        # Batch scoring and the edge, with the number of the dataset and without it.
        for sent in (told, told | {"baseline_duration_days": activity["baseline_duration_days"]}):
            assert feature_row(as_of(sent, date(2025, 2, 28), 30)[0])["baseline_duration_days"] == days[name]
        # Training.
        table = pd.DataFrame([told]).assign(**{column: pd.to_datetime([day]) for column, day in dates.items()})
        (trained,) = feature_table(table)["baseline_duration_days"]
        assert trained == days[name] or (days[name] is None and math.isnan(trained))
        # API and host; a start after the finish may be a mistake there, and the remedy says what else it may be.
        sent, errors = check(told)
        if errors:
            assert (days[name], errors[0].type) == (None, "date_order")
            assert not check(told | {"baseline_start": date(2025, 1, 6)})[1]
            assert "baseline_start" in errors[0].remedy
        else:
            assert baseline(sent["start"], None, sent["baseline_finish"]).days == days[name]


# --- The finish that is planned now ---


def test_the_planners_own_finish_goes_along_until_the_activity_has_finished(read, merged):
    running = OPEN | {"early_end_date": "2025-08-15 17:00"}
    ahead = AHEAD | {"early_end_date": "2025-10-01 17:00"}
    first = read(xer([task("A10", "2025-01-06", "2025-01-17"), AHEAD], [project("2025-01-01")]), "hall_2025-01-01.xer")
    last = read(xer([DONE, running, ahead], [project(DAY)]))

    rows, _ = merged(first, last)

    planned = {name: row["planned_finish"] for name, row in rows.items()}
    assert planned["A10"] is pd.NaT
    assert (planned["A20"], planned["A40"]) == (pd.Timestamp("2025-08-15"), pd.Timestamp("2025-10-01"))
    assert by_id(first)["A10"]["planned_finish"] == date(2025, 1, 17)
    # It moves with the updates; the baseline does not.
    assert rows["A40"]["baseline_finish"] == pd.Timestamp("2025-09-12")


def test_a_canonical_table_says_what_is_planned_and_this_is_no_baseline(read):
    header = "activity_id,start,baseline_finish,planned_finish,data_date"
    finishes = {"A1": "2025-09-30", "A2": "", "A3": "2999-01-01", "A4": "soon"}
    rows = [f"{name},2025-06-01,2025-08-01,{day},{DAY}" for name, day in finishes.items()]

    schedule = read("\n".join((header, *rows, f"A5,2025-06-01,,2025-08-01,{DAY}")), "c.csv")

    planned = {name: row["planned_finish"] for name, row in by_id(schedule).items()}
    assert planned == {"A1": date(2025, 9, 30), "A2": None, "A3": None, "A4": None}
    assert [(item["column"], item["reason"]) for item in schedule.problems] == [("baseline_finish", "is empty")]


# --- Formats ---


def cells(*rows: str) -> list[list[str]]:
    return [row.split(",") for row in rows]


COVER = cells("Monthly report,", "Prepared by,planning")
PLAN = cells("Activity ID,Activity Name,Start,Finish", "A10,Piles,06-Jan-25,17-Jan-25")
UPDATE = cells(P6, "A10,Piles,Completed,Task Dependent,10d,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25")


def test_the_sheet_that_fits_a_profile_is_read_and_named(read):
    schedule = read(workbook(Cover=COVER, Baseline=PLAN, Update=UPDATE), f"report_{DAY}.xlsx")

    assert schedule.rows()[0]["baseline_finish"] == date(2025, 1, 17)
    assert "sheet 'Update' of 3" in schedule.notes
    assert "sheets not read: Cover, Baseline" in schedule.notes


def test_a_workbook_in_which_no_sheet_fits_names_the_sheets(read):
    raw = workbook(Cover=COVER, Other=cells("Name,Crew", "x,3"))

    with pytest.raises(ScheduleRefused, match=r"in sheet '(Cover|Other)' \(the best of 2, others: \w+\)") as refused:
        read(raw, f"report_{DAY}.xlsx")
    assert "#line" not in str(refused.value)


def test_the_number_of_a_row_is_no_header(read):
    with pytest.raises(ScheduleRefused, match=r"line 2.*it does not know Crew") as refused:
        read(workbook(Plan=cells("Plan of the hall,", "Activity ID,Crew", "A10,3")), f"report_{DAY}.xlsx")

    assert "does not know 2" not in str(refused.value)


@pytest.mark.parametrize("cover", [0, 5, 18, 40])
def test_a_header_below_a_cover_is_found(read, cover):
    lines = ["Report", *(f"Line {number},text" for number in range(cover)), P6]
    lines.append("A10,Piles,Completed,Task Dependent,10d,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25")

    assert read("\n".join(lines), f"plan_{DAY}.csv").counts["accepted"] == 1


def test_two_lines_make_a_header(read):
    """Merged cells for groups of columns above the names of the columns."""
    lines = (
        "Monthly report,,,,,,,",
        "Unique ID,Name,Actual,,Baseline,,Current,",
        ",,Start,Finish,Start,Finish,Start,Finish",
        "7,Piles,2025-01-06,2025-03-03,2025-01-06,2025-01-17,2025-01-06,2025-03-03",
    )

    row = read("\n".join(lines), f"plan_{DAY}.csv").rows()[0]

    assert (row["start"], row["actual_finish"], row["baseline_finish"]) == (
        date(2025, 1, 6),
        date(2025, 3, 3),
        date(2025, 1, 17),
    )


GROUPED = {
    "es": (";;Real;;Línea base;;", "Id.;Nombre de tarea;Comienzo;Fin;Comienzo;Fin;Resumen", "NOD"),
    "fr": (";;Réel;;Planifié;;", "N°;Nom de la tâche;Début;Fin;Début;Fin;Récapitulative", "NC"),
    "it": (";;Effettivo;;Previsto;;", "ID;Nome attività;Inizio;Fine;Inizio;Fine;Riepilogo", "ND"),
    "nl": (";;Werkelijk;;Basislijn;;", "Id;Taaknaam;Begindatum;Einddatum;Begindatum;Einddatum;Samenvatting", "NB"),
    "pt": (";;Real;;Linha de base;;", "ID;Nome da tarefa;Início;Término;Início;Término;Resumo", "ND"),
    "de": (";;Aktuell;;Geplant;;", "Nr.;Vorgangsname;Anfang;Ende;Anfang;Ende;Sammelvorgang", "NV"),
}


@pytest.mark.parametrize("language", GROUPED)
def test_two_lines_make_a_header_in_the_words_of_the_language(read, language):
    """The name that both make has another order or ending: Fin real, Aktuelles Ende."""
    groups, names, nothing = GROUPED[language]
    row = f"1;X;06/01/25;31/03/25;06/01/25;17/01/25;0\n2;Y;20/01/25;{nothing};20/01/25;31/01/25;0\n"

    schedule = read(f"{groups}\n{names}\n{row}", f"hall_{DAY}.csv")

    rows = by_id(schedule)
    assert schedule.profile.name == f"msproject_{language}"
    assert (rows["1"]["baseline_finish"], rows["1"]["actual_finish"]) == (date(2025, 1, 17), date(2025, 3, 31))
    assert (rows["2"]["status"], rows["2"]["baseline_start"]) == ("in_progress", date(2025, 1, 20))


def test_a_sep_line_is_passed_over(read):
    text = f"sep=;\n{P6}\nA10,Piles,Completed,Task Dependent,10d,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25\n"

    assert read(text.replace(",", ";"), f"plan_{DAY}.csv").counts["accepted"] == 1


@pytest.mark.parametrize(
    "written",
    [
        "{:%Y-%m-%dT08:00:00+01:00}",
        "{:%Y-%m-%dT23:30:00-05:00}",
        "{:%Y-%m-%dT08:00:00Z}",
        "{:%Y-%m-%dT08:00:00.000+0100}",
        "{:%Y-%m-%d 08:00 UTC}",
        '"{:%A, %B %-d, %Y}"',
        '"{:%B %-d, %Y}"',
        "{:%-d %B %Y}",
        "{:%A %-d %B %Y}",
        "{:%-d. %B %Y}",
        "{:%d-%b-%Y}",
        "serial",
        "serial with time",
    ],
)
def test_dates_with_zone_as_numbers_of_excel_and_spelled_out(read, written):
    def show(day: date) -> str:
        if written.startswith("serial"):
            return f"{(day - date(1899, 12, 30)).days}{'.354166667' if 'time' in written else ''}"
        return written.format(day)

    days = date(2025, 1, 6), date(2025, 1, 17), date(2025, 3, 3)
    text = f"activity_id,start,baseline_finish,actual_finish,data_date\nA1,{','.join(map(show, days))},{DAY}\n"

    row = read(text, "plan.csv").rows()[0]

    assert (row["start"], row["baseline_finish"], row["actual_finish"]) == days


@pytest.mark.parametrize("epoch", [CALENDAR_WINDOWS_1900, CALENDAR_MAC_1904])
@pytest.mark.parametrize("formatted", [True, False], ids=["dates", "bare numbers"])
def test_a_workbook_says_from_where_its_days_count(read, epoch, formatted):
    days = date(2025, 1, 6), date(2025, 1, 17), date(2025, 3, 3), date(2025, 3, 31)
    book = openpyxl.Workbook()
    book.epoch = epoch
    book.active.append(["activity_id", "start", "baseline_finish", "actual_finish", "data_date"])
    book.active.append(["A1", *(day if formatted else to_excel(day, epoch) for day in days)])
    target = io.BytesIO()
    book.save(target)

    found = read(target.getvalue(), "plan.xlsx")

    row = found.rows()[0]
    assert (row["start"], row["baseline_finish"], row["actual_finish"], row["data_date"]) == days
    assert noted(found, "count from 1904") == (epoch == CALENDAR_MAC_1904)


def test_a_table_copied_from_such_a_workbook_needs_a_profile_that_says_so(read):
    profile = load_profile("name: mac\ntitle: From a Mac\nextends: canonical\ndates: { epoch: 1904 }\n", "mac.yaml")
    text = "activity_id,start,baseline_finish,data_date\nA1,44201,44212,44285\n"

    assert read(text, "plan.csv", profile=profile).rows()[0]["start"] == date(2025, 1, 6)


LANGUAGES = {
    "de": (
        "Nr.;Vorgangsname;Dauer;Anfang;Ende;Aktueller Anfang;Aktuelles Ende;Geplanter Anfang;Geplantes Ende;"
        "Geplante Dauer;% Abgeschlossen;Vorgänger;Sammelvorgang;Meilenstein;Gesamte Pufferzeit",
        *("NV", "Mo {:%d.%m.%y}", "{} Tage", "Ja", "Nein", "2EA+2 Tage", "12,5 Tage"),
    ),
    "fr": (
        "N°;Nom de la tâche;Durée;Début;Fin;Début réel;Fin réelle;Début planifié;Fin planifiée;Durée planifiée;"
        "% achevé;Prédécesseurs;Récapitulative;Jalon;Marge totale",
        *("NC", "lun. {:%d/%m/%y}", "{} jours", "Oui", "Non", "2FD+2 jours", "12,5 jours"),
    ),
    "es": (
        "Id;Nombre de tarea;Duración;Comienzo;Fin;Comienzo real;Fin real;Comienzo de línea base;Fin de línea base;"
        "Duración de línea base;% completado;Predecesoras;Resumen;Hito;Demora total",
        *("NOD", "lun {:%d/%m/%y}", "{} días", "Sí", "No", "2FC+2 días", "12,5 días"),
    ),
    "pt": (
        "Id;Nome da tarefa;Duração;Início;Término;Início real;Término real;Início da linha de base;"
        "Término da linha de base;Duração da linha de base;% concluída;Predecessoras;Resumo;Marco;"
        "Margem de atraso total",
        *("ND", "Seg {:%d/%m/%y}", "{} dias", "Sim", "Não", "2TI+2 dias", "12,5 dias"),
    ),
    "it": (
        "ID;Nome attività;Durata;Inizio;Fine;Inizio effettivo;Fine effettiva;Inizio previsto;Fine prevista;"
        "Durata prevista;% completamento;Predecessori;Riepilogo;Attività cardine;Margine di flessibilità totale",
        *("ND", "lun {:%d/%m/%y}", "{} giorni", "Sì", "No", "2FI+2 giorni", "12,5 giorni"),
    ),
    "nl": (
        "Id;Taaknaam;Duur;Begindatum;Einddatum;Werkelijke begindatum;Werkelijke einddatum;Begindatum van basislijn;"
        "Einddatum van basislijn;Duur van basislijn;% voltooid;Voorafgaande taken;Samenvatting;Mijlpaal;Totale speling",
        *("NB", "ma {:%d-%m-%y}", "{} dagen", "Ja", "Nee", "2EB+2 dagen", "12,5 dagen"),
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_ms_project_in_other_languages(read, tmp_path, language, encoding):
    header, missing, day, days, yes, no, before, slack = LANGUAGES[language]
    first, due, finish = date(2025, 1, 6), date(2025, 1, 17), date(2025, 3, 3)
    start, end = date(2025, 9, 1), date(2025, 9, 12)
    on = day.format
    rows = [
        [
            "1",
            "Hall",
            days.format(180),
            on(first),
            on(end),
            on(first),
            missing,
            on(first),
            on(end),
            days.format(180),
            "40%",
        ],
        [
            "2",
            "Piles",
            days.format(41),
            on(first),
            on(finish),
            on(first),
            on(finish),
            on(first),
            on(due),
            days.format(10),
            "100%",
        ],
        [
            "3",
            "Walls",
            days.format(10),
            on(start),
            on(end),
            missing,
            missing,
            on(start),
            on(end),
            days.format(10),
            "0%",
        ],
        [
            "4",
            "Permit",
            days.format(0),
            on(start),
            on(start),
            missing,
            missing,
            on(start),
            on(start),
            days.format(0),
            "0%",
        ],
    ]
    ends = [["", yes, no, ""], ["", no, no, ""], [before, no, no, slack], ["", no, yes, ""]]
    text = "\r\n".join([header, *(";".join((*row, *end)) for row, end in zip(rows, ends, strict=True))])

    schedule = read(text.encode(encoding), f"plan_{DAY}.csv")
    found = {row["activity_name"]: row for row in schedule.rows()}

    assert schedule.profile.name == f"msproject_{language}"
    assert (schedule.counts["accepted"], schedule.counts["filtered"]) == (2, 2)
    assert [found[name]["status"] for name in ("Piles", "Walls")] == ["complete", "not_started"]
    assert (found["Piles"]["baseline_finish"], found["Piles"]["actual_finish"]) == (due, finish)
    assert found["Walls"]["predecessor_count"] == 1
    assert found["Walls"]["total_float_days"] == 17.5
    assert labels(schedule, tmp_path) == (1, 1)


@pytest.mark.parametrize("language", ["de", "fr", "es", "pt", "it", "nl"])
def test_dates_spelled_out_in_other_languages(read, language):
    months = {
        "de": "6. Januar 2025|3. März 2025|1. Mai 2025",
        "fr": "6 janvier 2025|3 mars 2025|1 mai 2025",
        "es": "6 de enero de 2025|3 de marzo de 2025|1 de mayo de 2025",
        "pt": "6 de janeiro de 2025|3 de março de 2025|1 de maio de 2025",
        "it": "6 gennaio 2025|3 marzo 2025|1 maggio 2025",
        "nl": "6 januari 2025|3 maart 2025|1 mei 2025",
    }[language].split("|")
    own = load_profile(f"name: own\nextends: msproject_{language}", "own.yaml")
    names = {name: own.columns[name][0].name for name in ("activity_id", "start", "baseline_finish", "actual_finish")}
    text = ";".join(names.values()) + f"\n7;{';'.join((months[0], months[2], months[1]))}\n"

    row = read(text, f"plan_{DAY}.csv", profile=own).rows()[0]

    assert (row["start"], row["actual_finish"], row["baseline_finish"]) == (
        date(2025, 1, 6),
        date(2025, 3, 3),
        date(2025, 5, 1),
    )


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize("members", [("hall_2025-01-01.xer", f"hall_{DAY}.xer"), ("update 1.xer", "baseline.xer")])
def test_a_zip_of_a_series_is_read_in_the_order_of_its_days(read, tmp_path, members):
    first, second = updates()
    files = dict(zip(members, (first, second) if members[0].startswith("hall") else (second, first), strict=True))

    schedule = read(zipped(**files, **{"letter.pdf": b"%PDF"}), "hall.zip")
    rows = by_id(schedule)

    assert labels(schedule, tmp_path) == (3, 3)
    assert {row["project_id"] for row in rows.values()} == {"hall"}
    assert schedule.data_date == date(2025, 6, 30)
    assert schedule.counts["read"] == 10
    assert "not read: letter.pdf" in schedule.notes


def test_the_baseline_in_a_zip_is_of_the_series_of_the_updates_whatever_it_is_called(read, tmp_path):
    first, second = updates()

    schedule = read(zipped(**{"BL-54069-B2-20250101.xer": first, "UP-54069-20250630.xer": second}), "archive.zip")

    assert labels(schedule, tmp_path) == (3, 3)
    assert {row["project_id"] for row in schedule.rows()} == {"54069"}
    assert len(schedule.rows()) == 5


def test_a_workbook_in_a_zip_is_read(read):
    schedule = read(zipped(**{"hall.xlsx": workbook(Update=UPDATE)}), f"hall_{DAY}.zip")

    assert schedule.counts["accepted"] == 1
    assert "1 file unpacked from zip" in schedule.notes


def test_a_zip_names_the_file_that_cannot_be_used(read):
    first, second = updates()

    with pytest.raises(ScheduleRefused, match=r"^hall\.zip, line \d+: in 'b\.xer': the file is cut within a row"):
        read(zipped(**{"a.xer": first, "b.xer": second[:-250]}), "hall.zip")


def test_quarantine_of_a_zip_names_file_and_line(read):
    header = "activity_id,start,baseline_finish\n"
    good = header + "".join(f"A{number},2025-01-06,2025-01-17\n" for number in range(9))
    raw = zipped(**{"a_2025-05-31.csv": good.encode(), f"a_{DAY}.csv": (good + "B,soon,2025-01-17\n").encode()})

    schedule = read(raw, "a.zip")

    assert (schedule.counts["read"], schedule.counts["accepted"], schedule.counts["rejected"]) == (19, 18, 1)
    assert f"a_{DAY}.csv 11,start,soon" in schedule.rejected.read_text()


# --- Codes, costs and progress ---


def coded(**types: str) -> list:
    """Return tables of activity codes: for each type the code of activity A10."""
    return [
        ("ACTVTYPE", ("actv_code_type_id", "actv_code_type"), [(str(n), name) for n, name in enumerate(types)]),
        (
            "ACTVCODE",
            ("actv_code_id", "actv_code_type_id", "short_name", "actv_code_name"),
            [(f"9{n}", str(n), "x", code) for n, code in enumerate(types.values())],
        ),
        (
            "TASKACTV",
            ("task_id", "actv_code_type_id", "actv_code_id", "proj_id"),
            [("A10", str(n), f"9{n}", "100") for n in range(len(types))],
        ),
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Phase", "Trade", "Location"), ("a", "b", "c")),
        (("PHASE CODE", "Type of Work", "FLOOR LEVEL"), ("a", "b", "c")),
        (("01 - Stage", "Discipline Codes", "PET FILLING BUILDING"), ("a", "b", "c")),
        (("Bauphase", "Gewerk", "Bauabschnitt"), ("a", "b", "c")),
        (("Этап", "Вид работ", "Участок"), ("a", "b", "c")),
        (("Area Manager", "Responsibility", "Priority"), ("Plant", None, None)),
    ],
)
def test_codes_are_known_by_their_meaning(read, names, expected):
    more = coded(**dict(zip(names, "abc", strict=True)))
    schedule = read(xer([DONE, AHEAD], [project(DAY)], more=more, encoding="utf-8"))
    row = by_id(schedule)["A10"]

    assert (row["phase"], row["work_type"], row["location"]) == expected
    assert noted(schedule, "activity codes: phase from") == (expected[1] is not None)
    assert noted(schedule, f"activity codes not used: {', '.join(names)}") == (expected[1] is None)


def test_a_profile_says_what_a_code_means(read):
    own = load_profile("name: own\nextends: p6_xer\ncodes: {work_type: [Priority]}", "own.yaml")
    raw = xer([DONE, AHEAD], [project(DAY)], more=coded(Priority="b"))

    assert by_id(read(raw, profile=own))["A10"]["work_type"] == "b"


def test_costs_include_expenses(read):
    more = [
        ("TASKRSRC", ("taskrsrc_id", "task_id", "target_cost"), [("1", "A10", "100.5"), ("2", "A10", "200")]),
        ("PROJCOST", ("cost_item_id", "task_id", "target_cost"), [("1", "A10", "50"), ("2", "A40", "7")]),
    ]

    rows = by_id(read(xer([DONE, AHEAD], [project(DAY)], more=more)))

    assert (rows["A10"]["budget"], rows["A40"]["budget"]) == (350.5, 7)


@pytest.mark.parametrize(
    ("values", "percent"),
    [
        ({"complete_pct_type": "CP_Drtn", "target_drtn_hr_cnt": "80", "remain_drtn_hr_cnt": "20"}, 75),
        ({"complete_pct_type": "CP_Phys", "phys_complete_pct": "33"}, 33),
        ({"complete_pct_type": "CP_Units", "act_work_qty": "30", "remain_work_qty": "10"}, 75),
        ({"complete_pct_type": "CP_Drtn", "target_drtn_hr_cnt": "80", "remain_drtn_hr_cnt": "120"}, 0),
        ({"complete_pct_type": "CP_Scope", "phys_complete_pct": "33"}, None),
    ],
)
def test_per_cent_complete_is_of_the_kind_that_the_activity_says(read, values, percent):
    assert by_id(read(xer([OPEN | values, AHEAD], [project(DAY)])))["A20"]["percent_complete"] == percent


def test_per_cent_complete_of_a_table_is_of_the_kind_that_the_activity_says(read):
    rows = {"Duration": "10,75%,,", "Physical": "10,75%,,", "Scope": "10,75%,40%,", "Units": "10,,40%,", "": "10,,,74%"}
    lines = [
        f"{kind or 'A'},x,In Progress,Task Dependent,9d,20-Jan-25 A,31-Jul-25,20-Jan-25,31-Jan-25,{kind},{cells}"
        for kind, cells in rows.items()
    ]
    kinds = "Percent Complete Type,Physical % Complete,Duration % Complete,Scope % Complete,Activity % Complete"

    schedule = read("\n".join((f"{P6},{kinds}", *lines)), f"plan_{DAY}.csv")

    percent = {name: row["percent_complete"] for name, row in by_id(schedule).items()}
    assert percent == {"Duration": 75, "Physical": 10, "Scope": 40, "Units": None, "A": 74}
    assert schedule.understood["not_read"] == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (("1.0", "0.5", "0"), [100, 50, 0]),
        (("1", "0", "0"), [100, 0, 0]),
        (("100", "50", "1"), [100, 50, 1]),
        (("100%", "1%", "0%"), [100, 1, 0]),
    ],
)
def test_a_fraction_is_per_cent(read, written, expected):
    header = f"{P6},Activity % Complete\n"
    rows = (
        f"A10,x,Completed,Task Dependent,9d,06-Jan-25 A,03-Mar-25 A,06-Jan-25,17-Jan-25,{written[0]}",
        f"A20,x,In Progress,Task Dependent,9d,20-Jan-25 A,31-Jul-25,20-Jan-25,31-Jan-25,{written[1]}",
        f"A40,x,Not Started,Task Dependent,9d,01-Sep-25,12-Sep-25,01-Sep-25,12-Sep-25,{written[2]}",
    )

    assert [row["percent_complete"] for row in read(header + "\n".join(rows), f"p_{DAY}.csv").rows()] == expected


# --- A way out of each refusal ---


def test_a_file_without_a_data_date_says_it_in_its_name(read):
    raw = xer([DONE, OPEN], [project("")])

    with pytest.raises(ScheduleRefused, match=r"does not say which day it describes") as refused:
        read(raw, "hall.xer")
    assert "put the data date into its name, as in name_2025-06-30" in refused.value.remedy
    assert read(raw, f"hall_{DAY}.xer").data_date == date(2025, 6, 30)


def test_days_that_may_be_months_are_written_year_first(read):
    text = "Activity ID,Activity Name,Activity Status,Start,Finish,BL Project Finish\nA1,x,In Progress,{},{},{}\n"

    with pytest.raises(ScheduleRefused, match="day/month or month/day") as refused:
        read(text.format("03/04/2025", "05/08/2025", "05/06/2025"), f"p_{DAY}.csv")
    assert "year first" in refused.value.remedy
    assert read(text.format("2025-04-03", "2025-08-05", "2025-06-05"), f"p_{DAY}.csv").counts["accepted"] == 1
    own = load_profile("name: own\nextends: p6\ndates: {order: DMY, suffixes: [A]}", "own.yaml")
    given = read(text.format("03/04/2025", "05/08/2025", "05/06/2025"), f"p_{DAY}.csv", profile=own)
    assert given.rows()[0]["start"] == date(2025, 4, 3)


# Monday 3 and Wednesday 5 June; no number is above 12.
WEEKDAYS = {
    "de": ("Mo 03.06.24", "Mi 05.06.24", "DMY"),
    "en": ("Mon 6/3/24", "Wed 6/5/24", "MDY"),
    "gb": ("Mon 03/06/24", "Wed 05/06/24", "DMY"),
    "long": ("Monday, 06/03/2024", "Wednesday, 06/05/2024", "MDY"),
}


@pytest.mark.parametrize("written", WEEKDAYS)
def test_the_day_of_the_week_says_which_number_is_the_month(read, written):
    first, last, order = WEEKDAYS[written]
    cells = f'1,Walls,"{first}","{last}","{first}","{last}",NA,NA,No,No'
    header = "Unique ID,Name,Start,Finish,Baseline Start,Baseline Finish,Actual Start,Actual Finish,Summary,Milestone"

    schedule = read(f"{header}\n{cells}\n", f"hall_{DAY}.csv")

    assert noted(schedule, f"numeric dates read as {order}")
    assert schedule.rows()[0]["baseline_finish"] == date(2024, 6, 5)


def test_several_days_of_one_project_are_dropped_one_by_one(read):
    header, rows = (
        "activity_id,start,baseline_finish,data_date\n",
        ("A,2025-01-06,2025-01-17,2025-05-31\n", f"A,2025-01-06,2025-01-17,{DAY}\n"),
    )

    with pytest.raises(ScheduleRefused, match=r"one project has several data dates"):
        read(header + rows[0] + rows[1].replace("A", "B"), "x.csv")
    assert [read(header + row, "x.csv").counts["accepted"] for row in rows] == [1, 1]


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(22) + b"\x09\x00" + bytes(16) + bytes(464)


def ole(part: str) -> bytes:
    """An OLE document whose directory names a part."""
    return OLE + bytes(512) + part.encode("utf-16-le") + bytes(100)


@pytest.mark.parametrize(
    ("raw", "name", "what", "menu"),
    [
        (ole("Props14"), "plan.bin", "an MS Project file", "In MS Project: File > Save As > Excel Workbook"),
        (ole("MSProject.MPP9"), "plan", "an MS Project file", "In MS Project: File > Save As > Excel Workbook"),
        (ole("Workbook"), "plan.mpp", "a workbook of Excel 97-2003", "In Excel: File > Save As > Excel Workbook"),
        (ole("EncryptedPackage"), "plan", "a workbook with a password", "In Excel: File > Info > Protect Workbook"),
        (b"MPX,Microsoft Project,4.0,ANSI\r\n", "plan.csv", "an MPX file", "In MS Project: File > Save As"),
        (b"\0\0" + b"000000" + bytes(99), "plan", "an Asta Powerproject file", "In Asta Powerproject: File > Save As"),
        (b"SQLite format 3\0" + bytes(99), "plan.pp", "an Asta Powerproject file", "In Asta Powerproject:"),
        (
            b"SQLite format 3\0CREATE TABLE PROJWBS",
            "x.db",
            "a database of Primavera P6",
            "In Primavera P6: File > Export",
        ),
        (
            b'<?xml version="1.0"?>\n<project name="Hall" view-date="2025-01-06"><tasks/></project>',
            *("plan.xml", "a GanttProject file", "In GanttProject: Project > Export"),
        ),
    ],
)
def test_files_of_other_tools_are_known_by_content_and_told_the_menu(read, raw, name, what, menu):
    with pytest.raises(ScheduleRefused) as refused:
        read(raw, name)
    assert what in refused.value.reason
    assert menu in refused.value.remedy


def test_the_table_that_ms_project_is_asked_for_is_read(read):
    """The columns that the remedy for a .mpp file names."""
    with pytest.raises(ScheduleRefused) as refused:
        read(ole("Props14"), "plan.mpp")
    names = refused.value.remedy.split("a map of tasks that has ")[1].replace(" and ", ", ").split(", ")
    rows = {"Unique ID": "7", "Name": "Piles", "Summary": "No", "Milestone": "No"}
    header, values = [*names], [rows.get(name, "2025-01-17" if "Finish" in name else "2025-01-06") for name in names]

    schedule = read(workbook(Task_Table1=[header, values]), f"plan_{DAY}.xlsx")

    assert {"Baseline Finish", "Actual Finish"} <= set(names)
    assert schedule.profile.name == "msproject"
    assert schedule.counts["accepted"] == 1


def test_a_header_that_nothing_knows_is_mapped_by_a_profile(read):
    text = "Code;Beginn;Soll\n1;06.01.2025;17.01.2025\n"

    with pytest.raises(ScheduleRefused, match="no profile knows this header") as refused:
        read(text, f"x_{DAY}.csv")
    assert "docs/profiles.md" in refused.value.remedy
    own = load_profile(
        "name: own\ntitle: x\ncolumns: {activity_id: Code, start: Beginn, baseline_finish: Soll}\ndates: {order: DMY}",
        "own.yaml",
    )
    assert read(text, f"x_{DAY}.csv", profile=own).counts["accepted"] == 1


def test_an_update_from_before_the_start_gives_an_outcome(read, merged):
    """What the note on started activities without a baseline asks for, both ways."""
    first, second = updates()
    schedule = read(second)
    note = next(note for note in schedule.notes if "have no baseline: nothing" in note)

    assert (
        "drop an update from before they started under the same name, or the baseline under incoming/baseline/" in note
    )
    for earlier in (read(first, "hall_2025-01-01.xer"), read(first, "hall_bl.xer", baseline=True)):
        assert merged(schedule, earlier)[1]["matured"] == 3


def test_the_tolerance_counts_from_the_planned_finish(read, merged):
    """A10 is due on 17 January and ends 45 days later."""
    first, second = updates()
    rows, _ = merged(read(first, "hall_2025-01-01.xer"), read(second))

    assert rows["A10"]["actual_finish"] - rows["A10"]["baseline_finish"] == timedelta(days=45)


# --- The work breakdown structure ---


@pytest.mark.parametrize(
    ("header", "cells", "wbs"),
    [
        ("WBS Path,WBS", ("Structure > Level 1,HALL.S.1", ",HALL.S.2"), ["Structure > Level 1", "HALL.S.2"]),
        ("WBS Name", ("Level 1", ""), ["Level 1", None]),
    ],
)
def test_a_table_of_p6_has_its_wbs_as_it_was_exported(read, header, cells, wbs):
    dates = ",".join(("01-Sep-25", "12-Sep-25") * 2)
    lines = [f"A{place},Piles,Not Started,{dates},{cell}" for place, cell in enumerate(cells)]
    first = "Activity ID,Activity Name,Activity Status,Start,Finish,BL Project Start,BL Project Finish"

    schedule = read("\n".join((f"{first},{header}", *lines)), f"plan_{DAY}.csv")

    assert [row["wbs"] for row in schedule.rows()] == wbs


def test_a_task_of_ms_project_is_below_its_summary_task(read):
    """The outline number is that of the task itself: no two have the same."""
    header = "Nr.;Vorgangsname;PSP-Code;Anfang;Ende;Geplanter Anfang;Geplantes Ende;Aktuelles Ende;Sammelvorgang"
    dates = "01.09.25;12.09.25;01.09.25;12.09.25;NV"
    rows = [f"1;Rohbau;1;{dates};Ja", f"2;Wände;1.2.1;{dates};Nein", f"3;Dach;7;{dates};Nein"]

    schedule = read("\n".join((header, *rows)), f"plan_{DAY}.csv")

    assert [row["wbs"] for row in schedule.rows()] == ["1.2", None]
