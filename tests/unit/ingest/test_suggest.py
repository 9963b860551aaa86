"""Drafts of profiles: what is guessed from a table, and what the draft makes of it."""

from datetime import date
from pathlib import Path

import pytest

from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.ingest.suggest import DOUBTFUL, suggest

EXAMPLE = Path(__file__).parents[3] / "examples/exports/custom/hochbau_2025-06-30.csv"


@pytest.fixture
def draft(tmp_path):
    def run(raw: str, name: str = "tracker.csv"):
        (tmp_path / "file").write_text(raw)
        (tmp_path / "work").mkdir()
        return suggest(tmp_path / "file", name, workdir=tmp_path / "work", profile="parks")

    return run


# The columns of a city's tracker of capital projects, which has the phases side by side; rows invented.
TRACKER = (
    "TrackerID,Title,CurrentPhase,DesignPercentComplete,DesignStart,DesignProjectedCompletion,"
    "DesignAdjustedCompletion,DesignActualCompletion,ConstructionStart,ConstructionProjectedCompletion,"
    "ConstructionAdjustedCompletion,ConstructionActualCompletion,TotalFunding,Borough,LastUpdated"
)
TRACKED = (
    'P1,Playground,completed,100,01/10/2023,06/30/2023,08/15/2023,08/15/2023,10/02/2023,12/20/2024,12/20/2024,12/19/2024,"$1,250,000",Queens,06/30/2025',
    'P2,Fields,construction,100,02/01/2023,09/30/2023,,11/13/2023,01/15/2024,03/01/2025,09/01/2025,,"$750,000",Bronx,06/30/2025',
    'P3,Pool,design,40,03/20/2025,12/31/2025,01/31/2026,,,,,,"$9,100,000",Bronx,06/30/2025',
)


def test_phases_side_by_side_become_rows_and_the_draft_reads_the_file(draft):
    found = draft("\n".join((TRACKER, *TRACKED, "")))

    assert found.counts == {"read": 6, "accepted": 5, "rejected": 0, "filtered": 1}
    guesses = {guess.column: guess for guess in found.guesses}
    assert guesses["activity_id"].headers == ("TrackerID", "Phase")
    # A projected date may be the plan or the forecast: somebody has to look.
    assert guesses["baseline_finish"].confidence < DOUBTFUL <= guesses["actual_finish"].confidence
    assert "CHECK" in found.text
    assert found.document["dates"] == {"order": "MDY"}
    # The finish that is expected now is none of the baseline, and what is written on the way predicts nothing.
    assert guesses["current_finish"].headers == ("Adjusted completion",)
    assert {"CurrentPhase", "DesignPercentComplete"} <= set(found.not_used)
    first = {"activity_id": "P1-Design", "phase": "Design", "location": "Queens", "baseline_finish": "2023-06-30"}
    assert first.items() <= found.preview[0].items()


def test_months_written_as_days_and_a_row_for_each_place_of_a_project(draft):
    """The same tracker as the open-data portal publishes it: months with an invented day, and a row for each park."""
    months = [
        f"T{number},Path {number},completed,100,{1 + number % 12:02}/01/2019 12:00:00 AM,03/01/2020 12:00:00 AM,,"
        f"0{2 + number % 7}/01/2020 12:00:00 AM,08/01/2020 12:00:00 AM,07/01/2021 12:00:00 AM,,"
        f"1{number % 3}/01/2021 12:00:00 AM,$480000,{place},09/09/2026 12:00:00 AM"
        for number in range(6)
        for place in ("Bronx", "Queens")
    ]
    found = draft("\n".join((TRACKER, *months, "")))

    assert found.counts == {"read": 24, "accepted": 12, "rejected": 0, "filtered": 12}
    assert (found.document["dates"], found.document["duplicates"]) == ({"order": "MDY"}, "keep_first")
    assert "a month is all that the source tells" in found.text
    assert "rows of one TrackerID repeat the same dates" in found.text
    assert {guess.column: guess for guess in found.guesses}["activity_id"].confidence < DOUBTFUL


def test_rows_of_one_id_with_dates_of_their_own_are_no_repetitions(draft):
    rows = (TRACKED[0], TRACKED[0].replace("P1,", "P1,Second ").replace("08/15/2023", "08/16/2023"))
    found = draft("\n".join((TRACKER, *rows, "")))

    assert "duplicates" not in found.document


def test_columns_after_one_without_a_name_keep_their_cells(draft):
    header = "No,,Building,Room,Planned Start,Planned Finish,Actual Finish\n"
    rows = "".join(f"1,x,B{place},R{room},2024-01-0{room + 1},2024-02-01,\n" for place in (1, 2) for room in (1, 2))
    guesses = {guess.column: guess for guess in draft(header + rows).guesses}

    assert guesses["activity_id"].headers == ("Building", "Room")


def test_the_draft_of_a_german_table_reads_what_the_profile_of_the_docs_reads(tmp_path):
    by_hand, by_draft = tmp_path / "hand", tmp_path / "draft"
    by_hand.mkdir()
    by_draft.mkdir()
    own = load_profile(EXAMPLE.with_name("hochbau.yaml").read_text(), "hochbau.yaml")
    right = {
        row["activity_id"]: row for row in read_schedule(EXAMPLE, EXAMPLE.name, profile=own, workdir=by_hand).rows()
    }

    found = suggest(EXAMPLE, EXAMPLE.name, workdir=by_draft)

    (tmp_path / "again").mkdir()
    profile = load_profile(found.text, "mine.yaml")
    rows = read_schedule(EXAMPLE, EXAMPLE.name, profile=profile, workdir=tmp_path / "again", max_bad_share=1).rows()
    same = ("start", "baseline_finish", "actual_finish", "status", "budget", "location", "work_type")
    drafted = {row["activity_id"]: row for row in rows}
    assert set(right) <= set(drafted)
    changed = [key for key in right if any(drafted[key][name] != right[key][name] for name in same)]
    # The activity that stands there twice: the draft cannot know that the last line counts.
    assert changed in ([], ["105"])
    # What is written after the start is left out.
    assert "Kosten Ist" in found.not_used


def test_a_file_that_a_built_in_profile_reads_needs_none(draft):
    header = "Activity ID,Activity Name,Activity Status,Start,Finish,BL Project Start,BL Project Finish"
    row = "A1,Piles,Not Started,01-Sep-25,12-Sep-25,01-Sep-25,12-Sep-25"

    found = draft(f"{header}\n{row}\n", "plan_2025-06-30.csv")

    assert any("built-in profile p6 reads this file" in note for note in found.notes)
    assert found.preview[0]["baseline_finish"] == date(2025, 9, 12).isoformat()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("Park,Trees,Benches\nNorth,12,3\nSouth,5,1\n", "no start and planned finish"),
        ("1,2,3\n4,5,6\n", "no row looks like the names of columns"),
        ("%PDF-1.7\n1 0 obj", "PDF"),
    ],
)
def test_what_is_no_schedule_is_refused(draft, raw, said):
    with pytest.raises(ScheduleRefused, match=said):
        draft(raw)


def test_a_draft_that_cannot_read_the_file_says_why(draft):
    rows = [f"{place % 2},Piles,2025-09-0{place},2025-10-0{place}" for place in range(1, 5)]

    found = draft("\n".join(("Lot number,Lot name,Begin,Planned end", *rows)))

    assert not found.counts
    assert any("say what makes an activity one" in note for note in found.notes)
    assert any("does not say which day it describes" in note for note in found.notes)
