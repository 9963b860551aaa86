"""Constants, values, bands, several values in a cell, months without a day: what a profile makes of cells."""

from datetime import date

import pytest

from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule

PROFILE = """
name: tracker
title: Tracker of another agency
columns:
  activity_id: Id
  phase: Phase
  work_type: Cost range
  location: Boroughs
  start: Start
  baseline_finish: Planned End
  actual_finish: Actual End
  budget: Budget
  data_date: Status date
values:
  phase: { CM: Construction, DES: Design }
  budget: { "Under $1 million": "500000" }
bands:
  work_type: [{ to: 1000000, name: small }, { name: large }]
several:
  location: { separator: ";" }
dates: { order: MDY, month: last }
"""
HEADER = "Id,Phase,Cost range,Boroughs,Start,Planned End,Actual End,Budget,Status date"


def tracker(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows, ""]).encode()


@pytest.fixture
def read(tmp_path):
    def run(raw: bytes, profile: str = PROFILE):
        (tmp_path / "dropped").write_bytes(raw)
        work = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        work.mkdir()
        return read_schedule(
            tmp_path / "dropped", "tracker.csv", profile=load_profile(profile, "tracker.yaml"), workdir=work
        )

    return run


def test_cells_become_what_the_profile_says_they_mean(read):
    rows = read(
        tracker(
            "A1,CM,2500000,Queens; Bronx,01/10/2024,06/2024,,Under $1 million,12/31/2024",
            "A2,des,900000,Brooklyn,Feb 2024,2024-09,10/2024,77,12/31/2024",
            "A3,Procurement,unknown,; Bronx,03/05/2024,08/20/2024,,,12/31/2024",
        )
    ).rows()

    assert [row["phase"] for row in rows] == ["Construction", "Design", "Procurement"]
    assert [row["work_type"] for row in rows] == ["large", "small", "unknown"]
    assert [row["location"] for row in rows] == ["Queens", "Brooklyn", "Bronx"]
    assert [row["budget"] for row in rows] == [500_000, 77, None]
    assert [row["baseline_finish"] for row in rows] == [date(2024, 6, 30), date(2024, 9, 30), date(2024, 8, 20)]
    assert rows[1]["start"] == date(2024, 2, 29)
    assert rows[1]["actual_finish"] == date(2024, 10, 31)


def test_a_column_that_the_file_lacks_may_have_one_value(read):
    own = PROFILE.replace("  phase: Phase\n", "").replace("  phase: { CM: Construction, DES: Design }\n", "")
    rows = read(
        tracker("A1,CM,1,Queens,01/10/2024,06/30/2024,,1,12/31/2024"), own + "constants: { phase: Construction }\n"
    ).rows()

    assert rows[0]["phase"] == "Construction"


def test_the_first_day_of_a_month_may_be_meant_and_without_a_word_months_are_no_days(read):
    raw = tracker("A1,CM,1,Queens,01/10/2024,06/2024,,1,12/31/2024", "A2,CM,1,Queens,01/10/2024,07/2024,,1,12/31/2024")

    assert read(raw, PROFILE.replace("month: last", "month: first")).rows()[0]["baseline_finish"] == date(2024, 6, 1)
    with pytest.raises(ScheduleRefused, match="06/2024"):
        read(raw, PROFILE.replace(", month: last", ""))


def test_a_refusal_names_every_bad_column_with_counts_in_the_users_words(read):
    bad = [f"A{i},CM,1,Queens,soon,tbd,,1,12/31/2024" for i in range(3)]
    with pytest.raises(ScheduleRefused) as refused:
        read(tracker(*bad, "A9,CM,1,Queens,01/10/2024,06/30/2024,,lots,12/31/2024"))

    assert "in all: " in str(refused.value)
    places = [str(refused.value).index(said) for said in ("Start: 3 ×", "Planned End: 3 ×", "Budget: 1 ×")]
    # The same file gets the same words, also where two columns have as many bad cells.
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("constants: { activity_id: x }", "no text column of which all rows may have one value"),
        ("constants: { phase: Design }", "stands under columns as well"),
        ("values: { start: { a: b } }", "values: start is not a column that it fits"),
        ("bands: { budget: [{ to: 1, name: a }, { name: b }] }", "bands: budget is not a column that it fits"),
        ("bands: { phase: [{ to: 2, name: a }, { to: 1, name: b }] }", "ascending limits"),
        ("several: { status: { separator: ';' } }", "several: status is not a column that it fits"),
    ],
)
def test_rules_that_fit_no_cell_are_refused_with_the_reason(entry, said):
    # The entries of the example make place for the wrong ones.
    base = PROFILE[: PROFILE.index("values:")] + "dates: { order: MDY }\n"
    with pytest.raises(ScheduleRefused, match=said):
        load_profile(f"{base}{entry}\n", "tracker.yaml")


def test_all_that_is_wrong_with_a_profile_is_said_at_once_in_plain_words():
    with pytest.raises(ScheduleRefused) as refused:
        load_profile("name: x\ncolumns: { activity_id: Id }\ncolour: red\ndates: { order: XYZ }\n", "x.yaml")

    assert "title: it is missing" in str(refused.value)
    assert "colour: there is no such entry" in str(refused.value)
    assert "dates.order: 'XYZ' is not one of 'auto', 'DMY', 'MDY' or 'YMD'" in str(refused.value)


# --- Phases in columns ---

PARKS = """
name: parks
title: Tracker with the phases of a project in columns
unpivot:
  column: Phase
  rows:
    Design: { Begin: DesignStart, Due: DesignProjectedCompletion, Done: DesignActualCompletion }
    Construction: { Begin: ConstructionStart, Due: ConstructionProjectedCompletion, Done: ConstructionActualCompletion }
columns:
  activity_id: { join: [TrackerID, Phase], separator: "-" }
  activity_name: Title
  project_id: TrackerID
  phase: Phase
  location: Borough
  start: Begin
  baseline_finish: Due
  actual_finish: Done
dates: { order: MDY }
"""
PHASES = ("Start", "ProjectedCompletion", "ActualCompletion")
PARKS_HEADER = ",".join(
    ["TrackerID", "Title", "Borough", *(f"{phase}{name}" for phase in ("Design", "Construction") for name in PHASES)]
)


@pytest.fixture
def read_parks(tmp_path):
    def run(*lines: str, profile: str = PARKS):
        work = tmp_path / "work"
        work.mkdir()
        (tmp_path / "dropped").write_text("\n".join([PARKS_HEADER, *lines, ""]))
        found = load_profile(profile, "parks.yaml")
        return read_schedule(
            tmp_path / "dropped", "parks_2024-12-31.csv", profile=found, workdir=work, max_bad_share=0.4
        )

    return run


def test_each_phase_of_a_line_is_an_activity_and_all_rows_add_up(read_parks):
    schedule = read_parks(
        "P1,Playground,Queens,01/10/2023,06/30/2023,08/15/2023,03/01/2024,12/01/2024,",
        "P2,Fields,Bronx,02/01/2024,09/30/2024,,,,",
        "P3,Pool,Bronx,05/01/2024,13/45/2024,,06/01/2024,12/30/2024,",
        "P4,Courts,Queens,02/01/2024,09/30/2024,,,,",
        "P4,Courts again,Queens,02/01/2024,09/30/2024,,,,",
    )

    rows = {row["activity_id"]: row for row in schedule.rows()}
    assert sorted(rows) == ["P1-Construction", "P1-Design", "P2-Design", "P3-Construction", "P4-Design"]
    assert {row["phase"] for row in rows.values()} == {"Design", "Construction"}
    assert rows["P1-Design"]["actual_finish"] == date(2023, 8, 15)
    assert (rows["P1-Construction"]["location"], rows["P1-Construction"]["start"]) == ("Queens", date(2024, 3, 1))
    # Five lines of two phases each: three have no construction yet, one date is none, one id stands twice.
    counts = {name: schedule.counts[name] for name in ("read", "accepted", "rejected", "filtered")}
    assert counts == {"read": 10, "accepted": 5, "rejected": 2, "filtered": 3}
    assert schedule.understood["left_out"] == [{"header": "Phase", "value": "Construction", "rows": 3}]
    assert "5 lines became 10 rows, one for each of Design, Construction" in schedule.notes
    assert [(row["line"], row["activity_id"]) for row in schedule.quarantined] == [(4, "P3-Design"), (6, "P4-Design")]


def test_a_line_of_another_width_is_bad(read_parks):
    good = [f"P{n},Fields,Bronx,02/01/2024,09/30/2024,,03/01/2024,12/01/2024," for n in range(9)]

    schedule = read_parks(*good, "P9,Fields,Bronx,02/01/2024")

    assert (schedule.counts["accepted"], schedule.counts["rejected"], schedule.counts["filtered"]) == (18, 1, 1)
    assert schedule.quarantined[0]["cells"][0]["reason"] == "the row has not 9 cells as the header"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ((', Phase], separator: "-"', "]"), "all rows of a line would have the same id"),
        (("Begin: ConstructionStart", "Begin: DesignStart"), "'designstart' stands in two groups"),
        (("Due: DesignProjectedCompletion", "Due: DesignForecastCompletion"), "follows what happened"),
    ],
)
def test_groups_of_columns_that_make_no_rows_are_refused(change, complaint):
    with pytest.raises(ScheduleRefused, match=complaint):
        load_profile(PARKS.replace(*change), "parks.yaml")


def test_a_file_that_lacks_a_column_of_a_group_is_refused_by_its_name(read_parks):
    with pytest.raises(ScheduleRefused, match="misses Design Begin"):
        read_parks("P1,a,b", profile=PARKS.replace("DesignStart", "Design Begin"))
