"""A schedule is read, or refused with file, line, column and remedy."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipcast.validation import ScheduleRefused, read_schedule

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HEADER = "activity_id,phase,data_date,start,baseline_finish,actual_finish,budget"
GOOD = [f"A{number},Design,2024-06-30,2024-01-0{number},2024-03-01,,{number}.5" for number in range(1, 10)]


def file(*rows: str, header: str = HEADER) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


def test_a_good_file_is_accepted_whole():
    schedule = read_schedule(file(*GOOD), "may.csv")

    assert schedule.counts == {
        **{"read": 9, "accepted": 9, "rejected": 0},
        **{"not_started": 0, "in_progress": 9, "complete": 0},
    }
    assert schedule.data_date == date(2024, 6, 30)
    assert schedule.table["project_id"].unique().tolist() == ["may"]
    assert schedule.table["start"].iloc[0] == pd.Timestamp("2024-01-01")
    assert schedule.table["baseline_duration_days"].iloc[0] == 60
    assert schedule.table["budget"].tolist()[:2] == [1.5, 2.5]
    assert schedule.rejected.empty


@pytest.mark.parametrize("name", ["nyc_sca_2022-12.csv", "nyc_sca_2025-06.csv"])
def test_the_examples_are_accepted_whole(name):
    schedule = read_schedule((EXAMPLES / name).read_bytes(), name)

    assert schedule.counts["rejected"] == 0
    assert schedule.counts["accepted"] > 1500


@pytest.mark.parametrize(
    ("row", "column", "word"),
    [
        ("A1,Design,2024-06-30,2024-01-01,2024-03-01,,1", "activity_id", "line 2"),
        (",Design,2024-06-30,2024-01-01,2024-03-01,,1", "activity_id", "empty"),
        ("X,Design,2024-06-30,01/02/2024,2024-03-01,,1", "start", "date"),
        ("X,Design,2024-06-30,2024-01-01,,,1", "baseline_finish", "empty"),
        ("X,Design,2024-06-30,2024-03-01,2024-03-01,,1", "baseline_finish", "not after"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,2023-12-31,1", "actual_finish", "before the start"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,2024-07-01,1", "actual_finish", "after the data date"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,12k", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,inf", "budget", "finite"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,-1", "budget", "negative"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,1_000", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,１２", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-W10-1,,1", "baseline_finish", "date"),
        ("X,Design,2024-06-30,20240101,2024-03-01,,1", "start", "date"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01", "activity_id", "5 cells"),
        ('"' + "x" * 10_001 + '",Design,2024-06-30,2024-01-01,2024-03-01,,1', "activity_id", "longer"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(row, column, word):
    schedule = read_schedule(file(*GOOD, row), "may.csv")
    found = schedule.rejected.iloc[0]

    assert schedule.counts["accepted"] == 9
    assert schedule.counts["rejected"] == 1
    assert found["line"] == 11
    assert found["column"] == column
    assert word in found["reason"]
    assert found["remedy"]


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({"status": "", "finish": ""}, "in_progress"),
        ({"status": "", "finish": "2024-02-01"}, "complete"),
        ({"status": "in_progress", "finish": "2024-02-01"}, "complete"),
        ({"status": "not_started", "finish": ""}, "not_started"),
    ],
)
def test_the_status_is_derived(cells, status):
    header = f"{HEADER},status"
    row = f"A,Design,2024-06-30,2024-01-01,2024-03-01,{cells['finish']},1,{cells['status']}"

    assert read_schedule(file(row, header=header), "x.csv").table["status"].tolist() == [status]


@pytest.mark.parametrize(
    ("extra", "column"),
    [
        ("status,complete", "actual_finish"),
        ("status,done", "status"),
        ("percent_complete,101", "percent_complete"),
        ("baseline_duration_days,0", "baseline_duration_days"),
    ],
)
def test_values_that_contradict_each_other_are_bad(extra, column):
    name, value = extra.split(",")
    rows = [f"{row}," for row in GOOD] + [f"X,Design,2024-06-30,2024-01-01,2024-03-01,,1,{value}"]
    schedule = read_schedule(file(*rows, header=f"{HEADER},{name}"), "x.csv")

    assert schedule.rejected["column"].tolist() == [column]


def test_a_start_ahead_of_the_data_date_is_not_started():
    schedule = read_schedule(file("A,Design,2024-06-30,2024-07-01,2024-09-01,,1"), "x.csv")

    assert schedule.table["status"].tolist() == ["not_started"]


def test_lines_are_counted_through_quoted_line_breaks_and_blank_lines():
    rows = [*GOOD, '"A\nB",Design,2024-06-30,2024-01-01,2024-03-01,,1', "", "X,Design,2024-06-30,soon,2024-03-01,,1"]

    assert read_schedule(file(*rows), "x.csv").rejected["line"].tolist() == [14]


@pytest.mark.parametrize(
    ("raw", "word", "row", "column"),
    [
        (b"", "empty", None, None),
        (b" \n\n", "empty", None, None),
        (file(), "no activities", None, None),
        (b"activity_id,start\n1,2024-01-01\n", "missing", 1, "data_date"),
        (file(*GOOD, header=HEADER.replace("phase", "start")), "twice", 1, "start"),
        (file(*GOOD).replace(b"Design", b"D\xe9sign", 1), "UTF-8", 2, None),
        (b"PK\x03\x04\0\0\0", "binary", 1, None),
        (file(*GOOD, 'X,"Des'), "not a CSV", 11, None),
        (file(*GOOD, *(f"B{i},Design,2024-06-30,soon,2024-03-01,,1" for i in range(3))), "3 of 12", 11, "start"),
        (file(*GOOD, "X,Design,2024-07-31,2024-01-01,2024-03-01,,1"), "data dates", 11, "data_date"),
    ],
)
def test_an_unusable_file_is_refused_with_place_and_remedy(raw, word, row, column):
    with pytest.raises(ScheduleRefused) as refused:
        read_schedule(raw, "may.csv")

    assert word in refused.value.reason
    assert (refused.value.row, refused.value.column) == (row, column)
    assert str(refused.value).startswith("may.csv")
    assert refused.value.remedy in str(refused.value)


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter():
    raw = b"\xef\xbb\xbf" + file(*GOOD).replace(b"\n", b"\r\n")

    assert read_schedule(raw, "x.csv").counts["accepted"] == 9


@given(st.binary(max_size=200), st.integers(0, 400))
def test_whatever_comes_it_is_read_or_refused_and_the_rows_add_up(noise, at):
    raw = file(*GOOD)
    try:
        schedule = read_schedule(raw[:at] + noise + raw[at:], "x.csv", max_bad_share=1.0)
    except ScheduleRefused:
        return
    assert schedule.counts["read"] == schedule.counts["accepted"] + schedule.counts["rejected"]
    assert schedule.counts["rejected"] == schedule.rejected["line"].nunique()
