"""Scoreboard: every forecast that was given, held against the finishes that became known.

A level is judged once its day has passed: then it is known whether the activity had finished. To count every finish as
soon as it is known would flatter, because of the forecasts whose day is still to come only the good ones would count.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from slipcast.metrics.curves import wilson

LEVELS = {"p10": 0.1, "p50": 0.5, "p80": 0.8, "p90": 0.9}
# The planner's date has no level of its own; it is judged as the median.
PLANNED = "planned_finish"
KEYS = ("source", "project_id", "activity_id")
GROUPS = ("source", "project_id", "model_id", "horizon")
# Upper ends of the horizons in days, from the data date to the P50.
HORIZONS = {30: "up to 30 days", 90: "31 to 90 days", 180: "91 to 180 days", 365: "181 to 365 days"}
BEYOND = "over 365 days"


def judged(forecasts: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the forecasts with what is known of them.

    Parameters
    ----------
    forecasts
        one row for each forecast: `KEYS`, ``model_id``, and as ``datetime64`` ``data_date``, the columns of `LEVELS`
        and `PLANNED` (missing where the planner gave no date). A forecast that was given twice (same activity, data
        date and model) counts once, the last time
    known
        one row for each activity as last seen: `KEYS`, ``data_date`` and ``actual_finish``

    Returns
    -------
    pd.DataFrame
        forecasts of activities that `known` has, with ``horizon``; ``actual_finish`` (missing while open) and ``as_of``
        (its data date); for each level and `PLANNED`, ``<name>_held`` (1.0 finished by that day, 0.0 not, NaN while the
        day is to come) and ``<name>_loss`` (pinball loss in days up to `as_of`)

    Notes
    -----
    The loss takes every date after `as_of` as `as_of`. The quantile of the smaller of two times is the smaller of
    quantile and time, so it stays a proper score, and open activities count from the first day on.
    """
    last = forecasts.drop_duplicates([*KEYS, "data_date", "model_id"], keep="last")
    facts = known[[*KEYS, "data_date", "actual_finish"]].rename(columns={"data_date": "as_of"})
    table = last.merge(facts, on=list(KEYS), how="inner", validate="many_to_one")
    # A finish after the day on which the schedule was seen is a plan.
    table["actual_finish"] = table["actual_finish"].where(table["actual_finish"] <= table["as_of"])
    days = (table["p50"] - table["data_date"]).dt.days
    table["horizon"] = [
        next((name for end, name in HORIZONS.items() if number <= end), BEYOND) for number in days.to_numpy()
    ]
    finish = table["actual_finish"].fillna(pd.Timestamp.max.floor("D"))
    for name, level in {**LEVELS, PLANNED: 0.5}.items():
        day = table[name]
        held = (finish <= day).astype("float64")
        table[f"{name}_held"] = held.where((day <= table["as_of"]) & day.notna())
        seen = table["as_of"]
        error = (finish.where(finish <= seen, seen) - day.where(day <= seen, seen)).dt.days
        table[f"{name}_loss"] = np.maximum(level * error, (level - 1) * error).where(day.notna())
    return table


def summary(table: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Return how often the levels held, by groups.

    Parameters
    ----------
    table
        as `judged` returns it
    by
        columns of `GROUPS`; none for all forecasts together

    Returns
    -------
    pd.DataFrame
        a row for each group, sorted, with ``forecasts`` and ``finished``; for each level ``<level>_judged``,
        ``<level>_held`` (share, None without any judged) and its 95 % Wilson interval ``<level>_low``,
        ``<level>_high``; the same for the planner's dates; ``pinball`` (mean loss of all levels in days) and
        ``pinball_ratio`` (loss of P50 over that of the planner's date, on forecasts that have both; None if the
        planner's is 0)

    Raises
    ------
    ValueError
        If `by` names another column.
    """
    if unknown := set(by) - set(GROUPS):
        raise ValueError(f"the scoreboard groups by {', '.join(GROUPS)}, not by {', '.join(sorted(unknown))}")
    groups = table.groupby(list(by), sort=True) if by else [((), table)]
    rows = [dict(zip(by, key, strict=True)) | _measured(group) for key, group in groups]
    return pd.DataFrame(rows)


def _measured(group: pd.DataFrame) -> dict[str, float | int | None]:
    row: dict[str, float | int | None] = {
        "forecasts": len(group),
        "finished": int(group["actual_finish"].notna().sum()),
    }
    for name in (*LEVELS, PLANNED):
        held = group[f"{name}_held"].dropna()
        row[f"{name}_judged"] = len(held)
        row[f"{name}_held"] = float(held.mean()) if len(held) else None
        low, high = wilson(int(held.sum()), len(held)) if len(held) else (None, None)
        row |= {f"{name}_low": low, f"{name}_high": high}
    row["pinball"] = float(np.mean([group[f"{name}_loss"].mean() for name in LEVELS]))
    both = group[group[f"{PLANNED}_loss"].notna()]
    planned = float(both[f"{PLANNED}_loss"].sum())
    row["pinball_ratio"] = float(both["p50_loss"].sum()) / planned if planned else None
    return row
