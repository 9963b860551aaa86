"""A file whose activities are known under other ids is noticed, and so are rows that left its source."""

from pathlib import Path

import pandas as pd
import pytest

from slipcast.datasets.database import connect, literal
from slipcast.datasets.overlap import other_ids, vanished

N = 40


def table(prefix: str, data_date: str) -> pd.DataFrame:
    start = pd.Timestamp("2023-01-02") + pd.to_timedelta(range(0, 7 * N, 7), unit="D")
    baseline = start + pd.Timedelta(days=90)
    finish = pd.Series(baseline + pd.to_timedelta([0, 80] * (N // 2), unit="D"))
    return pd.DataFrame(
        {
            "project_id": [f"{prefix}P{i // 4}" for i in range(N)],
            "activity_id": [f"{prefix}{i}" for i in range(N)],
            "activity_name": [f"Design of school {i}" for i in range(N)],
            "phase": "Design",
            "location": [f"district {i % 7:02}" for i in range(N)],
            "start": start,
            "baseline_finish": baseline,
            "actual_finish": finish.where(finish <= pd.Timestamp(data_date)),
            "data_date": pd.Timestamp(data_date),
            "source": "schools",
        }
    )


@pytest.fixture
def written(tmp_path):
    def write(name: str, rows: pd.DataFrame) -> Path:
        path = tmp_path / f"{name}.parquet"
        with connect(tmp_path) as database:
            database.register("given", rows)
            database.execute(f"COPY given TO {literal(str(path))} (FORMAT parquet)")
        return path

    return write


def test_the_same_activities_under_other_ids_are_noticed_with_examples(tmp_path, written):
    before, new = written("before", table("DSF", "2024-12-31")), written("new", table("hash", "2025-06-30"))
    found = other_ids(before, new, tmp_path)

    assert (found.rows, found.of) == (N, N)
    assert found.examples[0] == ("hash0", "DSF0")
    assert "40 of 40 new activities (100%)" in found.note
    assert "hash0 here, DSF0 there" in found.note


def test_an_update_and_other_work_of_the_same_days_are_not_taken_for_it(tmp_path, written):
    rows = table("DSF", "2024-12-31")
    before = written("before", rows)
    other = table("new", "2025-06-30").assign(location="elsewhere", activity_name="Roof")

    assert other_ids(before, written("update", table("DSF", "2025-06-30")), tmp_path).note is None
    assert other_ids(before, written("other", other), tmp_path).rows == 0


def test_rows_that_left_the_source_are_counted_with_their_late_rate(tmp_path, written):
    rows = table("DSF", "2024-12-31")
    # Of the timely ones half leave, as sources do that drop what is complete.
    left = rows.index[(rows.index % 4 == 0)]
    before = written("before", rows)
    new = written("new", table("DSF", "2025-06-30").drop(index=left))
    found = vanished(before, new, tmp_path, source="schools", tolerance_days=30)

    assert (found.rows, found.of, found.matured, found.late) == (10, 40, 10, 0)
    assert (found.kept_matured, found.kept_late) == (30, 20)
    assert "10 had matured (0% of them were late, of those that are still in the file 67%)" in found.note
    assert vanished(before, before, tmp_path, source="schools", tolerance_days=30).note is None
