"""Lost rows: rows of a file that are in no count."""

# duckdb/duckdb#25827: rows before the header that was guessed are dropped
# duckdb/duckdb#18403: lines that a sniffer takes for no data

from dataclasses import replace

import pytest

from slipcast.ingest.files import grid
from slipcast.ingest.reading import _Reading
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule

HEADER = "activity_id,data_date,start,baseline_finish,actual_finish"


def rows(first: int, count: int) -> list[str]:
    return [
        f"A{number},2024-12-31,2023-01-02,2023-06-30,2023-07-0{1 + number % 9}"
        for number in range(first, first + count)
    ]


def read(tmp_path, lines: list[str], name: str = "hall.csv", **options):
    file = tmp_path / "dropped"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return read_schedule(file, name, workdir=work, **options)


def total(schedule) -> int:
    return sum(schedule.counts[name] for name in ("accepted", "rejected", "filtered"))


@pytest.mark.parametrize("before", [1, 5, 14, 58, 70])
def test_a_header_that_comes_again_is_a_rejected_row(tmp_path, before):
    found = read(tmp_path, [HEADER, *rows(0, before), HEADER, *rows(before, 90)], max_bad_share=0.5)

    assert found.counts["read"] == total(found) == before + 91
    assert (found.counts["accepted"], found.counts["rejected"]) == (before + 90, 1)
    assert f"\n{before + 2}," in found.rejected.read_text(encoding="utf-8")


def test_lines_above_the_header_are_noted(tmp_path):
    found = read(tmp_path, ["Monthly report", "of the hall,,,", "", HEADER, *rows(0, 20)])

    assert found.counts["read"] == total(found) == 20
    assert "not read: 2 lines above the header" in found.notes


def test_a_header_of_titles_below_field_names_is_no_row(tmp_path):
    found = read(tmp_path, [HEADER, HEADER, *rows(0, 20)])

    assert found.counts["read"] == total(found) == 20
    assert not any(note.startswith("not read") for note in found.notes)


@pytest.mark.parametrize(
    "text", ['A50,2024-12-31,"2023-01-02,2023-06-30', "A51,2024-12-31", "", "A52,,,,,,,,,", "\u2028"]
)
def test_odd_lines_are_in_a_count_or_blank(tmp_path, text):
    lines = [HEADER, *rows(0, 20), text, *rows(20, 20)]
    found = read(tmp_path, lines)

    assert found.counts["read"] == total(found) == 40 + bool(text.strip(grid.WHITE))
    assert found.counts["accepted"] == 40


@pytest.mark.parametrize("lost", ["below", "stored"])
def test_a_file_that_does_not_add_up_is_refused(tmp_path, monkeypatch, lost):
    if lost == "below":
        number = grid.number
        monkeypatch.setattr(grid, "number", lambda *args, **more: replace(number(*args, **more), records=99))
    else:
        copy = _Reading._materialise
        monkeypatch.setattr(_Reading, "_materialise", lambda self, query, table: copy(self, query, table) - 1)
    # A ragged row, so that the file is read line by line.
    with pytest.raises(ScheduleRefused, match="the rows do not add up"):
        read(tmp_path, [HEADER, *rows(0, 20), "A50,2024-12-31"])
