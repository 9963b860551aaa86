"""Labels: which activities are known to be late, and since when.

Only matured activities have a label. Completed rows alone would say that nearly everything recent is on time, because
the late ones are still open.
"""

import pandas as pd


def label(table: pd.DataFrame, tolerance_days: int) -> pd.DataFrame:
    """Return the matured activities with their labels.

    An activity has matured when its baseline finish plus the tolerance is not after its data date. It is late if it
    finished after that day or is still open.

    Parameters
    ----------
    table : DataFrame with ``baseline_finish``, ``actual_finish`` and ``data_date`` as ``datetime64``; where it has
        ``schedule_adherence``, that is the label
    tolerance_days : calendar days after the baseline finish that still count as on time

    Returns
    -------
    the matured rows with ``is_late`` (1 late, 0 on time) and ``label_known_at``: the day from which the label could be
    known, the finish of what finished in time, else the last day in time
    """
    limit = table["baseline_finish"] + pd.Timedelta(days=tolerance_days)
    matured = table[limit <= table["data_date"]].copy()
    limit = limit.loc[matured.index]
    finish = matured["actual_finish"]
    late = finish.isna() | (finish > limit)
    if "schedule_adherence" in matured:
        late = late.where(matured["schedule_adherence"].isna(), matured["schedule_adherence"] == 0)
    matured["is_late"] = late.astype("int64")
    matured["label_known_at"] = finish.where(finish <= limit, limit)
    return matured.reset_index(drop=True)
