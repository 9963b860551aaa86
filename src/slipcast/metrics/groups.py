"""Groups of activities that are judged one by one; small groups are merged."""

import numpy as np
import pandas as pd

from slipcast.features.row import MISSING

COLUMNS = ("phase", "work_type", "location")

OTHER = "(other)"


def group_values(column: pd.Series, min_n: int) -> np.ndarray:
    """Return the group of each activity: the column's text, ``(other)`` for groups of fewer than `min_n` activities.

    Parameters
    ----------
    column
        Series of shape (n_activities,); missing values become the group ``(missing)``

    Examples
    --------
    >>> group_values(pd.Series(["Design", "Design", "Scope", None]), 2).tolist()
    ['Design', 'Design', '(other)', '(other)']
    """
    text = column.astype(object).where(column.notna() & (column != ""), MISSING).astype(str)
    counts = text.value_counts()
    values: np.ndarray = text.where(text.map(counts) >= min_n, OTHER).to_numpy(dtype=object)
    return values


def project_sizes(projects: pd.Series, known: pd.Series) -> pd.Series:
    """Return for each activity its third of the activities by project size.

    Parameters
    ----------
    projects
        project of each activity, Series of shape (n_activities,)
    known
        projects of all activities that count for the size, those of `projects` among them

    Returns
    -------
    pd.Series
        text such as ``2 to 3 activities``, index as of `projects`; equal sizes may give fewer than three groups
    """
    sizes = projects.map(known.value_counts()).fillna(0).astype("int64")
    # Limits are project sizes; the size on a limit belongs to the group below it.
    limits = np.unique(np.quantile(sizes, [1 / 3, 2 / 3], method="inverted_cdf"))
    group = np.searchsorted(limits, sizes, side="left")
    names = {}
    for number in np.unique(group):
        inside = sizes[group == number]
        low, high = int(inside.min()), int(inside.max())
        unit = "activity" if high == 1 else "activities"
        names[number] = f"{low} {unit}" if low == high else f"{low} to {high} {unit}"
    return pd.Series([names[number] for number in group], index=projects.index, dtype=object)


def project_codes(projects: pd.Series) -> np.ndarray:
    """Return a number for the project of each activity; an activity without a project gets its own number.

    Parameters
    ----------
    projects
        Series of shape (n_activities,)

    Examples
    --------
    >>> project_codes(pd.Series(["A", "B", "A", None])).tolist()
    [0, 1, 0, 5]
    """
    codes, names = pd.factorize(projects)
    return np.where(codes < 0, len(names) + np.arange(len(codes)), codes)
