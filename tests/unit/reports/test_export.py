"""Forecasts in files of scheduling tools: other readers find them, and nothing else in the file has changed."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from slipcast.datasets.versions import read_table
from slipcast.ingest.schedule import read_schedule
from slipcast.reports.export import FORMATS, NotTheFileError, exported, fields

ROOT = Path(__file__).resolve().parents[3]
XER = ROOT / "examples" / "annex" / "ps118_annex_2026-03-31.xer"
PMXML = ROOT / "examples" / "exports" / "p6_highbridge_2023-12-31.xml"
MSPDI = ROOT / "examples" / "exports" / "msproject_canarsie_2023-12-31.xml"
HEAD = {
    "name": "annex",
    "data_date": "2026-03-31",
    "completion": {"baseline": "2026-12-01", "planned": None, "p50": "2027-01-04", "p80": "2027-02-01", "p90": None},
}


def columns(*identifiers: str, name: str = "Finishes & more") -> dict[str, list]:
    """Return stored columns of open activities, and of one that is complete."""
    count = len(identifiers)
    texts = ("activity_name", "phase", "location", "stage", "baseline_finish", "finish", "p10", "p50", "p80", "p90")
    values = (name, "Construction", None, "in_progress", "2026-05-01", "2026-05-20")
    days = ("2026-05-02", "2026-06-01", "2026-08-15", None)
    found: dict[str, list] = {
        **{text: [value] * count for text, value in zip(texts, (*values, *days), strict=True)},
        "activity_id": [*identifiers],
        "late_probability": [0.6251] * count,
        "days_late": [12] * count,
        "criticality": [0.5] * count,
    }
    complete = {"activity_id": "A1100", "stage": "complete", "late_probability": 1.0, "days_late": 90}
    return {text: [*rows, complete.get(text)] for text, rows in found.items()}


def tables(raw: bytes) -> dict[str, list[dict[str, str]]]:
    """Return the tables of an XER file, read without any code of ours."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in raw.decode("cp1252").splitlines():
        mark, *cells = line.split("\t")
        if mark == "%T":
            rows = found.setdefault(cells[0], [])
        elif mark == "%F":
            names = cells
        elif mark == "%R":
            rows.append(dict(zip(names, cells, strict=True)))
    return found


def activities(path: Path, folder: Path) -> list[dict]:
    folder.mkdir()
    schedule = read_schedule(path, path.name, workdir=folder, max_bad_share=0.5)
    return read_table(schedule.table).to_dict("records")


def test_p6_finds_the_forecast_as_fields_of_its_activities():
    raw = XER.read_bytes()
    written = exported("xer", columns("A1430"), HEAD, raw)

    after = tables(written)
    types = {row["udf_type_label"]: row for row in after["UDFTYPE"] if row["udf_type_label"] in fields.TITLES}
    assert {title: row["logical_data_type"] for title, row in types.items()} == {
        fields.PROBABILITY: "FT_FLOAT_2_DECIMALS",
        fields.P50: "FT_END_DATE",
        fields.P80: "FT_END_DATE",
        fields.DAYS_LATE: "FT_INT",
    }
    live = {row["proj_id"] for row in after["PROJECT"]} - {row["sum_base_proj_id"] for row in after["PROJECT"]}
    (task,) = [row for row in after["TASK"] if row["task_code"] == "A1430" and row["proj_id"] in live]
    values = {row["udf_type_id"]: row for row in after["UDFVALUE"] if row["fk_id"] == task["task_id"]}
    assert values[types[fields.PROBABILITY]["udf_type_id"]]["udf_number"] == "0.6251"
    assert values[types[fields.P80]["udf_type_id"]]["udf_date"] == "2026-08-15 17:00"
    assert values[types[fields.DAYS_LATE]["udf_type_id"]]["udf_number"] == "12"
    # The complete activity has none, nor has the one of the baseline project.
    assert {
        row["fk_id"] for row in after["UDFVALUE"] if row["udf_type_id"] in {t["udf_type_id"] for t in types.values()}
    } == {task["task_id"]}


def test_all_other_lines_of_an_xer_file_stay_and_a_second_export_replaces_the_first():
    raw = XER.read_bytes()
    once = exported("xer", columns("A1430"), HEAD, raw)
    other = columns("A1430", "A1320")
    twice = exported("xer", other, HEAD, once)

    kept = iter(once.split(b"\n"))
    assert all(line in kept for line in raw.split(b"\n")), "a line is gone, or at another place"
    assert sorted(twice.split(b"\n")) == sorted(exported("xer", other, HEAD, raw).split(b"\n"))
    assert exported("xer", columns("A1430"), HEAD, twice) == exported("xer", columns("A1430"), HEAD, once)


@pytest.mark.parametrize(("name", "path"), [("pmxml", PMXML), ("mspdi", MSPDI)])
def test_xml_stays_as_it_is_but_for_what_is_added(name, path):
    raw = path.read_bytes()
    identifiers = re.findall(rb"<Id>([^<]+)</Id>" if name == "pmxml" else rb"<UID>([^<]+)</UID>", raw)
    identifier = identifiers[-1].decode()
    once = exported(name, columns(identifier), HEAD, raw)

    whole = ET.fromstring(once)  # noqa: S314 - it is ours
    ours = [element for element in whole.iter() if any(title in (element.text or "") for title in fields.TITLES)]
    assert len(ours) == len(fields.TITLES)
    assert without_ours(once) == raw
    assert exported(name, columns(identifier), HEAD, once) == once
    assert b"2026-08-15T17:00:00" in once


def without_ours(raw: bytes) -> bytes:
    """Return an XML file without the fields of an export, taken out as text."""
    field = (
        rb"<(?:UDFType|ExtendedAttribute)>(?:<(\w+)>[^<]*</\1>)*<(?:Title|Alias)>Slipcast [^<]*</(?:Title|Alias)></\w+>"
    )
    numbers = [re.search(rb"<(?:ObjectId|FieldID)>(\d+)<", found[0])[1] for found in re.finditer(field, raw)]
    raw = re.sub(field, b"", raw)
    value = rb"<(?:UDF|ExtendedAttribute)><(?:TypeObjectId|FieldID)>(?:%s)</\w+><\w+>[^<]*</\w+></\w+>" % b"|".join(
        numbers
    )
    return re.sub(value, b"", raw).replace(b"<ExtendedAttributes></ExtendedAttributes>", b"")


@pytest.mark.parametrize(("name", "path"), [("xer", XER), ("pmxml", PMXML), ("mspdi", MSPDI)])
def test_our_reader_sees_the_same_activities(name, path, tmp_path):
    before = activities(path, tmp_path / "before")
    identifier = {"xer": "A1430"}.get(name) or str(before[-1]["activity_id"])
    target = tmp_path / path.name
    pattern = rb"<UID>([^<]+)</UID>"
    identifier = re.findall(pattern, path.read_bytes())[-1].decode() if name == "mspdi" else identifier
    target.write_bytes(exported(name, columns(identifier), HEAD, path.read_bytes()))

    assert str(activities(target, tmp_path / "after")) == str(before)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("xer", b"<xml/>", "no XER file"),
        ("xer", XER.read_bytes(), "none of the open activities"),
        ("xer", None, "name it"),
        ("pmxml", XER.read_bytes(), "PMXML"),
        ("pmxml", MSPDI.read_bytes(), "no PMXML"),
        ("mspdi", PMXML.read_bytes(), "no XML file of MS Project"),
        ("mspdi", b"<Project>", "not well-formed"),
        ("mspdi", b'<!DOCTYPE Project [<!ENTITY a "b">]><Project/>', "entities"),
    ],
)  # fmt: skip
def test_another_file_is_refused(name, raw, reason):
    with pytest.raises(NotTheFileError, match=reason):
        exported(name, columns("nowhere"), HEAD, raw)


def test_the_table_has_the_headings_of_p6():
    raw = exported("csv", columns("A1430", "=A1"), HEAD)

    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0][0] == "task_code"
    assert rows[1] == ["Activity ID", *fields.TITLES]
    assert rows[2] == ["A1430", "0.6251", "2026-06-01", "2026-08-15", "12"]
    assert rows[3][0] == "'=A1"


def test_the_workbook_has_dates_numbers_and_colors():
    raw = exported("xlsx", columns("A1430", name="=1+1"), HEAD)

    book = openpyxl.load_workbook(io.BytesIO(raw))
    sheet = book["Activities"]
    head = [cell.value for cell in sheet[1]]
    row = dict(zip(head, (cell for cell in sheet[2]), strict=True))
    assert row["P80"].value == datetime(2026, 8, 15)
    assert row["Late probability"].value == 0.6251
    assert (row["Name"].value, row["Name"].data_type) == ("=1+1", "s")
    assert {str(area.sqref) for area in sheet.conditional_formatting} == {"H2:H3", "M2:M3"}
    completion = {key.value: value.value for key, value in book["Completion"].iter_rows()}
    assert completion["P80"] == datetime(2027, 2, 1)
    assert completion["P90"] is None


def test_every_format_has_a_writer():
    assert {name for name, kind in FORMATS.items() if kind.into} == {"xer", "pmxml", "mspdi"}


def test_the_page_says_what_moved_the_completion_and_what_drives_it():
    trend = [{"data_date": day, "p50": p50, "p80": p80} for day, p50, p80 in (
        ("2025-12-31", "2026-12-10", "2027-01-11"), ("2026-03-31", "2027-01-04", "2027-02-01"),
    )]  # fmt: skip
    head = {**HEAD, "trend": trend, "open": 2, "activities": 3, "already_late": 0, "at_risk": 1, "model_version": "4"}
    driver = {"activity_id": "A1430", "name": "Finishes <b>", "criticality": 0.8, "days": 12.34}
    forecast = {
        **{"completion": {**HEAD["completion"], "cpm": "2026-12-20"}, "note": "", "milestones": []},
        **{"drivers": [driver], "reference_class": {"n": 15, "text": "15 finished activities"}},
    }
    text = exported("html", columns("A1430"), head, forecast=forecast).decode()

    assert "Completion P80 2027-02-01: 3 weeks later than said on 2025-12-31" in text
    assert "Finishes &lt;b&gt;" in text
    assert "12.3" in text
    assert "80 %" in text
    # One file without scripts and without addresses.
    assert "<script" not in text
    assert not re.search(r"(src|href)=", text)
    assert text.count("<polyline") == 2
