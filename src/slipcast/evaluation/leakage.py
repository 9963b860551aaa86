"""Signs of leakage: columns that know the outcome because they are written, or filled in, after the start.

Kaufman, Rosset and Perlich (2012) call results that are too good to be true the first sign of leakage. A column that
reveals a part of the outcomes is not too good as a whole, so the ways in which such columns come about are looked for
one by one, each with its own evidence (`Sign`). All tests of one report hold together at `LEVEL` (Bonferroni), and
each also asks for an effect that is large enough to matter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta, norm

from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import MISSING
from slipcast.metrics.confidence_sequence import mean_of
from slipcast.metrics.groups import project_codes
from slipcast.metrics.scores import auc

MAX_AUC = 0.95
MAX_FEATURE_AUC = 0.9
# Chance of any false sign in a report on clean data, over all columns and kinds.
LEVEL = 0.01
# Fewer rows on one side of a comparison prove nothing.
MIN_ROWS = 30
# Rows with a suspicious value that the holdout has to have: training alone may fit a period.
MIN_HELD = 10
# Late rate of the rows without a value less that of those with one: what is tolerated.
MISSING_EFFECT = 0.15
# Share without a value, not yet matured rows less matured ones, their age held equal: what is tolerated.
MISSING_SHIFT = 0.1
# Share of first missing values that a change of state fills in, less that without a change.
FILLED_SHIFT = 0.2
# Share of one value among open activities, and among finished ones of the same time.
CONSTANT_OPEN, CONSTANT_FINISHED = 0.95, 0.5
# Share of one outcome among the rows with a value: what is tolerated, and what training has to show.
PURE, PURE_IN_TRAINING = 0.9, 0.97
# A value says something only if the outcome is not that frequent anyway.
MAX_BASE_RATE = 0.8

KINDS = {
    "missing": "leakage by missing values",
    "state change": "leakage by values of a later state",
    "constant until finish": "leakage by values of finished activities",
    "label duplicate": "leakage by a copy of the outcome",
}


@dataclass(frozen=True)
class Sign:
    """Sign of leakage.

    Attributes
    ----------
    kind
        key of `KINDS`
    feature
        column
    value, limit
        the figure that is too large, and what is allowed
    evidence
        what was found, in words
    """

    kind: str
    feature: str
    value: float
    limit: float
    evidence: str


@dataclass(frozen=True)
class Context:
    """Facts beyond the labelled features.

    Attributes
    ----------
    train, holdout
        labelled tables with ``start``, ``baseline_finish``, ``actual_finish`` and perhaps ``project_id``, rows as in
        the features
    pending, pending_features
        the same of activities that started and have not matured
    updates
        by column, as `slipcast.datasets.updates.fills` counts them
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    pending: pd.DataFrame
    pending_features: pd.DataFrame
    updates: Mapping[str, Mapping[str, Sequence[int]]] = field(default_factory=dict)


def leakage_report(
    train: pd.DataFrame,
    y_train: np.ndarray,
    holdout: pd.DataFrame,
    y: np.ndarray,
    p: np.ndarray,
    *,
    numeric: list[str],
    categorical: list[str],
    context: Context | None = None,
) -> dict[str, Any]:
    """Measure the AUC of the challenger and of each single feature on the holdout, and look for signs of leakage.

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
    context
        dates, and activities without a label; None for undated data, where copies of the outcome alone can be found

    Returns
    -------
    dict[str, Any]
        ``suspected`` (whether a limit is passed), ``auc`` of the challenger and ``max_auc`` (.95), ``features``:
        ``feature`` and ``auc`` (`numeric_auc`, `categorical_auc`), highest first, ``max_feature_auc`` (.9), and
        ``signs``: the fields of each `Sign`
    """
    y_train, y = np.asarray(y_train), np.asarray(y)
    found: list[dict[str, Any]] = [
        {"feature": name, "auc": numeric_auc(holdout[name].to_numpy(dtype="float64"), y)} for name in numeric
    ] + [{"feature": name, "auc": categorical_auc(train[name], y_train, holdout[name], y)} for name in categorical]
    found.sort(key=lambda item: -item["auc"])
    whole = auc(y, p)
    alone = found[0]["auc"] if found else 0.5
    signs = [asdict(sign) for sign in _signs(train, y_train, holdout, y, [*numeric, *categorical], context)]
    return {
        "suspected": whole > MAX_AUC or alone > MAX_FEATURE_AUC or bool(signs),
        "auc": whole,
        "max_auc": MAX_AUC,
        "features": found,
        "max_feature_auc": MAX_FEATURE_AUC,
        "signs": signs,
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


def _signs(
    train: pd.DataFrame,
    y_train: np.ndarray,
    holdout: pd.DataFrame,
    y: np.ndarray,
    names: list[str],
    context: Context | None,
) -> list[Sign]:
    # Point-in-time features are computed here, from facts before the start: they cannot be filled in later.
    names = [name for name in names if name not in HISTORY]
    level = LEVEL / max(len(names) * len(KINDS), 1)
    found: list[Sign | None] = []
    for name in names:
        found.append(_label_duplicate(name, train[name], y_train, holdout[name], y, level))
        if context is not None:
            parts = (train[name], holdout[name], context.pending_features[name])
            found.append(_missing(name, parts, (y_train, y), context, level))
            found.append(_constant_until_finish(name, holdout[name], context, level))
    if context is not None:
        found += [_state_change(name, counts, level) for name, counts in context.updates.items()]
    return [sign for sign in found if sign is not None]


def _is_missing(values: pd.Series) -> np.ndarray:
    flags: np.ndarray = (values.isna() | (values == MISSING)).to_numpy(dtype=bool)
    return flags


def _missing(
    name: str,
    parts: tuple[pd.Series, pd.Series, pd.Series],
    outcomes: tuple[np.ndarray, np.ndarray],
    context: Context,
    level: float,
) -> Sign | None:
    """Return a sign if rows without a value end otherwise *and* the values come with maturity.

    A column may be empty where work is riskier: that is known at the start, too. It leaks if it is filled in later.
    Then what has not matured yet lacks the value more often than what has, at the same start and planned duration.
    """
    missing = [_is_missing(part) for part in parts]
    labelled = np.concatenate(missing[:2])
    if min(labelled.sum(), (~labelled).sum(), len(missing[2])) < MIN_ROWS:
        return None
    tables = (context.train, context.holdout, context.pending)
    every = pd.concat([table.reindex(columns=["start", "baseline_finish", "project_id"]) for table in tables])
    clusters, controls = project_codes(every["project_id"]), _controls(every)
    y, n = np.concatenate(outcomes).astype("float64"), len(labelled)
    sure = float(norm.isf(level / 2))
    effect, error = _effect(y, labelled, controls[:n], clusters[:n])
    if abs(effect) < MISSING_EFFECT or abs(effect) < sure * error:
        return None
    pending = np.arange(len(every)) >= n
    shift, shift_error = _effect(np.concatenate(missing).astype("float64"), pending, controls, clusters)
    if shift < MISSING_SHIFT or shift < sure * shift_error:
        return None
    said = []
    for words, flags, late in zip(("the training rows", "the holdout"), missing, outcomes, strict=False):
        said.append(f"{flags.mean():.0%} of {words} (late: {_rate(late[flags])}, the others {_rate(late[~flags])})")
    return Sign(
        "missing",
        name,
        shift,
        MISSING_SHIFT,
        f"{name} is missing in {', '.join(said)} and in {missing[2].mean():.0%} of what started and has not matured: "
        "it is filled in later, and the outcome of those without a value differs",
    )


def _rate(late: np.ndarray) -> str:
    return f"{late.mean():.0%}" if len(late) else "none"


def _controls(rows: pd.DataFrame) -> np.ndarray:
    """Return a constant, the start and the planned duration, standardised: what else moves both share and rate."""
    start = pd.to_datetime(rows["start"])
    days = start.to_numpy().astype("datetime64[D]").astype("float64")
    planned = (pd.to_datetime(rows["baseline_finish"]) - start).dt.days.to_numpy(dtype="float64")
    columns = [np.ones(len(rows))]
    for values in (days, np.log1p(np.clip(planned, 0, None))):
        apart = np.nan_to_num(values - np.nanmean(values))
        columns += [apart / (apart.std() or 1.0)]
    # The trend need not be a line.
    columns.append(columns[1] ** 2)
    return np.column_stack(columns)


def _effect(target: np.ndarray, flags: np.ndarray, controls: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Return the coefficient of `flags` in a linear regression on it and the controls, and its clustered error."""
    around = np.linalg.lstsq(controls, flags.astype("float64"), rcond=None)[0]
    apart = flags - controls @ around
    weight = float(apart @ apart)
    if weight < 1e-9 * len(flags):
        return 0.0, np.inf
    effect = float(apart @ target) / weight
    fitted = np.linalg.lstsq(controls, target - effect * flags, rcond=None)[0]
    left = target - effect * flags - controls @ fitted
    # The mean of these is the effect's error (Frisch and Waugh 1933), and its spread that of the effect.
    scores = apart * left / weight * len(flags)
    return effect, mean_of(scores, clusters).error


def _constant_until_finish(name: str, holdout: pd.Series, context: Context, level: float) -> Sign | None:
    """Return a sign if open activities all have one value, and finished ones of the same time mostly others."""
    finished_in_holdout = context.holdout["actual_finish"].notna().to_numpy()
    open_pending = context.pending["actual_finish"].isna().to_numpy()
    pending = context.pending_features[name]
    opened = _text(pd.concat([pending[open_pending], holdout[~finished_in_holdout]]))
    finished = _text(pd.concat([pending[~open_pending], holdout[finished_in_holdout]]))
    if min(len(opened), len(finished)) < MIN_ROWS:
        return None
    value = opened.mode().iloc[0]
    among_open, among_finished = float((opened == value).mean()), int((finished == value).sum())
    upper = _upper(among_finished, len(finished), level)
    if among_open < CONSTANT_OPEN or upper > CONSTANT_FINISHED:
        return None
    what = "missing" if value == MISSING else value
    return Sign(
        "constant until finish",
        name,
        among_finished / len(finished),
        CONSTANT_FINISHED,
        f"{name} is {what} in {among_open:.0%} of {len(opened)} open activities and in "
        f"{among_finished / len(finished):.0%} of {len(finished)} finished ones of the same time: it is written when "
        "an activity finishes",
    )


def _text(values: pd.Series) -> pd.Series:
    return values.astype(object).where(~_is_missing(values), MISSING).astype(str)


def _label_duplicate(
    name: str, train: pd.Series, y_train: np.ndarray, holdout: pd.Series, y: np.ndarray, level: float
) -> Sign | None:
    """Return a sign if some values have one outcome: nearly always in training, still so in the holdout.

    The values are found in training alone: a category, missing values, or the largest upper or lower end of a number
    whose rows have one outcome.
    """
    rules = _pure_values(train, y_train)
    for words, late, holds in rules:
        flags, before = holds(holdout), holds(train)
        n, agree = int(flags.sum()), int((y[flags] == late).sum())
        if n < MIN_HELD or agree < PURE * n or float(np.mean(y == late)) > MAX_BASE_RATE:
            continue
        both, agreed = n + int(before.sum()), agree + int((y_train[before] == late).sum())
        # The bound holds for all values of the column together.
        if _lower(agreed, both, level / len(rules)) > PURE:
            outcome = "late" if late else "in time"
            return Sign(
                "label duplicate",
                name,
                agreed / both,
                PURE,
                f"{agreed} of {both} activities with {name} {words} were {outcome}, {agree} of {n} in the holdout "
                f"(of all there {np.mean(y == late):.0%}): it is a copy of the outcome",
            )
    return None


def _pure_values(train: pd.Series, y: np.ndarray) -> list[tuple[str, int, Any]]:
    missing = _is_missing(train)
    rules: list[tuple[str, int, Any]] = []

    def keep(flags: np.ndarray, words: str, holds: Any) -> None:
        if flags.sum() >= MIN_ROWS:
            rate = float(y[flags].mean())
            for late, share in ((1, rate), (0, 1 - rate)):
                if share >= PURE_IN_TRAINING:
                    rules.append((words, late, holds))

    keep(missing, "missing", _is_missing)
    if train.dtype.kind not in "fiub":
        for value in train[~missing].unique():
            keep((train == value).to_numpy(), f'"{value}"', lambda part, value=value: (part == value).to_numpy())
        return rules
    values, outcomes = train[~missing].to_numpy(dtype="float64"), y[~missing]
    for sign, word in ((1, "up to"), (-1, "from")):
        order = np.argsort(sign * values, kind="stable")
        ordered, ends = (sign * values)[order], np.append(np.diff((sign * values)[order]) > 0, True)
        counts = np.arange(1, len(order) + 1)
        late = np.cumsum(outcomes[order])
        for outcome, hits in ((1, late), (0, counts - late)):
            pure = np.flatnonzero(ends & (counts >= MIN_ROWS) & (hits >= PURE_IN_TRAINING * counts))
            if len(pure):
                edge = float(ordered[pure[-1]])
                rules.append((f"{word} {sign * edge:g}", outcome, _tail(sign, edge)))
    return rules


def _tail(sign: int, edge: float) -> Any:
    def holds(part: pd.Series) -> np.ndarray:
        values = sign * part.to_numpy(dtype="float64")
        flags: np.ndarray = np.nan_to_num(values, nan=np.inf) <= edge
        return flags

    return holds


def _state_change(name: str, counts: Mapping[str, Sequence[int]], level: float) -> Sign | None:
    """Return a sign if missing values are filled in as the state changes, and hardly otherwise."""
    (filled, changed), (otherwise, unchanged) = counts["changed"], counts["unchanged"]
    if min(changed, unchanged) < MIN_ROWS:
        return None
    low, high = _lower(filled, changed, level / 2), _upper(otherwise, unchanged, level / 2)
    if low - high <= FILLED_SHIFT:
        return None
    return Sign(
        "state change",
        name,
        filled / changed - otherwise / unchanged,
        FILLED_SHIFT,
        f"{name} was missing at first and filled in by a later update for {filled} of {changed} activities that had "
        f"finished by then, and for {otherwise} of {unchanged} that had not: it appears only with the finish",
    )


def _lower(hits: int, n: int, level: float) -> float:
    """Return the lower bound of a share (Clopper and Pearson 1934)."""
    return float(beta.ppf(level, hits, n - hits + 1)) if hits else 0.0


def _upper(hits: int, n: int, level: float) -> float:
    return float(beta.isf(level, hits + 1, n - hits)) if hits < n else 1.0
