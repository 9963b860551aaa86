"""Folds of cross-validation: expanding windows of time without the test projects, or shuffled ones."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from slipcast.contracts import FoldSummary

# The first folds of an expanding window would have almost no training rows.
FIRST_SHARE = 0.4


class FoldError(ValueError):
    """The rows cannot be cross-validated; the message says what is missing."""


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes
    ----------
    train, test
        row numbers, ascending
    begin, end
        first test day and the day after the last, ISO 8601; None for shuffled folds
    purged
        rows allowed by time, but excluded because their project is tested here
    """

    train: np.ndarray
    test: np.ndarray
    begin: str | None = None
    end: str | None = None
    purged: int = 0

    def summary(self) -> FoldSummary:
        """Return the sizes and the days as JSON-able fields."""
        return {
            "train": len(self.train),
            "test": len(self.test),
            "purged": self.purged,
            "begin": self.begin,
            "end": self.end,
        }


def time_folds(labelled: pd.DataFrame, folds: int = 5, *, by_project: bool = True) -> list[Fold]:
    """Return expanding windows over the start dates.

    A fold is trained on the labels that were known before its first test day, so no later information is used, and on
    no activity of a project that it tests, so that no project is recognised (the purging of Lopez de Prado 2018,
    chapter 7, with projects in the place of overlapping labels). Folds whose training or test rows are all of one class
    are left out.

    Parameters
    ----------
    labelled
        DataFrame with ``start``, ``label_known_at`` and ``is_late``, perhaps ``project_id``
    folds
        number of test windows
    by_project
        False leaves the activities of tested projects in the training rows

    Raises
    ------
    FoldError
        If no fold has late and timely activities on both sides.
    """
    start, known = labelled["start"].to_numpy(), labelled["label_known_at"].to_numpy()
    late = labelled["is_late"].to_numpy()
    project = _projects(labelled) if by_project else np.full(len(labelled), -1)
    ordered = np.sort(start)
    shares = FIRST_SHARE + (1 - FIRST_SHARE) * np.arange(folds) / folds
    edges = [*ordered[(len(ordered) * shares).astype(int)], ordered[-1] + np.timedelta64(1, "D")]
    cut = []
    for begin, end in pairwise(edges):
        test = np.flatnonzero((start >= begin) & (start < end))
        before = np.flatnonzero((known < begin) & (start < begin))
        tested = np.unique(project[test])
        train = before[~np.isin(project[before], tested[tested >= 0])]
        if all(len(np.unique(late[part])) == 2 for part in (train, test)):
            cut.append(Fold(train, test, _day(begin), _day(end), len(before) - len(train)))
    if not cut:
        raise FoldError(
            f"{len(labelled)} activities leave no fold with late and timely ones on both sides: "
            "cross-validation in the order of time needs a longer history"
        )
    return cut


def shuffled_folds(late: np.ndarray, folds: int, seed: int) -> list[Fold]:
    """Return shuffled folds, like ``sklearn.model_selection.KFold(folds, shuffle=True)``.

    Parameters
    ----------
    late
        outcomes of shape (n_activities,)

    Raises
    ------
    FoldError
        If a fold has outcomes of one class only.
    """
    if len(late) < folds:
        raise FoldError(f"{len(late)} activities are too few for {folds} folds")
    parts = np.array_split(np.random.default_rng(seed).permutation(len(late)), folds)
    cut = []
    for part in parts:
        test = np.sort(part)
        train = np.setdiff1d(np.arange(len(late)), test)
        if any(len(np.unique(late[rows])) < 2 for rows in (train, test)):
            raise FoldError(
                f"{len(late)} activities leave a fold of one class only: {folds} folds need more of the rarer outcome"
            )
        cut.append(Fold(train, test))
    return cut


def _projects(labelled: pd.DataFrame) -> np.ndarray:
    if "project_id" not in labelled:
        return np.full(len(labelled), -1)
    # An activity without a project forms its own group.
    values: np.ndarray = pd.factorize(labelled["project_id"])[0]
    return values


def _day(value: np.datetime64) -> str:
    return str(value.astype("datetime64[D]"))
