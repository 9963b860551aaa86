"""Reference profile of the training data for the monitor's comparisons. Stored with the model, never refreshed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency

from slipcast.features.row import CATEGORICAL, MISSING, NUMERIC
from slipcast.metrics.groups import project_codes
from slipcast.monitoring.estimated_performance import GRID, histogram
from slipcast.monitoring.null_distribution import moments

VERSION = 2
# Categories seen less often share one bin: rare categories would make every window look different.
MIN_CATEGORY_SHARE = 0.02
# Number of fine edges in each bin: distances in the feature's own unit need them.
FINE = 10
# Columns with more values than this hold names or codes, whose new values are no sign of drift.
MAX_KNOWN = 2_000
# Fewer than 3 years cannot separate season from trend.
MIN_YEARS = 3
SEASONAL_LEVEL = 1e-3
# A month with fewer activities is merged with its neighbours.
OWN_MONTH = 60


def profile(
    features: pd.DataFrame,
    scores: np.ndarray,
    labels: np.ndarray,
    *,
    numeric: Sequence[str] = NUMERIC,
    categorical: Sequence[str] = CATEGORICAL,
    bins: int = 10,
    days: pd.Series | None = None,
    projects: pd.Series | None = None,
    score_rows: np.ndarray | None = None,
    holdout: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe the training data of a model.

    Parameters
    ----------
    features
        DataFrame of shape (n_activities, n_features) as `features.table.feature_table` returns it
    scores
        probabilities of `score_rows`, by models that had not seen the row, if there are any: scores of a model on its
        own training rows are more extreme than its later scores
    labels
        outcomes of shape (n_activities,), 1 late
    numeric, categorical
        names of the features
    bins
        bins of numeric features and of the score, by quantiles
    days
        day of each activity that gives its month; None: the profile has no seasons
    projects
        project of each activity, for the correlation within projects; None: no correlation
    score_rows
        positions of the activities that have a score; None: all
    holdout
        metrics of the model as `scores.evaluate` returns them: the reference for its later performance

    Returns
    -------
    dict[str, Any]
        JSON-able: ``version``, ``n``, ``late_rate``, ``score`` and ``features``, ``calibration`` (the scores that the
        estimated performance is based on) and ``performance``. An entry has ``kind``, ``counts`` (the last one of
        missing or rare values), ``chance`` (`null_distribution.moments`), ``seasonal`` (counts by month, or None) and
        ``alike`` (intraclass correlation within projects). A number has ``edges`` too, and ``fine``, ``min``, ``max``,
        ``mean``, ``sd``; a category ``categories``, ``seen`` (all values, None if too many) and ``once`` (values seen
        once)
    """
    rows = np.arange(len(features)) if score_rows is None else np.asarray(score_rows)
    scores, labels = np.asarray(scores, dtype="float64"), np.asarray(labels)
    season = None if days is None else _Season(days)
    codes = None if projects is None else project_codes(projects)
    described: dict[str, Any] = {}
    for name in numeric:
        described[name] = numeric_profile(features[name].to_numpy(dtype="float64"), bins)
        place = numeric_places(features[name].to_numpy(dtype="float64"), np.array(described[name]["edges"]))
        _add(described[name], place, season, codes)
    for name in categorical:
        described[name] = _categorical_profile(features[name])
        _add(described[name], _categorical_places(features[name], described[name]["categories"]), season, codes)
    score = {**numeric_profile(scores, bins), "mean": float(np.mean(scores))}
    _add(
        score,
        numeric_places(scores, np.array(score["edges"])),
        season and season.of(rows),
        None if codes is None else codes[rows],
    )
    return {
        "version": VERSION,
        "n": len(features),
        "late_rate": float(np.mean(labels)),
        "score": score,
        "features": described,
        "calibration": _calibration(scores, labels[rows]),
        "performance": None if holdout is None else _performance(holdout),
    }


def numeric_profile(values: np.ndarray, bins: int) -> dict[str, Any]:
    """Return inner edges at the quantiles of `values`, the counts of the bins and of missing values, and moments."""
    known = values[~np.isnan(values)]
    inner = np.linspace(0, 1, bins * FINE + 1)[1:-1]
    quantiles = np.quantile(known, inner) if len(known) else np.array([])
    # Repeated values give equal quantiles: such bins are merged.
    edges, fine = np.unique(quantiles[FINE - 1 :: FINE]), quantiles
    if len(known):
        # Also beyond all training values, to measure how far a window lies outside.
        far = known.std() * np.array([0.25, 0.5, 1, 2, 4, 8])
        fine = np.concatenate([known.min() - far, quantiles, known.max() + np.append(0, far)])
    fine = np.unique(fine)
    return {
        "kind": "numeric",
        "edges": edges.tolist(),
        "counts": numeric_counts(values, edges).tolist(),
        "fine": {"edges": fine.tolist(), "counts": numeric_counts(values, fine).tolist()},
        **{name: float(getattr(known, name)()) if len(known) else None for name in ("min", "max", "mean")},
        "sd": float(known.std()) if len(known) else None,
    }


def numeric_places(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin of each value, those above an edge to its right, and for missing ones the bin after the last."""
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))


def numeric_counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the number of values in each bin, those above an edge to its right, then of missing ones."""
    return np.bincount(numeric_places(values, edges), minlength=len(edges) + 2)


def coarse(fine_counts: np.ndarray, fine_edges: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the counts between `edges`, a subset of `fine_edges`, from the fine counts; missing values last."""
    begins = np.append(0, np.searchsorted(fine_edges, edges, side="left") + 1)
    return np.append(np.add.reduceat(fine_counts[:-1], begins), fine_counts[-1])


def _categorical_profile(values: pd.Series) -> dict[str, Any]:
    counted = values.value_counts()
    kept = sorted(counted[counted >= MIN_CATEGORY_SHARE * len(values)].index)
    return {
        "kind": "categorical",
        "categories": kept,
        "counts": categorical_counts(values, kept).tolist(),
        "missing": int(counted.get(MISSING, 0)),
        "seen": sorted(counted.index) if len(counted) <= MAX_KNOWN else None,
        "once": int((counted == 1).sum()),
    }


def _categorical_places(values: pd.Series, categories: list[str]) -> np.ndarray:
    codes, names = pd.factorize(values, use_na_sentinel=False)
    place = {name: number for number, name in enumerate(categories)}
    array: np.ndarray = np.array([place.get(name, len(categories)) for name in names], dtype="int64")[codes]
    return array


def categorical_counts(values: pd.Series, categories: list[str]) -> np.ndarray:
    """Return the number of values of each category; the last count is of all others."""
    return np.bincount(_categorical_places(values, categories), minlength=len(categories) + 1)


class _Season:
    """Months and years of activities, -1 if unknown."""

    def __init__(self, days: pd.Series) -> None:
        days = pd.to_datetime(days)
        self.month = days.dt.month.fillna(0).to_numpy("int64") - 1
        self.year = days.dt.year.fillna(-1).to_numpy("int64")

    def of(self, rows: np.ndarray) -> "_Season":
        part = object.__new__(_Season)
        part.month, part.year = self.month[rows], self.year[rows]
        return part

    def counts(self, place: np.ndarray, bins: int) -> list[list[int]] | None:
        """Return the counts by month, (12, n_bins), sparse months with their neighbours; None without a season."""
        known = self.month >= 0
        if len(np.unique(self.year[known])) < MIN_YEARS:
            return None
        table = np.zeros((12, bins), dtype="int64")
        np.add.at(table, (self.month[known], place[known]), 1)
        used = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
        if min(used.shape) < 2 or chi2_contingency(used).pvalue > SEASONAL_LEVEL:
            return None
        around = table + np.roll(table, 1, axis=0) + np.roll(table, -1, axis=0)
        result: list[list[int]] | None = np.where(table.sum(axis=1, keepdims=True) >= OWN_MONTH, table, around).tolist()
        return result


def _add(entry: dict[str, Any], place: np.ndarray, season: _Season | None, projects: np.ndarray | None) -> None:
    bins = len(entry["counts"])
    entry["chance"] = moments(np.array(entry["counts"]))
    entry["seasonal"] = season.counts(place, bins) if season else None
    entry["alike"] = _alike(place, bins, projects) if projects is not None else 0.0


def _alike(place: np.ndarray, bins: int, projects: np.ndarray) -> float:
    """Return the intraclass correlation of the bins within projects (one-way analysis of variance, Fisher 1925).

    Each bin is an indicator; sums of squares are added over the bins before the division.
    """
    _, projects = np.unique(projects, return_inverse=True)
    n, groups = len(place), int(projects.max(initial=-1)) + 1
    if groups < 2 or n <= groups:
        return 0.0
    sizes = np.bincount(projects, minlength=groups)
    within_squares = between_squares = 0.0
    for number in range(bins):
        inside = place == number
        mean = inside.mean()
        means = np.bincount(projects, inside, groups) / sizes
        between_squares += float(np.sum(sizes * (means - mean) ** 2))
        within_squares += float(np.sum((inside - means[projects]) ** 2))
    between, within = between_squares / (groups - 1), within_squares / (n - groups)
    typical = (n - np.sum(sizes.astype("float64") ** 2) / n) / (groups - 1)
    total = between + (typical - 1) * within
    return float(np.clip((between - within) / total, 0, 1)) if total > 0 else 0.0


def _calibration(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return the basis of an estimate without labels: range and histogram of the scores, realized rates."""
    return {
        "n": len(scores),
        "low": float(np.quantile(scores, 0.005)),
        "high": float(np.quantile(scores, 0.995)),
        "grid": GRID,
        "histogram": histogram(scores).tolist(),
        "mean_score": float(scores.mean()),
        "late_rate": float(np.mean(labels)),
    }


def _performance(holdout: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("n", "late_rate", "mean_score", "auc", "auc_ci", "brier", "brier_ci")
    return {name: holdout[name] for name in kept}
