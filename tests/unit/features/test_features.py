"""Features of one activity and of a table of them."""

import math
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipcast.features.row import CATEGORICAL, MISSING, NUMERIC, feature_row
from slipcast.features.table import feature_table
from slipcast.schema import COLUMNS, FEATURE_COLUMNS, POST_HOC

DAYS = st.dates(date(1990, 1, 1), date(2040, 12, 31))
TEXT = st.none() | st.sampled_from(["Design", "Scope", "", "Überbau"])
NUMBERS = st.none() | st.floats(-1e6, 1e9, allow_nan=False)
ACTIVITIES = st.fixed_dictionaries(
    {
        "activity_id": st.just("a"),
        "start": DAYS,
        "baseline_start": st.none() | DAYS,
        "baseline_finish": st.none() | DAYS,
        "baseline_duration_days": NUMBERS,
        "budget": NUMBERS,
        "total_float_days": NUMBERS,
        "predecessor_count": NUMBERS,
        "phase": TEXT,
        "work_type": TEXT,
        "location": TEXT,
    }
)


@given(st.lists(ACTIVITIES, min_size=1, max_size=5))
def test_a_table_has_the_features_of_its_rows(activities):
    table = pd.DataFrame(activities)
    for name in ("start", "baseline_start", "baseline_finish"):
        table[name] = pd.to_datetime(table[name])
    for name in ("baseline_duration_days", "budget", "total_float_days", "predecessor_count"):
        table[name] = table[name].astype("float64")

    features = feature_table(table)

    assert list(features.columns) == [*NUMERIC, *CATEGORICAL]
    for activity, (_, row) in zip(activities, features.iterrows(), strict=True):
        expected = feature_row(activity)
        for name in NUMERIC:
            # numpy's log1p and math's may differ in the last bit.
            value = math.nan if expected[name] is None else expected[name]
            np.testing.assert_allclose(row[name], value, rtol=1e-15)
        for name in CATEGORICAL:
            assert row[name] == expected[name]


def test_the_duration_is_counted_from_the_baseline_where_there_is_one():
    activity = {"start": "2024-01-11", "baseline_finish": "2024-01-31"}

    # The first and the last day count.
    assert feature_row(activity)["baseline_duration_days"] == 21
    assert feature_row(activity | {"baseline_start": "2024-01-01"})["baseline_duration_days"] == 31
    assert feature_row(activity | {"baseline_start": "2024-01-31"})["baseline_duration_days"] == 1
    assert feature_row(activity | {"baseline_duration_days": 7})["baseline_duration_days"] == 7


def test_what_is_unknown_is_none_or_a_category_of_its_own():
    row = feature_row({"start": "2024-01-11", "budget": math.nan})

    assert row == dict.fromkeys(NUMERIC) | dict.fromkeys(CATEGORICAL, MISSING)


def test_dates_may_come_as_dates():
    for first, last in ((date(2024, 1, 1), date(2024, 1, 8)), (datetime(2024, 1, 1, 9), datetime(2024, 1, 8, 8))):
        assert feature_row({"start": first, "baseline_finish": last})["baseline_duration_days"] == 8


def test_a_wrong_date_is_an_error():
    with pytest.raises(ValueError, match="31/12/2024"):
        feature_row({"start": "31/12/2024", "baseline_finish": "2024-12-31"})


def test_a_date_with_something_behind_it_is_an_error():
    with pytest.raises(ValueError, match="junk"):
        feature_row({"start": "2024-01-01junk", "baseline_finish": "2024-12-31"})


@pytest.mark.parametrize("name", sorted(POST_HOC))
def test_what_happened_later_changes_no_feature(name):
    activity = {"start": "2024-01-01", "baseline_finish": "2024-03-01", "phase": "Design", "budget": 5.0}

    assert feature_row(activity | {name: "1"}) == feature_row(activity)


def test_no_feature_column_is_post_hoc_and_all_are_canonical():
    assert not POST_HOC & set(FEATURE_COLUMNS)
    assert set(FEATURE_COLUMNS) <= {column.name for column in COLUMNS}
