"""Description of the training rows for readers, and their drift from those of the live model."""

from typing import Any

import numpy as np
import pandas as pd

from slipcast.features.row import MISSING
from slipcast.monitoring.drift import compare
from slipcast.monitoring.drift_rule import Rule

MOST_FREQUENT = 10


def data_profile(
    features: pd.DataFrame, late: np.ndarray, *, numeric: list[str], categorical: list[str]
) -> dict[str, Any]:
    """Describe the features of the training rows.

    Parameters
    ----------
    features
        DataFrame of shape (n_activities, n_features)
    late
        outcomes of the same activities, 1 late

    Returns
    -------
    dict[str, Any]
        ``rows``, ``late_rate`` and ``columns``: ``name``, ``kind``, ``missing_share``, and of a number ``mean``,
        ``std``, ``min``, ``max`` (None if all are missing), of a category ``top`` ([value, count] of the ten most
        frequent) and ``distinct``
    """
    columns: list[dict[str, Any]] = []
    for name in numeric:
        values = features[name].astype("float64")
        described = {"name": name, "kind": "numeric", "missing_share": float(values.isna().mean())}
        for measure in ("mean", "std", "min", "max"):
            value = float(values.std(ddof=0) if measure == "std" else getattr(values, measure)())
            described[measure] = value if np.isfinite(value) else None
        columns.append(described)
    for name in categorical:
        values = features[name].astype(str)
        known = values[values != MISSING].value_counts()
        columns.append(
            {
                **{"name": name, "kind": "categorical", "missing_share": float((values == MISSING).mean())},
                "top": [[str(value), int(n)] for value, n in known.head(MOST_FREQUENT).items()],
                "distinct": len(known),
            }
        )
    return {"rows": len(features), "late_rate": float(np.mean(late)), "columns": columns}


def moved(profile: dict[str, Any], features: pd.DataFrame, scores: np.ndarray) -> list[dict[str, Any]]:
    """Return the population stability index of each feature against a training profile, highest first.

    Parameters
    ----------
    profile
        of the live model, as `reference_profile.profile` returned it; features that are no longer computed are left out
    features, scores
        training rows of the challenger and its probabilities on them
    """
    known = {name: described for name, described in profile["features"].items() if name in features}
    if not known:
        return []
    found = compare({**profile, "features": known}, features, scores, Rule(min_n=1)).features
    listed = [{"feature": name, "psi": found[name].psi} for name in known]
    return sorted(listed, key=lambda item: -item["psi"])
