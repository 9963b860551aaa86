"""Drift of predictions against the training profile.

A feature has drifted when the effect is large AND it is significant after correction for the number of features: the
population stability index alone cries wolf on small windows, significance alone on large ones.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from slipcast.profile import categorical_counts, numeric_counts

State = Literal["ok", "drift", "insufficient_data"]


@dataclass(frozen=True)
class DriftReport:
    """What the monitor found in a window.

    Attributes
    ----------
    state : ``ok``, ``drift`` or ``insufficient_data``
    n : predictions in the window
    score_mean, score_reference_mean : mean probability in the window and in training; None in an empty window
    max_psi : largest index of a feature or the score; None with insufficient data
    drifted_share : share of features that drifted; None with insufficient data
    features : for each feature and for ``score``: ``psi``, ``p_value`` (Holm-corrected), ``missing_share``, ``drifted``
    """

    state: State
    n: int
    score_mean: float | None
    score_reference_mean: float
    max_psi: float | None
    drifted_share: float | None
    features: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able fields."""
        return asdict(self)


def psi(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the population stability index of two counts over the same bins.

    Sum of (w - r) * ln(w / r) over the bins' shares (Siddiqi, Credit Risk Scorecards, 2006; twice the symmetrised
    Kullback-Leibler divergence of Jeffreys 1946). Half a count is added to each bin, so that an empty one has a share.
    """
    used = (reference + window) > 0
    r = (reference[used] + 0.5) / (reference[used] + 0.5).sum()
    w = (window[used] + 0.5) / (window[used] + 0.5).sum()
    return float(np.sum((w - r) * np.log(w / r)))


def significance(reference: np.ndarray, window: np.ndarray) -> float:
    """Return the p-value of Pearson's chi-square test that both counts are of one distribution."""
    used = (reference + window) > 0
    if used.sum() < 2 or not window.sum():
        return 1.0
    return float(chi2_contingency(np.array([reference[used], window[used]]), correction=False).pvalue)


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm 1979)."""
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - rank)))
        corrected[name] = highest
    return corrected


def compare(
    profile: dict[str, Any],
    features: pd.DataFrame,
    scores: np.ndarray,
    *,
    min_n: int = 200,
    psi_limit: float = 0.2,
    alpha: float = 0.05,
) -> DriftReport:
    """Compare a window of predictions with the training profile.

    Parameters
    ----------
    profile : as `profile.profile` returned it
    features : DataFrame of shape (n_predictions, n_features), as the model saw them
    scores : probabilities of shape (n_predictions,)
    min_n : with fewer predictions the state is ``insufficient_data``
    psi_limit : effect from which a feature may count as drifted
    alpha : corrected p-value below which it does
    """
    n, reference_mean = len(features), profile["score"]["mean"]
    mean = float(np.mean(scores)) if n else None
    if n < min_n:
        return DriftReport("insufficient_data", n, mean, reference_mean, None, None, {})
    pairs = {name: _counts(described, features[name]) for name, described in profile["features"].items()}
    pairs["score"] = _counts(profile["score"], pd.Series(scores))
    p_values = holm({name: significance(*pair) for name, pair in pairs.items()})
    found: dict[str, dict[str, Any]] = {}
    for name, (reference, window) in pairs.items():
        effect = psi(reference, window)
        found[name] = {
            "psi": effect,
            "p_value": p_values[name],
            "missing_share": _missing(profile, name, window),
            "drifted": bool(effect > psi_limit and p_values[name] < alpha),
        }
    drifted = [name for name in profile["features"] if found[name]["drifted"]]
    state: State = "drift" if any(item["drifted"] for item in found.values()) else "ok"
    return DriftReport(
        state,
        n,
        mean,
        reference_mean,
        max(item["psi"] for item in found.values()),
        len(drifted) / len(profile["features"]),
        found,
    )


def _counts(described: dict[str, Any], values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    reference = np.array(described["counts"], dtype="float64")
    if described["kind"] == "numeric":
        numbers = pd.to_numeric(values).to_numpy(dtype="float64")
        return reference, numeric_counts(numbers, np.array(described["edges"])).astype("float64")
    return reference, categorical_counts(values, described["categories"]).astype("float64")


def _missing(profile: dict[str, Any], name: str, window: np.ndarray) -> float | None:
    described = profile["score"] if name == "score" else profile["features"][name]
    return float(window[-1] / window.sum()) if described["kind"] == "numeric" else None
