"""XML files of Primavera P6 and Microsoft Project as a user drops them: through the whole reader."""

import gzip
import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule, read_schedule

# One project in three notations: five days a week, a holiday on 9 June, six hours of float over a weekend.
SHIFTS = "(0||0(s|08:00|f|12:00)())(0||1(s|13:00|f|17:00)())"
WEEK = "".join(f"(0||{day}()({SHIFTS if 1 < day < 7 else ''}))" for day in range(1, 8))
XER = "\r\n".join(
    "\t".join(line)
    for line in (
        ("ERMHDR", "19.12", "2025-06-05", "Project", "admin", "admin", "dbx", "Project Management", "EUR"),
        ("%T", "PROJECT"),
        ("%F", "proj_id", "proj_short_name", "last_recalc_date", "export_flag"),
        ("%R", "100", "HALL", "2025-06-05 08:00", "Y"),
        ("%T", "CALENDAR"),
        ("%F", "clndr_id", "clndr_name", "day_hr_cnt", "week_hr_cnt", "clndr_data"),
        (
            "%R",
            "5",
            "Five days",
            "8",
            "40",
            f"(0||CalendarData()((0||DaysOfWeek()({WEEK}))(0||Exceptions()((0||0(d|45817)())))))",
        ),
        ("%T", "PROJWBS"),
        ("%F", "wbs_id", "proj_id", "proj_node_flag", "wbs_short_name", "wbs_name", "parent_wbs_id"),
        ("%R", "10", "100", "Y", "HALL", "Hall 5", ""),
        ("%R", "11", "100", "N", "S", "Structure", "10"),
        ("%T", "TASK"),
        (
            *("%F", "task_id", "proj_id", "wbs_id", "clndr_id", "task_code", "task_name", "task_type", "status_code"),
            *("complete_pct_type", "phys_complete_pct", "target_drtn_hr_cnt", "remain_drtn_hr_cnt"),
            *("target_start_date", "target_end_date", "act_start_date", "act_end_date", "total_float_hr_cnt"),
            *("early_start_date", "early_end_date", "late_start_date", "late_end_date"),
        ),
        (
            *("%R", "1", "100", "11", "5", "A1", "Walls", "TT_Task", "TK_NotStart", "CP_Drtn", "0", "72", "72"),
            *("2025-06-06 08:00", "2025-06-19 17:00", "", "", "6"),
            *("2025-06-06 08:00", "2025-06-20 13:00", "2025-06-09 08:00", "2025-06-23 10:00"),
        ),
        (
            *("%R", "2", "100", "11", "5", "A2", "Roof", "TT_Task", "TK_Active", "CP_Drtn", "0", "40", "10"),
            *("2025-06-02 08:00", "2025-06-06 17:00", "2025-06-02 08:00", "", "0"),
            *("2025-06-05 08:00", "2025-06-06 10:00", "2025-06-05 08:00", "2025-06-06 10:00"),
        ),
        ("%T", "TASKPRED"),
        ("%F", "task_pred_id", "task_id", "pred_task_id", "proj_id", "pred_proj_id", "pred_type", "lag_hr_cnt"),
        ("%R", "9", "1", "2", "100", "100", "PR_SS", "4"),
        ("%E",),
    )
)
HOURS = (
    "<WorkTime><Start>08:00:00</Start><Finish>11:59:00</Finish></WorkTime>"
    "<WorkTime><Start>13:00:00</Start><Finish>16:59:00</Finish></WorkTime>"
)
NO_HOURS = '<WorkTime xsi:nil="true"/>'
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
P6_WEEK = "".join(
    f"<StandardWorkHours><DayOfWeek>{day}</DayOfWeek>{NO_HOURS if day.startswith('S') else HOURS}</StandardWorkHours>"
    for day in DAYS
)
PMXML = f"""<?xml version="1.0" encoding="UTF-8"?>
<APIBusinessObjects xmlns="http://xmlns.oracle.com/Primavera/P6Professional/V22.12/API/BusinessObjects"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<ActivityCodeType><Name>Phase</Name><ObjectId>7</ObjectId><Scope>Global</Scope></ActivityCodeType>
<ActivityCode><CodeTypeObjectId>7</CodeTypeObjectId><CodeValue>S</CodeValue><Description>Shell</Description>
<ObjectId>71</ObjectId></ActivityCode>
<Calendar><HoursPerDay>8</HoursPerDay><HoursPerWeek>40</HoursPerWeek><Name>Company</Name><ObjectId>4</ObjectId>
<Type>Global</Type><StandardWorkWeek>{P6_WEEK}</StandardWorkWeek><HolidayOrExceptions><HolidayOrException>
<Date>2025-06-09T00:00:00</Date>{NO_HOURS}</HolidayOrException></HolidayOrExceptions></Calendar>
<Project><CurrentBaselineProjectObjectId>CURRENT</CurrentBaselineProjectObjectId>
<DataDate>2025-06-05T08:00:00</DataDate><Id>HALL</Id><Name>Hall 5</Name><ObjectId>100</ObjectId>
<ActivityCodeType><Name>Zone</Name><ObjectId>8</ObjectId><Scope>Project</Scope></ActivityCodeType>
<ActivityCode><CodeTypeObjectId>8</CodeTypeObjectId><CodeValue>N</CodeValue><Description>North</Description>
<ObjectId>81</ObjectId></ActivityCode>
<Calendar><BaseCalendarObjectId>4</BaseCalendarObjectId><HoursPerDay>8</HoursPerDay><HoursPerWeek>40</HoursPerWeek>
<Name>Five days</Name><ObjectId>5</ObjectId><Type>Project</Type>
<StandardWorkWeek>{P6_WEEK}</StandardWorkWeek></Calendar>
<WBS><Code>S</Code><Name>Structure</Name><ObjectId>11</ObjectId><ParentObjectId xsi:nil="true"/></WBS>
<Activity><CalendarObjectId>5</CalendarObjectId><Id>A1</Id><Name>Walls</Name><ObjectId>1</ObjectId>
<PercentCompleteType>Duration</PercentCompleteType><PlannedDuration>72</PlannedDuration>
<PlannedFinishDate>2025-06-19T17:00:00</PlannedFinishDate><PlannedStartDate>2025-06-06T08:00:00</PlannedStartDate>
<RemainingDuration>72</RemainingDuration><RemainingEarlyFinishDate>2025-06-20T13:00:00</RemainingEarlyFinishDate>
<RemainingEarlyStartDate>2025-06-06T08:00:00</RemainingEarlyStartDate>
<RemainingLateFinishDate>2025-06-23T10:00:00</RemainingLateFinishDate>
<RemainingLateStartDate>2025-06-09T08:00:00</RemainingLateStartDate><Status>Not Started</Status>
<Type>Task Dependent</Type><WBSObjectId>11</WBSObjectId>
<Code><TypeObjectId>7</TypeObjectId><ValueObjectId>71</ValueObjectId></Code>
<Code><TypeObjectId>8</TypeObjectId><ValueObjectId>81</ValueObjectId></Code></Activity>
<Activity><ActualStartDate>2025-06-02T08:00:00</ActualStartDate><CalendarObjectId>5</CalendarObjectId><Id>A2</Id>
<Name>Roof</Name><ObjectId>2</ObjectId><PercentCompleteType>Duration</PercentCompleteType>
<PlannedDuration>40</PlannedDuration><PlannedFinishDate>2025-06-06T17:00:00</PlannedFinishDate>
<PlannedStartDate>2025-06-02T08:00:00</PlannedStartDate><RemainingDuration>10</RemainingDuration>
<RemainingEarlyFinishDate>2025-06-06T10:00:00</RemainingEarlyFinishDate>
<RemainingEarlyStartDate>2025-06-05T08:00:00</RemainingEarlyStartDate><Status>In Progress</Status>
<Type>Task Dependent</Type><WBSObjectId>11</WBSObjectId></Activity>
<ActivityExpense><ActivityObjectId>1</ActivityObjectId><PlannedCost>300</PlannedCost></ActivityExpense>
<Relationship><Lag>4</Lag><ObjectId>9</ObjectId><PredecessorActivityObjectId>2</PredecessorActivityObjectId>
<SuccessorActivityObjectId>1</SuccessorActivityObjectId><Type>Start to Start</Type></Relationship>
<ScheduleOptions><RelationshipLagCalendar>Successor Activity Calendar</RelationshipLagCalendar></ScheduleOptions>
</Project>BASELINES
</APIBusinessObjects>
"""
P6_BASELINE = """<BaselineProject><DataDate>{day}T08:00:00</DataDate><Id>HALL - B{number}</Id>
<ObjectId>{number}</ObjectId><OriginalProjectObjectId>100</OriginalProjectObjectId>
<Activity><Id>A1</Id><ObjectId>{number}1</ObjectId><PlannedFinishDate>{day}T17:00:00</PlannedFinishDate>
<PlannedStartDate>{day}T08:00:00</PlannedStartDate><Status>Not Started</Status><Type>Task Dependent</Type></Activity>
</BaselineProject>"""
MSP_TIMES = (
    "<WorkingTimes><WorkingTime><FromTime>08:00:00</FromTime><ToTime>12:00:00</ToTime></WorkingTime>"
    "<WorkingTime><FromTime>13:00:00</FromTime><ToTime>17:00:00</ToTime></WorkingTime></WorkingTimes>"
)
MSP_WEEK = "".join(
    f"<WeekDay><DayType>{day}</DayType><DayWorking>{int(1 < day < 7)}</DayWorking>"
    f"{MSP_TIMES if 1 < day < 7 else ''}</WeekDay>"
    for day in range(1, 8)
)
MSPDI = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Project xmlns="http://schemas.microsoft.com/project">
<SaveVersion>14</SaveVersion><Name>hall.xml</Name><Title>Hall 5</Title><CalendarUID>3</CalendarUID>
<MinutesPerDay>480</MinutesPerDay><MinutesPerWeek>2400</MinutesPerWeek><StatusDate>2025-06-05T17:00:00</StatusDate>
<CurrentDate>2026-01-05T08:00:00</CurrentDate>
<ExtendedAttributes><ExtendedAttribute><FieldID>188743731</FieldID><FieldName>Text1</FieldName><Alias>Zone</Alias>
</ExtendedAttribute></ExtendedAttributes>
<Calendars><Calendar><UID>1</UID><Name>Standard</Name><IsBaseCalendar>1</IsBaseCalendar>
<BaseCalendarUID>-1</BaseCalendarUID><WeekDays>{MSP_WEEK}</WeekDays><Exceptions><Exception>
<EnteredByOccurrences>0</EnteredByOccurrences><TimePeriod><FromDate>2020-06-09T00:00:00</FromDate>
<ToDate>2030-06-09T23:59:00</ToDate></TimePeriod><Occurrences>11</Occurrences><Name>Whit Monday</Name><Type>2</Type>
<Month>5</Month><MonthDay>9</MonthDay><DayWorking>0</DayWorking></Exception></Exceptions></Calendar>
<Calendar><UID>3</UID><Name>Site</Name><IsBaseCalendar>0</IsBaseCalendar><BaseCalendarUID>1</BaseCalendarUID></Calendar>
</Calendars>
<Tasks>
<Task><UID>0</UID><ID>0</ID><Name>Hall 5</Name><OutlineLevel>0</OutlineLevel><Summary>1</Summary></Task>
<Task><UID>5</UID><ID>1</ID><Name>Structure</Name><OutlineLevel>1</OutlineLevel><Summary>1</Summary></Task>
<Task><UID>1</UID><ID>2</ID><Name>Walls</Name><Active>1</Active><OutlineLevel>2</OutlineLevel>
<Start>2025-06-06T08:00:00</Start><Finish>2025-06-19T17:00:00</Finish><Duration>PT72H0M0S</Duration>
<EarlyStart>2025-06-06T08:00:00</EarlyStart><EarlyFinish>2025-06-20T13:00:00</EarlyFinish>
<LateFinish>2025-06-23T10:00:00</LateFinish><TotalSlack>3600</TotalSlack><PercentComplete>0</PercentComplete>
<RemainingDuration>PT72H0M0S</RemainingDuration><Milestone>0</Milestone><Summary>0</Summary>
<CalendarUID>-1</CalendarUID><PredecessorLink><PredecessorUID>2</PredecessorUID><Type>3</Type><LinkLag>2400</LinkLag>
<LagFormat>5</LagFormat></PredecessorLink>BASELINES
<ExtendedAttribute><FieldID>188743731</FieldID><Value>North</Value></ExtendedAttribute></Task>
<Task><UID>2</UID><ID>3</ID><Name>Roof</Name><Active>1</Active><OutlineLevel>2</OutlineLevel>
<Start>2025-06-02T08:00:00</Start><Finish>2025-06-06T17:00:00</Finish><ActualStart>2025-06-02T08:00:00</ActualStart>
<PercentComplete>75</PercentComplete><Milestone>0</Milestone><Summary>0</Summary><CalendarUID>-1</CalendarUID></Task>
<Task><UID>3</UID><ID>4</ID><IsNull>1</IsNull></Task>
<Task><UID>4</UID><ID>5</ID><Name>Dropped</Name><Active>0</Active><OutlineLevel>1</OutlineLevel>
<Start>2025-06-02T08:00:00</Start><Finish>2025-06-06T17:00:00</Finish><Milestone>0</Milestone><Summary>0</Summary></Task>
<Task><UID>6</UID><ID>6</ID><Name>Done</Name><OutlineLevel>1</OutlineLevel><Start>2025-06-02T08:00:00</Start>
<Finish>2025-06-02T08:00:00</Finish><Milestone>1</Milestone><Summary>0</Summary></Task>
</Tasks>
</Project>
"""
MSP_BASELINE = (
    "<Baseline><Number>{number}</Number><Start>{day}T08:00:00</Start><Finish>{day}T17:00:00</Finish>"
    "<Cost>1250000</Cost></Baseline>"
)


def p6(*baselines: tuple[int, str], current: int | None = None) -> str:
    parts = "".join(P6_BASELINE.format(number=number, day=day) for number, day in baselines)
    text = PMXML.replace("BASELINES", parts)
    wanted = "<CurrentBaselineProjectObjectId>CURRENT</CurrentBaselineProjectObjectId>"
    return text.replace("CURRENT", str(current)) if current else text.replace(wanted, "")


def msp(*baselines: tuple[int, str]) -> str:
    return MSPDI.replace("BASELINES", "".join(MSP_BASELINE.format(number=number, day=day) for number, day in baselines))


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
    for activity in ("Walls", "Roof"):
        for column in (*columns, "total_float_days", "percent_complete", "project_id"):
            assert found[activity][column] == expected[activity][column], (activity, column)
    assert found["Walls"]["predecessor_count"] == expected["Walls"]["predecessor_count"] == 1
    # From Friday to Monday are three calendar days, of six hours of work.
    assert expected["Walls"]["total_float_days"] == 3
    assert expected["Walls"]["baseline_duration_days"] == 14


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
