"""Landmark table: what was open and known at each data date, nothing that came later, outcomes censored at the cut."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.features.row import CATEGORICAL
from slipcast.forecast.landmarks import FEATURE_NAMES, known_at, landmark_table, quarters
from slipcast.forecast.stage import state
from support.budgets import examples
from support.forecast_portfolio import LAST, schedule

DAYS = [pd.Timestamp(day) for day in ("2024-03-31", "2024-06-30", "2024-09-30")]
FEATURES = [*FEATURE_NAMES, *CATEGORICAL]


@pytest.fixture(scope="module")
def table():
    return schedule()


def test_a_row_is_an_activity_that_was_known_and_open(table):
    found = landmark_table(table, DAYS, 30)
    for day, rows in found.groupby("landmark"):
        known = (table["baseline_data_date"] <= day) | ((table["start"] <= day) & (table["status"] != "not_started"))
        expected = np.flatnonzero(known & ~(table["actual_finish"] <= day))
        assert rows["row"].tolist() == expected.tolist()
        for item in rows.to_dict("records"):
            activity = table.iloc[item["row"]]
            stage = state(
                data_date=day.date(),
                baseline_finish=activity["baseline_finish"].date(),
                tolerance_days=30,
                start=activity["start"].date(),
                started=activity["status"] != "not_started",
            ).stage
            assert item["stage"] == stage
            assert item["limit"] == (activity["baseline_finish"] - day).days + 30
    assert found["stage"].nunique() == 4


def test_the_outcome_is_censored_at_the_cut(table):
    cut = pd.Timestamp("2024-12-31")
    found = landmark_table(table, DAYS, 30, cut)
    finish = table["actual_finish"].loc[found["row"]].to_numpy()
    days = (finish - found["landmark"].to_numpy()) / np.timedelta64(1, "D")
    seen = finish <= np.datetime64(cut)
    assert found["remaining"][seen].tolist() == days[seen].tolist()
    assert found["remaining"][~seen].isna().all()
    assert (found["remaining"].dropna() >= 1).all()
    assert (found["follow_up"] == (cut - found["landmark"]).dt.days).all()


@settings(max_examples=examples(8, 200))
@given(seed=st.integers(0, 1000), shift=st.integers(-40, 400), name=st.sampled_from(["actual_finish", "start"]))
def test_nothing_that_comes_later_changes_a_feature_of_the_past(seed, shift, name):
    table = schedule(30, seed)
    day = DAYS[1]
    later = table.copy()
    moved = later[name] > day
    later.loc[moved, name] = (later.loc[moved, name] + pd.Timedelta(days=shift)).clip(lower=day + pd.Timedelta(days=1))
    if name == "start":
        # A finish cannot come before its start.
        later["actual_finish"] = later["actual_finish"].where(~moved, pd.NaT)
    else:
        unknown = moved & (np.arange(len(table)) % 3 == 0)
        later.loc[unknown, name] = pd.NaT
    later["data_date"] = LAST + pd.Timedelta(days=600)
    before, after = (landmark_table(rows, [day], 30) for rows in (table, later))
    columns = ["row", "stage", "limit", *FEATURES]
    pd.testing.assert_frame_equal(before[columns], after[columns])


def test_a_file_of_the_day_itself_gives_the_same_features(table):
    day = DAYS[1]
    then = table[table["start"] <= day].copy()
    then["actual_finish"] = then["actual_finish"].where(then["actual_finish"] <= day)
    then["data_date"] = day
    full = landmark_table(table.drop(columns="baseline_data_date"), [day], 30)
    own = landmark_table(then.drop(columns="baseline_data_date"), [day], 30, day)
    pd.testing.assert_frame_equal(full[["stage", *FEATURES]], own[["stage", *FEATURES]])


def test_a_landmark_after_the_cut_is_refused(table):
    with pytest.raises(ValueError, match="lies after 2024-05-01"):
        landmark_table(table, DAYS, 30, pd.Timestamp(date(2024, 5, 1)))


def test_nothing_is_known_of_an_activity_after_its_own_data_date(table):
    """A file that came later may be of other projects: what it does not say is neither open nor finished."""
    early = table.assign(data_date=np.where(table["project_id"] == "P1", pd.Timestamp("2024-08-15"), LAST))
    early["data_date"] = pd.to_datetime(early["data_date"])
    found = landmark_table(early, DAYS, 30)
    one = found[found["project_id"] == "P1"]
    assert one["landmark"].max() == DAYS[1]
    assert (one["follow_up"] == (pd.Timestamp("2024-08-15") - one["landmark"]).dt.days).all()
    assert one["remaining"].notna().any()
    assert (one["remaining"].fillna(0) <= one["follow_up"]).all()
    assert (found[found["project_id"] != "P1"]["follow_up"] > 200).all()


def test_too_many_landmarks_leave_out_whole_activities(table):
    full = landmark_table(table, DAYS, 30)
    drawn = landmark_table(table, DAYS, 30, max_rows=len(full) // 2, seed=3)
    assert 0.8 * len(full) / 2 < len(drawn) <= len(full) / 2
    whole = full[full["row"].isin(drawn["row"])].reset_index(drop=True)
    # History is that of all activities, drawn or not.
    pd.testing.assert_frame_equal(drawn, whole)
    assert not drawn["row"].equals(landmark_table(table, DAYS, 30, max_rows=len(full) // 2, seed=4)["row"])


def test_the_outcome_known_earlier_is_that_of_an_earlier_cut(table):
    cut = pd.Timestamp("2024-12-31")
    pd.testing.assert_frame_equal(
        known_at(landmark_table(table, DAYS, 30), cut), landmark_table(table, DAYS, 30, cut), check_dtype=False
    )


def test_quarters_begin_with_the_first_start_and_end_before_the_last_day(table):
    days = quarters(table, pd.Timestamp("2024-12-31"))
    assert days[0] == pd.Timestamp("2023-06-30")
    assert days[-1] == pd.Timestamp("2024-09-30")
    assert quarters(table, pd.Timestamp("2020-01-01")) == []
    assert landmark_table(table, [], 30).empty
    assert len(quarters(table.assign(start=pd.Timestamp("1900-01-01")), LAST)) <= 4 * 40 + 1
