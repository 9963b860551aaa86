"""XER files as Primavera P6 writes them, byte for byte: invented activities in the tables that it exports."""

from collections.abc import Iterable, Mapping, Sequence

# What every export has before the user's tables: in Windows-1252 the pound is A3, the euro 80.
CURRTYPE = ("CURRTYPE", ("curr_id", "curr_symbol", "curr_type"), [("1", "$", "Dollar"), ("14", "£", "Pound")])
TASK = (
    *("task_id", "proj_id", "wbs_id", "clndr_id", "phys_complete_pct", "complete_pct_type", "task_type", "status_code"),
    *("task_code", "task_name", "total_float_hr_cnt", "remain_drtn_hr_cnt", "target_drtn_hr_cnt", "act_start_date"),
    *("act_end_date", "late_end_date", "early_start_date", "early_end_date", "target_start_date", "target_end_date"),
    *("act_work_qty", "remain_work_qty", "guid"),
)
PROJECT = ("proj_id", "proj_short_name", "orig_proj_id", "sum_base_proj_id", "last_recalc_date", "export_flag")
CALENDAR = ("clndr_id", "clndr_name", "base_clndr_id", "day_hr_cnt", "week_hr_cnt", "clndr_data")


def clndr_data(
    days: Iterable[int] = range(2, 7),
    spans: str = "08:00-12:00 13:00-17:00",
    exceptions: Mapping[int, str] | None = None,
) -> str:
    """Return a calendar in P6's notation: days from Sunday as 1, spans of work, exceptions by Excel's day number."""
    week = "".join(f"\x7f\x7f    (0||{day}()({_shifts(spans) if day in days else ''}))" for day in range(1, 8))
    free = "".join(
        f"\x7f\x7f    (0||{place}(d|{day})({_shifts(own)}))"
        for place, (day, own) in enumerate((exceptions or {}).items())
    )
    return (
        f"(0||CalendarData()(\x7f\x7f  (0||DaysOfWeek()({week}))\x7f\x7f  (0||VIEW(ShowTotal|Y)())"
        f"\x7f\x7f  (0||Exceptions()({free}))))"
    )


def _shifts(spans: str) -> str:
    return "".join(
        f"\x7f\x7f      (0||{place}(s|{start}|f|{finish})())"
        for place, (start, finish) in enumerate(span.split("-") for span in spans.split())
    )


FIVE_DAYS = ("7", "5 days, 8 h", "", "8", "40", clndr_data())


def task(code: str, first: str, last: str, **values: str) -> dict[str, str]:
    """Return an activity that has not started, planned from the morning of `first` to the evening of `last`."""
    known = {
        **{"task_id": code, "proj_id": "100", "wbs_id": "1001", "clndr_id": "7", "complete_pct_type": "CP_Drtn"},
        **{"task_type": "TT_Task", "status_code": "TK_NotStart", "task_code": code, "task_name": f"Work {code}"},
        **{"target_drtn_hr_cnt": "80", "remain_drtn_hr_cnt": "80", "phys_complete_pct": "0"},
        **{"target_start_date": f"{first} 08:00", "target_end_date": f"{last} 17:00"},
        **{"early_start_date": f"{first} 08:00", "early_end_date": f"{last} 17:00"},
    }
    return known | values


def started(code: str, first: str, last: str, finish: str | None = None, **values: str) -> dict[str, str]:
    """Return an activity that has started on `first`, complete if it has a `finish`."""
    actual = {"status_code": "TK_Active", "act_start_date": f"{first} 08:00", "early_start_date": ""}
    if finish is not None:
        actual |= {"status_code": "TK_Complete", "act_end_date": f"{finish} 17:00", "early_end_date": ""}
        actual["remain_drtn_hr_cnt"] = "0"
    return task(code, first, last, **(actual | values))


def project(
    data_date: str, name: str = "HALL", number: str = "100", original: str = "", baseline: str = "", flag: str = "Y"
) -> tuple[str, ...]:
    """Return a row of table PROJECT."""
    return number, name, original, baseline, f"{data_date} 17:00" if data_date else "", flag


def xer(
    tasks: Sequence[Mapping[str, str]],
    projects: Sequence[Sequence[str]],
    *,
    calendars: Sequence[Sequence[str]] = (FIVE_DAYS,),
    more: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = (),
    wbs: str = "Plant",
    encoding: str = "cp1252",
    tables: Mapping[str, str] | None = None,
) -> bytes:
    """Return an XER file.

    Parameters
    ----------
    more : further tables: name, fields, rows
    encoding : of the file, with others for some `tables`
    """
    content = [
        CURRTYPE,
        ("PROJECT", PROJECT, projects),
        ("CALENDAR", CALENDAR, calendars),
        (
            "PROJWBS",
            ("wbs_id", "proj_id", "parent_wbs_id", "wbs_short_name", "wbs_name", "proj_node_flag"),
            [("1001", "100", "", "P", wbs, "Y")],
        ),
        ("TASK", TASK, [[item.get(name, "") for name in TASK] for item in tasks]),
        *more,
    ]
    raw = "ERMHDR\t19.12\t2025-07-01\tProject\tadmin\tAdmin\tdbx\tProject Management\tUSD\r\n".encode(encoding)
    for name, fields, rows in content:
        lines = [f"%T\t{name}", "\t".join(("%F", *fields)), *("\t".join(("%R", *row)) for row in rows)]
        codec = (tables or {}).get(name, encoding)
        if name == "CURRTYPE" and codec not in ("utf-8", "utf-16-le"):
            codec = "cp1252"
        raw += "".join(f"{line}\r\n" for line in lines).encode(codec)
    return raw + "%E\r\n".encode(encoding)
