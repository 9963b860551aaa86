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
# Share of the landmarks that a planner can look at.
TOP = 0.1
BINS = 10


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


def crps(cdf: np.ndarray, finish: np.ndarray, horizon: np.ndarray | float = CAP_DAYS) -> np.ndarray:
    """Return the continuous ranked probability score of each row, in days, times held at its horizon.

    Source: Gneiting and Raftery 2007, "Strictly proper scoring rules, prediction, and estimation", equation 20.

    Parameters
    ----------
    finish
        days to the finish; infinity where it is not known to have come
    horizon
        days from the landmark, at most `CAP_DAYS`; one for each row or for all
    """
    begun = DAYS[:-1] < np.reshape(horizon, (-1, 1))
    score: np.ndarray = (((cdf[:, :-1] - (finish[:, None] <= DAYS[:-1])) ** 2) * begun).sum(axis=1)
    return score


def row_scores(rows: pd.DataFrame, forecasts: Forecasts) -> dict[str, np.ndarray]:
    """Return the scores of each landmark, NaN where one is not defined.

    Days count up to the horizon: `CAP_DAYS`, or the day on which the activity was last seen. A later finish and a later
    quantile count as the horizon, so activities that are still open count for as long as they were seen.

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
        horizon = rows["follow_up"].clip(upper=CAP_DAYS).to_numpy()
        held = np.minimum(finish, horizon)
        scores["crps"] = crps(forecasts.cdf, finish, horizon)
        for level in LEVELS:
            error = held - np.minimum(quantiles(forecasts.cdf, level), horizon)
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
    return _coverage(transform, observed, None)


def coverage_intervals(
    transform: np.ndarray, observed: np.ndarray, projects: np.ndarray, *, seed: int, n_boot: int = 200
) -> dict[str, list[float]]:
    """Return 95 % bootstrap intervals of `coverage`, from whole projects.

    Parameters
    ----------
    projects
        number of each row's project, shape (n_rows,)
    """
    _, codes = np.unique(projects, return_inverse=True)
    drawn = []
    for weights in multiplicities(int(codes.max()) + 1, n_boot, seed):
        for sample in weights:
            weight = sample[codes]
            inside = weight > 0
            drawn.append(_coverage(transform[inside], observed[inside], weight[inside]))
    return {name: interval(np.array([found[name] for found in drawn])) for name in drawn[0]}


def histogram(transform: np.ndarray, observed: np.ndarray) -> list[float]:
    """Return the share of finishes in each of `BINS` equal parts of the stated probability: alike if calibrated.

    Finishes that are not known count as in `coverage`; the share of those of which nothing is known is spread over the
    parts beyond.
    """
    times, survival = kaplan_meier(transform, observed)
    edges = np.linspace(0, 1, BINS + 1)
    done = 1 - step(edges, times, survival, 1.0)
    done[0] = 0.0
    last = float(transform.max())
    beyond, base = edges > last, float(done[edges <= last][-1])
    done[beyond] = base + (edges[beyond] - last) / max(1 - last, 1e-9) * (1 - base)
    done[-1] = 1.0
    shares: list[float] = np.diff(done).tolist()
    return shares


def precision_top(late: np.ndarray, p_late: np.ndarray) -> float:
    """Return the share of late activities among the `TOP` with the largest probability of it; ties share a place.

    Examples
    --------
    >>> precision_top(np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0]), np.linspace(1, 0, 10))
    1.0
    """
    count = max(round(TOP * len(late)), 1)
    limit = np.sort(p_late)[-count]
    above, at = p_late > limit, p_late == limit
    return float((late[above].sum() + late[at].mean() * (count - above.sum())) / count)


def _coverage(transform: np.ndarray, observed: np.ndarray, weights: np.ndarray | None) -> dict[str, float]:
    times, survival = kaplan_meier(transform, observed, weights)
    levels = np.array([0.8, *(level for pair in INTERVALS.values() for level in pair)])
    held, *ends = (1 - step(levels, times, survival, 1.0)).tolist()
    inside = {f"cover_{name}": ends[2 * place + 1] - ends[2 * place] for place, name in enumerate(INTERVALS)}
    return {"held_80": held, **inside}


def table(
    rows: pd.DataFrame, methods: Mapping[str, Forecasts], select: Callable[[pd.DataFrame], pd.Series]
) -> pd.DataFrame:
    """Return the mean scores of each method on the selected rows, with AUC pooled and within projects.

    Returns
    -------
    pd.DataFrame
        a row for each method: the means of `row_scores`, ``pinball`` (mean of `LEVELS`), those of `coverage`, ``auc``,
        ``auc_within``: the median over projects with late and timely activities, at least five of each, and
        ``precision_top`` of what is not late already
    """
    chosen = select(rows).to_numpy(dtype=bool)
    part = rows[chosen]
    late, projects = training.outcomes(part), project_codes(part["project_id"])
    observed, known = part["remaining"].notna().to_numpy(), ~np.isnan(late)
    not_yet = known & (part["stage"] != Stage.ALREADY_LATE).to_numpy()
    found = []
    for name, every in methods.items():
        forecasts = _of(every, chosen)
        means = {key: _mean(value) for key, value in row_scores(part, forecasts).items()}
        losses = [value for key, value in means.items() if key.startswith("pinball_")]
        if losses:
            means["pinball"] = float(np.mean(losses))
        if forecasts.transform is not None and observed.any():
            means |= coverage(forecasts.transform, observed)
        p_late = forecasts.p_late
        if p_late is not None:
            means["auc"] = auc(late[known].astype(int), p_late[known]) if known.any() else np.nan
            means["auc_within"] = _within(late[known], p_late[known], projects[known])
            means["precision_top"] = precision_top(late[not_yet], p_late[not_yet]) if not_yet.any() else np.nan
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
    projects = project_codes(rows["project_id"])[chosen]
    means, drawn = _resampled(ours[chosen], theirs[chosen], projects, seed, n_boot)
    ratio = interval(drawn[:, 0] / drawn[:, 1] - 1) if drawn[:, 1].all() else None
    return float(means[0] - means[1]), interval(drawn[:, 0] - drawn[:, 1]), ratio


def paired(
    ours: np.ndarray, theirs: np.ndarray, projects: np.ndarray, *, seed: int, n_boot: int = 1000
) -> tuple[float, list[float]]:
    """Return the mean of `ours` less `theirs` and its 95 % bootstrap interval, from whole projects.

    Parameters
    ----------
    ours, theirs
        scores of the same landmarks, shape (n_rows,)
    projects
        number of each row's project, shape (n_rows,)
    """
    means, drawn = _resampled(ours, theirs, projects, seed, n_boot)
    return float(means[0] - means[1]), interval(drawn[:, 0] - drawn[:, 1])


def _resampled(
    ours: np.ndarray, theirs: np.ndarray, projects: np.ndarray, seed: int, n_boot: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the two means, and those of each sample of projects, shape (n_boot, 2)."""
    _, codes = np.unique(projects, return_inverse=True)
    count = int(codes.max()) + 1
    sums = np.stack([np.bincount(codes, values, count) for values in (ours, theirs)], axis=1)
    sizes = np.bincount(codes, minlength=count)
    samples = [(weights @ sums) / (weights @ sizes)[:, None] for weights in multiplicities(count, n_boot, seed)]
    return sums.sum(axis=0) / sizes.sum(), np.concatenate(samples)


def _of(forecasts: Forecasts, chosen: np.ndarray) -> Forecasts:
    """Return the forecasts of the chosen rows."""
    p_late, cdf, transform = (
        None if values is None else values[chosen] for values in (forecasts.p_late, forecasts.cdf, forecasts.transform)
    )
    return Forecasts(p_late, cdf, transform)


def _mean(values: np.ndarray) -> float:
    """Return the mean of the defined values, NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _within(late: np.ndarray, p: np.ndarray, projects: np.ndarray, least: int = 5) -> float:
    areas = []
    for project in np.unique(projects):
        y = late[projects == project].astype(int)
        if min(y.sum(), len(y) - y.sum()) >= least:
            areas.append(auc(y, p[projects == project]))
    return float(np.median(areas)) if areas else float("nan")
