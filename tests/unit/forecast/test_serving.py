"""Forecast of one activity by the standard library: the features of training, and nothing that is known later."""

import json
import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.features.point_in_time import CURRENT, HISTORY, history_features
from slipcast.features.point_in_time_table import build_series
from slipcast.features.row import CATEGORICAL, feature_row
from slipcast.forecast import serving
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.landmarks import FEATURE_NAMES, landmark_features, open_activities
from slipcast.forecast.stage import Stage, as_of, known
from support.budgets import examples
from support.forecast_models import forecast_json
from support.forecast_portfolio import schedule

FEATURES = (*FEATURE_NAMES, *CATEGORICAL)
DAY = date(2024, 6, 30)


def sent(row: dict) -> dict:
    """Return a row of a table as a client sends it: days as text, nothing that is missing."""
    return {
        name: value.date().isoformat() if isinstance(value, pd.Timestamp) else value
        for name, value in row.items()
        if name != "data_date" and not pd.isna(value)
    }


def features(series, activity: dict, day: date = DAY) -> dict:
    dated, facts = as_of(activity, day, 30)
    row = feature_row({**dated, "history": history_features(dated, series, HISTORY)})
    now = history_features(serving.current(dated, facts), series, CURRENT)
    return serving.features(row, dated, facts, now)


@settings(max_examples=examples(6, 100))
@given(seed=st.integers(0, 1000), shift=st.integers(0, 400))
def test_features_are_those_of_training_and_know_nothing_later(seed, shift):
    table = schedule(40, seed)
    day = pd.Timestamp(DAY)
    rows = open_activities(table, day)
    expected = landmark_features(table, rows.reset_index(drop=True), 30)
    series = build_series(table, 30)
    for (_, row), training in zip(table.loc[rows.index].iterrows(), expected.to_dict("records"), strict=True):
        activity = sent(row.to_dict())
        # As the file of the data date has it: later facts may be sent, with plans that are later still.
        later = {
            name: (date.fromisoformat(activity[name]) + timedelta(days=shift)).isoformat()
            for name in ("start", "actual_finish")
            if activity.get(name, "") > DAY.isoformat()
        }
        for told in (activity, activity | later):
            found = features(series, told)
            assert as_of(told, DAY, 30)[1].stage == training["stage"]
            for name in FEATURES:
                one, other = found[name], training[name]
                if isinstance(other, float) and math.isnan(other):
                    assert one is None, name
                else:
                    assert one == pytest.approx(other, abs=1e-12), name


@pytest.mark.parametrize(
    ("change", "stage", "begun", "feature_day"),
    [
        ({}, Stage.IN_PROGRESS, "2024-06-01", "2024-06-01"),
        ({"status": "not_started"}, Stage.NOT_STARTED, None, "2024-07-01"),
        ({"start": "2024-07-15"}, Stage.NOT_STARTED, None, "2024-07-01"),
        ({"start": "2024-07-15", "status": "in_progress"}, Stage.NOT_STARTED, None, "2024-07-01"),
        ({"baseline_finish": "2024-06-30"}, Stage.OVERDUE, "2024-06-01", "2024-06-01"),
        (
            {"baseline_finish": "2024-05-31", "baseline_start": "2024-05-01"},
            Stage.ALREADY_LATE,
            "2024-06-01",
            "2024-06-01",
        ),
        ({"actual_finish": "2024-06-30"}, Stage.COMPLETE, "2024-06-01", "2024-06-01"),
        ({"actual_finish": "2024-07-01", "status": "complete"}, Stage.IN_PROGRESS, "2024-06-01", "2024-06-01"),
        ({"baseline_duration_days": 1e14, "baseline_finish": None}, Stage.IN_PROGRESS, "2024-06-01", "2024-06-01"),
        ({"data_date": "9999-12-31"}, Stage.ALREADY_LATE, "2024-06-01", "2024-06-01"),
        ({"data_date": "0001-01-01"}, Stage.NOT_STARTED, None, "0001-01-02"),
    ],
)
def test_the_state_is_that_of_the_data_date(change, stage, begun, feature_day):
    activity = {"start": "2024-06-01", "baseline_finish": "2024-09-30"} | change
    dated, facts = as_of(activity, DAY, 30)
    assert facts.stage is stage
    assert str(facts.begun) == str(begun)
    assert (str(facts.feature_day), dated["start"]) == (feature_day, facts.feature_day)


def test_the_same_activity_by_duration_and_by_finish():
    by_finish = {"start": "2024-08-01", "baseline_finish": "2024-09-30"}
    by_days = {"start": "2024-08-01", "baseline_duration_days": 61.0}
    one, other = (as_of(activity, DAY, 30) for activity in (by_finish, by_days))
    assert one == (one[0] | {"start": date(2024, 7, 1)}, one[1])
    assert [one[0][name] for name in ("baseline_finish", "baseline_duration_days")] == [date(2024, 9, 30), 61.0]
    assert one[1] == other[1]
    assert feature_row(one[0]) == feature_row(other[0])


@pytest.fixture(scope="module")
def forecaster():
    return Forecaster(json.loads(forecast_json()))


def given_for(forecaster, finish: str, **facts):
    activity = {"start": "2024-06-01", "baseline_finish": finish} | facts
    dated, found = as_of(activity, DAY, 30)
    row = serving.features(feature_row(dated), dated, found, {})
    return serving.forecast(
        forecaster, row, found, 30, 0.4, date.fromisoformat(facts.get("actual_finish", "2024-06-30"))
    )


def test_the_forecast_is_one_distribution(forecaster):
    found = given_for(forecaster, "2024-09-30")
    assert found[:3] == (DAY, Stage.IN_PROGRESS, 0)
    assert 0 < found.probability_late < 1
    dates = found[5:]
    assert list(dates) == sorted(dates)
    assert dates[0] > DAY
    # Late is what lies after the limit: P90 comes up to it where the probability is at most a tenth, and only there.
    limit = date(2024, 9, 30) + timedelta(days=30)
    assert (found.p90 <= limit) == (found.probability_late <= 0.1)
    assert (found.p50 <= limit) == (found.probability_late <= 0.5)


def test_what_is_late_already_is_late_with_certainty_and_ends_some_day(forecaster):
    found = given_for(forecaster, "2024-05-01", baseline_start="2024-01-01")
    assert (found.stage, found.days_late, found.probability_late) == (Stage.ALREADY_LATE, 60, 1.0)
    assert found.expected_days_late > 60
    assert found.p10 > DAY


@pytest.mark.parametrize(("finish", "late", "probability"), [("2024-06-11", 10, 0.0), ("2024-06-30", 60, 1.0)])
def test_a_finish_is_a_forecast_without_spread(forecaster, finish, late, probability):
    baseline = (date.fromisoformat(finish) - timedelta(days=late)).isoformat()
    found = given_for(forecaster, baseline, baseline_start="2024-01-01", actual_finish=finish)
    assert found[:5] == (DAY, Stage.COMPLETE, late, probability, float(late))
    assert set(found[5:]) == {date.fromisoformat(finish)}


def test_without_a_forecast_model_the_stage_is_known_all_the_same():
    for finish, probability in (("2024-09-30", None), ("2024-05-01", 1.0)):
        found = given_for(None, finish, baseline_start="2024-01-01")
        assert found[3:] == (probability, *[None] * 5)


def test_a_forecast_at_the_end_of_the_calendar_stays_in_it(forecaster):
    facts = known(data_date=date(9999, 12, 30), start=None, baseline_finish=None, tolerance_days=30)
    row = serving.features(feature_row({}), {}, facts, {})
    assert serving.forecast(forecaster, row, facts, 30, 0.5).p90 == date.max
    assert np.isfinite(row["to_finish"])
