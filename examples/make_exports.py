"""Make `exports/`, files in the shape in which people export schedules, from the raw NYC Open Data file.

    python examples/make_exports.py RAW.csv SCHEDULE_MANAGEMENT.csv

It prints how many rows of each kind it wrote: what a reader has to find in the files.
"""

import csv
import gzip
import hashlib
import io
import random
import shutil
import sys
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import pandas as pd

HERE = Path(__file__).resolve().parent
EXPORTS = HERE / "exports"

from examples.nyc_sca import as_of, canonical  # noqa: E402 - the path is set above

DISTRICTS = {"p6": (24, 25, 26, 27), "xlsx": (2, 3), "xer": (10, 11), "msproject": (13, 14, 15, 20), "canonical": (31,)}
# One building or two of these, since XML is long.
DISTRICTS |= {"p6_xml": (9,), "msproject_xml": (18,)}
XML_ACTIVITIES = 40
# A zip entry without a time of its own gets this day, so that the same rows are the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)
UNPLANNED = ("bl_finish", "base_end_date", "Baseline Finish")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Activity:
    """A design or scope phase as a scheduling tool would show it on the data date.

    Attributes
    ----------
    start : actual start; of an activity that has not started the planned one
    finish : actual finish; None while the activity is open
    forecast : finish as expected on the data date
    float_days : working days, None once the activity has started
    predecessors : codes
    """

    code: str
    building: str
    school: str
    name: str
    phase: str
    kind: str
    district: int
    start: date
    plan: date
    finish: date | None
    forecast: date
    budget: int
    status: str
    percent: int
    float_days: int | None
    predecessors: tuple[str, ...]

    @property
    def started(self) -> bool:
        return self.status != "not_started"

    @property
    def days(self) -> int:
        """Working days in the baseline."""
        return max(1, working_days(self.start, self.plan))


def working_days(first: date, last: date) -> int:
    """Return the weekdays from `first` to `last`, both included."""
    return sum((first + timedelta(days=day)).weekday() < 5 for day in range((last - first).days + 1))


def activities(raw: Path, districts: Sequence[int], data_date: date, seed: int) -> list[Activity]:
    """Return the scope and design phases of some districts as of a day; floats and forecasts are invented."""
    chance = random.Random(seed)  # noqa: S311 - examples
    with raw.open(encoding="utf-8-sig", newline="") as lines:
        rows = [{name.strip(): cell.strip() for name, cell in row.items()} for row in csv.DictReader(lines)]
    found: list[Activity] = []
    counted: Counter[str] = Counter()
    scopes: dict[tuple[str, str, str], str] = {}
    for row in rows:
        if row["Project Phase Name"] not in ("Scope", "Design") or row["Project Status Name"] == "PNS":
            continue
        if int(row["Project Geographic District"]) not in districts:
            continue
        start, plan, finish = (
            _day(row[f"Project Phase {part} Date"]) for part in ("Actual Start", "Planned End", "Actual End")
        )
        if start is None or plan is None or plan < start:
            continue
        building, phase = row["Project Building Identifier"], row["Project Phase Name"]
        counted[building] += 10
        code = f"{building}-{phase[0]}{counted[building]:04}"
        project = (building, row["DSF Number(s)"], row["Project Description"])
        predecessors = (scopes[project],) if phase == "Design" and project in scopes else ()
        if phase == "Scope":
            scopes[project] = code
        finish = finish if finish is not None and finish <= data_date else None
        if start > data_date:
            status, percent, forecast = "not_started", 0, plan + timedelta(days=chance.choice((0, 0, 0, 7, 21)))
        elif finish is None:
            elapsed = (data_date - start).days / max(1, (plan - start).days)
            forecast = max(plan, data_date) + timedelta(days=chance.randint(3, 60))
            status, percent = "in_progress", round(min(95, max(5, 80 * elapsed)))
        else:
            status, percent, forecast = "complete", 100, finish
        found.append(
            Activity(
                code=code,
                building=building,
                school=row["Project School Name"],
                name=f"{row['Project Description'].title()} - {phase}",
                phase=phase,
                kind=row["Project Type"],
                district=int(row["Project Geographic District"]),
                start=start,
                plan=plan,
                finish=finish,
                forecast=forecast,
                budget=int(float(row["Project Budget Amount"].replace(",", ""))),
                status=status,
                percent=percent,
                float_days=chance.randint(0, 40) if status == "not_started" else None,
                predecessors=predecessors,
            )
        )
    return found


def _day(text: str) -> date | None:
    return datetime.strptime(text, "%m/%d/%Y").date() if text else None


def by_building(found: Iterable[Activity]) -> dict[str, list[Activity]]:
    """Return the activities of each building, in the order of the file."""
    groups: dict[str, list[Activity]] = {}
    for item in found:
        groups.setdefault(item.building, []).append(item)
    return groups


class Sheet:
    """Rows of a file, and how many there are of each kind."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = list(header)
        self.rows: list[list[object]] = []
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, **cells: object) -> list[object]:
        """Append a row; `kind` is a status, ``rejected`` or ``filtered``."""
        row = [cells.get(name, "") for name in self.header]
        self.rows.append(row)
        self.counts[kind] += 1
        return row

    def spoil(self, place: int, kind: str, column: str, value: object) -> None:
        """Write `value` into a good row of the kind: it is rejected from then on."""
        self.rows[place][self.header.index(column)] = value
        # In Primavera and MS Project an activity that came after the baseline has none, which is no mistake.
        if value not in ("", "NA") or column not in UNPLANNED:
            self.counts[kind] -= 1
            self.counts["rejected"] += 1

    def repeat(self, place: int, kind: str) -> list[object]:
        """Append a copy of a row."""
        self.rows.append(list(self.rows[place]))
        self.counts[kind] += 1
        return self.rows[-1]

    def csv(self, delimiter: str = ",", titles: Sequence[str] | None = None) -> str:
        """Return the rows as text with CR LF, as Windows programs write it."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(titles or self.header)
        writer.writerows(self.rows)
        return text.getvalue()


def report(name: str, counts: Counter[str]) -> None:
    """Print what a reader has to find in a file."""
    statuses = {status: counts[status] for status in ("not_started", "in_progress", "complete")}
    kinds = {"accepted": sum(statuses.values()), "rejected": counts["rejected"], "filtered": counts["filtered"]}
    print(f"{name}: { ({'read': sum(kinds.values())} | kinds | statuses) }")


P6_STATUS = {"not_started": "Not Started", "in_progress": "In Progress", "complete": "Completed"}


def write_p6_csv(raw: Path) -> None:
    """Primavera P6, a layout with bands copied to CSV: ``05-Jan-25 A``, ``12d``, ``73%``."""
    data_date, file = date(2024, 9, 30), "p6_queens_2024-09-30.csv"
    found = activities(raw, DISTRICTS["p6"], data_date, 1)
    titles = {
        "code": "Activity ID",
        "name": "Activity Name",
        "status": "Activity Status",
        "type": "Activity Type",
        "start": "Start",
        "finish": "Finish",
        "bl_start": "BL Project Start",
        "bl_finish": "BL Project Finish",
        "act_start": "Actual Start",
        "act_finish": "Actual Finish",
        "original": "Original Duration",
        "bl_days": "BL Project Duration",
        "float": "Total Float(h)",
        "percent": "Activity % Complete",
        "budget": "Budgeted Total Cost",
        "wbs": "WBS Name",
        "project": "Project ID",
        "predecessors": "Predecessors",
        "location": "Location",
    }
    sheet = Sheet(titles)
    for building, items in by_building(found).items():
        first, last = min(item.start for item in items), max(item.forecast for item in items)
        sheet.add("filtered", code=f"  {building}  {items[0].school}", start=_p6(first, True), finish=_p6(last, False))
        for item in items:
            row = sheet.add(item.status, **_p6_cells(item))
            if item.status == "not_started" and item.float_days == 0:
                row[sheet.header.index("start")] = f"{_p6(item.start, False)}*"
        sheet.add(
            "filtered",
            code=f"{building}-M9000",
            name="Design approved",
            status="Not Started",
            type="Finish Milestone",
            finish=_p6(last, False),
            bl_finish=_p6(last, False),
            original="0d",
            bl_days="0d",
            float=0,
            percent="0%",
            project=f"SCA-{building}",
        )
    _spoil(sheet, 7, "bl_finish", "31-Jun-24")
    _spoil(sheet, 40, "bl_finish", "TBC")
    _spoil(sheet, 90, "act_start", "12-Foo-19 A")
    for place in (120, 260, 300):
        # Added to the scope after the baseline was set.
        _spoil(sheet, place, "bl_finish", "")
    _spoil(sheet, 330, "act_finish", "05-Jan-25 A", status="complete")
    _spoil(sheet, 410, "percent", "110%")
    _spoil(sheet, 450, "status", "Suspended")
    good = [place for place, row in enumerate(sheet.rows) if row[sheet.header.index("type")] == "Task Dependent"]
    for place in good[500:502]:
        sheet.repeat(place, "rejected")
    _write(EXPORTS / file, sheet.csv(titles=list(titles.values())).encode("utf-8-sig"))
    report(file, sheet.counts)


def _p6(day: date | None, actual: bool) -> str:
    return "" if day is None else f"{day.day:02}-{MONTHS[day.month - 1]}-{day:%y}{' A' if actual else ''}"


def _p6_cells(item: Activity) -> dict[str, object]:
    return {
        "code": item.code,
        "name": item.name,
        "status": P6_STATUS[item.status],
        "type": "Task Dependent",
        "start": _p6(item.start, item.started),
        "finish": _p6(item.forecast, item.finish is not None),
        "bl_start": _p6(item.start, False),
        "bl_finish": _p6(item.plan, False),
        "act_start": _p6(item.start if item.started else None, True),
        "act_finish": _p6(item.finish, True),
        "original": f"{item.days}d",
        "bl_days": f"{item.days}d",
        "float": "" if item.float_days is None else item.float_days * 8,
        "percent": f"{item.percent}%",
        "budget": f"${item.budget:,}.00",
        "wbs": item.phase,
        "project": f"SCA-{item.building}",
        "predecessors": ", ".join(item.predecessors),
        "location": f"District {item.district}",
    }


def _spoil(sheet: Sheet, activity: int, column: str, value: str, status: str | None = None) -> None:
    """Spoil a cell of the next activity, from the given one on, that has the status."""
    kinds = {word: name for name, word in P6_STATUS.items()}
    types, states = sheet.header.index("type"), sheet.header.index("status")
    places = [place for place, row in enumerate(sheet.rows) if row[types] == "Task Dependent"]
    place = next(place for place in places[activity:] if status in (None, kinds.get(sheet.rows[place][states])))
    sheet.spoil(place, kinds[sheet.rows[place][states]], column, value)


def write_p6_xlsx(raw: Path) -> None:
    """Primavera P6, File > Export > Spreadsheet: field names, below them titles, further sheets."""
    data_date, file = date(2024, 12, 31), "p6_manhattan_2024-12-31.xlsx"
    found = activities(raw, DISTRICTS["xlsx"], data_date, 2)
    titles = {
        "task_code": "Activity ID",
        "status_code": "Activity Status",
        "wbs_id": "WBS Code",
        "task_name": "Activity Name",
        "task_type": "(*)Activity Type",
        "start_date": "(*)Start",
        "end_date": "(*)Finish",
        "base_start_date": "(*)BL Project Start",
        "base_end_date": "(*)BL Project Finish",
        "act_start_date": "Actual Start",
        "act_end_date": "Actual Finish",
        "target_drtn_hr_cnt": "Original Duration(h)",
        "total_float_hr_cnt": "(*)Total Float(h)",
        "complete_pct": "Activity % Complete(%)",
        "actv_code_phase_id": "Phase",
        "actv_code_location_id": "Location",
        "pred_list": "(*)Predecessors",
        "delete_record_flag": "Delete This Row",
    }
    sheet = Sheet(titles)
    for item in found:
        sheet.add(
            item.status,
            task_code=item.code,
            status_code=P6_STATUS[item.status],
            wbs_id=f"SCA-M.{item.building}.{item.phase[0]}",
            task_name=item.name,
            task_type="Task Dependent",
            start_date=_at(item.start, 8),
            end_date=_at(item.forecast, 17),
            base_start_date=_at(item.start, 8),
            base_end_date=_at(item.plan, 17),
            act_start_date=_at(item.start, 8) if item.started else "",
            act_end_date=_at(item.finish, 17),
            target_drtn_hr_cnt=item.days * 8,
            total_float_hr_cnt="" if item.float_days is None else item.float_days * 8,
            complete_pct=item.percent,
            actv_code_phase_id=item.phase,
            actv_code_location_id=f"District {item.district}",
            pred_list=", ".join(item.predecessors),
        )
    for number, kind in enumerate(("Level of Effort", "Level of Effort", "WBS Summary", "Start Milestone"), 1):
        sheet.add(
            "filtered",
            task_code=f"SCA-M-{number}",
            status_code="In Progress",
            wbs_id="SCA-M",
            task_name="Site management",
            task_type=kind,
            start_date=_at(date(2019, 1, 7), 8),
            end_date=_at(date(2026, 12, 31), 17),
            base_start_date=_at(date(2019, 1, 7), 8),
            base_end_date=_at(date(2026, 12, 31), 17),
            act_start_date=_at(date(2019, 1, 7), 8),
            target_drtn_hr_cnt=16_000,
        )
    for place in (11, 150):
        sheet.spoil(place, found[place].status, "base_end_date", "")
    links = [["pred_task_id", "task_id", "pred_type"], ["(*)Predecessor", "(*)Successor", "Relationship Type"]]
    links += [[before, item.code, "FS"] for item in found for before in item.predecessors]
    user = [["user_data"], ["UserSettings Do Not Edit"], ["DurationQtyType=QT_Hour ShowAsPercentage=0"]]
    sheets = {"TASK": [list(titles), list(titles.values()), *sheet.rows], "TASKPRED": links, "USERDATA": user}
    _write(EXPORTS / file, workbook(sheets))
    report(file, sheet.counts)


def _at(day: date | None, hour: int) -> datetime | str:
    return "" if day is None else datetime(day.year, day.month, day.day, hour)


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    """Return an xlsx with text, numbers and moments."""
    spreadsheet, office = (
        "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        "http://schemas.openxmlformats.org",
    )
    relation = f"{office}/officeDocument/2006/relationships"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    content = f"{office}/package/2006/content-types"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, len(sheets) + 1)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n in numbers
    )
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in zip(numbers, sheets, strict=True)
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{relation}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    parts = {
        "[Content_Types].xml": f'{head}<Types xmlns="{content}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>{types}</Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{office}/package/2006/relationships"><Relationship Id="rId1" '
        f'Type="{relation}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{head}<workbook xmlns="{spreadsheet}" xmlns:r="{relation}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{office}/package/2006/relationships">{targets}'
        f'<Relationship Id="rId0" Type="{relation}/styles" Target="styles.xml"/></Relationships>',
        # Format 22 is a day with its time.
        "xl/styles.xml": f'{head}<styleSheet xmlns="{spreadsheet}"><fonts count="1"><font/></fonts><fills count="1">'
        "<fill/>"
        '</fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2">'
        '<xf numFmtId="0" xfId="0"/><xf numFmtId="22" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>',
    }
    for n, rows in zip(numbers, sheets.values(), strict=True):
        body = "".join(f"<row>{''.join(map(_xlsx_cell, row))}</row>" for row in rows)
        parts[f"xl/worksheets/sheet{n}.xml"] = (
            f'{head}<worksheet xmlns="{spreadsheet}"><sheetData>{body}</sheetData></worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in parts.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _xlsx_cell(value: object) -> str:
    if value == "":
        return "<c/>"
    if isinstance(value, datetime):
        serial = (value - datetime(1899, 12, 30)) / timedelta(days=1)
        return f'<c s="1"><v>{serial!r}</v></c>'
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


XER_STATUS = {"not_started": "TK_NotStart", "in_progress": "TK_Active", "complete": "TK_Complete"}


# What P6 exports of currencies in Windows-1252: the first bytes of every file that are not ASCII.
# As P6 writes them: readers such as MPXJ refuse a currency without a short name.
CURRENCY_FIELDS = (
    *("curr_id", "decimal_digit_cnt", "curr_symbol", "decimal_symbol", "digit_group_symbol", "pos_curr_fmt_type"),
    *("neg_curr_fmt_type", "curr_type", "curr_short_name", "group_digit_cnt", "base_exch_rate"),
)
CURRENCIES = tuple(
    (number, "2", symbol, ".", ",", "#1.1", "(#1.1)", name, short, "3", "1")
    for number, symbol, name, short in (
        ("1", "$", "Dollar", "USD"),
        ("14", "£", "British Pound", "GBP"),
        ("17", "€", "EURO", "EUR"),
    )
)
HOLIDAYS = tuple(date(year, month, day) for year in range(2014, 2028) for month, day in ((1, 1), (7, 4), (12, 25)))
XER_UPDATES = (date(2019, 12, 31), date(2022, 6, 30), date(2024, 6, 30))
TASK_FIELDS = (
    *(
        "task_id",
        "proj_id",
        "wbs_id",
        "clndr_id",
        "phys_complete_pct",
        "complete_pct_type",
        "task_type",
        "duration_type",
    ),
    *("status_code", "task_code", "task_name", "total_float_hr_cnt", "free_float_hr_cnt", "remain_drtn_hr_cnt"),
    *("target_drtn_hr_cnt", "cstr_date", "act_start_date", "act_end_date", "late_start_date", "late_end_date"),
    *("expect_end_date", "early_start_date", "early_end_date", "target_start_date", "target_end_date", "cstr_type"),
    "guid",
)


def write_xer(raw: Path) -> None:
    """Primavera P6, File > Export > XER, three updates of one project: no baseline inside, another project id each."""
    for number, data_date in enumerate(XER_UPDATES):
        _write_update(raw, data_date, number)


def _write_update(raw: Path, data_date: date, number: int) -> None:
    file = f"p6_bronx_{data_date}.xer"
    found = activities(raw, DISTRICTS["xer"], data_date, 3)
    counts: Counter[str] = Counter(item.status for item in found)
    # One late entry has a finish after the data date.
    ahead = next(item.code for item in found[60:] if item.status == "complete")
    counts["complete"] -= 1
    counts["rejected"] += 1
    project = str(4100 + number)
    wbs = {"": f"{project}0", "Scope": f"{project}1", "Design": f"{project}2"}
    numbers = {item.code: str(70_000 + 1000 * number + place) for place, item in enumerate(found)}
    tasks = [_xer_task(item, project, wbs, numbers[item.code], number) for item in found]
    for task in tasks:
        if task["task_code"] == ahead:
            task["act_end_date"] = _clock(data_date + timedelta(days=9), 17)
    others = (("LOE1", "TT_LOE"), ("LOE2", "TT_LOE"), ("MS1", "TT_Mile"), ("MS2", "TT_FinMile"), ("WBS1", "TT_WBS"))
    for code, kind in others:
        counts["filtered"] += 1
        tasks.append(
            {
                "task_id": str(80_000 + counts["filtered"]),
                "proj_id": project,
                "wbs_id": wbs[""],
                "clndr_id": "9",
                "task_type": kind,
                "status_code": "TK_NotStart",
                "task_code": code,
                "task_name": "Approvals – façades and roofs",
                "target_drtn_hr_cnt": 0,
                "target_start_date": _clock(data_date, 8),
                "target_end_date": _clock(data_date + timedelta(days=200), 17),
            }
        )
    # An activity of another project, which P6 adds because of a relation to it.
    stub = {"task_id": "99000", "proj_id": "900", "wbs_id": "9000", "clndr_id": "9", "task_type": "TT_Task"}
    stub |= {"status_code": "TK_NotStart", "task_code": "Z100", "task_name": "Permits of the city"}
    stub |= {"target_start_date": _clock(data_date, 8), "target_end_date": _clock(data_date, 17)}
    tasks.append(stub)
    districts = sorted({item.district for item in found})
    codes = [(str(3100 + district), "31", f"District {district}", f"D{district}") for district in districts]
    codes += [("3001", "32", "Scope", "S"), ("3002", "32", "Design", "D")]
    day = f"{data_date:%Y-%m-%d}"
    lines = [
        "\t".join(
            ("ERMHDR", "19.12", day, "Project", "admin", "José Núñez", "dbxDatabaseNoName", "Project Management", "USD")
        ),
        *_table("CURRTYPE", CURRENCY_FIELDS, CURRENCIES),
        # Not read: written by another program, with a byte that means nothing in Windows-1252.
        *_table("RISKTYPE", ("risk_type_id", "risk_type"), [("1", "Weather \x81")]),
        *_table(
            "PROJECT",
            ("proj_id", "proj_short_name", "orig_proj_id", "sum_base_proj_id", "last_recalc_date", "export_flag"),
            [
                (project, f"SCA-BRONX-UP{number + 1}", "", "", _clock(data_date, 0), "Y"),
                ("900", "CITY", "", "", _clock(data_date, 0), "N"),
            ],
        ),
        *_table(
            "CALENDAR",
            (
                "clndr_id",
                "default_flag",
                "clndr_name",
                "proj_id",
                "base_clndr_id",
                "day_hr_cnt",
                "week_hr_cnt",
                "clndr_data",
            ),
            [("9", "Y", "5 days × 8 h", "", "", 8, 40, _calendar())],
        ),
        *_table(
            "PROJWBS",
            ("wbs_id", "proj_id", "proj_node_flag", "wbs_short_name", "wbs_name", "parent_wbs_id"),
            [
                (
                    identifier,
                    project,
                    "N" if phase else "Y",
                    phase[:1] or "SCA-BRONX",
                    phase or "Bronx",
                    _parent(phase, wbs),
                )
                for phase, identifier in wbs.items()
            ],
        ),
        *_table(
            "ACTVTYPE", ("actv_code_type_id", "actv_code_type"), [("31", "LOCATION - DISTRICT"), ("32", "Type of Work")]
        ),
        *_table("ACTVCODE", ("actv_code_id", "actv_code_type_id", "actv_code_name", "short_name"), codes),
        *_table("TASK", TASK_FIELDS, [[task.get(name, "") for name in TASK_FIELDS] for task in tasks]),
        *_table(
            "PROJCOST",
            ("cost_item_id", "task_id", "proj_id", "cost_name", "target_cost"),
            [
                (str(50_000 + place), numbers[item.code], project, "Fees", 1000)
                for place, item in enumerate(found[::10])
            ],
        ),
        *_table(
            "TASKACTV",
            ("task_id", "actv_code_type_id", "actv_code_id", "proj_id"),
            [
                (numbers[item.code], kind, code, project)
                for item in found
                for kind, code in (
                    ("31", str(3100 + item.district)),
                    ("32", "3001" if item.phase == "Scope" else "3002"),
                )
            ],
        ),
        *_table(
            "TASKRSRC",
            ("taskrsrc_id", "task_id", "proj_id", "target_cost"),
            [(str(40_000 + place), numbers[item.code], project, item.budget) for place, item in enumerate(found)],
        ),
        *_table(
            "TASKPRED",
            ("task_pred_id", "task_id", "pred_task_id", "proj_id", "pred_proj_id", "pred_type", "lag_hr_cnt"),
            [
                (str(60_000 + place), numbers[item.code], numbers[before], project, project, "PR_FS", 0)
                for place, item in enumerate(found)
                for before in item.predecessors
            ],
        ),
        "%E",
    ]
    text = "\r\n".join(lines) + "\r\n"
    _write(EXPORTS / file, text.replace("\x81", "?").encode("cp1252").replace(b"Weather ?", b"Weather \x81"))
    report(file, counts)


def _xer_task(item: Activity, project: str, wbs: dict[str, str], identifier: str, number: int) -> dict[str, object]:
    hours = _work_hours(item)
    # The plan of what has not started moves with every update; the first one is what was planned.
    planned = item.plan if item.finish or number == 0 else item.forecast
    slack = (item.float_days or 0) * 8
    return {
        "task_id": identifier,
        "proj_id": project,
        "wbs_id": wbs[item.phase],
        "clndr_id": "9",
        "phys_complete_pct": 0,
        "complete_pct_type": "CP_Drtn",
        "task_type": "TT_Rsrc" if item.phase == "Design" else "TT_Task",
        "duration_type": "DT_FixedDrtn",
        "status_code": XER_STATUS[item.status],
        "task_code": item.code,
        "task_name": item.name.replace("Exterior Masonry", "Façade"),
        "total_float_hr_cnt": "" if item.finish else slack,
        "free_float_hr_cnt": "" if item.finish else 0,
        "remain_drtn_hr_cnt": 0 if item.finish else hours * (100 - item.percent) // 100,
        "target_drtn_hr_cnt": hours,
        "act_start_date": _clock(item.start, 8) if item.started else "",
        "act_end_date": _clock(item.finish, 16),
        "late_end_date": "" if item.finish else _clock(_late(item), 16),
        "early_start_date": "" if item.started else _clock(item.start, 8),
        "early_end_date": "" if item.finish else _clock(item.forecast, 16),
        "target_start_date": _clock(item.start, 8),
        "target_end_date": _clock(planned, 16),
        "guid": hashlib.sha256(item.code.encode()).hexdigest()[:22],
    }


def _works(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def _calendar() -> str:
    """A week of five days and its holidays as P6 writes them: 0x7F for line breaks, Sunday is 1, days as in Excel."""
    days = [
        f"\x7f\x7f    (0||{day}()(" + ("\x7f\x7f      (0||0(s|08:00|f|16:00)())))" if 1 < day < 7 else "))")
        for day in range(1, 8)
    ]
    holidays = [
        f"\x7f\x7f    (0||{place}(d|{(day - date(1899, 12, 30)).days})())" for place, day in enumerate(HOLIDAYS)
    ]
    text = f"(0||CalendarData()(\x7f\x7f  (0||DaysOfWeek()({''.join(days)}))\x7f\x7f  (0||VIEW(ShowTotal|Y)())"
    return f"{text}\x7f\x7f  (0||Exceptions()({''.join(holidays)}))))"


def _parent(phase: str, wbs: dict[str, str]) -> str:
    return wbs[""] if phase else "1"


def _clock(day: date | None, hour: int) -> str:
    return "" if day is None else f"{day.isoformat()} {hour:02}:00"


def _table(name: str, fields: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ("\t".join(map(str, ("%R", *row))) for row in rows)
    return [f"%T\t{name}", "\t".join(("%F", *fields)), *lines]


def write_msproject(raw: Path) -> None:
    """Microsoft Project, Save As CSV on a computer with European settings: semicolons, day first, UTF-16."""
    data_date, file = date(2024, 12, 31), "msproject_brooklyn_2024-12-31.csv"
    found = activities(raw, DISTRICTS["msproject"], data_date, 4)
    titles = (
        *("ID", "Unique ID", "Outline Level", "WBS", "Name", "Duration", "Start", "Finish", "% Complete"),
        *("Baseline Start", "Baseline Finish", "Baseline Duration", "Actual Start", "Actual Finish", "Total Slack"),
        *("Baseline Cost", "Predecessors", "Summary", "Milestone", "Phase", "Location", "Resource Names"),
    )
    sheet = Sheet(titles)
    lines: dict[str, int] = {}
    groups = list(by_building(found).values())
    found_in_order = [item for items in groups for item in items]
    for group, items in enumerate(groups, 1):
        first, last = min(item.start for item in items), max(item.forecast for item in items)
        shared = {"Unique ID": 9000 + group, "Outline Level": 1, "WBS": group, "Name": items[0].school.title()}
        begun = any(item.started for item in items)
        sheet.add(
            "filtered",
            ID=len(sheet.rows) + 1,
            **shared,
            **_span(first, last),
            **{"Baseline Start": _dmy(first), "Baseline Finish": _dmy(max(item.plan for item in items))},
            **{"Baseline Duration": "0 days", "Actual Start": _dmy(first) if begun else "NA", "Actual Finish": "NA"},
            **{"Summary": "Yes", "Milestone": "No"},
        )
        for number, item in enumerate(items, 1):
            lines[item.code] = len(sheet.rows) + 1
            before = [f"{lines[code]}FS+2 days" if item.days > 60 else str(lines[code]) for code in item.predecessors]
            sheet.add(
                item.status,
                ID=len(sheet.rows) + 1,
                **{"Unique ID": 1000 + len(lines), "Outline Level": 2, "WBS": f"{group}.{number}", "Name": item.name},
                **_span(item.start, item.forecast),
                **{
                    "% Complete": f"{item.percent}%",
                    "Baseline Start": _dmy(item.start),
                    "Baseline Finish": _dmy(item.plan),
                },
                **{"Baseline Duration": f"{item.days} day{'s' * (item.days > 1)}"},
                **{"Actual Start": _dmy(item.start) if item.started else "NA", "Actual Finish": _dmy(item.finish)},
                **{"Total Slack": f"{item.float_days or 0} days", "Baseline Cost": f"${item.budget:,}.00"},
                **{"Predecessors": ";".join(before), "Summary": "No", "Milestone": "No", "Phase": item.phase},
                **{"Location": f"District {item.district}", "Resource Names": "Müller & Ibáñez; Façade team"},
            )
        if group % 3 == 0:
            sheet.add("filtered", ID=len(sheet.rows) + 1)
        if group % 4 == 0:
            milestone = {"Name": "Permit", "Baseline Duration": "0 days", "Summary": "No", "Milestone": "Yes"}
            dates = dict.fromkeys(("Start", "Finish", "Baseline Start", "Baseline Finish"), _dmy(last))
            numbers = {"ID": len(sheet.rows) + 1, "Unique ID": 8000 + group}
            sheet.add("filtered", **numbers, **milestone, **dates, **{"Actual Start": "NA", "Actual Finish": "NA"})
    places = [place for place, row in enumerate(sheet.rows) if row[titles.index("Phase")]]
    for number, column, value in (
        (5, "Baseline Finish", "NA"),
        (77, "Baseline Finish", "NA"),
        (150, "Baseline Finish", "31/06/2021"),
        (222, "Actual Start", "n.n."),
        (303, "Baseline Finish", "TBD"),
    ):
        sheet.spoil(places[number], found_in_order[number].status, column, value)
    # A line copied in the spreadsheet program keeps its number.
    sheet.repeat(places[10], "rejected")
    _write(EXPORTS / file, b"\xff\xfe" + sheet.csv(";").encode("utf-16-le"))
    report(file, sheet.counts)


def _dmy(day: date | None) -> str:
    return "NA" if day is None else f"{day:%d/%m/%Y}"


def _span(first: date, last: date) -> dict[str, object]:
    return {"Duration": f"{working_days(first, last)} days", "Start": _dmy(first), "Finish": _dmy(last)}


NIL = ' xsi:nil="true"'


def _elements(**values: object) -> str:
    """Return elements in the order of their names, as P6 writes them; what has no value is nil."""
    return "".join(
        f"<{name}{NIL}/>" if value == "" else f"<{name}>{escape(str(value))}</{name}>"
        for name, value in sorted(values.items())
    )


def _stamp(day: date | None, hour: int) -> str:
    return "" if day is None else f"{day.isoformat()}T{hour:02}:00:00"


def write_p6_xml(raw: Path) -> None:
    """Primavera P6, File > Export > Primavera PM - (XML) with its baseline: namespace, nil, shifts that end at :59."""
    data_date, file = date(2023, 12, 31), "p6_highbridge_2023-12-31.xml"
    found = activities(raw, DISTRICTS["p6_xml"], data_date, 6)[:XML_ACTIVITIES]
    counts: Counter[str] = Counter(item.status for item in found)
    numbers = {item.code: 5000 + place for place, item in enumerate(found)}
    head = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    head += '<APIBusinessObjects xmlns="http://xmlns.oracle.com/Primavera/P6Professional/V22.12/API/BusinessObjects" '
    parts = [f'{head}xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">']
    parts.append(f"<ActivityCodeType>{_elements(Name='Location', ObjectId=31, Scope='Global')}</ActivityCodeType>")
    for district in sorted({item.district for item in found}):
        code = _elements(
            CodeTypeObjectId=31, CodeValue=f"D{district}", Description=f"District {district}", ObjectId=district
        )
        parts.append(f"<ActivityCode>{code}</ActivityCode>")
    parts.append(
        f"<Calendar>{_elements(HoursPerDay=8, HoursPerWeek=40, Name='5 days × 8 h', ObjectId=9, Type='Global')}"
    )
    days = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
    shift = "<WorkTime><Start>08:00:00</Start><Finish>15:59:00</Finish></WorkTime>"
    none = f"<WorkTime{NIL}/>"
    week = "".join(
        f"<StandardWorkHours><DayOfWeek>{day}</DayOfWeek>{shift if 0 < place < 6 else none}</StandardWorkHours>"
        for place, day in enumerate(days)
    )
    free = "".join(
        f"<HolidayOrException><Date>{_stamp(day, 0)}</Date><WorkTime{NIL}/></HolidayOrException>" for day in HOLIDAYS
    )
    parts.append(
        f"<StandardWorkWeek>{week}</StandardWorkWeek><HolidayOrExceptions>{free}</HolidayOrExceptions></Calendar>"
    )
    names = {"ActivityDefaultCalendarObjectId": 9, "Id": "SCA-HIGHBRIDGE", "Name": "Highbridge"}
    dated = {"CurrentBaselineProjectObjectId": 4200, "DataDate": _stamp(data_date, 0), "ObjectId": 4100}
    parts.append(f"<Project>{_elements(**names, **dated)}")
    for place, phase in enumerate(("Scope", "Design"), 11):
        wbs = _elements(Code=phase[0], Name=phase, ObjectId=place, ParentObjectId="", ProjectObjectId=4100)
        parts.append(f"<WBS>{wbs}</WBS>")
    for item in found:
        assigned = f"<Code>{_elements(TypeObjectId=31, ValueObjectId=item.district)}</Code>"
        parts.append(f"<Activity>{_p6_xml(item, numbers[item.code])}{assigned}</Activity>")
    for place, kind in enumerate(("Start Milestone", "Finish Milestone", "Level of Effort"), 9000):
        counts["filtered"] += 1
        dates = dict.fromkeys(("PlannedStartDate", "PlannedFinishDate"), _stamp(data_date, 8))
        other = {
            "CalendarObjectId": 9,
            "Id": f"X{place}",
            "Name": "Approvals – façades",
            "ObjectId": place,
            "Type": kind,
        }
        parts.append(f"<Activity>{_elements(PlannedDuration=0, Status='Not Started', **dates, **other)}</Activity>")
    for place, item in enumerate(found):
        resource = _elements(ActivityObjectId=numbers[item.code], ObjectId=6000 + place, PlannedCost=item.budget)
        parts.append(f"<ResourceAssignment>{resource}</ResourceAssignment>")
    for item in found:
        for before in item.predecessors:
            if before in numbers:
                ends = {"PredecessorActivityObjectId": numbers[before], "SuccessorActivityObjectId": numbers[item.code]}
                link = _elements(Lag=16, ObjectId=7000 + numbers[item.code], Type="Finish to Start", **ends)
                parts.append(f"<Relationship>{link}</Relationship>")
    options = _elements(RelationshipLagCalendar="Predecessor Activity Calendar")
    parts.append(f"<ScheduleOptions>{options}</ScheduleOptions></Project>")
    names = {"Id": "SCA-HIGHBRIDGE - B1", "Name": "Highbridge - B1", "ObjectId": 4200, "OriginalProjectObjectId": 4100}
    parts.append(f"<BaselineProject>{_elements(DataDate=_stamp(date(2014, 1, 1), 0), **names)}")
    for item in found:
        dates = {"PlannedStartDate": _stamp(item.start, 8), "PlannedFinishDate": _stamp(item.plan, 16)}
        kind = {"Id": item.code, "Name": item.name, "Status": "Not Started", "Type": "Task Dependent"}
        hours = {"CalendarObjectId": 9, "ObjectId": numbers[item.code] + 10_000, "PlannedDuration": _work_hours(item)}
        parts.append(f"<Activity>{_elements(**dates, **kind, **hours)}</Activity>")
    parts.append("</BaselineProject>")
    _write(EXPORTS / file, ("\n".join(parts) + "\n</APIBusinessObjects>\n").encode())
    report(file, counts)


def _work_hours(item: Activity) -> int:
    return 8 * max(1, sum(_works(item.start + timedelta(days=day)) for day in range((item.plan - item.start).days + 1)))


def _late(item: Activity) -> date:
    """Return the day that lies the activity's float after its forecast."""
    late = item.forecast
    for _ in range(item.float_days or 0):
        late += timedelta(days=1)
        while not _works(late):
            late += timedelta(days=1)
    return late


def _p6_xml(item: Activity, number: int) -> str:
    hours = _work_hours(item)
    return _elements(
        ActualFinishDate=_stamp(item.finish, 16),
        ActualStartDate=_stamp(item.start if item.started else None, 8),
        CalendarObjectId=9,
        GUID=f"{{{uuid.UUID(hashlib.sha256(item.code.encode()).hexdigest()[:32])}}}".upper(),
        Id=item.code,
        Name=item.name,
        ObjectId=number,
        PercentCompleteType="Physical",
        PhysicalPercentComplete=item.percent / 100,
        PlannedDuration=hours,
        PlannedFinishDate=_stamp(item.plan if item.finish else item.forecast, 16),
        PlannedStartDate=_stamp(item.start, 8),
        RemainingDuration=0 if item.finish else hours * (100 - item.percent) // 100,
        RemainingEarlyFinishDate="" if item.finish else _stamp(item.forecast, 16),
        RemainingEarlyStartDate="" if item.started else _stamp(item.start, 8),
        RemainingLateFinishDate="" if item.finish else _stamp(_late(item), 16),
        Status=P6_STATUS[item.status],
        Type="Task Dependent",
        WBSObjectId=11 if item.phase == "Scope" else 12,
    )


def write_msproject_xml(raw: Path) -> None:
    """Microsoft Project, Save As XML: outline, base calendar with a holiday that recurs, baselines 0 and 1."""
    data_date, file = date(2023, 12, 31), "msproject_canarsie_2023-12-31.xml"
    found = activities(raw, DISTRICTS["msproject_xml"], data_date, 7)[:XML_ACTIVITIES]
    counts: Counter[str] = Counter(item.status for item in found)
    uids = {item.code: 1000 + place for place, item in enumerate(found)}
    times = "<FromTime>08:00:00</FromTime><ToTime>16:00:00</ToTime>"
    week = "".join(
        f"<WeekDay><DayType>{day}</DayType><DayWorking>{int(1 < day < 7)}</DayWorking>"
        + (f"<WorkingTimes><WorkingTime>{times}</WorkingTime></WorkingTimes>" if 1 < day < 7 else "")
        + "</WeekDay>"
        for day in range(1, 8)
    )
    free = "".join(
        "<Exception><EnteredByOccurrences>0</EnteredByOccurrences><TimePeriod><FromDate>2014-01-01T00:00:00</FromDate>"
        f"<ToDate>2027-12-31T23:59:00</ToDate></TimePeriod><Occurrences>14</Occurrences><Name>{name}</Name><Type>2</Type>"
        f"<Month>{month - 1}</Month><MonthDay>{day}</MonthDay><DayWorking>0</DayWorking></Exception>"
        for name, month, day in (("New Year", 1, 1), ("Independence Day", 7, 4), ("Christmas", 12, 25))
    )
    parts = [
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<Project xmlns="http://schemas.microsoft.com/project">',
        "<SaveVersion>14</SaveVersion><Name>canarsie.xml</Name><Title>SCA Canarsie</Title>"
        "<CalendarUID>1</CalendarUID><MinutesPerDay>480</MinutesPerDay><MinutesPerWeek>2400</MinutesPerWeek>"
        f"<StatusDate>{_stamp(data_date, 16)}</StatusDate><CurrentDate>2024-01-08T09:12:00</CurrentDate>",
        "<ExtendedAttributes><ExtendedAttribute><FieldID>188743731</FieldID><FieldName>Text1</FieldName>"
        "<Alias>Location</Alias></ExtendedAttribute></ExtendedAttributes>",
        "<Calendars><Calendar><UID>1</UID><Name>Standard</Name><IsBaseCalendar>1</IsBaseCalendar>"
        f"<BaseCalendarUID>-1</BaseCalendarUID><WeekDays>{week}</WeekDays><Exceptions>{free}</Exceptions></Calendar>",
        "</Calendars>\n<Tasks>",
    ]
    tasks = [{"UID": 0, "Name": "SCA Canarsie", "OutlineLevel": 0, "Summary": 1}]
    for group, items in enumerate(by_building(found).values(), 1):
        tasks.append({"UID": 9000 + group, "Name": items[0].school.title(), "OutlineLevel": 1, "Summary": 1})
        for item in items:
            tasks.append(_msp_task(item, uids))
        if group % 2:
            tasks.append({"UID": 8000 + group, "IsNull": 1})
        day = _stamp(max(item.forecast for item in items), 16)
        mark = {"UID": 7000 + group, "Name": "Permit", "OutlineLevel": 2, "Milestone": 1, "Start": day, "Finish": day}
        tasks.append({**mark, "Duration": "PT0H0M0S"})
    gone = {"UID": 6000, "Name": "Left out of the contract", "OutlineLevel": 1, "Active": 0, "Duration": "PT80H0M0S"}
    tasks.append({**gone, "Start": _stamp(date(2024, 2, 1), 8), "Finish": _stamp(date(2024, 2, 14), 16)})
    # Empty lines are no rows.
    counts["filtered"] += len(tasks) - len(found) - sum("IsNull" in task for task in tasks)
    for number, task in enumerate(tasks):
        nested = task.pop("nested", "")
        known = {"UID": task.pop("UID"), "ID": number, **task}
        cells = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in known.items() if value != "")
        parts.append(f"<Task>{cells}{nested}</Task>")
    _write(EXPORTS / file, ("\n".join(parts) + "\n</Tasks>\n</Project>\n").encode())
    report(file, counts)


def _msp_task(item: Activity, uids: dict[str, int]) -> dict[str, object]:
    hours = _work_hours(item)
    links = "".join(
        f"<PredecessorLink><PredecessorUID>{uids[before]}</PredecessorUID><Type>1</Type><CrossProject>0</CrossProject>"
        "<LinkLag>9600</LinkLag><LagFormat>7</LagFormat></PredecessorLink>"
        for before in item.predecessors
        if before in uids
    )
    place = (
        f"<ExtendedAttribute><FieldID>188743731</FieldID><Value>District {item.district}</Value></ExtendedAttribute>"
    )
    start, finish = _stamp(item.start, 8), _stamp(item.plan, 16)
    # Baseline 1 was saved later, and is not the one that counts.
    baselines = "".join(
        f"<Baseline><Number>{number}</Number><Start>{start}</Start><Finish>{end}</Finish>"
        f"<Duration>PT{hours}H0M0S</Duration><Cost>{item.budget * 100}</Cost></Baseline>"
        for number, end in ((1, _stamp(item.forecast, 16)), (0, finish))
    )
    return {
        "UID": uids[item.code],
        "Name": item.name,
        "Active": 1,
        "OutlineLevel": 2,
        "Start": start,
        "Finish": _stamp(item.forecast, 16),
        "Duration": f"PT{8 * working_days(item.start, item.forecast)}H0M0S",
        "Milestone": 0,
        "Summary": 0,
        "EarlyFinish": "" if item.finish else _stamp(item.forecast, 16),
        "LateFinish": "" if item.finish else _stamp(_late(item), 16),
        "TotalSlack": (item.float_days or 0) * 4800,
        "PercentComplete": item.percent,
        "ActualStart": start if item.started else "",
        "ActualFinish": _stamp(item.finish, 16),
        "RemainingDuration": f"PT{0 if item.finish else hours * (100 - item.percent) // 100}H0M0S",
        "CalendarUID": -1,
        "nested": f"{links}{place}{baselines}",
    }


def write_canonical(raw: Path) -> None:
    """Slipcast's own columns, with the mistakes that people make in a spreadsheet program."""
    data_date, file = pd.Timestamp("2025-03-31"), "canonical_staten_island_2025-03-31.csv"
    table = canonical(raw)
    districts = [f"district {district:02}" for district in DISTRICTS["canonical"]]
    table = as_of(table[table["location"].isin(districts)], data_date)
    sheet = Sheet(table.columns)
    for row in csv.DictReader(io.StringIO(table.to_csv(index=False, date_format="%Y-%m-%d"))):
        sheet.add(row["status"], **row)
    status = sheet.header.index("status")
    for place, column, value in ((3, "start", "31.04.2022"), (50, "baseline_finish", ""), (99, "budget", "12k")):
        sheet.spoil(place, sheet.rows[place][status], column, value)
    sheet.repeat(20, "rejected")
    _write(EXPORTS / file, sheet.csv().encode())
    report(file, sheet.counts)


GERMAN = ("Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez")
TRADES = ("Erdarbeiten", "Rohbau", "Dachabdichtung", "Fenster", "Elektro", "Heizung", "Estrich", "Trockenbau", "Maler")


def write_custom() -> None:
    """A German contractor's own table, wholly invented: the worked example of docs/profiles.md."""
    chance = random.Random(5)  # noqa: S311 - examples
    data_date, file = date(2025, 6, 30), "custom/hochbau_2025-06-30.csv"
    sheet = Sheet(
        (
            *("Stichtag", "Projekt", "Vorgang", "Bezeichnung", "Art", "Bauabschnitt", "Gewerk", "Zustand"),
            *(
                "Beginn Soll",
                "Ende Soll",
                "Beginn Ist",
                "Ende Ist",
                "Dauer Soll",
                "Puffer",
                "Auftragssumme",
                "Kosten Ist",
            ),
        )
    )
    shared = {"Stichtag": "30.06.2025", "Projekt": "Kita Südhang"}
    words = {"not_started": "offen", "in_progress": "in Arbeit", "complete": "fertig"}
    for block in range(1, 5):
        begin = date(2024, 5, 6) + timedelta(weeks=12 * block)
        sheet.add("filtered", **shared, Vorgang=f"{block}00", Bezeichnung=f"Haus {block}", Art="Sammelvorgang")
        for number, trade in enumerate(TRADES, 1):
            start = begin + timedelta(weeks=3 * number)
            days = chance.randint(4, 24)
            plan = start + timedelta(days=days * 7 // 5)
            begun = start + timedelta(days=chance.choice((0, 0, 3, 10)))
            end = plan + timedelta(days=chance.choice((-3, 0, 5, 21, 45)))
            finish = end if end <= data_date else None
            status = "complete" if finish else "in_progress" if begun <= data_date else "not_started"
            begun_text = f"{begun.day}. {GERMAN[begun.month - 1]} {begun.year}" if status != "not_started" else "k.A."
            end_text = f"{finish.day}. {GERMAN[finish.month - 1]} {finish.year}" if finish else "k.A."
            amount = f"{chance.randint(8_000, 250_000):,}".replace(",", ".") + ",50 €"
            sheet.add(
                status,
                **shared,
                **{"Vorgang": f"{block}{number:02}", "Bezeichnung": f"{trade} Haus {block}", "Art": "Vorgang"},
                **{"Bauabschnitt": f"BA {block}", "Gewerk": trade, "Zustand": words[status]},
                **{"Beginn Soll": f"{start:%d.%m.%Y}", "Ende Soll": f"{plan:%d.%m.%Y}"},
                **{"Beginn Ist": begun_text, "Ende Ist": end_text},
                **{
                    "Dauer Soll": f"{days},5 Tage",
                    "Puffer": f"{chance.randint(0, 12)},5 Tage",
                    "Auftragssumme": amount,
                },
                **{"Kosten Ist": "k.A."},
            )
    kinds = {word: name for name, word in words.items()}
    state = sheet.header.index("Zustand")
    for place, column, value in ((1, "Ende Soll", "31.09.2024"), (13, "Beginn Ist", "nach Abruf")):
        sheet.spoil(place, kinds[sheet.rows[place][state]], column, value)
    # Entered again: the later line counts.
    sheet.repeat(5, "filtered")[sheet.header.index("Auftragssumme")] = "99.999,50 €"
    _write(EXPORTS / file, sheet.csv(";").encode("cp1252"))
    report(file, sheet.counts)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main(raw_file: str, paper_file: str) -> None:
    """Write all files."""
    raw = Path(raw_file)
    write_p6_csv(raw)
    write_p6_xlsx(raw)
    write_xer(raw)
    write_p6_xml(raw)
    write_msproject(raw)
    write_msproject_xml(raw)
    write_canonical(raw)
    write_custom()
    _write(EXPORTS / "nyc_sca_2025-06.csv.gz", gzip.compress(raw.read_bytes(), 9, mtime=0))
    shutil.copyfile(paper_file, EXPORTS / "schedule_management.csv")
    total = sum(path.stat().st_size for path in EXPORTS.rglob("*") if path.is_file())
    print(f"{total / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
