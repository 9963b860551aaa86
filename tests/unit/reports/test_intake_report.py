"""The report on an upload: as a document for programs, as a page for people, and harmless whatever the file says."""

import json
import re
import zipfile
from html import unescape
from pathlib import Path

import pytest

from intake_fuzz.page import check_page
from slipcast.datasets import versions
from slipcast.ingest import report
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.reports.intake import chart, render
from support.p6_files import project, started, task, xer

LABELS = {"matured": 0, "late": 0, "open": 0, "censored": 0}
EVIL = "<script>alert('x')</script>\"&{{ 7*7 }}"
HEADER = (
    "Activity ID,Activity Name,Activity Type,Activity Status,Start,Finish,BL Project Start,BL Project Finish,Notes\n"
)


def table(*rows: str, header: str = HEADER) -> bytes:
    return (header + "\n".join(rows) + "\n").encode()


def row(number: int, *, name: str = "Walls", status: str = "In Progress", start: str = "2025-01-06 A", **cells) -> str:
    values = {"type": "Task Dependent", "finish": "2025-08-29", "planned": "2025-01-06", "due": "2025-05-30"} | cells
    found = [f"A{number}", name, values["type"], status, start, values["finish"], values["planned"], values["due"], "n"]
    return ",".join(f'"{cell}"' for cell in found)


def read(tmp_path: Path, raw: bytes, file: str = "hall_2025-06-30.csv", **options) -> report.Accepted | report.Refused:
    dropped, work = tmp_path / "dropped", tmp_path / "work"
    dropped.write_bytes(raw)
    work.mkdir()
    try:
        schedule = read_schedule(dropped, file, workdir=work, **options)
    except ScheduleRefused as refusal:
        return report.refused(file, refusal)
    return report.accepted(schedule, schedule.understood, file=file, labels=LABELS, changes=["newly has the columns X"])


def text_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return words(body)


def words(markup: str) -> str:
    """Return the text of markup; only elements that stand in a line of their own end a word."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?(bdi|code)>", "", markup))).split())


def rows_of(page: str, section: str) -> list[list[str]]:
    body = page.split(f'<section id="{section}"')[1].split("</section>")[0]
    return [
        [words(cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", line)]
        for line in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def test_the_mapping_says_where_each_column_comes_from_and_how(tmp_path):
    header = HEADER.replace("Activity Name", "task_name").replace("Notes", "Trade")
    page = render(read(tmp_path, table(row(1), row(2), header=header)))

    found = {cells[0]: cells[1:] for cells in rows_of(page, "columns")}
    assert found["activity id"] == ["Activity ID", "name in the profile", "100 %", "A1"]
    assert found["activity name"] == ["task_name", "another name in the profile", "100 %", "Walls"]
    assert found["data date"] == ["–", "name of the file", "100 %", "2025-06-30"]
    assert found["project id"][:2] == ["hall", "name of the file"]
    assert found["baseline finish"] == ["BL Project Finish", "name in the profile", "100 %", "2025-05-30"]
    assert found["work type"][:2] == ["Trade", "another name in the profile"]
    assert found["location"][0].startswith("– read from Location, Area")
    assert found["location"][1:] == ["not in the file", "–", ""]


def test_the_plan_of_what_has_not_started_is_named_as_the_baseline(tmp_path):
    raw = xer([task("A10", "2025-01-06", "2025-02-28")], [project("2025-01-01", "HALL")])
    found = read(tmp_path, raw, "hall.xer")

    assert found["understood"]["baseline"]["first_seen"] == 1
    cells = {cells[0]: cells[1:3] for cells in rows_of(render(found), "columns")}
    plan = "derived from the plan of what has not started"
    assert cells["baseline finish"] == ["target_end_date, early_end_date", plan]
    assert ["the plan of activities that had not started", "1"] in rows_of(render(found), "baseline")


def test_rows_left_out_are_counted_by_the_cell_that_says_so(tmp_path):
    milestones = [row(number, type="Finish Milestone") for number in (3, 4)]
    found = read(tmp_path, table(row(1), *milestones, row(5, type="Level of Effort")))

    expected = [("Finish Milestone", 2), ("Level of Effort", 1)]
    assert [(item["value"], item["rows"]) for item in found["understood"]["left_out"]] == expected
    assert {item["header"] for item in found["understood"]["left_out"]} == {"Activity Type"}
    assert sum(item["rows"] for item in found["understood"]["left_out"]) == found["counts"]["filtered"]
    assert ["Activity Type: Finish Milestone", "2"] in rows_of(render(found), "counts")


def test_the_first_rows_of_the_quarantine_stand_with_file_row_and_remedy(tmp_path):
    bad = [row(number, due="soon", planned="31.31.2025") for number in range(20, 35)]
    found = read(tmp_path, table(*(row(number) for number in range(2, 20)), *bad), max_bad_share=0.9)

    assert [item["line"] for item in found["quarantined"]] == list(range(20, 30))
    first = found["quarantined"][0]
    assert (first["file"], first["activity_id"], first["activity_name"]) == ("hall_2025-06-30.csv", "A20", "Walls")
    assert [(cell["column"], cell["header"], cell["value"]) for cell in first["cells"]] == [
        ("baseline_start", "BL Project Start", "31.31.2025"),
        ("baseline_finish", "BL Project Finish", "soon"),
    ]
    page = render(found)
    assert "The first 10 of 15 rows that were not taken" in text_of(page)
    cells = rows_of(page, "quarantine")[1]
    assert cells[:4] == ["hall_2025-06-30.csv row 20", "A20 Walls", "BL Project Start baseline start", "31.31.2025"]
    assert cells[5].startswith("Write it as year-month-day")


def test_a_repeated_row_is_in_the_quarantine_too(tmp_path):
    found = read(tmp_path, table(row(1), row(2), row(3), row(4), row(5), row(5)))

    assert [(item["line"], item["cells"][0]["reason"]) for item in found["quarantined"]] == [
        (7, "stands in line 6 already")
    ]


def test_a_file_with_too_many_bad_rows_shows_them_and_what_was_understood(tmp_path):
    found = read(tmp_path, table(row(1), *(row(number, due="soon") for number in range(2, 20))))

    assert found["outcome"] == "refused"
    page = render(found)
    assert "<h2>Refused</h2>" in page
    assert found["reason"] in text_of(page)
    assert f"{found['remedy']}." in text_of(page)
    assert len(found["quarantined"]) == 10
    assert rows_of(page, "columns")[1][:3] == ["activity id", "Activity ID", "name in the profile"]
    # Nothing was accepted, so nothing is said about how many rows have a value.
    assert {cells[3] for cells in rows_of(page, "columns")[1:]} == {"–"}


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [
        (17, "budget", "Row 17, column budget: the cell is no date."),
        (17, None, "Row 17: the cell is no date."),
        (None, "budget", "Column budget: the cell is no date."),
        (None, None, "Refused the cell is no date."),
    ],
)
def test_a_refusal_says_where_why_and_what_to_do(row, column, where):
    refusal = ScheduleRefused("plan.csv", "the cell is no date", "Write a date", row, column)

    found = report.refused("plan.csv", refusal)

    assert (found["why"], found["row"], found["column"]) == (str(refusal), row, column)
    text = text_of(render(found))
    assert where in text
    assert "What to do Write a date." in text


def test_the_chart_has_baseline_actual_plan_and_the_data_date(tmp_path):
    rows = [
        row(1, status="Completed", finish="2025-05-15 A"),
        row(2),
        row(3, status="Not Started", start="2025-07-07", planned="2025-07-07", due="2025-08-29"),
    ]
    gantt = read(tmp_path, table(*rows))["understood"]["gantt"]

    assert (gantt["project"], gantt["projects"], gantt["activities"]) == ("hall", 1, 3)
    assert [(bar["activity_id"], bar["status"], bar["finish"]) for bar in gantt["bars"]] == [
        ("A1", "complete", "2025-05-15"),
        ("A2", "in_progress", "2025-08-29"),
        ("A3", "not_started", "2025-08-29"),
    ]
    done, running, planned = chart.draw(gantt).rows
    assert (done.late, done.ahead) == (None, None)
    assert running.late.x == pytest.approx(running.baseline.x + running.baseline.width, abs=0.2)
    assert running.ahead.x == pytest.approx(chart.draw(gantt).data_date + running.ahead.width / 60, abs=0.2)
    assert planned.bar.x > chart.draw(gantt).data_date
    assert planned.ahead == planned.bar


def test_what_is_open_without_a_plan_is_late_until_the_data_date():
    bar = {"activity_id": "A", "activity_name": "", "status": "in_progress", "start": "2025-01-01", "finish": None}
    bar |= {"baseline_start": "2025-01-01", "baseline_finish": "2025-01-31"}
    gantt = {"project": "p", "projects": 1, "activities": 1, "data_date": "2025-03-31", "bars": [bar]}

    drawn = chart.draw(gantt)

    assert drawn.rows[0].bar.x + drawn.rows[0].bar.width == pytest.approx(chart.LABELS + chart.TIME)
    assert drawn.rows[0].late.width == pytest.approx(chart.TIME * 59 / 90, abs=0.2)


@pytest.mark.parametrize(("first", "last"), [("2025-01-01", "2025-01-02"), ("1970-01-01", "2100-12-31")])
def test_the_time_axis_has_few_labels_for_any_span(first, last):
    bar = {"activity_id": "A", "activity_name": "", "status": "complete", "start": first, "finish": last}
    bar |= {"baseline_start": None, "baseline_finish": None}
    gantt = {"project": "p", "projects": 1, "activities": 1, "data_date": first, "bars": [bar]}

    ticks = chart.draw(gantt).ticks

    assert 1 <= len(ticks) <= chart.MOST_TICKS + 2
    assert all(chart.LABELS <= tick.x <= chart.LABELS + chart.TIME for tick in ticks)


def test_a_series_in_a_zip_has_the_baseline_of_its_first_file(tmp_path):
    packed = tmp_path / "hall.zip"
    plan = xer(
        [task("A10", "2025-01-06", "2025-02-28"), task("A20", "2025-01-06", "2025-02-28")], [project("2025-01-01", "H")]
    )
    update = xer(
        [started("A10", "2025-01-08", "2025-03-01", "2025-04-30"), task("A20", "2025-09-02", "2025-10-31")],
        [project("2025-06-30", "H2")],
    )
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("hall update.xer", update)
        archive.writestr("hall.xer", plan)

    found = read(tmp_path, packed.read_bytes(), "hall.zip")

    assert found["understood"]["baseline"] == {
        **{"file": 0, "declared": 0, "first_seen": 0, "earlier": 2, "none": 0},
        "unassigned": False,
    }
    assert {bar["baseline_finish"] for bar in found["understood"]["gantt"]["bars"]} == {"2025-02-28"}
    assert found["understood"]["left_out"] == []


def test_outcomes_are_those_of_the_activities_of_the_file(tmp_path):
    read(tmp_path, table(row(1), row(2), row(3, status="Completed", finish="2025-05-15 A")))
    merged, mine = tmp_path / "work" / "table.parquet", tmp_path / "mine.parquet"
    with versions.connect(tmp_path) as database:
        database.read_parquet(str(merged)).filter("activity_id <> 'A2'").write_parquet(str(mine))

    found = versions.outcomes(merged, mine, tmp_path, tolerance_days=30)

    assert found == {"matured": 2, "late": 1, "open": 1, "censored": 0}


HOSTILE = [
    EVIL,
    "=1+1",
    "@SUM(A1)",
    "+1",
    "\t=1",
    "\u202eملف\u202c",
    "جدول المشروع",
    "施工計画" * 60,
    "a\x00b\x1b[31m",
    "x" * 9_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_file_is_markup_or_a_formula(tmp_path, text):
    cell = text.replace('"', '""')
    header = HEADER.replace("Notes", f'"{cell}"')
    raw = table(*(row(number, name=cell, type=cell) for number in range(1, 12)), row(12, due=cell), header=header)
    found = read(tmp_path, raw, f"{text[:100]}_2025-06-30.csv".replace("/", "∕"))

    page = render(found)

    check_page(page)
    assert len(page.encode()) < 300_000
    assert json.loads(json.dumps(found)) == found


def test_a_refusal_of_a_hostile_file_is_no_markup():
    check_page(render(report.refused(EVIL, ScheduleRefused(EVIL, EVIL, EVIL, 1, EVIL))))


def test_a_page_does_not_grow_with_the_file(tmp_path):
    many = [row(number, name=f"Level {number} " + "x" * 300, status="Not Started") for number in range(3_000)]
    header = HEADER.replace("Notes", ",".join(f"Own column {number} {'y' * 100}" for number in range(900)))
    wide = [f"{line}{',' * 899}" for line in many]

    found = read(tmp_path, table(*wide, header=header))

    assert found["counts"]["accepted"] == 3_000
    assert len(found["understood"]["gantt"]["bars"]) == 30
    assert len(render(found).encode()) < 300_000


def test_a_page_needs_nothing_from_elsewhere(tmp_path):
    page = render(read(tmp_path, table(row(1), row(2))))

    assert page.lstrip().startswith("<!doctype html>")
    assert "default-src 'none'" in page
    for tag in ("<script", "<link", "<img", "<iframe", "url(", "http://", "https://"):
        assert tag not in page


def test_a_file_without_dates_has_no_chart(tmp_path):
    found = read(tmp_path, Path("examples/exports/schedule_management.csv").read_bytes(), "schedule_management.csv")

    assert found["understood"]["gantt"] is None
    page = render(found)
    check_page(page)
    assert 'id="gantt"' not in page
