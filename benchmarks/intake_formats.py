"""Seconds and memory of reading one project in each format.

``.venv/bin/python benchmarks/intake_formats.py --activities 50000`` makes a project of this size in the shape in which
each tool writes it (XER and XML with what is not read, too; a calendar with holidays, three relations for two
activities), reads each file in a process of its own, and prints seconds, seconds of computing on all cores, peak memory
of that process, and the computing in relation to CSV. It fails if a format takes more than ``--memory`` MB or XER more
than ``--ratio`` times the computing of CSV, which depends less than the seconds on what else the computer does.
"""

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

from slipcast.datasets.network_columns import TABLES

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

DATA_DATE = date(2025, 6, 30)
TYPES = {"FS": ("PR_FS", "Finish to Start", "1"), "SS": ("PR_SS", "Start to Start", "3")}
STATUS = {
    "not_started": ("TK_NotStart", "Not Started"),
    "in_progress": ("TK_Active", "In Progress"),
    "complete": ("TK_Complete", "Completed"),
}
# Columns and elements that the tools write and Slipcast does not read.
XER_REST = (
    *("est_wt", "rev_fdbk_flag", "lock_plan_flag", "auto_compute_act_flag", "duration_type", "free_float_hr_cnt"),
    *("act_equip_qty", "remain_equip_qty", "target_equip_qty", "rsrc_id", "cstr_date", "cstr_type", "suspend_date"),
    *("rem_late_start_date", "rem_late_end_date", "restart_date", "reend_date", "priority_type", "driving_path_flag"),
    *("act_this_per_work_qty", "act_this_per_equip_qty", "external_early_start_date", "external_late_end_date"),
    *("create_date", "update_date", "create_user", "update_user", "location_id", "crt_path_num", "float_path"),
)
PMXML_REST = (
    *("AccountingVariance", "ActualDuration", "ActualLaborCost", "ActualLaborUnits", "ActualMaterialCost"),
    *("ActualNonLaborCost", "AtCompletionDuration", "AtCompletionLaborCost", "AtCompletionLaborUnits"),
    *("AutoComputeActuals", "BudgetAtCompletion", "CostPercentComplete", "DurationType", "EstimatedWeight"),
    *("FeedbackText", "IsCritical", "IsLongestPath", "IsNewFeedback", "IsStarred", "LevelingPriority"),
    *("NonLaborUnitsPercentComplete", "NotesToResources", "PercentComplete", "PlannedLaborCost", "PlannedTotalCost"),
    *("PrimaryResourceObjectId", "RemainingLaborCost", "RemainingNonLaborCost", "ReviewRequired", "ReviewStatus"),
    *("SchedulePerformanceIndex", "ScopePercentComplete", "UnitsPercentComplete", "UnreadCommentCount"),
)
MSPDI_REST = (
    *("Manual", "Type", "IsEstimated", "Priority", "ResumeValid", "EffortDriven", "Recurring", "OverAllocated"),
    *("Estimated", "DisplayAsSummary", "Critical", "IsSubprojectReadOnly", "ExternalTaskProject", "FixedCost"),
    *(
        "FixedCostAccrual",
        "PercentWorkComplete",
        "Cost",
        "OvertimeCost",
        "OvertimeWork",
        "ActualDuration",
        "ActualCost",
    ),
    *("ActualWork", "RegularWork", "RemainingCost", "RemainingWork", "ACWP", "CV", "LevelAssignments"),
    *("LevelingCanSplit", "LevelingDelay", "LevelingDelayFormat", "IgnoreResourceCalendar", "HideBar", "Rollup"),
    *("BCWS", "BCWP", "EarnedValueMethod", "IsPublished", "CommitmentType", "StartVariance", "FinishVariance"),
)


def activities(count: int) -> Iterator[dict]:
    """Yield activities with what all formats say of them."""
    chance = random.Random(1)
    for number in range(count):
        start = DATA_DATE + timedelta(days=chance.randint(-400, 400))
        days = chance.randint(1, 60)
        finish = start + timedelta(days=days)
        status = "not_started" if start > DATA_DATE else "in_progress" if finish > DATA_DATE else "complete"
        links = [(number - step, kind) for step, kind in ((7, "FS"), (31, "SS"))[: 1 + number % 2] if number >= step]
        yield {
            **{
                "number": number,
                "code": f"A{number:06}",
                "name": f"Level {number % 40}: walls & façade, zone {number % 9}",
            },
            **{"start": start, "finish": finish, "status": status, "hours": 8 * days, "group": number // 50},
            **{"float": chance.randint(0, 40) if status != "complete" else 0, "links": links, "cost": 100 * days},
        }


def _xer_stamp(day: date, hour: int = 8) -> str:
    return f"{day} {hour:02}:00"


def write_xer(rows: Iterable[dict], groups: int, target: Path) -> None:
    """Write the tables that P6 exports; those of links, codes and resources after the activities, as it does."""
    from support.p6_files import clndr_data

    fields = (
        *("task_id", "proj_id", "wbs_id", "clndr_id", "phys_complete_pct", "complete_pct_type", "task_type"),
        *("status_code", "task_code", "task_name", "total_float_hr_cnt", "remain_drtn_hr_cnt", "target_drtn_hr_cnt"),
        *("act_work_qty", "remain_work_qty", "target_work_qty", "act_start_date", "act_end_date", "late_start_date"),
        *("late_end_date", "expect_end_date", "early_start_date", "early_end_date", "target_start_date"),
        *("target_end_date", "guid"),
    )
    later: dict[str, list[str]] = {"TASKACTV": [], "TASKPRED": [], "TASKRSRC": []}
    with target.open("w", encoding="cp1252", newline="\r\n") as sink:
        sink.write("ERMHDR\t22.12\t2025-07-01\tProject\tadmin\tadmin\tdbx\tProject Management\tEUR\n")
        sink.write("%T\tCURRTYPE\n%F\tcurr_id\tcurr_symbol\n%R\t1\t€\n")
        sink.write("%T\tPROJECT\n%F\tproj_id\tproj_short_name\tlast_recalc_date\texport_flag\n")
        sink.write(f"%R\t100\tTOWER\t{_xer_stamp(DATA_DATE)}\tY\n")
        sink.write("%T\tCALENDAR\n%F\tclndr_id\tclndr_name\tday_hr_cnt\tweek_hr_cnt\tclndr_data\n")
        sink.write(f"%R\t5\t5 days\t8\t40\t{clndr_data(exceptions=dict.fromkeys(range(45_000, 46_500, 30), ''))}\n")
        sink.write("%T\tPROJWBS\n%F\twbs_id\tproj_id\tproj_node_flag\twbs_short_name\twbs_name\tparent_wbs_id\n")
        sink.write("%R\t1\t100\tY\tTOWER\tTower\t\n")
        sink.writelines(f"%R\t{10 + group}\t100\tN\tG{group}\tGroup {group}\t1\n" for group in range(groups))
        sink.write("%T\tACTVTYPE\n%F\tactv_code_type_id\tactv_code_type\n%R\t31\tLocation\n%R\t32\tTrade\n")
        sink.write("%T\tACTVCODE\n%F\tactv_code_id\tactv_code_type_id\tactv_code_name\tshort_name\n")
        sink.writelines(
            f"%R\t{310 + code}\t31\tZone {code}\tZ{code}\n%R\t{320 + code}\t32\tTrade {code}\tT{code}\n"
            for code in range(9)
        )
        sink.write("%T\tTASK\n%F\t" + "\t".join((*fields, *XER_REST)) + "\n")
        rest = "\t".join(["0"] * len(XER_REST))
        for row in rows:
            words, late = STATUS[row["status"]][0], row["finish"] + timedelta(days=row["float"])
            started, done = row["status"] != "not_started", row["status"] == "complete"
            cells = (
                *(
                    row["number"] + 1000,
                    100,
                    10 + row["group"],
                    5,
                    0,
                    "CP_Drtn",
                    "TT_Task",
                    words,
                    row["code"],
                    row["name"],
                ),
                *("" if done else row["float"] * 8, 0 if done else row["hours"], row["hours"], 0, 0, 0),
                *(_xer_stamp(row["start"]) if started else "", _xer_stamp(row["finish"], 17) if done else "", ""),
                *("" if done else _xer_stamp(late, 17), "", "" if started else _xer_stamp(row["start"])),
                *(
                    "" if done else _xer_stamp(row["finish"], 17),
                    _xer_stamp(row["start"]),
                    _xer_stamp(row["finish"], 17),
                ),
                f"{row['number']:022}",
            )
            sink.write("%R\t" + "\t".join(map(str, cells)) + f"\t{rest}\n")
            place = row["number"] % 9
            later["TASKACTV"] += (f"{row['number'] + 1000}\t{kind}\t{10 * kind + place}\t100" for kind in (31, 32))
            later["TASKRSRC"].append(f"{row['number']}\t{row['number'] + 1000}\t100\t{row['cost']}")
            later["TASKPRED"] += (
                f"{row['number']}\t{row['number'] + 1000}\t{other + 1000}\t100\t100\t{TYPES[kind][0]}\t8"
                for other, kind in row["links"]
            )
        names = {
            "TASKACTV": "task_id\tactv_code_type_id\tactv_code_id\tproj_id",
            "TASKPRED": "task_pred_id\ttask_id\tpred_task_id\tproj_id\tpred_proj_id\tpred_type\tlag_hr_cnt",
            "TASKRSRC": "taskrsrc_id\ttask_id\tproj_id\ttarget_cost",
        }
        for name, lines in later.items():
            sink.write(f"%T\t{name}\n%F\t{names[name]}\n")
            sink.writelines(f"%R\t{line}\n" for line in lines)
        sink.write("%E\n")


def _elements(**values: object) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>\n" for name, value in values.items() if value != "")


def _stamp(day: date, hour: int = 8) -> str:
    return f"{day}T{hour:02}:00:00"


def write_pmxml(rows: Iterable[dict], groups: int, target: Path) -> None:
    """Write a P6 XML file without a baseline."""
    shift = "<WorkTime><Start>08:00:00</Start><Finish>15:59:00</Finish></WorkTime>"
    days = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
    week = "".join(
        f"<StandardWorkHours><DayOfWeek>{day}</DayOfWeek>{'' if day[0] == 'S' else shift}</StandardWorkHours>"
        for day in days
    )
    rest = "".join(f"<{name}>0</{name}>\n" for name in PMXML_REST)
    later = {"ResourceAssignment": [], "Relationship": []}
    with target.open("w", encoding="utf-8") as sink:
        sink.write('<?xml version="1.0" encoding="UTF-8"?>\n<APIBusinessObjects ')
        sink.write('xmlns="http://xmlns.oracle.com/Primavera/P6Professional/V22.12/API/BusinessObjects">\n')
        sink.write(f"<Calendar>{_elements(HoursPerDay=8, HoursPerWeek=40, Name='5 days', ObjectId=5, Type='Global')}")
        sink.write(f"<StandardWorkWeek>{week}</StandardWorkWeek></Calendar>\n<Project>")
        sink.write(_elements(DataDate=_stamp(DATA_DATE), Id="TOWER", Name="Tower", ObjectId=100))
        for group in range(groups):
            sink.write(f"<WBS>{_elements(Code=f'G{group}', Name=f'Group {group}', ObjectId=10 + group)}</WBS>")
        for row in rows:
            started, done = row["status"] != "not_started", row["status"] == "complete"
            cells = _elements(
                ActualFinishDate=_stamp(row["finish"], 17) if done else "",
                ActualStartDate=_stamp(row["start"]) if started else "",
                CalendarObjectId=5,
                GUID=f"{{{row['number']:08X}-0000-4000-8000-000000000000}}",
                Id=row["code"],
                Name=row["name"],
                ObjectId=row["number"] + 1000,
                PercentCompleteType="Duration",
                PhysicalPercentComplete=0,
                PlannedDuration=row["hours"],
                PlannedFinishDate=_stamp(row["finish"], 17),
                PlannedStartDate=_stamp(row["start"]),
                RemainingDuration=0 if done else row["hours"],
                RemainingEarlyFinishDate="" if done else _stamp(row["finish"], 17),
                RemainingLateFinishDate="" if done else _stamp(row["finish"] + timedelta(days=row["float"]), 17),
                Status=STATUS[row["status"]][1],
                Type="Task Dependent",
                WBSObjectId=10 + row["group"],
            )
            sink.write(f"<Activity>\n{cells}{rest}</Activity>\n")
            cost = _elements(ActivityObjectId=row["number"] + 1000, ObjectId=row["number"], PlannedCost=row["cost"])
            later["ResourceAssignment"].append(cost)
            later["Relationship"] += (
                _elements(
                    Lag=8,
                    PredecessorActivityObjectId=other + 1000,
                    SuccessorActivityObjectId=row["number"] + 1000,
                    Type=TYPES[kind][1],
                )
                for other, kind in row["links"]
            )
        for name, items in later.items():
            sink.writelines(f"<{name}>{item}</{name}>\n" for item in items)
        sink.write("</Project>\n</APIBusinessObjects>\n")


def write_mspdi(rows: Iterable[dict], groups: int, target: Path) -> None:
    """Write an MS Project XML file with a baseline, each group below a summary task."""
    times = (
        "<WorkingTimes><WorkingTime><FromTime>08:00:00</FromTime><ToTime>16:00:00</ToTime></WorkingTime></WorkingTimes>"
    )
    week = "".join(
        f"<WeekDay><DayType>{day}</DayType><DayWorking>{int(1 < day < 7)}</DayWorking>"
        f"{times if 1 < day < 7 else ''}</WeekDay>"
        for day in range(1, 8)
    )
    rest = "".join(f"<{name}>0</{name}>\n" for name in MSPDI_REST)
    with target.open("w", encoding="utf-8") as sink:
        sink.write('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n')
        sink.write('<Project xmlns="http://schemas.microsoft.com/project">\n')
        sink.write(_elements(SaveVersion=14, Title="Tower", CalendarUID=1, MinutesPerDay=480, MinutesPerWeek=2400))
        sink.write(_elements(StatusDate=_stamp(DATA_DATE)))
        sink.write(f"<Calendars><Calendar>{_elements(UID=1, Name='Standard', BaseCalendarUID=-1)}")
        sink.write(f"<WeekDays>{week}</WeekDays></Calendar></Calendars>\n<Tasks>\n")
        group = -1
        for row in rows:
            if row["group"] != group:
                group = row["group"]
                head = _elements(UID=900_000 + group, Name=f"Group {group}", OutlineLevel=1, Summary=1)
                sink.write(f"<Task>\n{head}{rest}</Task>\n")
            started, done = row["status"] != "not_started", row["status"] == "complete"
            start, finish = _stamp(row["start"]), _stamp(row["finish"], 16)
            cells = _elements(
                UID=row["number"] + 1000,
                ID=row["number"],
                Name=row["name"],
                Active=1,
                OutlineLevel=2,
                Start=start,
                Finish=finish,
                Duration=f"PT{row['hours']}H0M0S",
                Milestone=0,
                Summary=0,
                EarlyFinish=finish,
                LateFinish=_stamp(row["finish"] + timedelta(days=row["float"]), 16),
                TotalSlack=row["float"] * 4800,
                PercentComplete=100 if done else 0,
                ActualStart=start if started else "",
                ActualFinish=finish if done else "",
                RemainingDuration=f"PT{0 if done else row['hours']}H0M0S",
                CalendarUID=-1,
            )
            links = "".join(
                f"<PredecessorLink>{_elements(PredecessorUID=other + 1000, Type=TYPES[kind][2], LinkLag=4800)}"
                "<LagFormat>7</LagFormat></PredecessorLink>\n"
                for other, kind in row["links"]
            )
            plan = _elements(
                Number=0, Start=start, Finish=finish, Duration=f"PT{row['hours']}H0M0S", Cost=row["cost"] * 100
            )
            sink.write(f"<Task>\n{cells}{rest}{links}<Baseline>{plan}</Baseline>\n</Task>\n")
        sink.write("</Tasks>\n</Project>\n")


TABLE = (
    *("Activity ID", "Activity Name", "Activity Status", "Activity Type", "Start", "Finish", "Actual Start"),
    *(
        "Actual Finish",
        "BL Project Start",
        "BL Project Finish",
        "Original Duration",
        "Remaining Duration",
        "Total Float",
    ),
    *("Budgeted Total Cost", "Project ID", "Data Date", "Predecessors", "Location"),
)


def _table(rows: Iterable[dict]) -> Iterator[list[str]]:
    yield list(TABLE)
    for row in rows:
        started, done = row["status"] != "not_started", row["status"] == "complete"
        links = ", ".join(f"A{other:06}: {kind} 1" for other, kind in row["links"])
        start, finish = (f"{day:%d-%b-%y}" for day in (row["start"], row["finish"]))
        yield [
            *(row["code"], row["name"], STATUS[row["status"]][1], "Task Dependent", start, finish),
            *(start if started else "", finish if done else "", start, finish, f"{row['hours'] // 8}d"),
            *("0d" if done else f"{row['hours'] // 8}d", "" if done else f"{row['float']}d", f"{row['cost']}.00"),
            *("TOWER", f"{DATA_DATE:%d-%b-%y}", links, f"Zone {row['number'] % 9}"),
        ]


def write_csv(rows: Iterable[dict], _: int, target: Path) -> None:
    """Write a P6 layout as CSV."""
    with target.open("w", encoding="utf-8-sig", newline="") as sink:
        csv.writer(sink).writerows(_table(rows))


def write_xlsx(rows: Iterable[dict], _: int, target: Path) -> None:
    """Write the same table as a workbook with shared strings."""
    office = "http://schemas.openxmlformats.org"
    main, relation = f"{office}/spreadsheetml/2006/main", f"{office}/officeDocument/2006/relationships"
    strings: dict[str, int] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{office}/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
            f'ContentType="{kind}.sheet.main+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{relation}"><sheets><sheet name="TASK" sheetId="1" r:id="r1"/></sheets>'
            "</workbook>",
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
            f'Type="{relation}/sharedStrings" '
            'Target="sharedStrings.xml"/></Relationships>',
        )
        with archive.open("xl/worksheets/sheet1.xml", "w") as sink:
            sink.write(f'<worksheet xmlns="{main}"><sheetData>'.encode())
            for number, cells in enumerate(_table(rows), 1):
                text = "".join(
                    f'<c r="{chr(65 + place)}{number}" t="s"><v>{strings.setdefault(cell, len(strings))}</v></c>'
                    for place, cell in enumerate(cells)
                    if cell
                )
                sink.write(f'<row r="{number}">{text}</row>'.encode())
            sink.write(b"</sheetData></worksheet>")
        items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{main}">{items}</sst>')


FORMATS = {
    "CSV": ("tower.csv", write_csv),
    "XER": ("tower.xer", write_xer),
    "PMXML": ("tower.p6.xml", write_pmxml),
    "MSPDI": ("tower.xml", write_mspdi),
    "XLSX": ("tower.xlsx", write_xlsx),
}


def read(path: Path) -> dict:
    """Read one file in this process; a workbook's reader is a process of its own, whose memory counts as well."""
    from slipcast.ingest.schedule import read_schedule

    with tempfile.TemporaryDirectory() as work:
        begun = time.perf_counter()
        schedule = read_schedule(path, path.name, workdir=Path(work))
        seconds = time.perf_counter() - begun
        network = {name: file.stat().st_size for name, file in schedule.network.items()}
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": seconds,
        "computing": sum(item.ru_utime + item.ru_stime for item in used),
        "megabytes": max(item.ru_maxrss for item in used) / 1024,
        "accepted": schedule.counts["accepted"],
        "network": len(network),
    }


def main() -> int:
    """Make the files, read each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activities", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3, help="the fastest reading counts")
    parser.add_argument("--memory", type=float, default=512, help="MB that a format may take")
    parser.add_argument("--ratio", type=float, default=3, help="computing of XER in relation to that of CSV")
    parser.add_argument("--only", choices=list(FORMATS), action="append")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        print(json.dumps(read(options.read)))
        return 0
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (file, write) in FORMATS.items():
            if options.only and name not in options.only:
                continue
            path = Path(folder, file)
            write(activities(options.activities), (options.activities + 49) // 50, path)
            command = [sys.executable, __file__, "--read", str(path)]
            tries = [
                json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                for _ in range(options.repeats)
            ]
            found[name] = min(tries, key=lambda item: item["seconds"]) | {
                "megabytes": max(item["megabytes"] for item in tries),
                "size": path.stat().st_size / 1e6,
            }
            path.unlink()
    print(f"| {options.activities:,} activities | file, MB | seconds | computing, s | to CSV | peak memory, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    base = found.get("CSV", {}).get("computing")
    for name, item in found.items():
        ratio = f"{item['computing'] / base:.1f}" if base else ""
        times = f"{item['seconds']:.1f} | {item['computing']:.1f} | {ratio}"
        print(f"| {name} | {item['size']:.0f} | {times} | {item['megabytes']:.0f} |")
    lost = [
        f"{name}: {item['accepted']} activities were accepted, {item['network']} tables of the network"
        for name, item in found.items()
        if item["accepted"] != options.activities or item["network"] != len(TABLES)
    ]
    too_much = [name for name, item in found.items() if item["megabytes"] > options.memory]
    slow = base and "XER" in found and found["XER"]["computing"] > options.ratio * base
    print(*lost, sep="\n", end="\n" if lost else "", file=sys.stderr)
    if too_much or slow:
        print(f"above the bounds: {', '.join([*too_much, *(['computing of XER'] if slow else [])])}", file=sys.stderr)
    return bool(lost or too_much or slow)


if __name__ == "__main__":
    sys.exit(main())
