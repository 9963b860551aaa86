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
    for said in ("Start: 3 ×", "Planned End: 3 ×", "Budget: 1 ×"):
        assert said in str(refused.value)


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
