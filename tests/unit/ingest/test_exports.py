"""Files as people export them become datasets. The counts are those that `make_exports.py` wrote, not read back."""

import csv
import gzip
import io
import re
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from slipcast.datasets import versions
from slipcast.ingest.mapping.profile import (
    Dates,
    Durations,
    Filter,
    Hint,
    Label,
    Numbers,
    Outline,
    Profile,
    Source,
    load_profile,
)
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule, read_schedule

ROOT = Path(__file__).resolve().parents[3]
EXPORTS = ROOT / "examples" / "exports"
BRONX = tuple(f"p6_bronx_{day}.xer" for day in ("2019-12-31", "2022-06-30", "2024-06-30"))
KINDS = ("read", "accepted", "rejected", "filtered", "not_started", "in_progress", "complete")


def schedule_of(path: Path, name: str, folder: Path, **options) -> Schedule:
    workdir = folder / f"work-{len(list(folder.iterdir()))}"
    workdir.mkdir()
    return read_schedule(path, name, workdir=workdir, **options)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """A reader of files in ``exports/``, each read once."""
    folder = tmp_path_factory.mktemp("exports")
    return cache(lambda name: schedule_of(EXPORTS / name, name, folder))


@pytest.fixture
def read(tmp_path):
    """A reader of text under a name."""

    def run(name: str, text: str | bytes, **options) -> Schedule:
        path = tmp_path / "dropped"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return schedule_of(path, name, tmp_path, **options)

    return run


@pytest.fixture
def hochbau() -> Profile:
    return load_profile((EXPORTS / "custom/hochbau.yaml").read_text(encoding="utf-8"), "hochbau.yaml")


def rejected(schedule: Schedule) -> list[tuple[str, str, str]]:
    with schedule.rejected.open(encoding="utf-8", newline="") as lines:
        return [(row["line"], row["column"], row["value"]) for row in csv.DictReader(lines)]


@pytest.mark.parametrize(
    ("name", "profile", "counts", "data_date"),
    [
        ("p6_queens_2024-09-30.csv", "p6", (944, 604, 8, 332, 89, 68, 447), date(2024, 9, 30)),
        ("p6_manhattan_2024-12-31.xlsx", "p6", (304, 300, 0, 4, 15, 22, 263), date(2024, 12, 31)),
        ("p6_bronx_2019-12-31.xer", "p6_xer", (286, 280, 1, 5, 270, 5, 5), date(2019, 12, 31)),
        ("p6_bronx_2022-06-30.xer", "p6_xer", (286, 280, 1, 5, 202, 30, 48), date(2022, 6, 30)),
        ("p6_bronx_2024-06-30.xer", "p6_xer", (286, 280, 1, 5, 77, 38, 165), date(2024, 6, 30)),
        ("p6_highbridge_2023-12-31.xml", "p6_xer", (43, 40, 0, 3, 17, 5, 18), date(2023, 12, 31)),
        ("msproject_canarsie_2023-12-31.xml", "msproject_xml", (72, 40, 0, 32, 9, 4, 27), date(2023, 12, 31)),
        ("msproject_brooklyn_2024-12-31.csv", "msproject", (602, 412, 4, 186, 28, 38, 346), date(2024, 12, 31)),
        ("nyc_sca_2025-06.csv.gz", "nyc_sca", (13_153, 3_572, 3, 9_578, 0, 330, 3_242), date(2025, 6, 30)),
        ("canonical_staten_island_2025-03-31.csv", "canonical", (201, 197, 4, 0, 0, 31, 166), date(2025, 3, 31)),
        ("schedule_management.csv", "paper", (100, 100, 0, 0, 0, 0, 0), None),
    ],
)
def test_an_export_is_recognised_and_read(export, name, profile, counts, data_date):
    schedule = export(name)

    assert schedule.profile.name == profile
    assert schedule.counts == dict(zip(KINDS, counts, strict=True))
    assert schedule.data_date == data_date
    assert len(schedule.rows()) == counts[1]


def test_every_export_has_its_expected_counts():
    files = {path.name for path in EXPORTS.iterdir() if path.is_file()} - {"README.md"}

    assert len(files) == 11


def test_p6_dates_marks_and_units(export):
    schedule = export("p6_queens_2024-09-30.csv")
    rows = {(row["project_id"], row["activity_id"]): row for row in schedule.rows()}
    ahead = [row for row in rows.values() if row["status"] == "not_started"]
    first = rows["SCA-Q005", "Q005-S0010"]

    assert first["start"] == date(2014, 6, 12)
    assert first["baseline_finish"] == date(2014, 9, 11)
    assert first["actual_finish"] == date(2014, 11, 5)
    # From 12 June to 11 September, both included.
    assert first["baseline_duration_days"] == 92
    assert (first["phase"], first["location"], first["budget"]) == ("Scope", "District 24", 70_650)
    assert first["percent_complete"] == 100
    # Up to 320 working hours, which are 40 working days or 8 weeks.
    assert max(row["total_float_days"] for row in ahead) == 56
    assert all(row["actual_finish"] is None for row in rows.values() if row["status"] != "complete")
    assert [(column, value) for _, column, value in rejected(schedule)] == [
        ("baseline_finish", "31-Jun-24"),
        ("baseline_finish", "TBC"),
        ("start", "12-Foo-19 A"),
        ("actual_finish", "05-Jan-25 A"),
        ("percent_complete", "110%"),
        ("status", "Suspended"),
        ("activity_id", "Q146-S0030"),
        ("activity_id", "Q146-D0040"),
    ]


def test_the_xml_of_p6_has_its_baseline(export):
    schedule = export("p6_highbridge_2023-12-31.xml")
    rows = {row["activity_id"]: row for row in schedule.rows()}
    ahead = rows["X002-S0030"]

    assert {row["baseline_source"] for row in rows.values()} == {"file"}
    # From 13 February to 2 June, both included.
    assert (ahead["baseline_start"], ahead["baseline_finish"]) == (date(2025, 2, 13), date(2025, 6, 2))
    assert ahead["baseline_duration_days"] == 110
    # Five working days and a weekend; the file has no total float.
    assert ahead["total_float_days"] == 7
    assert (ahead["phase"], ahead["location"], ahead["budget"]) == ("Scope", "District 9", 13_818)


def test_the_xml_of_ms_project_has_its_baselines(export):
    schedule = export("msproject_canarsie_2023-12-31.xml")
    rows = {row["activity_id"]: row for row in schedule.rows()}
    ahead = rows["1004"]

    assert (ahead["baseline_start"], ahead["baseline_finish"]) == (date(2024, 5, 28), date(2024, 9, 26))
    assert ahead["baseline_duration_days"] == 122
    assert (ahead["phase"], ahead["location"], ahead["budget"]) == ("P.S. 115 - Brooklyn", "District 18", 3600)
    assert "8 empty lines between tasks" in schedule.notes
    assert schedule.network.keys() == {"projects", "activities", "relations", "calendars"}


def without(text: str, *columns: str) -> str:
    rows = list(csv.DictReader(io.StringIO(text)))
    out = io.StringIO()
    writer = csv.DictWriter(out, [name for name in rows[0] if name not in columns], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_the_mark_a_tells_actual_dates_where_they_have_no_column(export, read):
    text = (EXPORTS / "p6_queens_2024-09-30.csv").read_text(encoding="utf-8-sig")

    whole = export("p6_queens_2024-09-30.csv")
    marked = read("p6_queens_2024-09-30.csv", without(text, "Actual Start", "Actual Finish"))

    # Two bad cells stood in the columns that are gone.
    assert (marked.counts["accepted"], marked.counts["rejected"]) == (606, 6)
    found = {(row["project_id"], row["activity_id"]): row["actual_finish"] for row in marked.rows()}
    expected = {(row["project_id"], row["activity_id"]): row["actual_finish"] for row in whole.rows()}
    assert {key: found[key] for key in expected} == expected


P6 = "Activity ID,Activity Name,Activity Status,Start,Finish,BL Project Finish,Total Float,Original Duration"


@pytest.mark.parametrize(
    ("start", "finish", "status", "actual"),
    [
        ("05-Jan-25 08:00 A", "14-Feb-25 17:00 A", "Completed", date(2025, 2, 14)),
        ("05-Jan-25 A", "14-Feb-25 A", "Completed", date(2025, 2, 14)),
        ("05-Jan-2025 A", "14-Jul-25", "In Progress", None),
        ("05-Jan-25*", "14-Jul-25*", "Not Started", None),
        ("2025-01-05 08:00:00", "2025-07-14", "TK_Active", None),
        ("05/01/2025 08:00 A", "14/02/2025 17:00 A", "Completed", date(2025, 2, 14)),
    ],
)
def test_p6_writes_dates_in_many_ways(read, start, finish, status, actual):
    schedule = read("p6_2025-06-30.csv", f"{P6}\nA1,x,{status},{start},{finish},20-Feb-25,12d,10d\n")
    row = schedule.rows()[0]

    assert row["start"] == date(2025, 1, 5)
    assert row["actual_finish"] == actual
    assert row["baseline_finish"] == date(2025, 2, 20)
    assert row["baseline_duration_days"] == 14


@pytest.mark.parametrize(("duration", "days"), [("10d", 14), ("80h", 14), ("2w", 14), ("10", 14), ("12,5d", 47)])
def test_a_duration_with_a_comma_is_taken_from_the_dates(read, duration, days):
    row = f'A1,x,Not Started,05-Jan-25,14-Jul-25,20-Feb-25,,"{duration}"'

    assert read("p6_2025-06-30.csv", f"{P6}\n{row}\n").rows()[0]["baseline_duration_days"] == days


def test_activities_that_begin_and_end_on_one_day_are_kept(read):
    row = "A1,x,Completed,05-Jan-25 A,05-Jan-25 A,05-Jan-25,,1d"

    assert read("p6_2025-06-30.csv", f"{P6},BL Project Start\n{row},05-Jan-25\n").counts["accepted"] == 1


@pytest.mark.parametrize(
    ("cell", "budget"),
    [
        ('"$12,345.00"', 12_345),
        ("12345.5", 12_345.5),
        ('"1,234,567"', 1_234_567),
        # Which of the two the comma is, nobody knows.
        ('"12.345,00 €"', None),
        ("12.345 €", None),
        ('"12,34"', None),
    ],
)
def test_an_amount_that_can_be_read_in_two_ways_is_not_known(read, cell, budget):
    row = f"A1,x,In Progress,05-Jan-25 A,14-Jul-25,20-Feb-25,,10d,{cell}"

    assert read("p6_2025-06-30.csv", f"{P6},Budgeted Total Cost\n{row}\n").rows()[0]["budget"] == budget


def test_a_workbook_of_p6_has_titles_below_the_names_of_fields(export):
    schedule = export("p6_manhattan_2024-12-31.xlsx")
    row = schedule.rows()[0]

    assert schedule.header[0] == "Activity ID"
    assert row["activity_id"] == "M001-S0010"
    assert (row["start"], row["baseline_finish"], row["actual_finish"]) == (
        date(2018, 10, 12),
        date(2019, 3, 4),
        date(2019, 1, 3),
    )
    assert {row["phase"] for row in schedule.rows()} == {"Scope", "Design"}
    # Two came after the baseline was set: nothing says what was planned for them when they started.
    assert schedule.rejected is None
    assert sum(row["baseline_finish"] is None for row in schedule.rows()) == 2


def tables_of(name: str) -> dict[str, list[dict[str, str]]]:
    """The tables of an XER file, read independently of the package."""
    found: dict[str, list[dict[str, str]]] = {}
    for text in (EXPORTS / name).read_bytes().decode("cp1252", "replace").split("%T\t")[1:]:
        table, fields, *rows = text.splitlines()
        names = fields.split("\t")[1:]
        rows = [row.split("\t")[1:] for row in rows if row.startswith("%R")]
        found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    return found


def test_the_examples_of_p6_have_what_p6_writes():
    for name in BRONX:
        raw = (EXPORTS / name).read_bytes()
        tables = tables_of(name)

        assert b"\x7f\x7f" in raw
        assert b"\xa3" in raw
        assert b"\x81" in raw
        assert {row["curr_type"] for row in tables["CURRTYPE"]} == {"Dollar", "British Pound", "EURO"}
        assert all(not row["orig_proj_id"] and not row["sum_base_proj_id"] for row in tables["PROJECT"])
        assert {row["export_flag"] for row in tables["PROJECT"]} == {"Y", "N"}
        assert "Exceptions" in tables["CALENDAR"][0]["clndr_data"]
    assert len({tables_of(name)["PROJECT"][0]["proj_short_name"] for name in BRONX}) == len(BRONX)


def test_an_xer_file_is_read_as_a_planner_reads_it(export):
    schedule = export(BRONX[-1])
    rows = {row["activity_id"]: row for row in schedule.rows()}
    tasks = [row for row in tables_of(BRONX[-1])["TASK"] if row["task_type"] in ("TT_Task", "TT_Rsrc")]
    own = {row["task_code"]: row for row in tasks if row["proj_id"] != "900"}
    ahead = [row for row in rows.values() if row["status"] == "not_started"]

    # All but the one with a finish in the future.
    assert len(rows) == len(own) - 1
    assert "Z100" not in rows
    assert any(
        note.startswith("left out: 1 activities of projects that are there for relations") for note in schedule.notes
    )
    assert "read as cp1252" in schedule.notes
    assert any("Façade" in row["activity_name"] for row in rows.values())
    assert {row["project_id"] for row in rows.values()} == {"p6_bronx"}
    assert {row["location"] for row in rows.values()} == {"District 10", "District 11"}
    assert {row["work_type"] for row in rows.values()} == {"Scope", "Design"}
    assert {row["predecessor_count"] for row in rows.values()} == {0, 1}
    assert sum(row["budget"] for row in rows.values()) % 1000 != 0
    for row in ahead:
        task = own[row["activity_id"]]
        first, last = (date.fromisoformat(task[f"target_{end}_date"][:10]) for end in ("start", "end"))
        assert row["baseline_finish"] == last
        assert row["baseline_duration_days"] == (last - first).days + 1
        late, early = (date.fromisoformat(task[f"{kind}_end_date"][:10]) for kind in ("late", "early"))
        assert row["total_float_days"] == (late - early).days
    assert all(row["baseline_finish"] is None for row in rows.values() if row["status"] != "not_started")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_series_of_updates_has_the_plan_of_its_first_file_as_baseline(export, tmp_path, order):
    table = None
    for number, place in enumerate(order):
        target = tmp_path / f"{number}.parquet"
        versions.merge(table, export(BRONX[place]).table, target, tmp_path)
        table = target
    found = versions.read_table(table)
    first = {row["task_code"]: row for row in tables_of(BRONX[0])["TASK"] if row["status_code"] == "TK_NotStart"}
    planned = found[found["activity_id"].isin(first)]

    assert not found.duplicated("activity_id").any()
    assert set(found["project_id"]) == {"p6_bronx"}
    assert len(planned) > 250
    for code, finish in zip(planned["activity_id"], planned["baseline_finish"], strict=True):
        assert str(finish.date()) == first[code]["target_end_date"][:10]
    labels = versions.describe(table, tmp_path, tolerance_days=30)["labels"]
    assert labels["matured"] > 150
    assert 0 < labels["late"] < labels["matured"]


MSP = "Unique ID,Name,% Complete,Duration,Start,Finish,Baseline Start,Baseline Finish,Actual Start,Actual Finish"


@pytest.mark.parametrize(
    ("start", "baseline", "finish"),
    [
        ("05/06/2024", "25/06/2024", "13/07/2024"),
        ("Wed 05/06/24", "Tue 25/06/24", "Sat 13/07/24"),
        ("06/05/2024", "06/25/2024", "07/13/2024"),
        ("Wed 6/5/24", "Tue 6/25/24", "Sat 7/13/24"),
        ("Wed 6/5/24 8:00 AM", "Tue 6/25/24 5:00 PM", "Sat 7/13/24 5:00 PM"),
        ("05 June 2024 08:00", "25 June 2024 17:00", "13 July 2024 17:00"),
        ("June 5, 2024", "June 25, 2024", "July 13, 2024"),
    ],
)
def test_ms_project_writes_dates_in_many_ways(read, start, baseline, finish):
    row = ["7", "x", "100%", "365 days", start, finish, start, baseline, start, finish]
    text = f"{MSP}\n" + ",".join(f'"{cell}"' for cell in row) + "\n"

    found = read("plan_2024-12-31.csv", text).rows()[0]

    assert (found["start"], found["baseline_finish"], found["actual_finish"]) == (
        date(2024, 6, 5),
        date(2024, 6, 25),
        date(2024, 7, 13),
    )
    # From 5 to 25 June; 365 days is what became of it.
    assert found["baseline_duration_days"] == 21


def test_ms_project_counts_predecessors_and_keeps_out_what_is_not_a_task(export):
    schedule = export("msproject_brooklyn_2024-12-31.csv")
    rows = schedule.rows()

    assert {row["predecessor_count"] for row in rows} <= {None, 0, 1}
    assert sum(row["predecessor_count"] == 1 for row in rows) > 100
    assert {row["phase"] for row in rows} == {"Scope", "Design"}
    assert [value for _, _, value in rejected(schedule)] == ["31/06/2021", "n.n.", "TBD", "1011"]
    assert "read as utf-16" in schedule.notes


def test_the_paper_brings_two_numbers_and_a_label(export):
    rows = export("schedule_management.csv").rows()
    text = (EXPORTS / "schedule_management.csv").read_text()
    given = [row["Schedule Adherence"] for row in csv.DictReader(io.StringIO(text))]

    assert [int(row["schedule_adherence"]) for row in rows] == [int(label) for label in given]
    assert (rows[0]["project_schedules"], rows[0]["construction_activity_data"]) == (52, 60)


def test_the_worked_example_of_the_documentation(tmp_path, hochbau):
    schedule = schedule_of(EXPORTS / "custom/hochbau_2025-06-30.csv", "hochbau.csv", tmp_path, profile=hochbau)
    rows = {row["activity_id"]: row for row in schedule.rows()}

    assert schedule.counts == dict(zip(KINDS, (41, 34, 2, 5, 8, 3, 23), strict=True))
    assert schedule.data_date == date(2025, 6, 30)
    assert [(column, value) for _, column, value in rejected(schedule)] == [
        ("baseline_finish", "31.09.2024"),
        ("start", "nach Abruf"),
    ]
    first = rows["102"]
    assert (first["start"], first["baseline_finish"], first["actual_finish"]) == (
        date(2024, 9, 9),
        date(2024, 10, 12),
        date(2024, 11, 2),
    )
    assert (first["budget"], first["work_type"], first["project_id"]) == (211_412.5, "Rohbau", "hochbau")
    # The dates count before the duration of 24.5 working days.
    assert first["baseline_duration_days"] == 34
    # Entered twice: the later line counts.
    assert rows["105"]["budget"] == 99_999.5
    assert {row["start"].month for row in rows.values()} >= {3, 5, 10, 12}


def test_the_worked_example_fits_only_its_own_profile(export):
    with pytest.raises(ScheduleRefused, match=r"no profile knows this header.*docs/profiles\.md"):
        export("custom/hochbau_2025-06-30.csv")


def test_the_documentation_shows_the_tested_example_and_names_every_entry():
    page = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")

    assert (EXPORTS / "custom/hochbau.yaml").read_text(encoding="utf-8") in page
    for model in (Profile, Source, Dates, Numbers, Durations, Filter, Outline, Hint, Label):
        assert not [name for name in model.model_fields if not re.search(rf"[`.]{name}[`.]", page)]


def test_exports_stay_small():
    assert sum(path.stat().st_size for path in EXPORTS.rglob("*") if path.is_file()) < 1_500_000
    assert gzip.decompress((EXPORTS / "nyc_sca_2025-06.csv.gz").read_bytes()).count(b"\n") >= 13_153


def test_columns_are_known_by_their_own_names(export):
    schedule = export("nyc_sca_2025-06.csv.gz")

    assert schedule.own_names.keys() == set(schedule.mapped)
    assert {name for text in schedule.own_names.values() for name in text.split(" / ")} <= set(schedule.header)
    assert schedule.own_names["phase"] == "Project Phase Name"
    assert schedule.own_names["project_id"] == "Project Building Identifier / DSF Number(s)"
