"""The smallest file for each mistake that the fuzzer of the intake found."""

import csv
import gzip
from pathlib import Path

import pytest

from slipcast.ingest.files import grid
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule

EXPORTS = Path(__file__).resolve().parents[3] / "examples" / "exports"
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
    number = grid.number
    monkeypatch.setattr(grid, "number", lambda *args, **kw: line_by_line.append(args) or number(*args, **kw))

    schedule, rejected = read(f"{HEADER}\n{GOOD}\n{white},{white},{white},{white}\n{after}")

    assert schedule.counts["read"] == 1 + rows
    assert {line for line, _, _ in rejected} == ({"3"} if rows else set())
    assert bool(line_by_line) == bool(after)


@pytest.mark.parametrize("above", ['x,"y"\r\nx,"\ry"\r\n', "x\ry\r\n"])
def test_a_carriage_return_alone_above_the_header_hides_no_row(read, above):
    """It ends a line here, and none for duckdb, which would skip a row too many."""
    schedule, rejected = read(f"{above}{HEADER}\r\nB,soon,2024-03-01,2024-06-30\r\n{GOOD}\r\n")

    assert schedule.counts["read"] == 2
    assert [(line, column) for line, column, _ in rejected] == [(str(above.count("\n") + 3), "start")]


def test_hundreds_of_foreign_columns_fit_into_the_memory(read, monkeypatch):
    """As many as a file makes that has lost its line breaks."""
    monkeypatch.setattr(grid, "plain", lambda *_: None)
    with gzip.open(EXPORTS / "nyc_sca_2025-06.csv.gz", "rt", encoding="utf-8") as lines:
        header = next(lines).strip()

    with pytest.raises(ScheduleRefused, match="no activities"):
        read(header + "".join(f",z{number}" for number in range(560)), "x_2025-06-30.csv")


def test_a_header_of_very_many_columns_is_refused(read):
    header = HEADER + ",z" * 997

    with pytest.raises(ScheduleRefused, match="line 1: the header has 1,001 columns, at most 1,000 may be"):
        read(f"{header}\n{GOOD}{',' * 997}\n")


@pytest.mark.parametrize("block", range(1, 9))
def test_a_block_may_end_between_carriage_return_and_line_feed(tmp_path, monkeypatch, block):
    monkeypatch.setattr(grid, "BLOCK", block)
    (tmp_path / "x").write_bytes(b"a,b\r\n1,2\r\n3,4\r\n")
    (tmp_path / "y").write_bytes(b"a,b\r\n1,\r2\n3,4\r\n")

    assert grid.plain(tmp_path / "x", 1, ",") == grid.Plain(2, True)
    assert grid.plain(tmp_path / "y", 1, ",") is None
