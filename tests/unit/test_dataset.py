"""Dataset versions are named by their content."""

from datetime import date

import pandas as pd
import pytest

from slipcast import dataset


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "activity_id": ["007", "NA", "a,b"],
            "start": pd.to_datetime(["2020-01-02", "2020-02-03", None]),
            "budget": [0.1, None, 1e16 / 3],
        }
    )


def test_a_table_survives_the_round_trip(table):
    again = dataset.from_bytes(dataset.to_bytes(table))

    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert again["activity_id"].tolist() == ["007", "NA", "a,b"]
    assert str(again["start"].dtype).startswith("datetime64")


def test_equal_tables_have_equal_bytes_and_ids(table):
    assert dataset.to_bytes(table) == dataset.to_bytes(table.copy())
    assert dataset.dataset_id(table) == dataset.dataset_id(table.copy())


def test_one_changed_cell_changes_the_id(table):
    changed = table.copy()
    changed.loc[0, "budget"] = 0.1000000001

    assert dataset.dataset_id(changed) != dataset.dataset_id(table)


def test_the_manifest_says_where_the_rows_came_from(table):
    manifest = dataset.manifest(
        table,
        source={"uri": "s3://b/incoming/x.csv", "sha256": "0" * 64},
        data_date=date(2021, 12, 31),
        counts={"read": 4, "accepted": 3, "rejected": 1},
        labels={"matured": 2, "censored": 1, "late": 1},
    )

    assert manifest["dataset_id"] == dataset.dataset_id(table)
    assert manifest["rows"] == 3
    assert manifest["missing"] == {"activity_id": 0, "start": 1, "budget": 1}
    assert manifest["data_date"] == "2021-12-31"
    assert manifest["sources"][0]["uri"] == "s3://b/incoming/x.csv"
