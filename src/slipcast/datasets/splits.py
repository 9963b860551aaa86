"""Splits by time: training on what had matured, holdout of activities that started later."""

from datetime import date

import numpy as np
import pandas as pd


def holdout_cut(data_date: date, months: int = 18) -> date:
    """Return the first day of the holdout: the first of the month after `data_date` less `months` months.

    The holdout is fixed by the data date alone, so challenger and champion are judged on the same activities.

    Examples
    --------
    >>> holdout_cut(date(2026, 3, 31), 18)
    datetime.date(2024, 10, 1)
    """
    index = data_date.year * 12 + data_date.month - 1 - months + 1
    return date(index // 12, index % 12 + 1, 1)


def split(labelled: pd.DataFrame, cut: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training and holdout rows.

    Training rows are those that had matured before `cut`, in time or not; holdout rows those that start on or after it.
    Rows that started before and had not matured yet are in neither.
    """
    day = pd.Timestamp(cut)
    train = labelled[(labelled["matured_at"] < day) & (labelled["start"] < day)]
    holdout = labelled[labelled["start"] >= day]
    return train.reset_index(drop=True), holdout.reset_index(drop=True)


def between(labelled: pd.DataFrame, cut: date) -> pd.DataFrame:
    """Return what `split` leaves out: rows that started before `cut` and matured on it or later.

    Next to the holdout they are what a model learns from once it has been judged.
    """
    day = pd.Timestamp(cut)
    rows = labelled[(labelled["start"] < day) & (labelled["matured_at"] >= day)]
    return rows.reset_index(drop=True)


def random_split(labelled: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a shuffled split with `share` of the rows in the second part: too optimistic, for comparison only."""
    order = np.random.default_rng(seed).permutation(len(labelled))
    held = round(len(labelled) * share)
    parts = (np.sort(order[held:]), np.sort(order[:held]))
    return tuple(labelled.iloc[part].reset_index(drop=True) for part in parts)
