"""Updates of a series show which values come with the finish."""

from pathlib import Path

import pandas as pd

from slipcast.datasets.database import connect, literal
from slipcast.datasets.updates import fills


def parquet(path: Path, **columns: list) -> Path:
    days = {"data_date", "actual_finish"}
    table = pd.DataFrame({name: pd.to_datetime(v) if name in days else v for name, v in columns.items()})
    table = table.assign(project_id="P", activity_id=[f"A{i}" for i in range(len(table))])
    with connect(path.parent) as database:
        database.register("given", table)
        database.execute(f"COPY given TO {literal(str(path))} (FORMAT parquet)")
    return path


def test_values_are_counted_by_whether_the_activity_has_finished_since(tmp_path):
    before = parquet(
        tmp_path / "before.parquet",
        data_date=["2025-01-31"] * 5,
        actual_finish=[None, None, None, None, "2025-01-10"],
        budget=[None, None, None, 7.0, None],
        location=["north", None, None, "south", None],
    )
    new = parquet(
        tmp_path / "new.parquet",
        data_date=["2025-03-31"] * 5,
        actual_finish=["2025-02-20", None, "2025-03-01", None, "2025-01-10"],
        budget=[5.0, None, None, 8.0, 9.0],
        location=["north", "east", None, "south", "west"],
    )

    assert fills(before, new, tmp_path) == {
        "budget": {"changed": [1, 2], "unchanged": [0, 1]},
        "location": {"changed": [0, 1], "unchanged": [1, 1]},
    }
    # The older file says nothing about what came later.
    assert fills(new, before, tmp_path)["budget"] == {"changed": [0, 0], "unchanged": [0, 0]}
