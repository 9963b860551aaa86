"""Dataset versions are named by their content."""

import pandas as pd
import pytest

from slipcast.datasets import tables


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
    again = tables.from_bytes(tables.to_bytes(table))

    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert again["activity_id"].tolist() == ["007", "NA", "a,b"]
    assert str(again["start"].dtype).startswith("datetime64")


def test_equal_tables_have_equal_bytes(table):
    assert tables.to_bytes(table) == tables.to_bytes(table.copy())
