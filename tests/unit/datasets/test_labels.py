"""Only matured activities have a label."""

import pandas as pd
import pytest

from slipcast.datasets.labels import label, pending

DAY = "2024-06-30"


def table(*rows: tuple[str, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["baseline_finish", "actual_finish"])
    frame = frame.apply(pd.to_datetime)
    return frame.assign(data_date=pd.Timestamp(DAY), activity_id=[str(i) for i in range(len(frame))])


@pytest.mark.parametrize(
    ("baseline_finish", "actual_finish", "late", "matured"),
    [
        ("2024-01-01", "2023-12-01", 0, "2024-01-31"),
        ("2024-01-01", "2024-01-31", 0, "2024-01-31"),
        ("2024-01-01", "2024-02-01", 1, "2024-01-31"),
        ("2024-01-01", None, 1, "2024-01-31"),
        ("2024-05-31", None, 1, "2024-06-30"),
    ],
)
def test_a_matured_activity_is_late_after_the_tolerance(baseline_finish, actual_finish, late, matured):
    row = label(table((baseline_finish, actual_finish)), 30).iloc[0]

    assert row["is_late"] == late
    assert row["matured_at"] == pd.Timestamp(matured)


@pytest.mark.parametrize("actual_finish", [None, "2024-06-01"])
def test_an_activity_whose_limit_is_ahead_has_no_label_finished_or_not(actual_finish):
    assert label(table(("2024-06-01", actual_finish)), 30).empty


def test_a_label_matures_no_later_than_the_data_date():
    labelled = label(table(("2024-01-01", None), ("2024-05-31", None), ("2023-01-01", "2024-06-29")), 30)

    assert (labelled["matured_at"] <= pd.Timestamp(DAY)).all()


def test_where_a_file_says_what_came_of_an_activity_that_is_its_label():
    # Early and with the label of a late one, late and with that of one in time, and two of which the file says nothing.
    known = table(
        ("2024-01-01", "2023-12-01"), ("2024-01-01", None), ("2024-01-01", None), ("2024-01-01", "2024-01-02")
    )

    labelled = label(known.assign(schedule_adherence=[0, 1, None, None]), 30)

    assert labelled["is_late"].tolist() == [1, 0, 1, 0]


def test_labelled_rows_are_numbered_from_the_first():
    labelled = label(table(("2024-06-01", None), ("2024-01-01", None), ("2024-02-01", None)), 30)

    assert labelled.index.tolist() == [0, 1]
    assert labelled["activity_id"].tolist() == ["1", "2"]
    assert "index" not in labelled


def test_what_has_started_and_not_reached_its_limit_is_pending():
    """Both limits are days: a start on the data date counts, a limit on it has been reached."""
    day = pd.Timestamp("2024-06-30")
    table = pd.DataFrame(
        [
            ("limit reached today", day - pd.Timedelta(days=99), day - pd.Timedelta(days=30)),
            ("limit tomorrow", day - pd.Timedelta(days=99), day - pd.Timedelta(days=29)),
            ("starts tomorrow", day + pd.Timedelta(days=1), day + pd.Timedelta(days=50)),
            ("starts today", day, day + pd.Timedelta(days=50)),
            ("over long ago", day - pd.Timedelta(days=99), day - pd.Timedelta(days=60)),
        ],
        columns=["activity_id", "start", "baseline_finish"],
    ).assign(data_date=day)

    found = pending(table, 30)

    assert found["activity_id"].tolist() == ["limit tomorrow", "starts today"]
    assert found.index.tolist() == [0, 1]
    assert list(found) == list(table)
