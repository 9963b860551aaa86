"""A schedule is read, or refused with file, line, column and remedy."""

import csv
from datetime import date
from pathlib import Path

import pytest

from slipcast.datasets import versions
from slipcast.ingest.mapping.profile import load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
HEADER = "activity_id,phase,data_date,start,baseline_finish,actual_finish,budget"
GOOD = [f"A{number},Design,2024-06-30,2024-01-0{number},2024-03-01,,{number}.5" for number in range(1, 10)]


def file(*rows: str, header: str = HEADER) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


@pytest.fixture
def read(tmp_path):
    """A reader of bytes: the schedule, its rows, its rejected cells."""

    def run(raw: bytes, name: str = "may.csv", **options):
        path = tmp_path / "dropped"
        path.write_bytes(raw)
        workdir = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
        workdir.mkdir()
        return read_schedule(path, name, workdir=workdir, **options)

    return run


def rejected(schedule) -> list[dict[str, str]]:
    if schedule.rejected is None:
        return []
    with schedule.rejected.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_good_file_is_accepted_whole(read):
    schedule = read(file(*GOOD))

    assert schedule.counts == {
        **{"read": 9, "accepted": 9, "rejected": 0, "filtered": 0},
        **{"not_started": 0, "in_progress": 9, "complete": 0},
    }
    assert schedule.data_date == date(2024, 6, 30)
    rows = schedule.rows()
    assert {row["project_id"] for row in rows} == {"may"}
    assert rows[0]["start"] == date(2024, 1, 1)
    # From 1 January to 1 March of a leap year, both included.
    assert rows[0]["baseline_duration_days"] == 61
    assert [row["budget"] for row in rows][:2] == [1.5, 2.5]
    assert schedule.rejected is None


@pytest.mark.parametrize("name", ["nyc_sca_2022-12.csv", "nyc_sca_2025-06.csv"])
def test_the_examples_are_accepted_whole(read, name):
    schedule = read((EXAMPLES / name).read_bytes(), name)

    assert schedule.counts["rejected"] == 0
    assert schedule.counts["accepted"] > 1500


@pytest.mark.parametrize(
    ("row", "column", "word"),
    [
        ("A1,Design,2024-06-30,2024-01-01,2024-03-01,,1", "activity_id", "line 2"),
        (",Design,2024-06-30,2024-01-01,2024-03-01,,1", "activity_id", "empty"),
        ("X,Design,2024-06-30,01/02/2024,2024-03-01,,1", "start", "date"),
        ("X,Design,2024-06-30,2024-01-01,,,1", "baseline_finish", "empty"),
        ("X,Design,2024-06-30,2024-03-01,2024-02-29,,1", "baseline_finish", "before the start"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,2023-12-31,1", "actual_finish", "before the start"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,2024-07-01,1", "actual_finish", "after the data date"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,12k", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,inf", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,-1", "budget", "negative"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,1_000", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01,,１２", "budget", "number"),
        ("X,Design,2024-06-30,2024-01-01,2024-W10-1,,1", "baseline_finish", "date"),
        ("X,Design,2024-06-30,20240101,2024-03-01,,1", "start", "date"),
        ("X,Design,2024-06-30,2024-01-01,2024-03-01", "", "7 cells"),
        ('"' + "x" * 10_001 + '",Design,2024-06-30,2024-01-01,2024-03-01,,1', "activity_id", "longer"),
    ],
)
def test_a_bad_row_is_named_and_the_others_go_on(read, row, column, word):
    schedule = read(file(*GOOD, row))
    found = rejected(schedule)[0]

    assert schedule.counts["accepted"] == 9
    assert schedule.counts["rejected"] == 1
    assert found["line"] == "11"
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
def test_the_status_is_derived(read, cells, status):
    header = f"{HEADER},status"
    row = f"A,Design,2024-06-30,2024-01-01,2024-03-01,{cells['finish']},1,{cells['status']}"

    assert [row["status"] for row in read(file(row, header=header)).rows()] == [status]


@pytest.mark.parametrize(
    ("extra", "column"),
    [
        ("status,complete", "actual_finish"),
        ("status,done", "status"),
        ("percent_complete,101", "percent_complete"),
        ("baseline_duration_days,0", "baseline_duration_days"),
    ],
)
def test_values_that_contradict_each_other_are_bad(read, extra, column):
    name, value = extra.split(",")
    rows = [f"{row}," for row in GOOD] + [f"X,Design,2024-06-30,2024-01-01,2024-03-01,,1,{value}"]
    schedule = read(file(*rows, header=f"{HEADER},{name}"))

    assert [cell["column"] for cell in rejected(schedule)] == [column]


def test_a_start_ahead_of_the_data_date_is_not_started(read):
    schedule = read(file("A,Design,2024-06-30,2024-07-01,2024-09-01,,1"))

    assert [row["status"] for row in schedule.rows()] == ["not_started"]


def test_lines_are_counted_through_quoted_line_breaks_and_blank_lines(read):
    rows = [*GOOD, '"A\nB",Design,2024-06-30,2024-01-01,2024-03-01,,1', "", "X,Design,2024-06-30,soon,2024-03-01,,1"]

    schedule = read(file(*rows))

    assert [cell["line"] for cell in rejected(schedule)] == ["14"]
    assert schedule.rows()[-1]["activity_id"] == "A\nB"


def test_a_quote_within_a_cell_opens_none(read):
    rows = [*GOOD, 'X,12" pipe,2024-06-30,2024-01-01,2024-03-01,,1', 'Y,6" and 8",2024-06-30,2024-01-01,2024-03-01,,1']

    assert [row["phase"] for row in read(file(*rows)).rows()][-2:] == ['12" pipe', '6" and 8"']


def test_a_quote_that_is_never_closed_costs_one_row(read):
    schedule = read(file('"X,Design,2024-06-30,2024-01-01,2024-03-01,,1', *GOOD))

    assert schedule.counts["accepted"] == 9
    assert [(cell["line"], cell["column"]) for cell in rejected(schedule)] == [("2", "")]


@pytest.mark.parametrize(
    ("raw", "word", "row", "column"),
    [
        (b"", "empty", None, None),
        (b" \n\n", "empty", None, None),
        (file(), "no activities", 1, None),
        (b"activity_id,start\n1,2024-01-01\n", "which misses baseline_finish", 1, "baseline_finish"),
        (b"who,what\n1,2\n", "it does not know who, what", 1, "activity_id"),
        (file(*GOOD, header=HEADER.replace("phase", "start")), "twice", 1, "start"),
        (file(*(f"B{i},Design,2024-06-30,soon,2024-03-01,,1" for i in range(3))), "3 of 3", 2, "start"),
        (file(*GOOD, *(f"B{i},Design,2024-06-30,soon,2024-03-01,,1" for i in range(3))), "3 of 12", 11, "start"),
        (file(*GOOD, *GOOD), "9 of 18", 11, "activity_id"),
        (file(*GOOD, "X,Design,2024-07-31,2024-01-01,2024-03-01,,1"), "data dates", 2, "data_date"),
        (file(*GOOD).replace(b"data_date", b"whatever"), "which day", 1, "data_date"),
    ],
)
def test_an_unusable_file_is_refused_with_place_and_remedy(read, raw, word, row, column):
    with pytest.raises(ScheduleRefused) as refused:
        read(raw)

    assert word in refused.value.reason
    assert (refused.value.row, refused.value.column) == (row, column)
    assert str(refused.value).startswith("may.csv")
    assert refused.value.remedy in str(refused.value)


def test_a_schedule_without_a_baseline_is_told_so(read):
    with pytest.raises(ScheduleRefused, match=r"column baseline_finish: it is empty in all 9 rows\. Assign a baseline"):
        read(file(*(row.replace("2024-03-01", "") for row in GOOD)))


def test_the_data_date_may_stand_in_the_name(read):
    raw = file(*GOOD).replace(b"data_date", b"whatever")

    schedule = read(raw, "tower 2024-06.csv")

    assert schedule.data_date == date(2024, 6, 30)
    assert schedule.source == "tower"


def test_a_file_of_finished_activities_describes_the_day_of_the_last_finish(read):
    rows = [f"A{day},x,2024-01-01,2024-02-01,2024-02-{day}" for day in (10, 20, 15)]

    schedule = read(file(*rows, header="activity_id,phase,start,baseline_finish,actual_finish"))

    assert schedule.data_date == date(2024, 2, 20)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_a_byte_order_mark_do_not_matter(read, delimiter, end, mark):
    rows = [row.replace(",", delimiter) for row in (HEADER, *GOOD)]
    raw = mark + end.join(row.encode() for row in rows) + end

    assert read(raw).counts["accepted"] == 9


def test_white_space_around_cells_does_not_matter(read):
    raw = file(*(row.replace(",", " , ").replace("Design", "\u00a0Design\t") for row in GOOD))

    rows = read(raw).rows()

    assert {row["phase"] for row in rows} == {"Design"}
    assert rows[0]["activity_id"] == "A1"


def test_plain_text_and_quoted_text_are_read_alike(read):
    plain = read(file(*GOOD))
    quoted = read(file(*(",".join(f'"{cell}"' for cell in row.split(",")) for row in GOOD)))
    broken = read(file(*GOOD, '"A\nB",Design,2024-06-30,2024-01-01,2024-03-01,,1'))

    assert plain.rows() == quoted.rows() == broken.rows()[:-1]


def test_cells_that_begin_like_a_formula_are_neutral_in_quarantine(read):
    rows = [*GOOD, '=cmd|"/c calc"!A1,Design,2024-06-30,@SUM(A1),2024-03-01,,-x']

    found = rejected(read(file(*rows)))

    assert [(cell["column"], cell["value"]) for cell in found] == [("start", "'@SUM(A1)"), ("budget", "'-x")]


def test_the_float_of_an_activity_that_has_started_is_not_known(read):
    header = f"{HEADER},total_float_days"
    rows = [f"{row},5" for row in GOOD] + ["X,Design,2024-06-30,2024-07-15,2024-08-01,,1,7"]

    assert [row["total_float_days"] for row in read(file(*rows, header=header)).rows()] == [None] * 9 + [7.0]


@pytest.mark.parametrize(
    ("starts", "order", "first"),
    [
        (("03/04/2024", "25/04/2024"), "DMY", date(2024, 4, 3)),
        (("03/04/2024", "04/25/2024"), "MDY", date(2024, 3, 4)),
    ],
)
def test_the_order_of_dates_is_the_one_in_which_all_are_dates(read, starts, order, first):
    profile = load_profile("name: own\ntitle: x\ncolumns: {activity_id: Id, start: S, baseline_finish: F}", "own.yaml")
    rows = [f"{number},{start},2024-05-31" for number, start in enumerate(starts)]

    schedule = read(file(*rows, header="Id,S,F"), "x_2024-06-30.csv", profile=profile)

    assert schedule.rows()[0]["start"] == first
    assert schedule.notes == (f"numeric dates read as {order}",)


def test_dates_that_may_be_either_are_refused(read):
    profile = load_profile("name: own\ntitle: x\ncolumns: {activity_id: Id, start: S, baseline_finish: F}", "own.yaml")

    with pytest.raises(
        ScheduleRefused, match=r"line 2, column start: the dates may be day/month or month/day"
    ) as refused:
        read(file("1,03/04/2024,2024-05-31", header="Id,S,F"), "x_2024-06-30.csv", profile=profile)
    assert "dates.order" in refused.value.remedy


FILTERED = """
name: own
title: x
columns: {activity_id: Id, start: S, baseline_finish: F, status: State, activity_name: {join: [A, B]}}
missing: [n/a]
status: {complete: [erledigt], in_progress: [läuft]}
filters: [{column: Kind, drop: [Summary, ""]}]
duplicates: keep_last
dates: {order: DMY}
"""


def test_a_profile_names_words_filters_and_duplicates(read):
    rows = [
        "1,03.04.2024,31.05.2024,läuft,n/a,x,Task",
        "2,03.04.2024,31.05.2024,LÄUFT,a,x,Summary",
        "3,03.04.2024,31.05.2024,N/A,a,,Task",
        "4,03.04.2024,31.05.2024,läuft,a,b,",
        "1,05.04.2024,31.05.2024,läuft,a,b,Task",
    ]

    schedule = read(
        file(*rows, header="Id,S,F,State,A,B,Kind"), "x_2024-06-30.csv", profile=load_profile(FILTERED, "own.yaml")
    )

    assert (schedule.counts["read"], schedule.counts["accepted"], schedule.counts["filtered"]) == (5, 2, 3)
    found = {row["activity_id"]: row for row in schedule.rows()}
    assert found["1"]["start"] == date(2024, 4, 5)
    assert found["1"]["activity_name"] == "a / b"
    assert found["3"]["activity_name"] == "a"


def test_rows_that_the_filters_leave_none_of_are_refused(read):
    with pytest.raises(ScheduleRefused, match="the only row is left out by the filters of profile own"):
        read(
            file("2,03.04.2024,31.05.2024,läuft,a,x,Summary", header="Id,S,F,State,A,B,Kind"),
            "x_2024-06-30.csv",
            profile=load_profile(FILTERED, "own.yaml"),
        )


def test_a_file_with_labels_and_no_dates(read):
    profile = load_profile(
        "name: own\ntitle: x\nlabel: {column: OK, late: ['0'], on_time: ['1']}\nfeatures: [Size m2, Crew]", "own.yaml"
    )

    schedule = read(
        file("5,1,1", "6.5,2,0", "7,x,1", "8,1,?", header="Size m2,Crew,OK"), profile=profile, max_bad_share=0.5
    )

    assert schedule.data_date is None
    assert [(row["activity_id"], row["size_m2"], row["schedule_adherence"]) for row in schedule.rows()] == [
        ("row-2", 5.0, 1.0),
        ("row-3", 6.5, 0.0),
    ]
    assert [(cell["line"], cell["column"]) for cell in rejected(schedule)] == [
        ("4", "crew"),
        ("5", "schedule_adherence"),
    ]


def test_the_version_of_a_large_file_is_the_same_bytes_each_time(read, tmp_path):
    rows = [f"A{number},Design,2024-06-30,2024-01-01,2024-03-01,,{number}" for number in range(300_000)]
    raw = file(*rows)

    for name in ("first", "second"):
        versions.merge(None, read(raw).table, tmp_path / name, tmp_path)

    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
