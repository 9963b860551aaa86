"""Landmark table: every open activity at every data date, with what was known then and what came of it.

A landmark (van Houwelingen 2007, "Dynamic prediction by landmarking in event history analysis") is a day on which a
forecast could have been given. A row of the table is an activity that was open at the end of that day. Its features
take nothing that was known later; its outcome is the remaining time, censored where the activity was still open at
the cut.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from slipcast.features.point_in_time import CURRENT, HISTORY, NOW
from slipcast.features.point_in_time_table import history_table
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.forecast.stage import Stage

# Calendar days, but for `elapsed_share`. `to_finish` is negative once the baseline finish has passed.
STATE = ("elapsed", "to_finish", "elapsed_share", "to_start")

# Landmarks before this many years are of another time than the forecasts.
YEARS = 40

AT_START = tuple(NUMERIC)
FEATURE_NAMES = (*AT_START, *NOW, *STATE)


def quarters(table: pd.DataFrame, last: pd.Timestamp) -> list[pd.Timestamp]:
    """Return the ends of the quarters before `last` from the first start in a merged table on, at most `YEARS`."""
    begin = max(table["start"].min(), last - pd.DateOffset(years=YEARS))
    return list(pd.date_range(begin, last - pd.Timedelta(days=1), freq="QE")) if begin < last else []


def open_activities(table: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return the activities of a merged table that were open and known at the end of `day`, as one saw them then.

    An activity is known from its start on, or from the data date of the file that its baseline is of.

    Parameters
    ----------
    table
        DataFrame of shape (n_activities, n_columns) with canonical columns, dates as ``datetime64``

    Returns
    -------
    pd.DataFrame
        the open activities, index as in `table`; ``start`` is missing for those that had not started, whose planned
        start of a later file was not known
    """
    rows = table[_open(table, day)].copy()
    rows["start"] = rows["start"].where(_started(rows, day))
    rows["actual_finish"] = pd.NaT
    rows["data_date"] = day
    return rows


def landmark_table(
    table: pd.DataFrame,
    days: Sequence[pd.Timestamp],
    tolerance_days: int,
    cut: pd.Timestamp | None = None,
    *,
    max_rows: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return the landmark table of a merged table: one row for each of `days` and activity open at its end.

    Parameters
    ----------
    table
        as for `open_activities`, each activity once
    days
        landmarks
    tolerance_days
        calendar days after the baseline finish that still count as on time
    cut
        last day of which anything is known, by default the last data date of `table`. Of an activity nothing is known
        after its own data date either: a file that came later may be of other projects.
    max_rows
        with more rows than this, whole activities are drawn at random
    seed
        of the draw

    Returns
    -------
    pd.DataFrame
        DataFrame with ``row`` (position in `table`), ``activity_id`` (if `table` has it), ``landmark``,
        ``project_id``, ``stage``, the features (`FEATURE_NAMES`, `CATEGORICAL`), and the outcome: ``remaining``
        (calendar days from the landmark to the finish, at least 1; NaN where the activity was open when it was last
        seen), ``follow_up`` (days from the landmark to the day on which it was last seen) and ``limit`` (days from the
        landmark to the last day in time)

    Raises
    ------
    ValueError
        If a landmark lies after the cut.
    """
    last = table["data_date"].max() if cut is None else cut
    if any(day > last for day in days):
        raise ValueError(f"a landmark lies after {last.date()}, the last day of which anything is known")
    numbered = table.reset_index(drop=True)
    kept = numbered[_drawn(numbered, days, max_rows, seed)]
    rows = pd.concat([open_activities(kept[kept["data_date"] >= day], day) for day in (days or [last])])
    seen = numbered["data_date"].clip(upper=last).loc[rows.index].to_numpy()
    finish = numbered["actual_finish"].loc[rows.index].to_numpy()
    out = landmark_features(numbered, rows.reset_index(drop=True), tolerance_days)
    if "activity_id" in table:
        out.insert(0, "activity_id", rows["activity_id"].to_numpy())
    out.insert(0, "row", rows.index.to_numpy())
    remaining, out["follow_up"] = (
        (day - out["landmark"]).dt.days.astype("float64") for day in (pd.Series(finish), pd.Series(seen))
    )
    out["remaining"] = remaining.where(remaining <= out["follow_up"])
    return out if days else out.iloc[:0]


def known_at(landmarks: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return the landmarks before `day` with what was known of their outcome at its end."""
    rows = landmarks[landmarks["landmark"] < day].copy()
    rows["follow_up"] = np.minimum(rows["follow_up"], (day - rows["landmark"]).dt.days)
    rows["remaining"] = rows["remaining"].where(rows["remaining"] <= rows["follow_up"])
    return rows


def landmark_features(table: pd.DataFrame, rows: pd.DataFrame, tolerance_days: int) -> pd.DataFrame:
    """Return what is known of open activities at the end of their data date: the same for training and for forecasts.

    Parameters
    ----------
    table
        all activities, as for `history_table`; of each row's features, no fact after its data date is part
    rows
        open activities as of their ``data_date``, one row for each activity and data date

    Returns
    -------
    pd.DataFrame
        DataFrame of shape (n_rows, n_columns), index as `rows`: ``landmark``, ``project_id``, ``stage``, ``limit``,
        `FEATURE_NAMES` as float64 and `CATEGORICAL` as text
    """
    day = rows["data_date"]
    tomorrow = day + pd.Timedelta(days=1)
    begin = rows["start"].where(rows["start"] <= day)
    start_history = history_table(table, rows.assign(start=begin.fillna(tomorrow)), tolerance_days, HISTORY)
    current = history_table(table, rows.assign(start=tomorrow), tolerance_days, CURRENT)
    # The duration comes from the baseline or the actual start: a planned start after the data date is no fact.
    features = feature_table(pd.concat([rows.assign(start=begin), start_history], axis=1))
    to_finish = (rows["baseline_finish"] - day).dt.days.astype("float64")
    elapsed = (day - begin).dt.days.astype("float64")
    planned = rows["baseline_start"] if "baseline_start" in rows else pd.Series(pd.NaT, index=rows.index)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "landmark": day,
                    "project_id": rows["project_id"],
                    "stage": stages(begin.notna().to_numpy(), to_finish.to_numpy(), tolerance_days),
                    "limit": to_finish + tolerance_days,
                }
            ),
            features[[*AT_START, *CATEGORICAL]],
            current.rename(columns=dict(zip(CURRENT, NOW, strict=True))),
            pd.DataFrame(
                {
                    "elapsed": elapsed,
                    "to_finish": to_finish,
                    "elapsed_share": elapsed / features["baseline_duration_days"].clip(lower=1),
                    "to_start": (planned - day).dt.days.astype("float64").where(begin.isna()),
                }
            ),
        ],
        axis=1,
    )


def stages(started: np.ndarray, to_finish: np.ndarray, tolerance_days: int) -> np.ndarray:
    """Return the stages of open activities, as `stage.state` gives them for one.

    Parameters
    ----------
    started
        whether each activity had started, shape (n_rows,)
    to_finish
        calendar days from the data date to the baseline finish, same shape
    """
    conditions = [to_finish + tolerance_days <= 0, to_finish <= 0, started]
    names = [Stage.ALREADY_LATE.value, Stage.OVERDUE.value, Stage.IN_PROGRESS.value]
    values: np.ndarray = np.select(conditions, names, default=Stage.NOT_STARTED.value).astype(object)
    return values


def _started(table: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    started: pd.Series = table["start"] <= day
    return started & (table["status"] != "not_started") if "status" in table else started


def _open(table: pd.DataFrame, day: pd.Timestamp) -> pd.Series:
    """Return which activities were known, open and have a baseline finish at the end of `day`."""
    known = _started(table, day)
    if "baseline_data_date" in table:
        known |= table["baseline_data_date"] <= day
    return known & ~(table["actual_finish"] <= day) & table["baseline_finish"].notna()


def _drawn(table: pd.DataFrame, days: Sequence[pd.Timestamp], max_rows: int | None, seed: int) -> np.ndarray:
    """Return which activities are kept so that the landmark table has at most `max_rows` rows."""
    everything = np.ones(len(table), dtype=bool)
    if max_rows is None:
        return everything
    counts = sum((_open(table, day) & (table["data_date"] >= day)).to_numpy(dtype="int64") for day in days)
    if np.sum(counts) <= max_rows:
        return everything
    order = np.random.default_rng(seed).permutation(len(table))
    kept: np.ndarray = np.zeros(len(table), dtype=bool)
    kept[order[np.cumsum(counts[order]) <= max_rows]] = True
    return kept
