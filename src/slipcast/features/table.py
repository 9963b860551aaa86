"""Features of a table of activities: `row.feature_row` for many activities at once."""

import numpy as np
import pandas as pd

from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL, MISSING, NUMERIC


def feature_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the features of canonical activities.

    Parameters
    ----------
    table
        DataFrame of shape (n_activities, n_columns) with canonical columns, dates as ``datetime64``, and with those of
        `point_in_time_table.history_table` if known

    Returns
    -------
    pd.DataFrame
        DataFrame of shape (n_activities, n_features): `NUMERIC` as float64 with NaN where unknown, then `CATEGORICAL`
        as text, ``(missing)`` where unknown
    """
    begin = _dates(table, "baseline_start").fillna(_dates(table, "start"))
    days = _numbers(table, "baseline_duration_days")
    # Both days included, as `features.calendar_days` counts.
    days = days.fillna((_dates(table, "baseline_finish") - begin).dt.days.astype("float64") + 1)
    budget = _numbers(table, "budget")
    out = pd.DataFrame(
        {
            "baseline_duration_days": days,
            "log_budget": np.log1p(budget.where(budget >= 0)),
            "total_float_days": _numbers(table, "total_float_days"),
            "predecessor_count": _numbers(table, "predecessor_count"),
            **{name: _numbers(table, name) for name in HISTORY},
        },
        index=table.index,
    )
    for name in CATEGORICAL:
        text = table[name] if name in table else pd.Series(None, index=table.index, dtype=object)
        out[name] = text.astype(object).where(text.notna() & (text != ""), MISSING).astype(str).astype(object)
    return out[[*NUMERIC, *CATEGORICAL]]


def _dates(table: pd.DataFrame, name: str) -> pd.Series:
    values = table[name] if name in table else pd.Series(pd.NaT, index=table.index)
    return pd.to_datetime(values)


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series(np.nan, index=table.index, dtype="float64")
    return table[name].astype("float64").replace([np.inf, -np.inf], np.nan)
