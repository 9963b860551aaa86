"""Workbooks to correct: what is marked in them, and that the table is taken once it is corrected."""

import io

import openpyxl
import pytest

from slipcast.ingest import corrections
from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.refusal import REMARKS, ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.ingest.schema_changes import schema_changes

HEAD = (
    "Activity ID;Activity Name;Activity Status;Start;Finish;BL Project Start;BL Project Finish;Actual Start;"
    "Actual Finish;WBS Name"
)
ROW = "A{n};Läufer {n};Not Started;{d}-Aug-25;{d}-Sep-25;{d}-Aug-25;{d}-Sep-25;;;Design"
ROWS = [ROW.format(n=n, d=n + 10) for n in range(1, 13)]
MINE = """
name: mine
title: Table of ours
columns: {activity_id: Nr, start: Von, baseline_finish: Soll, actual_finish: Fertig}
"""
NAME = "tower_2025-06-30.csv"


def cover(rows, head=HEAD):
    """Return a report of a tool: cover, blank line, header, rows; in the code page of Western Europe."""
    return "\r\n".join(["Tower A;printed today", "", head, *rows, ""]).encode("cp1252")


def workbook(raw):
    book = openpyxl.Workbook()
    for row in raw.decode("cp1252").splitlines():
        book.active.append(row.split(";"))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.fixture
def read(tmp_path):
    def run(raw, name=NAME, profile=None):
        """Return what came of a file, and its workbook to correct, None without one."""
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        for part in ("work", "corrections"):
            (folder / part).mkdir(parents=True)
        file, target = folder / "dropped", folder / "to_correct.xlsx"
        file.write_bytes(raw)
        try:
            outcome = read_schedule(file, name, profile=profile, workdir=folder / "work")
        except ScheduleRefused as refusal:
            outcome = refusal
        made = corrections.write(target, file, name, outcome, workdir=folder / "corrections", profile=profile)
        assert made == target.exists()
        return outcome, target if made else None

    return run


def marked(sheet):
    """Return the cells with the color of what is wrong or missing, but for the remarks."""
    kinds = {"FFFFC7CE", "FFFFEB9C"}
    return [cell for row in sheet.iter_rows() for cell in row[1:] if cell.fill.fgColor.rgb in kinds]


def corrected(target, values):
    """Return the workbook with other values in its marked cells, as Excel stores it."""
    book = openpyxl.load_workbook(target)
    for cell, value in zip(marked(book.active), values, strict=True):
        cell.value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


BROKEN = [ROWS[0].replace("11-Sep-25;;;", "31-Sep-25;;;"), *ROWS[1:5], ROWS[5].replace("A6;", "A5;", 1), *ROWS[6:]]
MOSTLY = [row.replace("-Sep-25;;;", "-Sept;;;") if place % 2 else row for place, row in enumerate(ROWS)]
ALL = [row.replace("-Sep-25;;;", " soon;;;") for row in ROWS]


@pytest.mark.parametrize("form", [bytes, workbook])
@pytest.mark.parametrize(
    ("rows", "values", "remark"),
    [
        (BROKEN, ["11-Sep-25", "A6"], ("BL Project Finish: is not a date", "Activity ID: stands in line 8")),
        (MOSTLY, [f"{place + 11}-Sep-25" for place in range(1, 12, 2)], ("BL Project Finish: is not a date",)),
    ],
)
def test_a_table_is_taken_whole_once_its_marked_cells_are_corrected(read, form, rows, values, remark):
    before, target = read(form(cover(rows)), NAME if form is bytes else "tower_2025-06-30.xlsx")
    sheet = openpyxl.load_workbook(target).active

    assert [cell.value for cell in sheet[3]][:2] == [REMARKS, "Activity ID"]
    # The same lines as the messages name.
    assert [row[0].row for row in sheet.iter_rows() if (row[0].value or "").startswith(remark)] == [
        place for place, row in enumerate(rows, 4) if row != ROWS[place - 4]
    ]
    after, nothing = read(corrected(target, values), "tower_2025-06-30.xlsx")

    assert nothing is None
    assert after.counts["accepted"] == after.counts["read"] == len(ROWS)
    assert {row["activity_name"] for row in after.rows()} == {f"Läufer {n}" for n in range(1, 13)}
    assert str(after.data_date) == "2025-06-30"
    assert after.source == "tower"
    assert REMARKS not in after.understood["not_read"]
    if not isinstance(before, ScheduleRefused):
        known = {"profile": before.profile.name, "header": before.header, "mapped": before.mapped}
        assert schema_changes(known, after) == []


def test_of_a_table_without_a_good_row_the_first_ones_are_marked(read):
    refusal, target = read(cover(ALL))

    assert isinstance(refusal, ScheduleRefused)
    assert len(marked(openpyxl.load_workbook(target).active)) == len(refusal.quarantined) == 10


@pytest.mark.parametrize(
    ("rows", "head", "name", "heading", "values"),
    [
        (
            ["A1;Slab;Design;2025-08-01;01.09.2025", "A2;Wall;Design;2025-08-02;02.09.2025"],
            "activity_id;activity_name;phase;start;baseline",
            NAME,
            "baseline_finish",
            ["2025-09-01", "2025-09-02"],
        ),
        (ROWS, HEAD, "tower.csv", "Data Date", ["30-Jun-25"] * 12),
    ],
)
def test_a_column_that_is_missing_is_there_to_be_filled_in(read, rows, head, name, heading, values):
    refusal, target = read("\n".join([head, *rows]).encode(), name)
    sheet = openpyxl.load_workbook(target).active

    assert isinstance(refusal, ScheduleRefused)
    assert str(sheet.cell(1, sheet.max_column).value).casefold() == heading.casefold()
    assert sheet["A2"].value.startswith(f"Fill in {sheet.cell(1, sheet.max_column).value}")
    after, _ = read(corrected(target, values), name.replace(".csv", ".xlsx"))

    assert after.counts["accepted"] == len(rows)


def test_a_column_that_is_empty_is_marked_in_every_row(read):
    profile = load_profile(MINE, "mine.yaml")
    refusal, target = read(
        "\n".join(["Nr;Von;Soll;Fertig", "1;2025-08-01;;", "2;2025-08-02;;"]).encode(), NAME, profile
    )

    assert refusal.column == "baseline_finish"
    assert openpyxl.load_workbook(target).active["A2"].value.startswith("Soll: it is empty in all 2 rows")
    after, _ = read(corrected(target, ["2025-09-01", "2025-09-02"]), "tower_2025-06-30.xlsx", profile)
    assert after.counts["accepted"] == 2


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (cover(ROWS), NAME),
        (b"%PDF-1.7", "tower.pdf"),
        (b"ERMHDR\t19.12\n%T\tTASK\n%F\ttask_id\ttask_code\n%E\n", "tower.xer"),
        (b"PK\x03\x04 damaged", "tower.xlsx"),
    ],
)
def test_what_has_no_fault_or_is_no_table_gets_none(read, raw, name):
    assert read(raw, name)[1] is None


def test_a_table_that_is_too_large_gets_none(read, monkeypatch):
    monkeypatch.setattr(corrections, "MOST_CELLS", 50)

    assert read(cover(BROKEN))[1] is None


def test_formulas_and_links_stay_texts(read):
    rows = [BROKEN[0].replace("Läufer 1", '=HYPERLINK("https://x.example")'), *BROKEN[1:]]
    _, target = read(cover(rows))

    cell = openpyxl.load_workbook(target).active["C4"]
    assert (cell.data_type, cell.value) == ("s", '=HYPERLINK("https://x.example")')


def test_the_profile_of_the_folder_says_which_columns_are_meant(read):
    profile = load_profile(MINE, "mine.yaml")
    rows = ["Nr;Von;Soll;Fertig", *(f"{n};2025-08-{n:02};2025-09-{n:02};" for n in range(1, 12)), "12;2025-08-12;bald;"]

    _, target = read("\n".join(rows).encode(), NAME, profile)

    assert [cell.coordinate for cell in marked(openpyxl.load_workbook(target).active)] == ["D13"]
    after, _ = read(corrected(target, ["2025-09-12"]), "tower_2025-06-30.xlsx", profile)
    assert after.counts["accepted"] == 12
