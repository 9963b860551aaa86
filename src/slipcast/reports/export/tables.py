"""Forecasts as tables: CSV for P6's import of spreadsheets, and a workbook with colors."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from slipcast.csv_safety import neutral
from slipcast.reports.export.fields import TITLES, forecasts

# Headings of P6's own spreadsheets: their columns by name, and what they mean below.
P6_COLUMNS = {
    "task_code": "Activity ID",
    **dict(zip(("user_field_1", "user_field_2", "user_field_3", "user_field_4"), TITLES, strict=True)),
}
SHEET = "TASK"
HEADINGS = {
    "activity_id": "Activity",
    "activity_name": "Name",
    "phase": "Phase",
    "location": "Location",
    "stage": "Stage",
    "baseline_finish": "Baseline finish",
    "finish": "Planned finish",
    "late_probability": "Late probability",
    "p10": "P10",
    "p50": "P50",
    "p80": "P80",
    "p90": "P90",
    "days_late": "Days late",
    "criticality": "Criticality",
}
DATES = ("baseline_finish", "finish", "p10", "p50", "p80", "p90")
SHARES = ("late_probability", "criticality")


def to_csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a table with the headings of P6's spreadsheets, for its import."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(P6_COLUMNS)
    writer.writerow(P6_COLUMNS.values())
    for identifier, found in forecasts(columns).items():
        writer.writerow([neutral(identifier), *("" if value is None else value for value in found)])
    # P6 and Excel take a file without a byte order mark for one in the code page of the machine.
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def to_xlsx(columns: Mapping[str, Sequence[Any]], head: Mapping[str, Any]) -> bytes:
    """Return a workbook of a project's activities, with colors for the probability of delay and for what is late."""
    # Imported here: no other format needs it.
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": str(head["name"])})
    bold = book.add_format({"bold": True, "bottom": 1})
    day, share = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "0%"})
    sheet = book.add_worksheet("Activities")
    sheet.write_row(0, 0, list(HEADINGS.values()), bold)
    count = len(columns["activity_id"])
    for place, name in enumerate(HEADINGS):
        for row, value in enumerate(columns[name], 1):
            if value is None:
                continue
            if name in DATES:
                sheet.write_datetime(row, place, _moment(value), day)
            elif isinstance(value, str):
                sheet.write_string(row, place, value)
            else:
                sheet.write_number(row, place, value, share if name in SHARES else None)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, max(count, 1), len(HEADINGS) - 1)
    sheet.set_column(0, 0, 14)
    sheet.set_column(1, 1, 44)
    sheet.set_column(2, len(HEADINGS) - 1, 13)
    names = list(HEADINGS)
    column = names.index("late_probability")
    sheet.conditional_format(
        1,
        column,
        max(count, 1),
        column,
        {
            "type": "3_color_scale",
            **{"min_type": "num", "mid_type": "num", "max_type": "num"},
            **{"min_value": 0, "mid_value": 0.5, "max_value": 1},
            **{"min_color": "#63BE7B", "mid_color": "#FFEB84", "max_color": "#F8696B"},
        },
    )
    late = names.index("days_late")
    red = book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006"})
    sheet.conditional_format(1, late, max(count, 1), late, {"type": "cell", "criteria": ">", "value": 0, "format": red})
    _completion(book, head, bold, day)
    book.close()
    return out.getvalue()


def _completion(book: Any, head: Mapping[str, Any], bold: Any, day: Any) -> None:
    sheet = book.add_worksheet("Completion")
    sheet.write_row(0, 0, ["Completion", "Day"], bold)
    sheet.set_column(0, 1, 16)
    rows = [("Data date", head["data_date"]), *((name.upper(), value) for name, value in head["completion"].items())]
    for row, (name, value) in enumerate(rows, 1):
        sheet.write_string(row, 0, name.title() if len(name) > 3 else name)
        if value:
            sheet.write_datetime(row, 1, _moment(value), day)


def _moment(iso: str) -> Any:
    return date.fromisoformat(iso)
