"""Stage as of a data date: facts only, nothing that is known later."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.datasets import labels
from slipcast.forecast import stage as stages
from slipcast.forecast.stage import Stage, feature_day, state
from support.budgets import examples

DAYS = st.dates(date(2020, 1, 1), date(2022, 12, 31))
MAYBE = st.one_of(st.none(), DAYS)
CASES = {
    "data_date": DAYS,
    "baseline_finish": DAYS,
    "tolerance_days": st.integers(0, 60),
    "start": MAYBE,
    "actual_finish": MAYBE,
    "started": st.booleans(),
}


@pytest.mark.parametrize(
    ("data_date", "stage", "days_late"),
    [
        ("2026-01-04", Stage.NOT_STARTED, 0),
        ("2026-01-05", Stage.IN_PROGRESS, 0),
        ("2026-02-28", Stage.IN_PROGRESS, 0),
        ("2026-03-01", Stage.OVERDUE, 0),
        ("2026-03-30", Stage.OVERDUE, 29),
        ("2026-03-31", Stage.ALREADY_LATE, 30),
        ("2026-06-01", Stage.ALREADY_LATE, 92),
        ("2026-06-02", Stage.COMPLETE, 93),
        ("2028-06-02", Stage.COMPLETE, 93),
    ],
)
def test_an_activity_passes_through_its_stages(data_date, stage, days_late):
    found = state(
        data_date=date.fromisoformat(data_date),
        baseline_finish=date(2026, 3, 1),
        tolerance_days=30,
        start=date(2026, 1, 5),
        actual_finish=date(2026, 6, 2),
    )
    assert found == (stage, days_late)
    assert found.late is (True if stage is Stage.ALREADY_LATE else None)


@given(case=st.fixed_dictionaries(CASES), other=st.fixed_dictionaries(CASES))
def test_what_comes_after_the_data_date_changes_nothing(case, other):
    later = dict(case)
    for name in ("start", "actual_finish"):
        day, replaced = case[name], other[name]
        if (day is None or day > case["data_date"]) and (replaced is None or replaced > case["data_date"]):
            later[name] = replaced
    assert state(**later) == state(**case)


@given(start=MAYBE, other=MAYBE, data_date=DAYS)
def test_features_are_of_the_start_or_of_the_day_after_the_data_date(start, other, data_date):
    day = feature_day(data_date, start)
    assert day <= data_date + timedelta(days=1)
    assert start is None or day <= start
    if all(planned is None or planned > data_date for planned in (start, other)):
        assert feature_day(data_date, other) == day


@settings(max_examples=examples(15, 200))
@given(cases=st.lists(st.fixed_dictionaries(CASES), min_size=1, max_size=20), tolerance=st.integers(0, 60))
def test_already_late_is_what_the_label_calls_late_while_it_is_open(cases, tolerance):
    table = pd.DataFrame(cases)[["data_date", "baseline_finish", "actual_finish"]]
    table = table.apply(pd.to_datetime).astype("datetime64[ns]").assign(row=np.arange(len(cases)))
    table["actual_finish"] = table["actual_finish"].where(table["actual_finish"] <= table["data_date"])
    labelled = labels.label(table, tolerance).set_index("row")["is_late"]
    for number, case in enumerate(cases):
        stage = state(**{**case, "tolerance_days": tolerance}).stage
        if stage is Stage.ALREADY_LATE:
            assert labelled[number] == 1
        elif stage is not Stage.COMPLETE:
            assert number not in labelled.index


def test_a_planned_start_that_has_passed_does_not_start_an_activity():
    days = {"data_date": date(2026, 2, 1), "baseline_finish": date(2026, 5, 1), "start": date(2026, 1, 1)}
    assert state(**days, tolerance_days=30, started=False).stage is Stage.NOT_STARTED


def test_a_negative_tolerance_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        state(data_date=date(2026, 1, 1), baseline_finish=date(2026, 1, 1), tolerance_days=-1)


def test_today_is_the_day_in_utc(today, monkeypatch):
    assert stages.today() == today
    monkeypatch.undo()
    before = datetime.now(UTC).date()
    assert before <= stages.today() <= datetime.now(UTC).date()
