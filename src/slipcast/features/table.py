"""Features of a table of activities: `row.feature_row` for many activities at once."""

from typing import Any

import numpy as np
import pandas as pd

from slipcast.features.point_in_time import HISTORY, SEASON
from slipcast.features.row import CATEGORICAL, FINISH_SEASONS, MISSING, NUMERIC

LAST_DAY = np.datetime64("9999-12-31")


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
    # Both days included, as `row.calendar_days` counts; a start after the baseline finish is none of the baseline.
    finish = _dates(table, "baseline_finish")
    season = _season(finish, begin, days)
    counted = (finish - begin).dt.days.astype("float64") + 1
    days = days.fillna(counted.where(counted >= 1))
    budget = _numbers(table, "budget")
    out = pd.DataFrame(
        {
            "baseline_duration_days": days,
            "log_budget": np.log1p(budget.where(budget >= 0)),
            "total_float_days": _numbers(table, "total_float_days"),
            "predecessor_count": _numbers(table, "predecessor_count"),
            **{name: _numbers(table, name) for name in HISTORY},
            **{name: _numbers(table, name).fillna(season[part]) for name, part in FINISH_SEASONS.items()},
        },
        index=table.index,
    )
    for name in CATEGORICAL:
        text = table[name] if name in table else pd.Series(None, index=table.index, dtype=object)
        out[name] = category(text)
    return out[[*NUMERIC, *CATEGORICAL]]


def category(text: pd.Series) -> pd.Series:
    """Return a categorical feature as text, ``(missing)`` where it is unknown."""
    return text.astype(object).where(text.notna() & (text != ""), MISSING).astype(str).astype(object)


def with_categories(features: Any) -> Any:
    """Return a table of features whose categories are text; anything else than a DataFrame as it is.

    Callers of a model in a registry bring what pandas reads from a file: a column without any value is of floats.
    """
    if not isinstance(features, pd.DataFrame):
        return features
    return features.assign(**{name: category(features[name]) for name in CATEGORICAL if name in features})


def _season(finish: pd.Series, begin: pd.Series, days: pd.Series) -> dict[int, pd.Series]:
    """Return the two parts of the season of the finish, which is derived as by `activity.last_day` where absent."""
    first, further = begin.to_numpy(dtype="datetime64[D]"), np.ceil(days.to_numpy()) - 1
    within = (further >= 0) & (further <= (LAST_DAY - first).astype("float64"))
    derived = first + np.where(within, further, 0).astype("timedelta64[D]")
    known = finish.to_numpy(dtype="datetime64[D]")
    last = np.where(np.isnat(known), np.where(within, derived, np.datetime64("NaT")), known)
    month = pd.Series(last.astype("datetime64[M]").astype("int64") % 12, index=finish.index).where(~np.isnat(last))
    return {part: month.map({number: values[part] for number, values in enumerate(SEASON)}) for part in (0, 1)}


def _dates(table: pd.DataFrame, name: str) -> pd.Series:
    values = table[name] if name in table else pd.Series(pd.NaT, index=table.index)
    return pd.to_datetime(values)


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series(np.nan, index=table.index, dtype="float64")
    return table[name].astype("float64").replace([np.inf, -np.inf], np.nan)
