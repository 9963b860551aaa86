"""Grid search of one family, cross-validated in the order of time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from slipcast.candidates import Candidate
from slipcast.pipeline import build_pipeline

# The first folds of an expanding window would train on next to nothing.
FIRST_SHARE = 0.4


@dataclass(frozen=True)
class SearchResult:
    """What the search of one family found.

    Attributes
    ----------
    family : name of the candidate
    best_params : the parameters with the lowest mean Brier score
    cv : for each parameter point ``params``, ``mean_brier``, ``std_brier``, ``mean_auc``, ``folds``
    model : pipeline with the best parameters, fitted on all training rows
    seconds : wall time of search and fit
    """

    family: str
    best_params: dict[str, Any]
    cv: list[dict[str, Any]]
    model: Pipeline
    seconds: float


def time_folds(labelled: pd.DataFrame, folds: int = 5) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield training and test positions of expanding windows over the start dates.

    A fold is trained on the labels that were known before its first test day, so nothing from after that day is used.
    Folds whose training or test rows are all of one class are left out.

    Parameters
    ----------
    labelled : DataFrame with ``start``, ``label_known_at`` and ``is_late``
    folds : number of test windows
    """
    start, known = labelled["start"].to_numpy(), labelled["label_known_at"].to_numpy()
    late = labelled["is_late"].to_numpy()
    ordered = np.sort(start)
    shares = FIRST_SHARE + (1 - FIRST_SHARE) * np.arange(folds) / folds
    edges = [*ordered[(len(ordered) * shares).astype(int)], ordered[-1] + np.timedelta64(1, "D")]
    for begin, end in pairwise(edges):
        train = np.flatnonzero((known < begin) & (start < begin))
        test = np.flatnonzero((start >= begin) & (start < end))
        if all(len(np.unique(late[part])) == 2 for part in (train, test)):
            yield train, test


def search(
    candidate: Candidate, features: pd.DataFrame, labelled: pd.DataFrame, *, folds: int = 5, seed: int = 0
) -> SearchResult:
    """Search the candidate's grid and fit the best point on all rows.

    Parameters
    ----------
    features : DataFrame of shape (n_activities, n_features), rows as in `labelled`
    labelled : DataFrame with ``start``, ``label_known_at`` and ``is_late``

    Raises
    ------
    ValueError
        If no fold has late and timely activities on both sides.
    """
    began = time.perf_counter()
    y = labelled["is_late"].to_numpy()
    windows = list(time_folds(labelled, folds))
    if not windows:
        raise ValueError(
            f"{len(labelled)} activities leave no fold with late and timely ones on both sides: "
            "cross-validation in the order of time needs a longer history"
        )
    cv = []
    for params in ParameterGrid(candidate.grid):
        scores = [_score(candidate, params, features, y, train, test, seed) for train, test in windows]
        brier = [item[0] for item in scores]
        cv.append(
            {
                "params": params,
                "mean_brier": float(np.mean(brier)),
                "std_brier": float(np.std(brier)),
                "mean_auc": float(np.mean([item[1] for item in scores])),
                "folds": len(windows),
            }
        )
    best = min(cv, key=lambda item: item["mean_brier"])["params"]
    model = build_pipeline(candidate, seed, **best).fit(features, y)
    return SearchResult(candidate.name, best, cv, model, time.perf_counter() - began)


def _score(
    candidate: Candidate,
    params: dict[str, Any],
    features: pd.DataFrame,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
) -> tuple[float, float]:
    model = build_pipeline(candidate, seed, **params).fit(features.iloc[train], y[train])
    p = model.predict_proba(features.iloc[test])[:, 1]
    return brier_score_loss(y[test], p), roc_auc_score(y[test], p)
