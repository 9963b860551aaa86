"""Groups of activities that are looked at one by one; small ones are put together."""

import numpy as np
import pandas as pd

from slipcast.features.row import MISSING

COLUMNS = ("phase", "work_type", "location")

OTHER = "(other)"


def group_values(column: pd.Series, min_n: int) -> np.ndarray:
    """Return the group of each activity: the column's text, ``(other)`` for groups of fewer than `min_n` activities.

    Parameters
    ----------
    column : Series of shape (n_activities,); what is missing becomes the group ``(missing)``
    """
    text = column.astype(object).where(column.notna() & (column != ""), MISSING).astype(str)
    counts = text.value_counts()
    return text.where(text.map(counts) >= min_n, OTHER).to_numpy(dtype=object)


def project_sizes(projects: pd.Series, known: pd.Series) -> pd.Series:
    """Return the third of the activities that each one is in by the size of its project.

    Parameters
    ----------
    projects : project of each activity, Series of shape (n_activities,)
    known : projects of all activities that count for the size, those of `projects` among them

    Returns
    -------
    text such as ``2 to 3 activities``, index as of `projects`; sizes that repeat make fewer than three groups
    """
    sizes = projects.map(known.value_counts()).fillna(0).astype("int64")
    # Whole sizes: a limit lies on a size, and that size belongs to the group below it.
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
    """Return a number for the project of each activity; one without a project is alone.

    Parameters
    ----------
    projects : Series of shape (n_activities,)
    """
    codes, names = pd.factorize(projects)
    return np.where(codes < 0, len(names) + np.arange(len(codes)), codes)
