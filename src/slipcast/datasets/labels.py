"""Labels: activities that are known to be late or on time, and the day on which they matured.

Only matured activities have a label. Completed rows alone would make recent activities look on time, because the late
ones are still open.

An activity matures on its last day in time, whatever its outcome. The day on which the outcome became known is no
substitute: timely activities are known at their finish and late ones only on their last day in time, so what was known
before any day holds too many timely ones. Whoever asks what was known on a day (split, folds, history, monitor, replay)
compares ``matured_at`` with it.
"""

from collections.abc import Collection
from typing import NamedTuple

import duckdb
import pandas as pd


class Rule(NamedTuple):
    """Rule for late activities in SQL, over the columns of a dataset.

    Attributes
    ----------
    limit
        the last day in time
    matured
        whether the outcome is known by the data date
    late
        whether the activity is late, if it has matured
    """

    limit: str
    matured: str
    late: str


def rule(tolerance_days: int, columns: Collection[str]) -> Rule:
    """Return the rule for late activities; a label given by the file (``schedule_adherence``) takes precedence.

    Parameters
    ----------
    tolerance_days
        calendar days after the baseline finish that still count as on time
    columns
        names of the columns that the table has
    """
    limit = f"(baseline_finish + INTERVAL {int(tolerance_days)} DAY)"
    late = f"(actual_finish IS NULL OR actual_finish > {limit})"
    if "schedule_adherence" in columns:
        late = f"(CASE WHEN schedule_adherence IS NOT NULL THEN schedule_adherence = 0 ELSE {late} END)"
    return Rule(limit, f"({limit} <= data_date)", late)


def label(table: pd.DataFrame, tolerance_days: int) -> pd.DataFrame:
    """Return the matured activities with their labels.

    An activity has matured when its baseline finish plus the tolerance is not after its data date. It is late if it
    finished after that day or is still open.

    Parameters
    ----------
    table
        DataFrame with ``baseline_finish``, ``actual_finish`` and ``data_date`` as ``datetime64``; where it has
        ``schedule_adherence``, that is the label
    tolerance_days
        calendar days after the baseline finish that still count as on time

    Returns
    -------
    pd.DataFrame
        the matured rows with ``is_late`` (1 late, 0 on time) and ``matured_at``, the last day in time
    """
    names = ("baseline_finish", "actual_finish", "data_date", "schedule_adherence")
    given = table[[name for name in names if name in table]]
    found = rule(tolerance_days, given.columns)
    with duckdb.connect() as database:
        database.register("given", given)
        outcome = database.execute(
            f"SELECT coalesce({found.matured}, false) AS matured, ({found.late})::BIGINT AS late, "
            f"{found.limit}::TIMESTAMP AS matured_at FROM given"
        ).df()
    matured = table[outcome["matured"].to_numpy()].copy()
    kept = outcome[outcome["matured"]]
    matured["is_late"] = kept["late"].to_numpy(dtype="int64")
    matured["matured_at"] = kept["matured_at"].to_numpy().astype(table["baseline_finish"].dtype)
    return matured.reset_index(drop=True)


def pending(table: pd.DataFrame, tolerance_days: int) -> pd.DataFrame:
    """Return the activities that have started and not matured by their data date: those without a label.

    Parameters
    ----------
    table
        as for `label`, with ``start``
    tolerance_days
        calendar days after the baseline finish that still count as on time
    """
    limit = table["baseline_finish"] + pd.Timedelta(days=tolerance_days)
    rows = table[(table["start"] <= table["data_date"]) & (limit > table["data_date"])]
    return rows.reset_index(drop=True)
