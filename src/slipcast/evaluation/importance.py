"""Permutation importance and partial dependence of the challenger's features."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin
from sklearn.inspection import partial_dependence, permutation_importance

# More rows take seconds and hardly change the result.
MAX_ROWS = 2000
MAX_ROWS_DEPENDENCE = 500
POINTS = 10
MAX_CATEGORIES = 12


def permutation(
    model: ClassifierMixin,
    features: pd.DataFrame,
    y: np.ndarray,
    names: list[str],
    *,
    seed: int,
    repeats: int = 5,
) -> list[dict[str, Any]]:
    """Return the loss of AUC when one feature is shuffled (Breiman 2001), by scikit-learn.

    Redundant features share their importance: when one is shuffled, the model still has the other.

    Parameters
    ----------
    features
        holdout, DataFrame of shape (n_activities, n_features); of more than 2,000 rows a random 2,000 are used
    y
        outcomes, 1 late
    names
        the features to shuffle; others stay as they are
    repeats
        shuffles of each feature

    Returns
    -------
    list[dict[str, Any]]
        ``feature``, ``mean`` and ``std`` of the loss of AUC over the shuffles, highest first; empty without both
        classes
    """
    rows = _sample(len(features), MAX_ROWS, seed)
    features, y = features.iloc[rows][names], np.asarray(y)[rows]
    if len(np.unique(y)) < 2:
        return []
    found = permutation_importance(model, features, y, scoring="roc_auc", n_repeats=repeats, random_state=seed)
    listed = [
        {"feature": name, "mean": float(mean), "std": float(std)}
        for name, mean, std in zip(names, found.importances_mean, found.importances_std, strict=True)
    ]
    return sorted(listed, key=lambda item: -item["mean"])


def dependence(
    model: ClassifierMixin,
    features: pd.DataFrame,
    names: list[str],
    *,
    numeric: list[str],
    seed: int,
) -> list[dict[str, Any]]:
    """Return the mean probability when one feature is set to a value for all activities (Friedman 2001).

    Parameters
    ----------
    features
        holdout, DataFrame of shape (n_activities, n_features) with the model's features only; the mean is over at most
        500 rows, drawn at random
    names
        features to look at, in the order of the answer
    numeric
        names of the numeric features; their values are up to ten quantiles between 5 and 95 %, without missing values.
        For categories the twelve most frequent are used

    Returns
    -------
    list[dict[str, Any]]
        ``feature``, ``kind``, ``values``, ``mean`` (probability at each value), ``n`` (holdout activities nearest to
        each number, or of each category: if they are few, the mean is an extrapolation of the model)
    """
    rows = _sample(len(features), MAX_ROWS_DEPENDENCE, seed)
    found = []
    for name in names:
        values, counts = _numbers(features[name]) if name in numeric else _categories(features[name])
        if not len(values):
            continue
        answer = partial_dependence(
            model,
            features.iloc[rows],
            [name],
            custom_values={name: np.array(values, dtype="float64" if name in numeric else object)},
            categorical_features=None if name in numeric else [name],
            response_method="predict_proba",
            method="brute",
            kind="average",
        )
        found.append(
            {
                "feature": name,
                "kind": "numeric" if name in numeric else "categorical",
                "values": values,
                "mean": [float(value) for value in answer["average"][0]],
                "n": counts,
            }
        )
    return found


def _sample(n: int, limit: int, seed: int) -> np.ndarray:
    return np.arange(n) if n <= limit else np.sort(np.random.default_rng(seed).permutation(n)[:limit])


def _numbers(column: pd.Series) -> tuple[list[float], list[int]]:
    known = column.dropna().to_numpy(dtype="float64")
    if not len(known):
        return [], []
    values = np.unique(np.quantile(known, np.linspace(0.05, 0.95, POINTS)))
    nearest = np.abs(known[:, None] - values).argmin(axis=1)
    return values.tolist(), np.bincount(nearest, minlength=len(values)).tolist()


def _categories(column: pd.Series) -> tuple[list[str], list[int]]:
    counts = column.value_counts().head(MAX_CATEGORIES)
    return [str(value) for value in counts.index], [int(count) for count in counts]
