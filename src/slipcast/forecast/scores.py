"""Scores of forecasts that are given as probabilities by day, with bootstrap intervals by project."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from slipcast.forecast import training
from slipcast.forecast.stage import Stage
from slipcast.forecast.survival import kaplan_meier, step
from slipcast.metrics.bootstrap import interval, multiplicities
from slipcast.metrics.groups import project_codes
from slipcast.metrics.scores import auc

# Finishes later than this count as this: a forecast for years ahead is not what a planner acts on.
CAP_DAYS = 365
DAYS = np.arange(CAP_DAYS + 1)
LEVELS = (0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
INTERVALS = {"80": (0.1, 0.9), "90": (0.05, 0.95)}


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one method for n_rows landmarks.

    Attributes
    ----------
    p_late
        probability of being late, shape (n_rows,); None if the method does not tell
    cdf
        probability of having finished by each of `DAYS`, shape (n_rows, n_days); None if the method does not tell
    transform
        cdf at the finish, or at the cut where the activity was open then (the probability integral transform, Dawid
        1984), shape (n_rows,); None for dates, which have no spread
    """

    p_late: np.ndarray | None
    cdf: np.ndarray | None
    transform: np.ndarray | None = None


def point(rows: pd.DataFrame, days: np.ndarray) -> Forecasts:
    """Return a date as a forecast that is certain of it."""
    return Forecasts((days > rows["limit"]).astype("float64"), (days[:, None] <= DAYS).astype("float64"))


def with_facts(rows: pd.DataFrame, forecasts: Forecasts) -> Forecasts:
    """Return the forecasts with a probability of 1 for what is late already."""
    if forecasts.p_late is None:
        return forecasts
    return replace(forecasts, p_late=np.where(rows["stage"] == Stage.ALREADY_LATE, 1.0, forecasts.p_late))


def quantiles(cdf: np.ndarray, level: float) -> np.ndarray:
    """Return the first of `DAYS` by which each row has finished with probability `level`, `CAP_DAYS` if none."""
    reached = cdf >= level - 1e-12
    days: np.ndarray = np.where(reached.any(axis=1), reached.argmax(axis=1), CAP_DAYS)
    return days


def crps(cdf: np.ndarray, finish: np.ndarray) -> np.ndarray:
    """Return the continuous ranked probability score of each row, in days, times held at `CAP_DAYS`.

    Source: Gneiting and Raftery 2007, "Strictly proper scoring rules, prediction, and estimation", equation 20.

    Parameters
    ----------
    finish
        days to the finish; infinity where it is not known to have come
    """
    score: np.ndarray = ((cdf[:, :-1] - (finish[:, None] <= DAYS[:-1])) ** 2).sum(axis=1)
    return score


def row_scores(rows: pd.DataFrame, forecasts: Forecasts) -> dict[str, np.ndarray]:
    """Return the scores of each landmark, NaN where one is not defined.

    Returns
    -------
    dict[str, np.ndarray]
        ``brier``; ``crps``; ``pinball_<level in %>`` (days)
    """
    late = training.outcomes(rows)
    scores: dict[str, np.ndarray] = {}
    if forecasts.p_late is not None:
        scores["brier"] = (forecasts.p_late - late) ** 2
    if forecasts.cdf is not None:
        finish = rows["remaining"].fillna(np.inf).to_numpy()
        held = np.minimum(finish, CAP_DAYS)
        scores["crps"] = crps(forecasts.cdf, finish)
        for level in LEVELS:
            error = held - quantiles(forecasts.cdf, level)
            scores[f"pinball_{round(level * 100)}"] = np.maximum(level * error, (level - 1) * error)
    return scores


def coverage(transform: np.ndarray, observed: np.ndarray) -> dict[str, float]:
    """Return how often finishes came by the P80, and inside the central intervals.

    A finish that is not known is a censored transform: the product-limit estimate counts it for as long as it was seen.
    To leave such activities out would flatter, to call them misses would not be fair.

    Parameters
    ----------
    transform
        as in `Forecasts`
    observed
        whether each finish is known, shape (n_rows,)

    Returns
    -------
    dict[str, float]
        ``held_80``, ``cover_80`` and ``cover_90``
    """
    times, survival = kaplan_meier(transform, observed)

    def share(level: float) -> float:
        return float(1 - step(np.array([level]), times, survival, 1.0)[0])

    inside = {f"cover_{name}": share(high) - share(low) for name, (low, high) in INTERVALS.items()}
    return {"held_80": share(0.8), **inside}


def table(
    rows: pd.DataFrame, methods: Mapping[str, Forecasts], select: Callable[[pd.DataFrame], pd.Series]
) -> pd.DataFrame:
    """Return the mean scores of each method on the selected rows, with AUC pooled and within projects.

    Returns
    -------
    pd.DataFrame
        a row for each method: the means of `row_scores`, ``pinball`` (mean of `LEVELS`), those of `coverage`, ``auc``,
        and ``auc_within``: the median over projects with late and timely activities, at least five of each
    """
    chosen = select(rows).to_numpy(dtype=bool)
    late, projects = training.outcomes(rows), project_codes(rows["project_id"])
    found = []
    for name, forecasts in methods.items():
        means = {key: float(np.nanmean(value[chosen])) for key, value in row_scores(rows, forecasts).items()}
        parts = [value for key, value in means.items() if key.startswith("pinball_")]
        if parts:
            means["pinball"] = float(np.mean(parts))
        if forecasts.transform is not None:
            means |= coverage(forecasts.transform[chosen], rows["remaining"].notna().to_numpy()[chosen])
        if forecasts.p_late is not None:
            known = chosen & ~np.isnan(late)
            means["auc"] = auc(late[known].astype(int), forecasts.p_late[known])
            means["auc_within"] = _within(late[known], forecasts.p_late[known], projects[known])
        found.append({"method": name, "rows": int(chosen.sum()), **means})
    return pd.DataFrame(found)


def difference(
    rows: pd.DataFrame,
    forecasts: Forecasts,
    other: Forecasts,
    score: str,
    select: Callable[[pd.DataFrame], pd.Series],
    *,
    seed: int = 0,
    n_boot: int = 1000,
) -> tuple[float, list[float], list[float] | None]:
    """Return the mean difference of a score, and its ratio to the other's, with intervals from whole projects.

    Returns
    -------
    tuple[float, list[float], list[float] | None]
        mean of `forecasts` less `other`; its 95 % interval; 95 % interval of the ratio of the means less 1, None if a
        sample's other mean is 0
    """
    ours, theirs = row_scores(rows, forecasts)[score], row_scores(rows, other)[score]
    chosen = select(rows).to_numpy(dtype=bool) & np.isfinite(ours) & np.isfinite(theirs)
    _, codes = np.unique(project_codes(rows["project_id"])[chosen], return_inverse=True)
    count = int(codes.max()) + 1
    sums = np.stack([np.bincount(codes, values, count) for values in (ours[chosen], theirs[chosen])], axis=1)
    sizes = np.bincount(codes, minlength=count)
    samples = [(weights @ sums) / (weights @ sizes)[:, None] for weights in multiplicities(count, n_boot, seed)]
    drawn = np.concatenate(samples)
    means = sums.sum(axis=0) / sizes.sum()
    ratio = interval(drawn[:, 0] / drawn[:, 1] - 1) if drawn[:, 1].all() else None
    return float(means[0] - means[1]), interval(drawn[:, 0] - drawn[:, 1]), ratio


def _within(late: np.ndarray, p: np.ndarray, projects: np.ndarray, least: int = 5) -> float:
    areas = []
    for project in np.unique(projects):
        y = late[projects == project].astype(int)
        if min(y.sum(), len(y) - y.sum()) >= least:
            areas.append(auc(y, p[projects == project]))
    return float(np.median(areas)) if areas else float("nan")
