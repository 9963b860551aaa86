"""The smallest file for each mistake that the fuzzer of the intake found."""

import csv

import pytest

from slipcast.ingest import layout
from slipcast.ingest.schedule import read_schedule

HEADER = "activity_id,start,baseline_finish,data_date"
GOOD = "A,2024-01-01,2024-03-01,2024-06-30"


@pytest.fixture
def read(tmp_path):
    """A reader of text: the schedule, and line, column and reason of its rejected cells."""

    def run(text: str, name: str = "x.csv", **options):
        path, workdir = tmp_path / "dropped", tmp_path / "work"
        path.write_bytes(text.encode())
        workdir.mkdir()
        schedule = read_schedule(path, name, workdir=workdir, max_bad_share=1.0, **options)
        if schedule.rejected is None:
            return schedule, []
        with schedule.rejected.open(encoding="utf-8", newline="") as lines:
            return schedule, [(cell["line"], cell["column"], cell["reason"]) for cell in csv.DictReader(lines)]

    return run


@pytest.mark.parametrize("beyond", [",x", ",,,x"])
def test_a_row_whose_only_values_stand_beyond_the_header_is_not_lost(read, beyond):
    schedule, rejected = read(f"{HEADER}\n{GOOD}\n,,,{beyond}\n")

    assert schedule.counts["read"] == 2
    assert rejected == [("3", "", "the row has not 4 cells as the header")]


@pytest.mark.parametrize("after", ["", "\n"], ids=["as it lies there", "line by line"])
@pytest.mark.parametrize(("white", "rows"), [("\u00a0", 0), (" ", 0), ("\u3000", 1), ("\x1c", 1), ("\u2028", 1)])
def test_what_a_blank_row_is_does_not_depend_on_the_way_of_reading(read, monkeypatch, after, white, rows):
    """An empty line in the file, and duckdb is not trusted with its lines."""
    line_by_line = []
    number = layout.number
    monkeypatch.setattr(layout, "number", lambda *args, **kw: line_by_line.append(args) or number(*args, **kw))

    schedule, rejected = read(f"{HEADER}\n{GOOD}\n{white},{white},{white},{white}\n{after}")

    assert schedule.counts["read"] == 1 + rows
    assert {line for line, _, _ in rejected} == ({"3"} if rows else set())
    assert bool(line_by_line) == bool(after)
