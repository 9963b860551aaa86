"""The training profile: what the monitor compares later predictions with. Stored with the model, never refreshed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from slipcast.features import CATEGORICAL, NUMERIC

# Categories seen less often share one bin: single appearances would make every window look different.
MIN_CATEGORY_SHARE = 0.02


def profile(
    features: pd.DataFrame,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    numeric: Sequence[str] = NUMERIC,
    categorical: Sequence[str] = CATEGORICAL,
    bins: int = 10,
) -> dict[str, Any]:
    """Describe the training data of a model.

    Parameters
    ----------
    features : DataFrame of shape (n_activities, n_features) as `feature_table.feature_table` returns it
    scores : probabilities of shape (n_activities,) by the model
    labels : outcomes of shape (n_activities,), 1 late
    numeric, categorical : names of the features
    bins : bins of numeric features and of the score, by quantiles

    Returns
    -------
    JSON-able: ``n``, ``late_rate``, ``score`` and ``features``; a numeric entry has ``edges`` (inner bin edges) and
    ``counts`` (one for each bin, then one for missing values), a categorical one ``counts`` by category
    """
    described: dict[str, Any] = {}
    for name in numeric:
        described[name] = numeric_profile(features[name].to_numpy(dtype="float64"), bins)
    for name in categorical:
        described[name] = _categorical_profile(features[name])
    return {
        "n": len(features),
        "late_rate": float(np.mean(labels)),
        "score": {**numeric_profile(np.asarray(scores, dtype="float64"), bins), "mean": float(np.mean(scores))},
        "features": described,
    }


def numeric_profile(values: np.ndarray, bins: int) -> dict[str, Any]:
    """Return inner edges at the quantiles of `values` and the counts of the bins and of missing values."""
    known = values[~np.isnan(values)]
    quantiles = np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]) if len(known) else np.array([])
    # Values that repeat make equal quantiles: such bins fall together.
    edges = np.unique(quantiles)
    return {"kind": "numeric", "edges": edges.tolist(), "counts": numeric_counts(values, edges).tolist()}


def numeric_counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return how many values are in each bin, those above an edge to its right, and last how many are missing."""
    known = values[~np.isnan(values)]
    inside = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    return np.append(inside, len(values) - len(known))


def _categorical_profile(values: pd.Series) -> dict[str, Any]:
    shares = values.value_counts(normalize=True)
    kept = sorted(shares[shares >= MIN_CATEGORY_SHARE].index)
    counts = categorical_counts(values, kept)
    return {"kind": "categorical", "categories": kept, "counts": counts.tolist()}


def categorical_counts(values: pd.Series, categories: list[str]) -> np.ndarray:
    """Return how many values are of each category, and last how many of any other."""
    counts = values.value_counts()
    known = np.array([int(counts.get(category, 0)) for category in categories], dtype="int64")
    return np.append(known, len(values) - known.sum())
