"""Features of many activities at once, column by column, with the standard library alone.

`row.feature_row` and `point_in_time.history_features` compute the same for one activity; a test compares them.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL, MISSING, NUMERIC, calendar_days

_NAMES = (*NUMERIC, *CATEGORICAL)


def feature_rows(
    columns: Mapping[str, Sequence[Any]], days: Sequence[float], history: Sequence[Mapping[str, float] | None]
) -> list[dict[str, float | str | None]]:
    """Return a row of features for each activity, as the scorer takes them.

    Parameters
    ----------
    columns
        ``budget``, ``total_float_days``, ``predecessor_count`` (finite numbers or None) and the categorical columns
        (text or None), each of length n_activities
    days
        baseline durations in calendar days
    history
        point-in-time features of each activity, None if unknown
    """
    budget = [math.log1p(value) if value is not None and value >= 0 else None for value in columns["budget"]]
    numeric = [days, budget, columns["total_float_days"], columns["predecessor_count"]]
    known = [item or {} for item in history]
    numeric += [[item.get(name) for item in known] for name in HISTORY]
    categorical = [[value or MISSING for value in columns[name]] for name in CATEGORICAL]
    return [dict(zip(_NAMES, values, strict=True)) for values in zip(*numeric, *categorical, strict=True)]


def baseline_days(given: Sequence[float | None], begin: Sequence[date], finish: Sequence[date | None]) -> list[float]:
    """Return the baseline durations: those given, else from `begin` to `finish`, both days included."""
    return [
        duration if duration is not None else _days(start, end)
        for duration, start, end in zip(given, begin, finish, strict=True)
    ]


def _days(start: date, end: date | None) -> float:
    if end is None:
        raise ValueError("an activity needs a baseline duration or a baseline finish")
    return float(calendar_days(start, end))
