"""Features of many activities at once, column by column, with the standard library alone.

`row.feature_row` and `point_in_time.history_features` compute the same for one activity; a test compares them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from slipcast.features.point_in_time import HISTORY, SEASON
from slipcast.features.row import CATEGORICAL, FINISH_SEASONS, MISSING

Columns = dict[str, list[Any]]


def feature_columns(
    columns: Mapping[str, Sequence[Any]], history: Sequence[Mapping[str, float | None] | None]
) -> Columns:
    """Return the features of activities by name, in the order of `row.NUMERIC` and `row.CATEGORICAL`.

    Parameters
    ----------
    columns
        canonical columns by name, each of length n_activities, as `activity.check` gives them: text, days as
        `datetime.date`, numbers; None where unknown; ``baseline_duration_days`` and ``baseline_finish`` as
        `activity.baseline` derives them
    history
        point-in-time features of each activity, None if unknown
    """
    features: Columns = {
        "baseline_duration_days": list(columns["baseline_duration_days"]),
        "log_budget": [None if value is None else math.log1p(value) for value in columns["budget"]],
        "total_float_days": list(columns["total_float_days"]),
        "predecessor_count": list(columns["predecessor_count"]),
    }
    known = [item or {} for item in history] if any(history) else []
    for name in HISTORY:
        features[name] = [item.get(name) for item in known] or [None] * len(history)
    for name, part in FINISH_SEASONS.items():
        if None not in features[name]:
            continue
        features[name] = [
            SEASON[finish.month - 1][part] if value is None and finish is not None else value
            for value, finish in zip(features[name], columns["baseline_finish"], strict=True)
        ]
    for name in CATEGORICAL:
        features[name] = [value or MISSING for value in columns[name]]
    return features
