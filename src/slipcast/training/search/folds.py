"""Folds of cross-validation: expanding windows of time without the test projects, or shuffled ones.

`TimeProjectSplit` and `ShuffledSplit` are splitters as scikit-learn defines them: pass one as ``cv`` to `GridSearchCV`
or `cross_val_score`. They import numpy and pandas alone, because the function that plans a search has no scikit-learn.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

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


class Splitter(ABC):
    """Splitter of scikit-learn whose folds know more than their rows."""

    @abstractmethod
    def folds(self, y: ArrayLike, groups: Sequence[Any] | None = None) -> list[Fold]:
        """Return the folds.

        Parameters
        ----------
        y
            outcomes of shape (n_activities,)
        groups
            project of each activity; None or NaN for an activity without one

        Raises
        ------
        FoldError
            If the rows leave no folds with both outcomes on both sides.
        """

    def split(
        self, X: object, y: ArrayLike, groups: Sequence[Any] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the row numbers of training and test of each fold; `X` is not looked at."""
        for fold in self.folds(y, groups):
            yield fold.train, fold.test

    def get_n_splits(self, X: object = None, y: ArrayLike | None = None, groups: Sequence[Any] | None = None) -> int:
        """Return the number of folds, which depends on the outcomes.

        Raises
        ------
        ValueError
            If `y` is not given.
        """
        if y is None:
            raise ValueError("y is needed: folds with outcomes of one class are left out")
        return len(self.folds(y, groups))


@dataclass(frozen=True, eq=False)
class TimeProjectSplit(Splitter):
    """Expanding windows over the start dates.

    A fold is trained on what had matured before its first test day, so no later information is used, and on
    no activity of a project that it tests, so that no project is recognised (the purging of Lopez de Prado 2018,
    chapter 7, with projects in the place of overlapping labels). Folds whose training or test rows are all of one class
    are left out.

    Attributes
    ----------
    start, matured_at
        start and last day in time of each activity, each of shape (n_activities,)
    n_splits
        number of test windows

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]")
    >>> splitter = TimeProjectSplit(days, days + 5, n_splits=2)
    >>> [(len(train), len(test)) for train, test in splitter.split(days, np.arange(100) % 2)]
    [(35, 30), (65, 30)]
    """

    start: ArrayLike
    matured_at: ArrayLike
    n_splits: int = 5

    def folds(self, y: ArrayLike, groups: Sequence[Any] | None = None) -> list[Fold]:
        start, matured, late = np.asarray(self.start), np.asarray(self.matured_at), np.asarray(y)
        # An activity without a project forms its own group.
        project = np.full(len(late), -1) if groups is None else pd.factorize(np.asarray(groups, dtype=object))[0]
        ordered = np.sort(start)
        shares = FIRST_SHARE + (1 - FIRST_SHARE) * np.arange(self.n_splits) / self.n_splits
        edges = [*ordered[(len(ordered) * shares).astype(int)], ordered[-1] + np.timedelta64(1, "D")]
        cut = []
        for begin, end in pairwise(edges):
            test = np.flatnonzero((start >= begin) & (start < end))
            before = np.flatnonzero((matured < begin) & (start < begin))
            tested = np.unique(project[test])
            train = before[~np.isin(project[before], tested[tested >= 0])]
            if all(len(np.unique(late[part])) == 2 for part in (train, test)):
                cut.append(Fold(train, test, _day(begin), _day(end), len(before) - len(train)))
        if not cut:
            raise FoldError(
                f"{len(late)} activities leave no fold with late and timely ones on both sides: "
                "cross-validation in the order of time needs a longer history"
            )
        return cut


@dataclass(frozen=True)
class ShuffledSplit(Splitter):
    """Shuffled folds that test every row once, like ``sklearn.model_selection.KFold(shuffle=True)``."""

    n_splits: int
    seed: int

    def folds(self, y: ArrayLike, groups: Sequence[Any] | None = None) -> list[Fold]:
        late = np.asarray(y)
        if len(late) < self.n_splits:
            raise FoldError(f"{len(late)} activities are too few for {self.n_splits} folds")
        parts = np.array_split(np.random.default_rng(self.seed).permutation(len(late)), self.n_splits)
        cut = []
        for part in parts:
            test = np.sort(part)
            train = np.setdiff1d(np.arange(len(late)), test)
            if any(len(np.unique(late[rows])) < 2 for rows in (train, test)):
                raise FoldError(
                    f"{len(late)} activities leave a fold of one class only: {self.n_splits} folds need more of the "
                    "rarer outcome"
                )
            cut.append(Fold(train, test))
        return cut


def time_folds(labelled: pd.DataFrame, folds: int = 5, *, by_project: bool = True) -> list[Fold]:
    """Return the folds of `TimeProjectSplit` for a labelled table.

    Parameters
    ----------
    labelled
        DataFrame with ``start``, ``matured_at`` and ``is_late``, perhaps ``project_id``
    folds
        number of test windows
    by_project
        False leaves the activities of tested projects in the training rows

    Raises
    ------
    FoldError
        If no fold has late and timely activities on both sides.
    """
    splitter = TimeProjectSplit(labelled["start"].to_numpy(), labelled["matured_at"].to_numpy(), folds)
    projects = labelled["project_id"] if by_project and "project_id" in labelled else None
    return splitter.folds(labelled["is_late"].to_numpy(), projects)


def _day(value: np.datetime64) -> str:
    return str(value.astype("datetime64[D]"))
