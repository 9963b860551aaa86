"""Protocols: rules for splitting, cross-validating and scoring the rows.

``time`` decides on a release. ``paper`` repeats the protocol of the literature: a shuffled 80/20 split, five shuffled
folds, accuracy. Its results are too good if activities of one project or one year are on both sides.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from slipcast.contracts import FoldSummary
from slipcast.datasets.splits import random_split
from slipcast.features.table import feature_table
from slipcast.schema import COLUMNS
from slipcast.training.search.data import SearchData
from slipcast.training.search.folds import FoldError, ShuffledSplit, time_folds

FOLDS = 5
PAPER_TEST_SHARE = 0.2
# Columns that ingestion adds to those of the file.
ADDED = (
    *("source", "source_sha256", "activity_guid", "baseline_source", "baseline_data_date"),
    *("is_late", "matured_at"),
)


@dataclass(frozen=True)
class Protocol:
    """Protocol applied to rows.

    Attributes
    ----------
    train, holdout
        labelled tables
    data
        their features, outcomes and folds
    folds
        size and days of each fold, JSON-able
    select_by
        measure that selects the best candidate, ``brier`` or ``accuracy``
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    data: SearchData
    folds: list[FoldSummary]
    select_by: str


def time_protocol(train: pd.DataFrame, holdout: pd.DataFrame) -> Protocol:
    """Return the protocol in the order of time, for the two parts that `splits.split` returns.

    Raises
    ------
    slipcast.training.search.folds.FoldError
        If the training rows leave no fold.
    """
    folds = time_folds(train, FOLDS)
    features = feature_table(pd.concat([train, holdout], ignore_index=True))
    data = SearchData(features, _late(train, holdout), len(train), folds)
    return Protocol(train, holdout, data, [fold.summary() for fold in folds], "brier")


def paper_protocol(labelled: pd.DataFrame, seed: int, *, dated: bool = True) -> Protocol:
    """Return the protocol of the literature.

    Parameters
    ----------
    labelled
        DataFrame with ``is_late``
    dated
        False for a file without dates, whose features are its own columns

    Raises
    ------
    slipcast.training.search.folds.FoldError
        If the rows are too few or of one class.
    """
    train, holdout = random_split(labelled, PAPER_TEST_SHARE, seed)
    if not len(train) or holdout["is_late"].nunique() < 2:
        raise FoldError(f"{len(labelled)} activities leave no test part with both outcomes: more rows are needed")
    folds = ShuffledSplit(FOLDS, seed).folds(train["is_late"].to_numpy())
    both = pd.concat([train, holdout], ignore_index=True)
    features = feature_table(both) if dated else own_features(both)
    data = SearchData(features, _late(train, holdout), len(train), folds)
    return Protocol(train, holdout, data, [fold.summary() for fold in folds], "accuracy")


def undated_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an undated dataset whose label is given, with ``is_late``."""
    labelled = table[table["schedule_adherence"].notna()].reset_index(drop=True)
    return labelled.assign(is_late=(labelled["schedule_adherence"] == 0).astype("int64"))


def own_features(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of an undated file as features: those that are not in the canonical schedule.

    Raises
    ------
    FoldError
        If there is none.
    """
    known = {column.name for column in COLUMNS} | set(ADDED)
    names = [name for name in table if name not in known]
    if not names:
        raise FoldError("the file has no column that could predict: its profile must name features")
    return pd.DataFrame(
        {
            name: table[name].astype("float64") if table[name].dtype.kind in "fiub" else table[name].astype(str)
            for name in names
        }
    ).astype({name: object for name in names if table[name].dtype.kind not in "fiub"})


def _late(train: pd.DataFrame, holdout: pd.DataFrame) -> np.ndarray:
    return np.concatenate([train["is_late"].to_numpy(), holdout["is_late"].to_numpy()])
