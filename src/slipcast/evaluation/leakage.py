"""Signs of leakage: a model that is too good, or a single feature that is too good.

Kaufman, Rosset and Perlich (2012) call results that are too good to be true the first sign of leakage.
"""

from typing import Any

import numpy as np
import pandas as pd

from slipcast.metrics.scores import auc

MAX_AUC = 0.95
MAX_FEATURE_AUC = 0.9


def leakage_report(
    train: pd.DataFrame,
    y_train: np.ndarray,
    holdout: pd.DataFrame,
    y: np.ndarray,
    p: np.ndarray,
    *,
    numeric: list[str],
    categorical: list[str],
) -> dict[str, Any]:
    """Measure the AUC of the challenger and of each single feature on the holdout.

    Parameters
    ----------
    train, holdout
        features of shape (n_activities, n_features)
    y_train, y
        outcomes of the same activities, 1 late
    p
        the challenger's probabilities on the holdout
    numeric, categorical
        names of the features

    Returns
    -------
    dict[str, Any]
        ``suspected`` (whether a limit is passed), ``auc`` of the challenger and ``max_auc`` (.95), ``features``:
        ``feature`` and ``auc`` (`numeric_auc`, `categorical_auc`), highest first, and ``max_feature_auc`` (.9)
    """
    y_train, y = np.asarray(y_train), np.asarray(y)
    found: list[dict[str, Any]] = [
        {"feature": name, "auc": numeric_auc(holdout[name].to_numpy(dtype="float64"), y)} for name in numeric
    ] + [{"feature": name, "auc": categorical_auc(train[name], y_train, holdout[name], y)} for name in categorical]
    found.sort(key=lambda item: -item["auc"])
    whole = auc(y, p)
    alone = found[0]["auc"] if found else 0.5
    return {
        "suspected": whole > MAX_AUC or alone > MAX_FEATURE_AUC,
        "auc": whole,
        "max_auc": MAX_AUC,
        "features": found,
        "max_feature_auc": MAX_FEATURE_AUC,
    }


def numeric_auc(values: np.ndarray, y: np.ndarray) -> float:
    """Return the AUC of a number as score, in the better direction, with missing values lowest or highest.

    A column that is only filled in for late activities is detected by its missing values.

    Examples
    --------
    >>> numeric_auc(np.array([np.nan, np.nan, 3.0, 4.0]), np.array([0, 0, 1, 1]))
    1.0
    """
    low, high = np.nan_to_num(values, nan=-np.inf), np.nan_to_num(values, nan=np.inf)
    areas = (auc(y, low), auc(y, high))
    return max(*areas, *(1 - area for area in areas))


def categorical_auc(train: pd.Series, y_train: np.ndarray, holdout: pd.Series, y: np.ndarray) -> float:
    """Return the AUC of a category's late rate among the training rows; unknown ones get the overall rate."""
    rates = pd.Series(y_train, index=train.index).groupby(train).mean()
    return auc(y, holdout.map(rates).astype("float64").fillna(float(np.mean(y_train))).to_numpy())
