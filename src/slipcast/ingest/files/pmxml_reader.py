"""The tables of a Primavera P6 XML file (PMXML), under the names that P6 gives them in an XER file.

Both files are written from the same database: what reads one reads the other. Names of elements are those of Oracle's
schema for P6 7 to 25 (``APIBusinessObjects``), names of fields those of the XER data map.
"""

import base64
import uuid
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from slipcast.ingest.files.xer_reader import Record
from slipcast.ingest.files.xml_stream import Element, XmlReader

AGAIN = "Export the XML file again (In Primavera P6: File > Export > Primavera PM - (XML))"
# Days of P6's calendar data are counted from here, as in Excel.
EPOCH = date(1899, 12, 30)
DAYS_OF_WEEK = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

CONSTRAINTS = {
    "Start On": "CS_MSO",
    "Start On or Before": "CS_MSOB",
    "Start On or After": "CS_MSOA",
    "Finish On": "CS_MEO",
    "Finish On or Before": "CS_MEOB",
    "Finish On or After": "CS_MEOA",
    "As Late As Possible": "CS_ALAP",
    "Mandatory Start": "CS_MANDSTART",
    "Mandatory Finish": "CS_MANDFIN",
}
FLAGS = {"1": "Y", "true": "Y", "0": "N", "false": "N"}
CODES = {
    "task_type": {
        "Task Dependent": "TT_Task",
        "Resource Dependent": "TT_Rsrc",
        "Level of Effort": "TT_LOE",
        "Start Milestone": "TT_Mile",
        "Finish Milestone": "TT_FinMile",
        "WBS Summary": "TT_WBS",
    },
    "status_code": {"Not Started": "TK_NotStart", "In Progress": "TK_Active", "Completed": "TK_Complete"},
    "complete_pct_type": {
        "Physical": "CP_Phys",
        "Duration": "CP_Drtn",
        "Units": "CP_Units",
        "Scope": "CP_Scope",
    },
    "pred_type": {
        "Finish to Start": "PR_FS",
        "Start to Start": "PR_SS",
        "Finish to Finish": "PR_FF",
        "Start to Finish": "PR_SF",
    },
    "clndr_type": {"Global": "CA_Base", "Project": "CA_Project", "Resource": "CA_Rsrc"},
    "cstr_type": CONSTRAINTS,
    "cstr_type2": CONSTRAINTS,
    "sched_calendar_on_relationship_lag": {
        "Predecessor Activity Calendar": "rcal_Predecessor",
        "Successor Activity Calendar": "rcal_Successor",
        "24 Hour Calendar": "rcal_24Hour",
        "Project Default Calendar": "rcal_ProjDefault",
    },
    "sched_float_type": {
        "Finish Float = Late Finish - Early Finish": "FT_FF",
        "Start Float = Late Start - Early Start": "FT_SS",
        "Smallest of Start Float and Finish Float": "FT_Min",
    },
    # What is not retained is overridden, or replaced by actual dates: see `_values`.
    "sched_retained_logic": {"Retained Logic": "Y", "Progress Override": "N", "Actual Dates": "N"},
    "sched_open_critical_flag": FLAGS,
    "sched_lag_early_start_flag": FLAGS,
    "sched_use_project_end_date_for_float": FLAGS,
}

# Element → field of the XER table.
PROJECT = {
    "ObjectId": "proj_id",
    "Id": "proj_short_name",
    "Name": "proj_name",
    "DataDate": "last_recalc_date",
    "PlannedStartDate": "plan_start_date",
    "MustFinishByDate": "plan_end_date",
    "CurrentBaselineProjectObjectId": "sum_base_proj_id",
    "OriginalProjectObjectId": "orig_proj_id",
    "ActivityDefaultCalendarObjectId": "clndr_id",
    "GUID": "guid",
}
FIELDS: dict[str, dict[str, str]] = {
    "PROJECT": PROJECT,
    "CALENDAR": {
        "ObjectId": "clndr_id",
        "Name": "clndr_name",
        "Type": "clndr_type",
        "IsDefault": "default_flag",
        "BaseCalendarObjectId": "base_clndr_id",
        "ProjectObjectId": "proj_id",
        "HoursPerDay": "day_hr_cnt",
        "HoursPerWeek": "week_hr_cnt",
    },
    "PROJWBS": {
        "ObjectId": "wbs_id",
        "ParentObjectId": "parent_wbs_id",
        "ProjectObjectId": "proj_id",
        "Code": "wbs_short_name",
        "Name": "wbs_name",
        "GUID": "guid",
    },
    "TASK": {
        "ObjectId": "task_id",
        "ProjectObjectId": "proj_id",
        "WBSObjectId": "wbs_id",
        "CalendarObjectId": "clndr_id",
        "Id": "task_code",
        "Name": "task_name",
        "Type": "task_type",
        "Status": "status_code",
        "PercentCompleteType": "complete_pct_type",
        "PhysicalPercentComplete": "phys_complete_pct",
        "ScopePercentComplete": "scope_complete_pct",
        "PlannedDuration": "target_drtn_hr_cnt",
        "RemainingDuration": "remain_drtn_hr_cnt",
        "PlannedStartDate": "target_start_date",
        "PlannedFinishDate": "target_end_date",
        "ActualStartDate": "act_start_date",
        "ActualFinishDate": "act_end_date",
        "RemainingEarlyStartDate": "early_start_date",
        "RemainingEarlyFinishDate": "early_end_date",
        "RemainingLateStartDate": "late_start_date",
        "RemainingLateFinishDate": "late_end_date",
        "ExpectedFinishDate": "expect_end_date",
        "PrimaryConstraintType": "cstr_type",
        "PrimaryConstraintDate": "cstr_date",
        "SecondaryConstraintType": "cstr_type2",
        "SecondaryConstraintDate": "cstr_date2",
        "SuspendDate": "suspend_date",
        "ResumeDate": "resume_date",
        "ExternalEarlyStartDate": "external_early_start_date",
        "ExternalLateFinishDate": "external_late_end_date",
        "TotalFloat": "total_float_hr_cnt",
        "PlannedLaborUnits": "target_work_qty",
        "ActualLaborUnits": "act_work_qty",
        "RemainingLaborUnits": "remain_work_qty",
        "PlannedNonLaborUnits": "target_equip_qty",
        "ActualNonLaborUnits": "act_equip_qty",
        "RemainingNonLaborUnits": "remain_equip_qty",
        "GUID": "guid",
    },
    "TASKPRED": {
        "ObjectId": "task_pred_id",
        "SuccessorActivityObjectId": "task_id",
        "PredecessorActivityObjectId": "pred_task_id",
        "SuccessorProjectObjectId": "proj_id",
        "PredecessorProjectObjectId": "pred_proj_id",
        "Type": "pred_type",
        "Lag": "lag_hr_cnt",
    },
    "TASKRSRC": {"ActivityObjectId": "task_id", "ProjectObjectId": "proj_id", "PlannedCost": "target_cost"},
    "PROJCOST": {"ActivityObjectId": "task_id", "ProjectObjectId": "proj_id", "PlannedCost": "target_cost"},
    "ACTVTYPE": {"ObjectId": "actv_code_type_id", "Name": "actv_code_type", "ProjectObjectId": "proj_id"},
    "ACTVCODE": {
        "ObjectId": "actv_code_id",
        "CodeTypeObjectId": "actv_code_type_id",
        "CodeValue": "short_name",
        "Description": "actv_code_name",
        "ParentObjectId": "parent_actv_code_id",
    },
    "TASKACTV": {"TypeObjectId": "actv_code_type_id", "ValueObjectId": "actv_code_id"},
    "SCHEDOPTIONS": {
        "ProjectObjectId": "proj_id",
        "RelationshipLagCalendar": "sched_calendar_on_relationship_lag",
        "ComputeTotalFloatType": "sched_float_type",
        "OutOfSequenceScheduleType": "sched_retained_logic",
        "MakeOpenEndedActivitiesCritical": "sched_open_critical_flag",
        "StartToStartLagCalculationType": "sched_lag_early_start_flag",
        "CalculateFloatBasedOnFinishDate": "sched_use_project_end_date_for_float",
    },
}
# Fields of the tables next to the elements' own: the place of the row, and joined values.
ADDED = {
    "CALENDAR": ("clndr_data",),
    "PROJWBS": ("proj_node_flag",),
    "TASKACTV": ("task_id",),
    "SCHEDOPTIONS": ("sched_progress_override",),
}
ELEMENTS = {
    "PROJECT": ("Project", "BaselineProject"),
    "CALENDAR": ("Calendar",),
    "PROJWBS": ("WBS",),
    "TASK": ("Activity",),
    "TASKPRED": ("Relationship",),
    "TASKRSRC": ("ResourceAssignment",),
    "PROJCOST": ("ActivityExpense",),
    "ACTVTYPE": ("ActivityCodeType",),
    "ACTVCODE": ("ActivityCode",),
    "TASKACTV": ("Activity",),
    "SCHEDOPTIONS": ("ScheduleOptions",),
}
# Children that hold more than a text.
NESTED = {"CALENDAR": {"StandardWorkWeek", "HolidayOrExceptions"}, "TASKACTV": {"Code", "ObjectId"}}
DATES = frozenset(name for fields in FIELDS.values() for name in fields.values() if name.endswith(("_date", "_date2")))
OF_PROJECT = ("TASK", "PROJWBS", "SCHEDOPTIONS")


class PmxmlReader:
    """Reader of a P6 XML file with the interface of `XerReader`.

    A baseline (``BaselineProject``) is a project that the one it belongs to names.

    Parameters
    ----------
    path
        The file as it was dropped.
    file
        Name for messages.

    Attributes
    ----------
    kind, again
        The file for messages, and how to export it once more.
    fields
        Field names by table, of the tables read so far.
    complete
        True: XML that is cut is refused.
    stray, undecodable
        Nothing: there are no lines outside elements, and bytes that mean nothing are not well-formed.
    encodings
        Empty: XML names its own.
    """

    kind, again = "P6 XML file", AGAIN

    def __init__(self, path: Path, file: str) -> None:
        self._xml = XmlReader(path, file, AGAIN)
        self.fields: dict[str, tuple[str, ...]] = {}
        self.complete, self.stray = True, 0
        self.encodings: dict[str, str] = {}
        self.undecodable: dict[str, tuple[int, int]] = {}

    def records(self, tables: Collection[str], *, upto: Mapping[str, str] | None = None) -> Iterator[Record]:
        """Yield the rows of some tables of an XER file in the order of the XML file.

        Parameters
        ----------
        upto
            By table the only field that is wanted, so that no others are kept.

        Raises
        ------
        ScheduleRefused
            If the file is not well-formed, is cut, or declares entities.
        """
        wanted: dict[str, frozenset[str] | None] = {}
        by_element: dict[str, list[str]] = {}
        for table in sorted(tables):
            for tag in ELEMENTS.get(table, ()):
                names = set(FIELDS[table]) | NESTED.get(table, set())
                if upto is not None and table in upto:
                    names = {name for name, field in FIELDS[table].items() if field == upto[table]}
                wanted[tag] = frozenset(names | set(wanted.get(tag) or ()))
                by_element.setdefault(tag, []).append(table)
        # The project's identifier names the project of what stands in it.
        for tag in ELEMENTS["PROJECT"]:
            wanted.setdefault(tag, frozenset({"ObjectId", "Id", "Name"}))
        for element in self._xml.records(wanted):
            for table in by_element.get(element.name, ()):
                for values in _values(table, element):
                    fields = self.fields.get(table)
                    if fields is None:
                        fields = self.fields[table] = (*FIELDS[table].values(), *ADDED.get(table, ()))
                    yield Record(table, element.line, fields, [values.get(name, "") for name in fields], False)


def _values(table: str, element: Element) -> Iterator[dict[str, str]]:
    if table == "TASKACTV":
        codes = element.fields.get("Code")
        for code in codes if isinstance(codes, list) else ():
            yield {"task_id": _text(element.fields, "ObjectId")} | _translated(table, code)
        return
    values = _translated(table, element.fields)
    if table in OF_PROJECT and not values.get("proj_id"):
        values["proj_id"] = _text(element.inside, "ObjectId")
    if table == "CALENDAR":
        values["clndr_data"] = calendar_data(element.fields)
    elif table == "PROJWBS":
        # P6 itself leaves out the node of the project; other tools write it with the project's identifier or name.
        own = (
            (values["wbs_short_name"], _text(element.inside, "Id")),
            (values["wbs_name"], _text(element.inside, "Name")),
        )
        top = not values.get("parent_wbs_id") and any(text == project != "" for text, project in own)
        values["proj_node_flag"] = "Y" if top else "N"
    elif table == "SCHEDOPTIONS":
        overridden = _text(element.fields, "OutOfSequenceScheduleType") == "Progress Override"
        values["sched_progress_override"] = "Y" if overridden else "N"
    elif table == "TASK":
        for name in ("phys_complete_pct", "scope_complete_pct"):
            values[name] = _percent(values[name]) if values[name] else ""
    yield values


def _translated(table: str, fields: Mapping[str, Any]) -> dict[str, str]:
    values = {}
    for element, name in FIELDS[table].items():
        text = _text(fields, element)
        if name in CODES:
            # A word that is not known stays: the report names it.
            text = CODES[name].get(text, text)
        elif name in DATES:
            text = _moment(text)
        elif name == "guid":
            text = _guid(text)
        values[name] = text
    return values


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _moment(text: str) -> str:
    """Return a moment as XER files have it, ``2025-06-30 08:00``; what is none stays as it is, for the report."""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}" if text else ""
    except ValueError:
        return text


def _guid(text: str) -> str:
    """Return a GUID as XER files have it: its bytes in base 64, without the padding."""
    try:
        return base64.b64encode(uuid.UUID(text).bytes_le).decode().rstrip("=") if text else ""
    except ValueError:
        return text


def _percent(text: str) -> str:
    """Return percent from the share that the XML file has."""
    try:
        return repr(round(float(text) * 100, 6)).removesuffix(".0")
    except ValueError:
        return text


def calendar_data(fields: Mapping[str, Any]) -> str:
    """Return work week, holidays and exceptions of a ``Calendar`` element in the notation of ``clndr_data``."""
    week: dict[str, list[tuple[str, str]]] = {}
    for hours in _children(fields, "StandardWorkWeek", "StandardWorkHours"):
        week[_text(hours, "DayOfWeek")] = _shifts(hours)
    days = "".join(f"(0||{number}()({_spans(week.get(day, []))}))" for number, day in enumerate(DAYS_OF_WEEK, 1))
    exceptions = "".join(
        f"(0||{number}(d|{(day - EPOCH).days})({_spans(_shifts(item))}))"
        for number, item in enumerate(_children(fields, "HolidayOrExceptions", "HolidayOrException"))
        if (day := _day(_text(item, "Date"))) is not None
    )
    return f"(0||CalendarData()((0||DaysOfWeek()({days}))(0||Exceptions()({exceptions}))))"


def _children(fields: Mapping[str, Any], outer: str, inner: str) -> Iterator[Mapping[str, Any]]:
    groups = fields.get(outer)
    for group in groups if isinstance(groups, list) else ():
        found = group.get(inner)
        yield from found if isinstance(found, list) else ()


def _shifts(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    # Without work there is one empty element.
    times = fields.get("WorkTime")
    shifts = [(_text(time, "Start"), _text(time, "Finish")) for time in (times if isinstance(times, list) else ())]
    return [(start[:5], _after(finish)) for start, finish in shifts if start and finish]


def _after(text: str) -> str:
    """Return the end of a shift: the XML file names its last minute, the XER file the minute after it."""
    hours, minutes, *_ = (*text.split(":"), "0")
    try:
        total = int(hours) * 60 + int(minutes)
    except ValueError:
        return text[:5]
    # Midnight is the end of the day, 24:00, which P6 writes as 00:00.
    end = (total + total % 2) % 1440
    return f"{end // 60:02d}:{end % 60:02d}"


def _spans(shifts: list[tuple[str, str]]) -> str:
    return "".join(f"(0||{number}(s|{start}|f|{finish})())" for number, (start, finish) in enumerate(shifts))


def _day(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date() if text else None
    except ValueError:
        return None
