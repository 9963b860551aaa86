"""XML files of Primavera P6 and Microsoft Project, as the tools write them, and XML that harms."""

import csv
from pathlib import Path

import pytest

from slipcast.ingest.files import mspdi
from slipcast.ingest.files.pmxml_reader import PmxmlReader
from slipcast.ingest.files.xml_stream import MAX_DEPTH, XmlReader
from slipcast.ingest.refusal import ScheduleRefused

NAMESPACES = [
    "http://xmlns.oracle.com/Primavera/P6/V7/API/BusinessObjects",
    "http://xmlns.oracle.com/Primavera/P6/V8.3/API/BusinessObjects",
    "http://xmlns.oracle.com/Primavera/P6/V19.12/API/BusinessObjects",
    "http://xmlns.oracle.com/Primavera/P6Professional/V24.12/API/BusinessObjects",
]
# The order of elements and the empty ones are those of P6: nil where there is no value.
PMXML = """<?xml version="1.0" encoding="UTF-8"?>
<APIBusinessObjects xmlns="{namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <ActivityCodeType><ObjectId>7</ObjectId><Name>Phase</Name></ActivityCodeType>
  <ActivityCode><CodeTypeObjectId>7</CodeTypeObjectId><CodeValue>S</CodeValue><Description>Structure</Description>
    <ObjectId>71</ObjectId></ActivityCode>
  <Calendar>
    <HoursPerDay>8</HoursPerDay><HoursPerWeek>40</HoursPerWeek><Name>Five days</Name><ObjectId>5</ObjectId>
    <Type>Global</Type>
    <StandardWorkWeek>
      <StandardWorkHours><DayOfWeek>Sunday</DayOfWeek><WorkTime xsi:nil="true"/></StandardWorkHours>
      <StandardWorkHours><DayOfWeek>Monday</DayOfWeek>
        <WorkTime><Start>08:00:00</Start><Finish>11:59:00</Finish></WorkTime>
        <WorkTime><Start>13:00:00</Start><Finish>16:59:00</Finish></WorkTime>
      </StandardWorkHours>
    </StandardWorkWeek>
    <HolidayOrExceptions>
      <HolidayOrException><Date>2025-12-25T00:00:00</Date><WorkTime xsi:nil="true"/></HolidayOrException>
    </HolidayOrExceptions>
  </Calendar>
  <Project>
    <CurrentBaselineProjectObjectId>200</CurrentBaselineProjectObjectId>
    <DataDate>2025-06-30T00:00:00</DataDate><Id>HALL</Id><Name>Hall 5</Name><ObjectId>100</ObjectId>
    <WBS><Code>HALL.S</Code><Name>Structure</Name><ObjectId>11</ObjectId><ParentObjectId xsi:nil="true"/></WBS>
    <Activity>
      <ActualFinishDate xsi:nil="true"/><ActualStartDate>2025-06-02T08:00:00</ActualStartDate>
      <CalendarObjectId>5</CalendarObjectId><Id>A1000</Id><Name>Footings &amp; walls</Name><ObjectId>1</ObjectId>
      <PercentCompleteType>Physical</PercentCompleteType><PhysicalPercentComplete>0.35</PhysicalPercentComplete>
      <PlannedDuration>80</PlannedDuration><PlannedFinishDate>2025-06-13T17:00:00</PlannedFinishDate>
      <PlannedStartDate>2025-06-02T08:00:00</PlannedStartDate>
      <PrimaryConstraintType>Start On or After</PrimaryConstraintType>
      <RemainingDuration>52</RemainingDuration><Status>In Progress</Status><Type>Task Dependent</Type>
      <WBSObjectId>11</WBSObjectId>
      <Code><TypeObjectId>7</TypeObjectId><ValueObjectId>71</ValueObjectId></Code>
      <UDF><TypeObjectId>3</TypeObjectId><Text>left out</Text></UDF>
    </Activity>
    <Relationship><Lag>16</Lag><ObjectId>9</ObjectId><PredecessorActivityObjectId>1</PredecessorActivityObjectId>
      <SuccessorActivityObjectId>2</SuccessorActivityObjectId><Type>Start to Start</Type></Relationship>
    <ResourceAssignment><ActivityObjectId>1</ActivityObjectId><PlannedCost>1200.5</PlannedCost></ResourceAssignment>
    <ActivityExpense><ActivityObjectId>1</ActivityObjectId><PlannedCost>300</PlannedCost></ActivityExpense>
  </Project>
  <BaselineProject>
    <DataDate>2025-01-01T00:00:00</DataDate><Id>HALL - B1</Id><ObjectId>200</ObjectId>
    <OriginalProjectObjectId>100</OriginalProjectObjectId>
    <Activity><Id>A1000</Id><ObjectId>21</ObjectId><PlannedFinishDate>2025-05-30T17:00:00</PlannedFinishDate>
      <PlannedStartDate>2025-05-19T08:00:00</PlannedStartDate><Status>Not Started</Status><Type>Task Dependent</Type>
    </Activity>
  </BaselineProject>
</APIBusinessObjects>
"""
MSPDI = """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Project xmlns="http://schemas.microsoft.com/project">
  <SaveVersion>14</SaveVersion><Name>hall.xml</Name><Title>Hall 5</Title><MinutesPerDay>480</MinutesPerDay>
  <StatusDate>2025-06-30T17:00:00</StatusDate><CurrentDate>2026-01-05T08:00:00</CurrentDate>
  <ExtendedAttributes><ExtendedAttribute><FieldID>188743731</FieldID><FieldName>Text1</FieldName><Alias>Trade</Alias>
    </ExtendedAttribute></ExtendedAttributes>
  <Tasks>
    <Task><UID>0</UID><ID>0</ID><Name>Hall 5</Name><OutlineLevel>0</OutlineLevel><Summary>1</Summary></Task>
    <Task><UID>1</UID><ID>1</ID><Name>Structure</Name><OutlineLevel>1</OutlineLevel><Summary>1</Summary></Task>
    <Task><UID>2</UID><ID>2</ID><Name>Walls</Name><Active>1</Active><OutlineLevel>2</OutlineLevel>
      <Start>2025-06-02T08:00:00</Start><Finish>2025-06-20T17:00:00</Finish><ActualStart>2025-06-02T08:00:00</ActualStart>
      <RemainingDuration>PT40H0M0S</RemainingDuration><TotalSlack>4800</TotalSlack><PercentComplete>40</PercentComplete>
      <Milestone>0</Milestone><Summary>0</Summary>
      <ExtendedAttribute><FieldID>188743731</FieldID><Value>Concrete</Value></ExtendedAttribute>
      <Baseline><Number>1</Number><Start>2025-05-05T08:00:00</Start><Finish>2025-05-16T17:00:00</Finish></Baseline>
      <Baseline><Number>0</Number><Start>2025-05-26T08:00:00</Start><Finish>2025-06-13T17:00:00</Finish>
        <Duration>PT120H0M0S</Duration><Cost>1250000</Cost></Baseline>
    </Task>
    <Task><UID>3</UID><ID>3</ID><IsNull>1</IsNull></Task>
    <Task><UID>4</UID><ID>4</ID><Name>Roof</Name><Active>0</Active><OutlineLevel>1</OutlineLevel><Summary>0</Summary>
      <PredecessorLink><PredecessorUID>2</PredecessorUID><Type>1</Type><LinkLag>2400</LinkLag><LagFormat>7</LagFormat>
      </PredecessorLink>
      <PredecessorLink><PredecessorUID>1</PredecessorUID><Type>3</Type><LinkLag>50</LinkLag><LagFormat>19</LagFormat>
      </PredecessorLink></Task>
    <Task><UID>5</UID><ID>5</ID><Name>Elsewhere</Name><ExternalTask>1</ExternalTask></Task>
  </Tasks>
</Project>
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "dropped.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(reader: PmxmlReader, table: str) -> list[dict[str, str]]:
    return [record.values for record in reader.records({table})]


@pytest.fixture
def hall(tmp_path) -> PmxmlReader:
    return PmxmlReader(written(tmp_path, PMXML.replace("{namespace}", NAMESPACES[-1])), "hall.xml")


@pytest.mark.parametrize("namespace", [*NAMESPACES, "urn:whatever"])
def test_a_namespace_of_any_version_is_read(tmp_path, namespace):
    reader = PmxmlReader(written(tmp_path, PMXML.replace("{namespace}", namespace)), "hall.xml")

    assert [row["task_code"] for row in rows(reader, "TASK")] == ["A1000", "A1000"]


def test_a_prefix_before_each_name_changes_nothing(tmp_path):
    text = PMXML.replace("{namespace}", NAMESPACES[0]).replace("xmlns=", "xmlns:p6=")
    text = text.replace("</", "</p6:").replace("<?xml", "\0").replace("<", "<p6:").replace("<p6:/p6:", "</p6:")
    reader = PmxmlReader(written(tmp_path, text.replace("\0", "<?xml")), "hall.xml")

    assert len(rows(reader, "TASK")) == 2


def test_an_activity_has_the_fields_of_an_xer_file(hall):
    activity, baseline = rows(hall, "TASK")

    assert activity["task_name"] == "Footings & walls"
    assert (activity["task_type"], activity["status_code"]) == ("TT_Task", "TK_Active")
    assert (activity["act_start_date"], activity["act_end_date"]) == ("2025-06-02 08:00", "")
    assert (activity["target_drtn_hr_cnt"], activity["remain_drtn_hr_cnt"]) == ("80", "52")
    # The XML file has a share, the XER file percent.
    assert (activity["complete_pct_type"], activity["phys_complete_pct"]) == ("CP_Phys", "35")
    assert activity["cstr_type"] == "CS_MSOA"
    # The project is named by where the activity stands.
    assert (activity["proj_id"], baseline["proj_id"]) == ("100", "200")


def test_a_baseline_is_a_project_that_the_current_one_names(hall):
    current, baseline = rows(hall, "PROJECT")

    assert current["sum_base_proj_id"] == baseline["proj_id"] == "200"
    assert baseline["orig_proj_id"] == current["proj_id"] == "100"
    assert current["last_recalc_date"] == "2025-06-30 00:00"


def test_relations_codes_and_costs_are_tables(hall):
    (relation,) = rows(hall, "TASKPRED")
    assert (relation["pred_task_id"], relation["task_id"]) == ("1", "2")
    assert (relation["pred_type"], relation["lag_hr_cnt"]) == ("PR_SS", "16")

    (assigned,) = rows(hall, "TASKACTV")
    assert assigned == {"task_id": "1", "actv_code_type_id": "7", "actv_code_id": "71"}
    assert rows(hall, "ACTVTYPE")[0]["actv_code_type"] == "Phase"
    assert rows(hall, "ACTVCODE")[0]["actv_code_name"] == "Structure"
    assert rows(hall, "TASKRSRC")[0]["target_cost"] == "1200.5"
    assert rows(hall, "PROJCOST")[0]["target_cost"] == "300"


def test_a_calendar_is_in_the_notation_of_p6(hall):
    (calendar,) = rows(hall, "CALENDAR")

    # Monday is day 2; shifts end a minute after the one that the XML file names; 2025-12-25 is day 46016 of Excel.
    assert "(0||2()((0||0(s|08:00|f|12:00)())(0||1(s|13:00|f|17:00)())))" in calendar["clndr_data"]
    assert "(0||1()())" in calendar["clndr_data"]
    assert "(0||0(d|46016)())" in calendar["clndr_data"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1251", "iso-8859-1", "cp1256"])
def test_the_encoding_is_that_of_the_declaration(tmp_path, encoding):
    name = {"windows-1251": "Кровля", "iso-8859-1": "Dächer", "cp1256": "سقف"}.get(encoding, "屋根 Dächer")
    text = PMXML.replace("{namespace}", NAMESPACES[1]).replace("Footings &amp; walls", name)
    text = text.replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"')
    reader = PmxmlReader(written(tmp_path, text.encode(encoding)), "hall.xml")

    assert rows(reader, "TASK")[0]["task_name"] == name


def test_an_encoding_that_is_not_known_is_named_with_a_remedy(tmp_path):
    text = PMXML.replace("{namespace}", NAMESPACES[1]).replace('"UTF-8"', '"klingon"')

    with pytest.raises(ScheduleRefused, match=r"encoding .* as UTF-8"):
        rows(PmxmlReader(written(tmp_path, text), "hall.xml"), "TASK")


BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<APIBusinessObjects><Project><Activity><Id>&lol2;</Id></Activity></Project></APIBusinessObjects>"""
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>
<APIBusinessObjects><Project><Activity><Id>&file;</Id></Activity></Project></APIBusinessObjects>"""
DTD = """<?xml version="1.0"?>
<!DOCTYPE Project SYSTEM "http://127.0.0.1:9/x.dtd">
<APIBusinessObjects><Project/></APIBusinessObjects>"""


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, DTD], ids=["entities", "an external entity", "a document type"])
def test_what_declares_entities_or_a_document_type_is_refused(tmp_path, text):
    with pytest.raises(ScheduleRefused, match="declares a document type or entities") as refusal:
        rows(PmxmlReader(written(tmp_path, text), "bomb.xml"), "TASK")

    assert refusal.value.row == 2


def test_endless_nesting_is_refused(tmp_path):
    text = "<APIBusinessObjects>" + "<Project>" * (MAX_DEPTH + 1)

    with pytest.raises(ScheduleRefused, match=f"deeper than {MAX_DEPTH} levels"):
        rows(PmxmlReader(written(tmp_path, text), "deep.xml"), "TASK")


def test_a_text_without_end_is_refused(tmp_path):
    name = "x" * 4_000_001
    text = f"<APIBusinessObjects><Project><Activity><Name>{name}</Name></Activity></Project></APIBusinessObjects>"

    with pytest.raises(ScheduleRefused, match="more than 4,000,000 characters"):
        rows(PmxmlReader(written(tmp_path, text), "long.xml"), "TASK")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_is_refused_with_its_line(tmp_path, share):
    text = PMXML.replace("{namespace}", NAMESPACES[2])
    path = written(tmp_path, text[: int(len(text.rstrip()) * share)])

    with pytest.raises(ScheduleRefused) as refusal:
        rows(PmxmlReader(path, "cut.xml"), "TASK")

    assert refusal.value.row
    assert "File > Export" in refusal.value.remedy


def test_memory_does_not_grow_with_what_nobody_asked_for(tmp_path):
    many = "<ActivityNote><Note>" + "x" * 1_000 + "</Note></ActivityNote>"
    text = f"<APIBusinessObjects><Project><ObjectId>1</ObjectId>{many * 2_000}</Project></APIBusinessObjects>"
    (project,) = XmlReader(written(tmp_path, text), "notes.xml", "again").records({"Project": frozenset({"ObjectId"})})

    assert project.fields == {"ObjectId": "1"}


def tasks(folder: Path, text: str = MSPDI) -> tuple[list[dict[str, str]], tuple[str, ...]]:
    out = folder / "tasks.csv"
    notes = mspdi.to_csv(written(folder, text), out, name="hall.xml")
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)), notes


def test_a_task_has_the_columns_of_ms_project(tmp_path):
    found, _ = tasks(tmp_path)
    walls = found[2]

    assert (walls["Unique ID"], walls["Name"], walls["Outline Parent"]) == ("2", "Walls", "Structure")
    assert (walls["Project"], walls["Status Date"]) == ("Hall 5", "2025-06-30 17:00")
    assert (walls["Start"], walls["Actual Start"], walls["Actual Finish"]) == ("2025-06-02 08:00",) * 2 + ("",)
    assert (walls["Total Slack"], walls["Remaining Duration"], walls["% Complete"]) == ("8 hrs", "40 hrs", "40")
    assert (walls["Summary"], walls["Milestone"], walls["Active"]) == ("No", "No", "Yes")
    # A custom field stands under the name that its users see.
    assert walls["Trade"] == "Concrete"


def test_the_baseline_is_number_0_and_its_cost_in_whole_units(tmp_path):
    found, _ = tasks(tmp_path)

    assert (found[2]["Baseline Start"], found[2]["Baseline Finish"]) == ("2025-05-26 08:00", "2025-06-13 17:00")
    assert (found[2]["Baseline Duration"], found[2]["Baseline Cost"]) == ("120 hrs", "12500.00")


def test_another_baseline_is_used_where_there_is_no_number_0_and_the_report_says_so(tmp_path):
    found, notes = tasks(tmp_path, MSPDI.replace("<Number>0</Number>", "<Number>3</Number>"))

    assert found[2]["Baseline Finish"] == "2025-05-16 17:00"
    assert "1 tasks have no baseline but baseline 1, which is used" in notes


def test_links_have_types_and_lags(tmp_path):
    found, _ = tasks(tmp_path)

    assert found[3]["Predecessors"] == "2FS+4 hrs,1SS+50%"


def test_blank_lines_and_foreign_tasks_are_left_out_and_counted(tmp_path):
    found, notes = tasks(tmp_path)

    assert [row["Name"] for row in found] == ["Hall 5", "Structure", "Walls", "Roof"]
    assert (found[3]["Active"], found[3]["Outline Parent"]) == ("No", "")
    assert "1 empty lines between tasks" in notes
    assert "1 tasks stand for other projects and are left out" in notes


def test_a_project_without_tasks_is_refused(tmp_path):
    with pytest.raises(ScheduleRefused, match="no tasks"):
        tasks(tmp_path, '<Project xmlns="http://schemas.microsoft.com/project"><Name>x</Name></Project>')


def test_too_many_custom_fields_are_refused(tmp_path):
    path = written(tmp_path, MSPDI)

    with pytest.raises(ScheduleRefused, match="1 custom fields are defined, at most 0 may be"):
        mspdi.to_csv(path, tmp_path / "t.csv", name="hall.xml", max_columns=len(mspdi.COLUMNS))
