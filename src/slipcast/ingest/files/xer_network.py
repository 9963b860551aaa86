"""The network of a Primavera P6 file, XER or XML: its rows in the terms of `network`."""

import sys
from collections.abc import Mapping
from datetime import datetime

from slipcast.datasets.calendars import Calendar
from slipcast.datasets.network import Writer
from slipcast.ingest.files.xer_reader import clean
from slipcast.ingest.files.xer_tables import Tables

TYPES = {
    "TT_Task": "task",
    "TT_Rsrc": "resource_dependent",
    "TT_LOE": "level_of_effort",
    "TT_Mile": "start_milestone",
    "TT_FinMile": "finish_milestone",
    "TT_WBS": "summary",
}
STATUSES = {"TK_NotStart": "not_started", "TK_Active": "in_progress", "TK_Complete": "complete"}
PERCENT_TYPES = {"CP_Phys": "physical", "CP_Drtn": "duration", "CP_Units": "units", "CP_Scope": "scope"}
CONSTRAINTS = {
    "CS_MSO": "start_on",
    "CS_MSOB": "start_on_or_before",
    "CS_MSOA": "start_on_or_after",
    "CS_MEO": "finish_on",
    "CS_MEOB": "finish_on_or_before",
    "CS_MEOA": "finish_on_or_after",
    "CS_ALAP": "as_late_as_possible",
    "CS_MANDSTART": "mandatory_start",
    "CS_MANDFIN": "mandatory_finish",
}
# Of schedule options; without them P6 counts on the calendar of the predecessor.
LAG_CALENDARS = {"rcal_Successor": "successor", "rcal_24Hour": "elapsed", "rcal_ProjDefault": "project"}
MOMENTS = {
    "planned_start": "target_start_date",
    "planned_finish": "target_end_date",
    "actual_start": "act_start_date",
    "actual_finish": "act_end_date",
    "early_start": "early_start_date",
    "early_finish": "early_end_date",
    "late_start": "late_start_date",
    "late_finish": "late_end_date",
    "expected_finish": "expect_end_date",
    "constraint_date": "cstr_date",
    "second_constraint_date": "cstr_date2",
    "suspended": "suspend_date",
    "resumed": "resume_date",
    "external_early_start": "external_early_start_date",
    "external_late_finish": "external_late_end_date",
}
FLOAT_KINDS = {"FT_FF": "finish", "FT_SS": "start", "FT_Min": "smallest"}
NOTHING = Calendar()


def remember_activity(tables: Tables, value: Mapping[str, str]) -> None:
    """Keep what relations need of a row of TASK; those of baseline projects need nothing."""
    project = value["proj_id"]
    if project not in tables.behind:
        tables.activities[value["task_id"]] = (
            sys.intern(project),
            clean(value["task_code"]),
            sys.intern(value["clndr_id"]),
        )


def write_activity(network: Writer, tables: Tables, value: Mapping[str, str], percent: str) -> None:
    """Write a row of TASK; words that are not known stay as they are."""
    network.activity(
        tables.short_name(value["proj_id"]),
        {
            **{column: value[name] for column, name in MOMENTS.items()},
            "activity_id": clean(value["task_code"]),
            "activity_name": clean(value["task_name"]),
            "activity_type": TYPES.get(value["task_type"], value["task_type"]),
            "status": STATUSES.get(value["status_code"], value["status_code"]),
            "calendar_id": value["clndr_id"],
            "planned_minutes": _minutes(value["target_drtn_hr_cnt"]),
            "remaining_minutes": _minutes(value["remain_drtn_hr_cnt"]),
            "total_float_minutes": _float(tables, value),
            "percent_complete": percent,
            "percent_complete_type": PERCENT_TYPES.get(value["complete_pct_type"], value["complete_pct_type"]),
            "constraint_type": CONSTRAINTS.get(value["cstr_type"], value["cstr_type"]),
            "second_constraint_type": CONSTRAINTS.get(value["cstr_type2"], value["cstr_type2"]),
        },
    )


def write_relation(network: Writer, tables: Tables, value: Mapping[str, str]) -> bool:
    """Write a row of TASKPRED; return False if one of its activities has not been read, or is of a baseline project."""
    successor = tables.activities.get(value.get("task_id", ""))
    predecessor = tables.activities.get(value.get("pred_task_id", ""))
    if successor is None or predecessor is None:
        return False
    if successor[0] in tables.stubs:
        return True
    whose = LAG_CALENDARS.get(
        tables.options.get(successor[0], {}).get("sched_calendar_on_relationship_lag", ""), "predecessor"
    )
    own = {"predecessor": predecessor[2], "successor": successor[2]}
    default = tables.projects.get(successor[0], {}).get("clndr_id", "")
    network.relation(
        tables.short_name(successor[0]),
        {
            "predecessor_project_id": tables.short_name(predecessor[0]) if predecessor[0] != successor[0] else "",
            "predecessor_id": predecessor[1],
            "successor_id": successor[1],
            "relation_type": value.get("pred_type", "").removeprefix("PR_") or "FS",
            "lag_minutes": _minutes(value.get("lag_hr_cnt", "")) or 0,
            "lag_calendar": whose,
            "lag_calendar_id": own.get(whose, default if whose == "project" else ""),
        },
    )
    return True


def write_projects(network: Writer, tables: Tables) -> None:
    """Write the projects that are scheduled, each with its schedule options."""
    for identifier, project in tables.projects.items():
        if identifier in tables.behind or identifier in tables.stubs:
            continue
        options = tables.options.get(identifier, {})
        network.project(
            tables.short_name(identifier),
            {
                "data_time": project.get("last_recalc_date", ""),
                "planned_start": project.get("plan_start_date", ""),
                "must_finish": project.get("plan_end_date", ""),
                "calendar_id": project.get("clndr_id", ""),
                "out_of_sequence": _out_of_sequence(options),
                "float_kind": FLOAT_KINDS.get(options.get("sched_float_type", ""), ""),
                "lag_from_actual_start": options.get("sched_lag_early_start_flag") == "N",
                "open_ends_critical": options.get("sched_open_critical_flag") == "Y",
                "float_to_own_finish": options.get("sched_use_project_end_date_for_float") != "N",
            },
        )


def _out_of_sequence(options: Mapping[str, str]) -> str:
    if options.get("sched_retained_logic") != "N":
        return "retained_logic"
    return "progress_override" if options.get("sched_progress_override") == "Y" else "actual_dates"


def write_calendars(network: Writer, tables: Tables) -> None:
    """Write the calendars, each with the holidays of the one that it is based on."""
    for identifier, calendar in tables.calendars.items():
        network.calendar(identifier, *tables.calendar_names.get(identifier, ("", "")), calendar)


def _float(tables: Tables, value: Mapping[str, str]) -> float | str:
    if value["total_float_hr_cnt"] or value["act_end_date"]:
        return _minutes(value["total_float_hr_cnt"])
    try:
        early, late = (datetime.fromisoformat(value[name]) for name in ("early_end_date", "late_end_date"))
        return tables.calendars.get(value["clndr_id"], NOTHING).between(early, late) * 60
    except (TypeError, ValueError):
        return ""


def _minutes(hours: str) -> float | str:
    try:
        return round(float(hours.replace(",", "" if "." in hours else ".")) * 60)
    except (ValueError, OverflowError):
        return ""
