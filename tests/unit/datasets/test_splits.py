"""Splits by time."""

from datetime import date

import pandas as pd
import pytest

from slipcast.datasets.splits import holdout_cut, random_split, split


@pytest.mark.parametrize(
    ("data_date", "months", "cut"),
    [
        (date(2025, 6, 30), 18, date(2024, 1, 1)),
        (date(2022, 12, 31), 18, date(2021, 7, 1)),
        (date(2021, 12, 31), 18, date(2020, 7, 1)),
        (date(2025, 1, 1), 1, date(2025, 1, 1)),
        (date(2025, 1, 31), 13, date(2024, 1, 1)),
    ],
)
def test_the_holdout_begins_with_a_month(data_date, months, cut):
    assert holdout_cut(data_date, months) == cut


def labelled() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start": pd.to_datetime(["2023-01-01", "2023-12-31", "2024-01-01", "2023-06-01"]),
            "matured_at": pd.to_datetime(["2023-12-31", "2024-01-01", "2024-02-01", "2024-05-01"]),
            "is_late": [0, 1, 0, 1],
        }
    )


def test_training_uses_only_what_matured_before_the_cut():
    train, holdout = split(labelled(), date(2024, 1, 1))

    assert train["start"].dt.strftime("%Y-%m-%d").tolist() == ["2023-01-01"]
    assert holdout["start"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-01"]


def test_what_started_before_and_was_undecided_is_in_neither():
    train, holdout = split(labelled(), date(2024, 1, 1))

    assert len(train) + len(holdout) == 2


def test_a_random_split_parts_all_rows_and_is_repeatable():
    table = pd.DataFrame({"x": range(100)})
    train, held = random_split(table, 0.2, seed=3)

    assert len(held) == 20
    assert sorted([*train["x"], *held["x"]]) == list(range(100))
    assert held["x"].tolist() == random_split(table, 0.2, seed=3)[1]["x"].tolist()
    assert held["x"].tolist() != list(range(80, 100))
