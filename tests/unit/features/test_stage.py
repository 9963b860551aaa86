"""Stage of an open activity, by the rule of the labels."""

from datetime import date, timedelta

import pandas as pd
import pytest

from slipcast.datasets.labels import label
from slipcast.features.stage import Stage, State, features_as_of, state

DUE = date(2025, 3, 31)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (-1, State(Stage.NOT_STARTED, 0)),
        (0, State(Stage.OVERDUE, 0)),
        (29, State(Stage.OVERDUE, 29)),
        (30, State(Stage.ALREADY_LATE, 30)),
        (912, State(Stage.ALREADY_LATE, 912)),
    ],
)
def test_what_is_open_after_the_tolerance_is_late_and_no_model_is_asked(days, expected):
    found = state(DUE + timedelta(days=days), DUE)

    assert found == expected
    assert found.probability == (1.0 if expected.stage is Stage.ALREADY_LATE else None)


@pytest.mark.parametrize("days", [-5, 0, 29, 30, 31, 200])
@pytest.mark.parametrize("finish", [None, 5, 30, 31])
def test_already_late_is_what_the_labels_call_late(days, finish):
    data_date = DUE + timedelta(days=days)
    finished = None if finish is None else DUE + timedelta(days=finish)
    known = finished if finished is not None and finished <= data_date else None
    row = {"baseline_finish": DUE, "actual_finish": known, "data_date": data_date}
    table = pd.DataFrame([{name: pd.Timestamp(value) if value else pd.NaT for name, value in row.items()}])

    labels = label(table.astype("datetime64[us]"), 30)
    found = state(data_date, DUE, actual_finish=finished)

    late = not labels.empty and bool(labels["is_late"].iloc[0])
    assert (found is not None and found.stage is Stage.ALREADY_LATE) == (late and known is None)


def test_dates_after_the_data_date_are_not_known():
    tomorrow = DUE - timedelta(days=9)

    assert state(DUE - timedelta(days=10), DUE, actual_start=tomorrow).stage is Stage.NOT_STARTED
    assert state(tomorrow, DUE, actual_start=tomorrow).stage is Stage.IN_PROGRESS
    assert state(DUE, DUE, actual_finish=DUE) is None


def test_features_know_nothing_after_the_data_date():
    assert features_as_of(date(2026, 1, 5), date(2025, 6, 30)) == date(2025, 7, 1)
    assert features_as_of(date(2025, 1, 5), date(2025, 6, 30)) == date(2025, 1, 5)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        state(DUE, DUE, tolerance_days=-1)
