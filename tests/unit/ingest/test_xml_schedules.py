"""XML files of Primavera P6 and Microsoft Project as a user drops them: through the whole reader."""

import gzip
import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule, read_schedule
from support.hall import XER, msp, p6


def read(folder: Path, content: str | bytes, name: str = "hall.xml") -> Schedule:
    work = folder / f"work-{len(list(folder.iterdir()))}"
    work.mkdir()
    path = work / "dropped"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_schedule(path, name, workdir=work)


def by_name(schedule: Schedule) -> dict[str, dict]:
    return {row["activity_name"]: row for row in schedule.rows()}


@pytest.mark.parametrize(("content", "name"), [(p6(), "hall.xml"), (msp(), "hall.xml")], ids=["pmxml", "mspdi"])
def test_the_same_activity_has_the_same_numbers_in_xer_and_xml(tmp_path, content, name):
    expected, found = by_name(read(tmp_path, XER, "hall.xer")), by_name(read(tmp_path, content, name))

    columns = ("status", "data_date", "baseline_start", "baseline_finish", "baseline_duration_days", "start")
    # MS Project has no other finish than the planned one.
    columns += ("planned_finish",) if "APIBusinessObjects" in content else ()
    for activity in ("Walls", "Roof"):
        for column in (*columns, "total_float_days", "percent_complete", "project_id"):
            assert found[activity][column] == expected[activity][column], (activity, column)
    assert found["Walls"]["predecessor_count"] == expected["Walls"]["predecessor_count"] == 1
    # From Friday to Monday are three calendar days, of six hours of work.
    assert expected["Walls"]["total_float_days"] == 3
    assert expected["Walls"]["baseline_duration_days"] == 14


def test_per_cent_of_the_scope_is_a_share_of_its_own(tmp_path):
    physical = "<PercentCompleteType>Duration</PercentCompleteType><PlannedDuration>40<"
    text = p6().replace("\n<PlannedDuration>40<", "<PlannedDuration>40<")
    assert physical in text
    scope = "<PercentCompleteType>Scope</PercentCompleteType><PhysicalPercentComplete>0.1</PhysicalPercentComplete>"
    text = text.replace(physical, f"{scope}<ScopePercentComplete>0.4</ScopePercentComplete><PlannedDuration>40<")

    assert by_name(read(tmp_path, text))["Roof"]["percent_complete"] == 40


@pytest.mark.parametrize("packed", ["plain", "gzip", "zip"])
@pytest.mark.parametrize(("content", "profile"), [(p6(), "p6_xer"), (msp(), "msproject_xml")], ids=["pmxml", "mspdi"])
def test_the_content_says_what_a_file_is_and_not_its_name(tmp_path, packed, content, profile):
    data, name = content.encode(), "hall.csv"
    if packed == "gzip":
        data, name = gzip.compress(data), "hall.xml.gz"
    elif packed == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("hall.xml", data)
        data, name = buffer.getvalue(), "hall.zip"
    schedule = read(tmp_path, data, name)

    assert schedule.profile.name == profile
    assert (packed == "plain") == any("named .csv, but the content is XML" in note for note in schedule.notes)


@pytest.mark.parametrize(
    ("percent", "finish", "status", "actual_finish"),
    [("75", "2025-06-06", "in_progress", None), ("100", "2025-06-04", "complete", date(2025, 6, 4))],
)
def test_a_task_with_progress_and_no_actual_dates_has_started(tmp_path, percent, finish, status, actual_finish):
    """GanttProject's export for MS Project has per cent complete alone."""
    text = msp().replace("<ActualStart>2025-06-02T08:00:00</ActualStart>", "")
    text = text.replace("<PercentComplete>75<", f"<PercentComplete>{percent}<")
    schedule = read(tmp_path, text.replace("2025-06-06T17:00:00", f"{finish}T17:00:00"))

    roof = by_name(schedule)["Roof"]
    assert (roof["status"], roof["start"], roof["actual_finish"]) == (status, date(2025, 6, 2), actual_finish)
    assert by_name(schedule)["Walls"]["status"] == "not_started"
    assert any(note.startswith("1 tasks have per cent complete and no actual dates") for note in schedule.notes)
    assert not any("no actual dates" in note for note in read(tmp_path, msp()).notes)


def test_a_series_of_xml_files_in_a_zip_file_is_one_schedule(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        first = msp().replace("<StatusDate>2025-06-05", "<StatusDate>2025-05-05").replace("2025-06-19T", "2025-06-18T")
        archive.writestr("hall_2025-05-05.xml", first)
        archive.writestr("hall_2025-06-05.xml", msp())
    schedule = read(tmp_path, buffer.getvalue(), "hall.zip")

    # The plan at first sight is the baseline.
    assert by_name(schedule)["Walls"]["baseline_finish"] == date(2025, 6, 18)
    assert schedule.data_date == date(2025, 6, 5)


def test_the_current_baseline_of_several_is_used(tmp_path):
    schedule = read(tmp_path, p6((201, "2025-05-06"), (202, "2025-05-20"), current=202))

    walls = by_name(schedule)["Walls"]
    assert (walls["baseline_finish"], walls["baseline_duration_days"]) == (date(2025, 5, 20), 1)
    assert schedule.counts["read"] == 2


def test_the_earliest_baseline_is_used_if_none_is_current(tmp_path):
    schedule = read(tmp_path, p6((202, "2025-05-20"), (201, "2025-05-06")))

    assert by_name(schedule)["Walls"]["baseline_finish"] == date(2025, 5, 6)
    assert any("2 baselines, none assigned: 'HALL - B201' is used" in note for note in schedule.notes)


def test_codes_of_all_projects_and_of_one_and_expenses_are_read(tmp_path):
    walls = by_name(read(tmp_path, p6()))["Walls"]

    assert (walls["phase"], walls["location"], walls["budget"]) == ("Shell", "North", 300)


def test_a_baseline_of_ms_project_is_number_0_else_the_lowest(tmp_path):
    both = by_name(read(tmp_path, msp((3, "2025-05-06"), (0, "2025-05-20"))))["Walls"]
    other = read(tmp_path, msp((3, "2025-05-06")))

    assert (both["baseline_finish"], both["budget"]) == (date(2025, 5, 20), 12500)
    assert by_name(other)["Walls"]["baseline_finish"] == date(2025, 5, 6)
    assert any("no baseline but baseline 3" in note for note in other.notes)


def test_summary_inactive_milestone_and_blank_rows_of_ms_project_are_no_activities(tmp_path):
    schedule = read(tmp_path, msp())

    assert sorted(by_name(schedule)) == ["Roof", "Walls"]
    assert by_name(schedule)["Walls"]["location"] == "North"


@pytest.mark.parametrize(
    ("name", "day", "noted"),
    [("hall_2025-06-30.xml", date(2025, 6, 30), False), ("hall.xml", date(2026, 1, 5), True)],
)
def test_without_a_status_date_the_name_says_the_day_else_the_day_of_saving(tmp_path, name, day, noted):
    text = msp().replace("<StatusDate>2025-06-05T17:00:00</StatusDate>", "")
    schedule = read(tmp_path, text, name)

    assert schedule.data_date == day
    assert noted == any("the day on which the file was saved" in note for note in schedule.notes)


def test_a_rejected_row_stands_in_the_report_with_its_line_in_the_xml(tmp_path):
    text = p6().replace("<ActualStartDate>2025-06-02T08:00:00", "<ActualStartDate>2 June")
    rows = "".join(
        f"<Activity><Id>B{number}</Id><Name>More</Name><ObjectId>9{number}</ObjectId><Type>Task Dependent</Type>"
        "<PlannedFinishDate>2025-07-19T17:00:00</PlannedFinishDate><Status>Not Started</Status>"
        "<PlannedStartDate>2025-07-06T08:00:00</PlannedStartDate></Activity>"
        for number in range(5)
    )
    text = text.replace("<ActivityExpense>", f"{rows}<ActivityExpense>")
    schedule = read(tmp_path, text)

    line = next(number for number, row in enumerate(text.splitlines(), 1) if "2 June" in row)
    assert schedule.counts["rejected"] == 1
    assert f"\n{line},start,2 June," in schedule.rejected.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (p6()[:900], "the XML file is cut"),
        (p6().replace("<Name>Walls", "<Name>Wa<lls"), "not well-formed"),
        (msp()[:-30], "the XML file is cut"),
        ('<?xml version="1.0"?><APIBusinessObjects/>', "the P6 XML file has no project"),
        ('<Project xmlns="http://schemas.microsoft.com/project"/>', "the XML file holds no tasks"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_to_export_it(tmp_path, content, reason):
    with pytest.raises(ScheduleRefused, match=reason) as caught:
        read(tmp_path, content)

    assert caught.value.remedy


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + level)} "{f"&{chr(97 + level)};" * 10}">' for level in range(9)
)


@pytest.mark.parametrize("whole", [p6(), msp()], ids=["pmxml", "mspdi"])
@pytest.mark.parametrize(
    ("doctype", "value"),
    [
        (BOMB + "]>", "&j;"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;"),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', ""),
        ('<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>', ""),
    ],
    ids=["bomb", "external", "dtd", "parameter"],
)
def test_entities_and_document_types_are_refused(tmp_path, whole, doctype, value):
    text = whole.replace("?>", f"?>{doctype}", 1).replace("<Name>Walls", f"<Name>{value}Walls")

    with pytest.raises(ScheduleRefused, match="declares a document type or entities"):
        read(tmp_path, text)


@pytest.mark.parametrize("prologue", ["<?a ?>" * 5000, "<!-- x -->" * 5000, "<!DOCTYPE" * 5000], ids=str.split)
def test_what_stands_before_the_root_costs_no_time(tmp_path, prologue):
    with pytest.raises(ScheduleRefused):
        read(tmp_path, prologue + "<p>")


@pytest.mark.parametrize(
    "text",
    [
        '<project name="x" view-date="2025-01-01"><tasks/></project>',
        '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup/></Project>',
        '<project xmlns="http://maven.apache.org/POM/4.0.0"/>',
    ],
)
def test_other_xml_with_a_root_called_project_is_no_schedule(tmp_path, text):
    with pytest.raises(ScheduleRefused, match="the file is"):
        read(tmp_path, text)
