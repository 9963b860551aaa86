"""Make `annex/`: three updates of one invented school annex, as Primavera P6 exports them, with network and baseline.

    python examples/make_annex.py

The work takes as long as `WORK` says it really does; the planner knows no more than an update shows, and edits the
plan as planners do. Dates and float are computed by `slipcast.schedule`, by P6's rules. The same call makes the same
bytes.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import (
    Activity,
    Constraint,
    ConstraintKind,
    Key,
    Kind,
    Network,
    Project,
    Relation,
    Status,
)
from slipcast.schedule.working_time import minute_of, moment_of

HERE = Path(__file__).resolve().parent / "annex"
NAME = "ps118_annex"
PROJECT = "PS118-ANNEX"
BEGIN = datetime(2024, 10, 1, 8)
UPDATES = (date(2025, 2, 28), date(2025, 8, 29), date(2026, 3, 31))
DAY = 480
SHIFT = ((480, 720), (780, 1020))
HOLIDAYS = (
    *(date(2024, 11, 28), date(2024, 12, 25), date(2025, 1, 1), date(2025, 5, 26), date(2025, 7, 4)),
    *(date(2025, 9, 1), date(2025, 11, 27), date(2025, 12, 25), date(2026, 1, 1), date(2026, 5, 25)),
    *(date(2026, 7, 3), date(2026, 9, 7), date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1)),
)
WEEK, LONG_WEEK = "21", "22"
CALENDARS = {
    WEEK: ("5 days, 8 h", Calendar((SHIFT,) * 5 + ((), ()), dict.fromkeys(HOLIDAYS, ()))),
    LONG_WEEK: ("6 days, 8 h", Calendar((SHIFT,) * 6 + ((),), dict.fromkeys(HOLIDAYS, ()))),
}
PHASES = ("Scope", "Design", "Procurement", "Construction")
# Code, name, phase, trade, planned and real working days, predecessors as code, type and lag in days.
WORK: tuple[tuple[str, str, str, str, int, int, tuple[tuple[str, str, int], ...]], ...] = (
    ("A1010", "Site survey and probes", "Scope", "Survey", 20, 24, (("M1000", "FS", 0),)),
    ("A1020", "Scope report", "Scope", "Architecture", 25, 40, (("A1010", "FS", 0),)),
    ("A1030", "Geotechnical report", "Scope", "Structure", 30, 33, (("A1010", "SS", 10),)),
    ("A1100", "Schematic design", "Design", "Architecture", 40, 55, (("A1020", "FS", 0), ("A1030", "FS", 0))),
    ("A1110", "Structural design", "Design", "Structure", 50, 62, (("A1100", "SS", 15), ("A1030", "FS", 0))),
    ("A1120", "Mechanical and electrical design", "Design", "MEP", 60, 95, (("A1100", "FS", 0),)),
    ("A1130", "Façade design", "Design", "Envelope", 45, 50, (("A1100", "FS", 0),)),
    ("A1140", "Fire protection design", "Design", "MEP", 30, 36, (("A1120", "SS", 20),)),
    ("A1150", "Design review and permits", "Design", "Architecture", 30, 52,
     (("A1110", "FS", 0), ("A1120", "FS", 0), ("A1130", "FS", 0), ("A1140", "FS", 0))),
    ("A1200", "Bid and award", "Procurement", "Contracts", 35, 41, (("A1150", "FS", 0),)),
    ("A1210", "Switchgear, ordered early", "Procurement", "MEP", 90, 150, (("A1120", "FS", 0),)),
    ("A1220", "Steel, shop drawings and fabrication", "Procurement", "Structure", 60, 66, (("A1200", "FS", 0),)),
    ("A1300", "Mobilization", "Construction", "General", 10, 12, (("A1200", "FS", 0),)),
    ("A1310", "Excavation", "Construction", "Earthwork", 20, 27, (("A1300", "FS", 0),)),
    ("A1320", "Foundations", "Construction", "Concrete", 35, 44, (("A1310", "FS", -5),)),
    ("A1330", "Steel erection", "Construction", "Structure", 30, 38, (("A1320", "FS", 0), ("A1220", "FS", 0))),
    ("A1340", "Slabs", "Construction", "Concrete", 30, 33, (("A1330", "SS", 10), ("A1330", "FF", 5))),
    ("A1350", "Roof", "Construction", "Envelope", 25, 30, (("A1330", "FS", 0),)),
    ("A1360", "Façade", "Construction", "Envelope", 55, 70, (("A1340", "FS", 0),)),
    ("A1370", "Mechanical rough-in, floor 1", "Construction", "MEP", 35, 42, (("A1340", "FS", 0),)),
    ("A1380", "Mechanical rough-in, floor 2", "Construction", "MEP", 35, 42, (("A1370", "SS", 15), ("A1350", "FS", 0))),
    ("A1390", "Switchgear installation", "Construction", "MEP", 15, 18, (("A1210", "FS", 0), ("A1370", "FS", 0))),
    ("A1400", "Partitions, floor 1", "Construction", "Interior", 25, 28, (("A1370", "FS", 0),)),
    ("A1410", "Partitions, floor 2", "Construction", "Interior", 25, 28, (("A1380", "FS", 0), ("A1400", "FS", 0))),
    ("A1420", "Elevator", "Construction", "Conveying", 45, 45, (("A1350", "FS", 0),)),
    ("A1430", "Finishes", "Construction", "Interior", 50, 60, (("A1410", "FS", 0), ("A1360", "FS", 0))),
    ("A1440", "Commissioning", "Construction", "MEP", 20, 26,
     (("A1390", "FS", 0), ("A1430", "FS", 0), ("A1420", "FS", 0))),
    ("A1450", "Punch list", "Construction", "General", 15, 20, (("A1440", "FS", 0),)),
)  # fmt: skip
MILESTONES = {"M1000": ("Notice to proceed", Kind.START_MILESTONE, ()),
              "M1990": ("Substantial completion", Kind.FINISH_MILESTONE, (("A1450", "FS", 0),))}  # fmt: skip
# An abatement that nobody had planned, found after the first update.
ABATEMENT = ("A1160", "Asbestos abatement", "Design", "Architecture", 20, 30, (("A1150", "SS", 10),))
KINDS = {Kind.TASK: "TT_Task", Kind.START_MILESTONE: "TT_Mile", Kind.FINISH_MILESTONE: "TT_FinMile"}
STATES = {Status.NOT_STARTED: "TK_NotStart", Status.IN_PROGRESS: "TK_Active", Status.COMPLETE: "TK_Complete"}
TASK = (
    *("task_id", "proj_id", "wbs_id", "clndr_id", "phys_complete_pct", "complete_pct_type", "task_type"),
    *("duration_type", "status_code", "task_code", "task_name", "total_float_hr_cnt", "free_float_hr_cnt"),
    *("remain_drtn_hr_cnt", "target_drtn_hr_cnt", "cstr_type", "cstr_date", "act_start_date", "act_end_date"),
    *("early_start_date", "early_end_date", "late_start_date", "late_end_date", "target_start_date"),
    *("target_end_date", "guid"),
)
# As P6 writes it: readers such as MPXJ refuse a currency without a short name.
CURRENCY_FIELDS = (
    *("curr_id", "decimal_digit_cnt", "curr_symbol", "decimal_symbol", "digit_group_symbol", "pos_curr_fmt_type"),
    *("neg_curr_fmt_type", "curr_type", "curr_short_name", "group_digit_cnt", "base_exch_rate"),
)
CURRENCY = ("1", "2", "$", ".", ",", "#1.1", "(#1.1)", "US Dollar", "USD", "3", "1")


@dataclass(frozen=True)
class Plan:
    """What a planner has in mind: activities with their durations in days, relations, calendars and constraints."""

    activities: Mapping[str, tuple[str, str, str, int]]
    relations: Sequence[tuple[str, str, str, int]]
    calendars: Mapping[str, str]
    constraints: Mapping[str, Constraint]


def key(code: str) -> Key:
    """Return the key of an activity."""
    return Key(PROJECT, code)


def plan(*more: tuple[str, str, str, str, int, int, tuple[tuple[str, str, int], ...]], real: bool = False) -> Plan:
    """Return the first plan, with `more` activities; with the real durations it is what happens."""
    rows = (*WORK, *more)
    activities = {
        code: (name, phase, trade, true if real else days) for code, name, phase, trade, days, true, _ in rows
    }
    activities |= {code: (name, "", "", 0) for code, (name, _, _) in MILESTONES.items()}
    relations = [(before, code, kind, lag) for code, *_, links in rows for before, kind, lag in links]
    relations += [
        (before, code, kind, lag) for code, (_, _, links) in MILESTONES.items() for before, kind, lag in links
    ]
    return Plan(activities, relations, {}, {})


def network(
    found: Plan, data_date: datetime, state: Mapping[str, tuple[int, int | None, int]] | None = None
) -> Network:
    """Return a plan as what is scheduled; `state` has start, finish and remaining minutes of started work."""
    activities = {}
    for code, (name, _, _, days) in found.activities.items():
        kind = MILESTONES[code][1] if code in MILESTONES else Kind.TASK
        start, finish, remaining = (state or {}).get(code, (None, None, days * DAY))
        status = Status.NOT_STARTED if start is None else Status.IN_PROGRESS if finish is None else Status.COMPLETE
        constraints = (found.constraints[code],) if code in found.constraints else ()
        activities[key(code)] = Activity(
            key(code), found.calendars.get(code, WEEK), days * DAY, remaining, name, kind, status, start, finish,
            constraints=constraints,
        )  # fmt: skip
    relations = [
        Relation(key(before), key(after), kind, lag * DAY, found.calendars.get(before, WEEK))
        for before, after, kind, lag in found.relations
    ]
    project = Project(minute_of(data_date), minute_of(BEGIN))
    return Network({PROJECT: project}, activities, relations, {name: item for name, (_, item) in CALENDARS.items()})


def progress(truth: Dates, found: Plan, data_date: datetime) -> dict[str, tuple[int, int | None, int]]:
    """Return what has happened by a data date, and what the planner believes remains of what has started."""
    known: dict[str, tuple[int, int | None, int]] = {}
    for code, (_, _, _, days) in found.activities.items():
        node = truth.compiled.by_key[key(code)]
        now = minute_of(data_date)
        if node.early_start >= now:
            continue
        if node.early_finish <= now:
            known[code] = (node.early_start, node.early_finish, 0)
        else:
            worked = node.clock.between(node.early_start, now)
            # A quarter of the plan always remains: planners see the end sooner than it comes.
            known[code] = (node.early_start, None, max(days * DAY - worked, days * DAY // 4))
    return known


def plans() -> list[Plan]:
    """Return the plan of each update: the planner edits it when it does not hold."""
    first = plan()
    second = plan(ABATEMENT)
    # It must be over before the site is set up. That steel is erected as it is delivered was forgotten at first.
    relations = [*second.relations, ("A1160", "A1300", "FS", 0), ("A1220", "A1330", "SS", 20)]
    # To make good for it: foundations are to take less time, partitions need not wait, steel is erected on Saturdays.
    relations.remove(("A1400", "A1410", "FS", 0))
    activities = dict(second.activities)
    activities["A1320"] = (*activities["A1320"][:3], 25)
    due = Constraint(ConstraintKind.FINISH_ON_OR_BEFORE, minute_of(datetime(2026, 12, 18, 17)))
    second = replace(
        second, activities=activities, relations=relations, calendars={"A1330": LONG_WEEK}, constraints={"M1990": due}
    )
    third = replace(second, activities={**second.activities, "A1210": (*second.activities["A1210"][:3], 140)})
    return [first, second, third]


def write() -> None:
    """Write the three updates."""
    HERE.mkdir(exist_ok=True)
    truth = schedule(network(plan(ABATEMENT, real=True), BEGIN))
    baseline = schedule(network(plan(), BEGIN))
    for number, (day, found) in enumerate(zip(UPDATES, plans(), strict=True)):
        data_date = datetime(day.year, day.month, day.day, 17)
        state = progress(truth, found, data_date)
        parts = network(found, data_date, state)
        text = xer(found, parts, schedule(parts), baseline, day, number)
        (HERE / f"{NAME}_{day}.xer").write_bytes(text.encode("cp1252"))


def xer(found: Plan, parts: Network, dates: Dates, baseline: Dates, day: date, number: int) -> str:
    """Return an update as P6 writes it, the baseline as a second project."""
    project, behind = str(5100 + number), str(5200 + number)
    # The owner accepted a later end with the third update: its baseline is another one.
    later = minute_of(datetime(2027, 1, 29, 17)) if number == 2 else None
    tasks = [task(code, found, parts, dates, baseline, project, number) for code in found.activities]
    tasks += [_planned(code, baseline, behind, number, later) for code in plan().activities]
    phases = dict(zip(PHASES, range(1, 5), strict=True))
    trades = sorted({row[3] for row in (*WORK, ABATEMENT)})
    ids = {row["task_code"]: row["task_id"] for row in tasks if row["proj_id"] == project}
    codes = [(str(610 + place), "61", name, name[:3].upper()) for place, name in enumerate(PHASES)]
    codes += [(str(620 + place), "62", name, name[:3].upper()) for place, name in enumerate(trades)]
    numbers = {name: identifier for identifier, _, name, _ in codes}
    assigned = [
        (ids[code], kind, numbers[value], project)
        for code, (_, phase, trade, _) in found.activities.items()
        for kind, value in (("61", phase), ("62", trade))
        if value
    ]
    begin, data_date = f"{BEGIN:%Y-%m-%d %H:%M}", f"{day} 17:00"
    wbs = [(f"{owner}0", owner, "Y", PROJECT, "School annex", "1") for owner in (project, behind)]
    wbs += [(f"{project}{place}", project, "N", name[:1], name, f"{project}0") for name, place in phases.items()]
    lines = [
        "\t".join(("ERMHDR", "20.12", str(day), "Project", "admin", "Planner", "dbx", "Project Management", "USD")),
        *_table("CURRTYPE", CURRENCY_FIELDS, [CURRENCY]),
        *_table(
            "PROJECT",
            ("proj_id", "proj_short_name", "orig_proj_id", "sum_base_proj_id", "clndr_id", "plan_start_date",
             "last_recalc_date", "export_flag"),
            [
                (project, PROJECT, "", behind, WEEK, begin, data_date, "Y"),
                (behind, f"{PROJECT} - B1", project, "", WEEK, begin, begin, "Y"),
            ],
        ),
        *_table(
            "CALENDAR",
            ("clndr_id", "default_flag", "clndr_name", "proj_id", "base_clndr_id", "day_hr_cnt", "week_hr_cnt",
             "clndr_data"),
            [(identifier, "Y" if identifier == WEEK else "N", name, "", "", "8", "40" if identifier == WEEK else "48",
              _calendar(item)) for identifier, (name, item) in CALENDARS.items()],
        ),
        *_table(
            "SCHEDOPTIONS",
            ("schedoptions_id", "proj_id", "sched_retained_logic", "sched_progress_override", "sched_float_type",
             "sched_calendar_on_relationship_lag", "sched_use_project_end_date_for_float"),
            [("1", project, "Y", "N", "FT_FF", "rcal_Predecessor", "Y")],
        ),
        *_table("PROJWBS", ("wbs_id", "proj_id", "proj_node_flag", "wbs_short_name", "wbs_name", "parent_wbs_id"), wbs),
        *_table("ACTVTYPE", ("actv_code_type_id", "actv_code_type"), [("61", "Phase"), ("62", "Trade")]),
        *_table("ACTVCODE", ("actv_code_id", "actv_code_type_id", "actv_code_name", "short_name"), codes),
        *_table("TASK", TASK, [[row.get(name, "") for name in TASK] for row in tasks]),
        *_table("TASKACTV", ("task_id", "actv_code_type_id", "actv_code_id", "proj_id"), assigned),
        *_table(
            "TASKPRED",
            ("task_pred_id", "task_id", "pred_task_id", "proj_id", "pred_proj_id", "pred_type", "lag_hr_cnt"),
            [
                (str(90_000 + place), ids[after], ids[before], project, project, f"PR_{kind}", str(lag * 8))
                for place, (before, after, kind, lag) in enumerate(found.relations)
            ],
        ),
        "%E",
    ]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def task(
    code: str, found: Plan, parts: Network, dates: Dates, baseline: Dates, project: str, number: int
) -> dict[str, str]:
    """Return a row of TASK."""
    item, now = parts.activities[key(code)], dates.activities[key(code)]
    name, phase, _, days = found.activities[code]
    complete, started = item.status is Status.COMPLETE, item.actual_start is not None
    first = baseline.activities.get(key(code), now)
    # The plan of what has not started moves with every update.
    planned = (first.early_start, first.early_finish) if started else (now.early_start, now.early_finish)
    constraint = found.constraints.get(code)
    row = {
        "task_id": f"{number + 7}{code[1:]}",
        "proj_id": project,
        "wbs_id": f"{project}{PHASES.index(phase) + 1 if phase else 0}",
        "clndr_id": item.calendar,
        "phys_complete_pct": "0",
        "complete_pct_type": "CP_Drtn",
        "task_type": KINDS[item.kind],
        "duration_type": "DT_FixedDrtn",
        "status_code": STATES[item.status],
        "task_code": code,
        "task_name": name,
        "total_float_hr_cnt": "" if complete else f"{(now.total_float or 0) / 60:g}",
        "free_float_hr_cnt": "" if complete else f"{(now.free_float or 0) / 60:g}",
        "remain_drtn_hr_cnt": f"{item.remaining / 60:g}",
        "target_drtn_hr_cnt": str(days * 8),
        "cstr_type": "CS_MEOB" if constraint else "",
        "cstr_date": _clock(constraint.moment) if constraint else "",
        "act_start_date": _clock(item.actual_start),
        "act_end_date": _clock(item.actual_finish),
        "target_start_date": _clock(planned[0]),
        "target_end_date": _clock(planned[1]),
        "guid": _guid(code),
    }
    if not complete:
        row |= {"early_start_date": _clock(now.early_start), "early_end_date": _clock(now.early_finish)}
        row |= {"late_start_date": _clock(now.late_start), "late_end_date": _clock(now.late_finish)}
    return row


def _planned(code: str, baseline: Dates, project: str, number: int, later: int | None) -> dict[str, str]:
    """Return a row of TASK of the baseline; with `later`, the end of the project was agreed to come by then."""
    name, _, _, days = plan().activities[code]
    now = baseline.activities[key(code)]
    finish = later if later and code in ("A1440", "A1450") else now.early_finish
    return {
        "task_id": f"{number + 4}{code[1:]}",
        "proj_id": project,
        "wbs_id": f"{project}0",
        "clndr_id": WEEK,
        "complete_pct_type": "CP_Drtn",
        "task_type": KINDS[MILESTONES[code][1] if code in MILESTONES else Kind.TASK],
        "status_code": "TK_NotStart",
        "task_code": code,
        "task_name": name,
        "remain_drtn_hr_cnt": str(days * 8),
        "target_drtn_hr_cnt": str(days * 8),
        "target_start_date": _clock(now.early_start),
        "target_end_date": _clock(finish),
        "guid": _guid(f"B{code}"),
    }


def _calendar(item: Calendar) -> str:
    """Return a calendar in P6's notation: 0x7F for line breaks, Sunday is 1, days as Excel counts them."""
    spans = "".join(
        f"\x7f\x7f      (0||{place}(s|{begin // 60:02}:00|f|{end // 60:02}:00)())"
        for place, (begin, end) in enumerate(SHIFT)
    )
    week = "".join(
        f"\x7f\x7f    (0||{(place + 1) % 7 + 1}()({spans if day else ''}))" for place, day in enumerate(item.week)
    )
    free = "".join(
        f"\x7f\x7f    (0||{place}(d|{(day - date(1899, 12, 30)).days})())" for place, day in enumerate(item.exceptions)
    )
    return (
        f"(0||CalendarData()(\x7f\x7f  (0||DaysOfWeek()({week}))\x7f\x7f  (0||VIEW(ShowTotal|Y)())"
        f"\x7f\x7f  (0||Exceptions()({free}))))"
    )


def _clock(minute: int | None) -> str:
    return "" if minute is None else moment_of(minute).isoformat(" ", "minutes")


def _guid(text: str) -> str:
    """Return 22 characters as P6's GUIDs are, the same for an activity in every update."""
    return f"annex{text:=<17}"


def _table(name: str, fields: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"%T\t{name}", "\t".join(("%F", *fields)), *("\t".join(("%R", *row)) for row in rows)]


if __name__ == "__main__":
    write()
    sys.exit(0)
