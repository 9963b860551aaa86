"""Realized performance: predictions compared with the outcomes that matured after the model's training data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from slipcast.metrics.confidence_sequence import ALPHA, Mean, area, mean_of
from slipcast.metrics.groups import COLUMNS, group_values, project_codes
from slipcast.metrics.scores import auc
from slipcast.monitoring.record import Realised, RealisedState, Slice

MIN_SLICE = 30
# Calibration, Brier score and AUC, of all labels and of the last year's.
QUESTIONS = 6


@dataclass(frozen=True)
class Tolerance:
    """Tolerated differences, in addition to chance.

    Attributes
    ----------
    min_labels
        with fewer the state is ``insufficient_data``
    gap
        mean score less late rate, either way
    brier
        Brier score above the holdout's
    auc
        AUC below the holdout's
    days, enough
        size of the last year: the labels that matured in the last `days` days, at least `enough` labels
    """

    min_labels: int = 50
    days: int = 365
    enough: int = 200
    gap: float = 0.05
    brier: float = 0.02
    auc: float = 0.05


def performance(
    joined: pd.DataFrame,
    asked: int,
    reference: Mapping[str, Any] | None,
    *,
    dataset_id: str | None,
    data_date: str | None,
    tolerance: Tolerance | None = None,
) -> Realised:
    """Compare predictions with outcomes.

    ``miscalibrated``: mean score and late rate differ by more than the tolerance, and the bounds of the difference
    leave out 0. ``degraded``: the Brier score is above the holdout's by more than the tolerance and beyond its bounds,
    and above what calibrated scores of these activities would have (else they are only harder); or the AUC is below the
    holdout's in the same way.

    All three are tested on all labels since the release, which are many, and on those of the last year, where earlier
    correct predictions do not hide a recent change. Bounds are clustered by project and hold at all looks together. So
    over all six tests, at any number of looks, a correct model is called wrong in at most about 5 % of years.

    Parameters
    ----------
    joined
        as `pending_outcomes.join` returns it
    asked
        number of predicted activities
    reference
        ``performance`` of the profile; None in profiles of earlier versions

    Returns
    -------
    Realised
        on the labels of the last year, or on all labels if only those show that the model is wrong
    """
    tolerance = tolerance or Tolerance()
    recent = _recent(joined, tolerance)
    common: dict[str, Any] = {
        "awaiting": max(asked - len(joined), 0),
        "coverage": len(joined) / asked if asked else None,
        **{"dataset_id": dataset_id, "data_date": data_date, "calibration_tolerance": tolerance.gap},
    }
    found = _judge(recent, reference or {}, tolerance, common)
    if len(recent) < len(joined) and found.state in ("ok", "insufficient_data"):
        whole = _judge(joined, reference or {}, tolerance, common)
        if whole.state not in ("ok", "insufficient_data"):
            return whole
    return found


def _judge(
    joined: pd.DataFrame, reference: Mapping[str, Any], tolerance: Tolerance, common: Mapping[str, Any]
) -> Realised:
    n = len(joined)
    late = int(joined["is_late"].sum()) if n else 0
    lag = float((joined["matured_at"] - joined["as_of"]).dt.days.median()) if n else None
    begin = f"{joined['matured_at'].min():%Y-%m-%d}" if n else None
    common = {**common, "n": n, "n_late": late, "lag_days": lag, "since": begin}
    if n < max(tolerance.min_labels, 2):
        return Realised("insufficient_data", **common)
    y, p = joined["is_late"].to_numpy("float64"), joined["score"].to_numpy("float64")
    clusters = project_codes(joined["project_id"])
    level = ALPHA / QUESTIONS
    gap, squared = mean_of(p - y, clusters), mean_of((p - y) ** 2, clusters)
    excess = mean_of((p - y) ** 2 - p * (1 - p), clusters)
    ranked = mean_of(area(y, p), clusters) if 0 < late < n else None
    state: RealisedState = "ok"
    if abs(gap.value) > tolerance.gap and _beyond(gap, 0.0, level):
        state = "miscalibrated"
    if _worse(squared, reference.get("brier"), reference.get("brier_ci"), tolerance.brier, 1, level) and (
        excess.bounds(level)[0] > 0
    ):
        state = "degraded"
    if ranked and _worse(ranked, reference.get("auc"), reference.get("auc_ci"), tolerance.auc, -1, level):
        state = "degraded"
    return Realised(
        state,
        **common,
        late_rate=float(y.mean()),
        mean_score=float(p.mean()),
        calibration_gap=gap.value,
        calibration_gap_ci=gap.interval(),
        calibration_gap_bounds=gap.bounds(level),
        brier=squared.value,
        brier_ci=squared.interval(),
        brier_bounds=squared.bounds(level),
        reference_brier=reference.get("brier"),
        auc=ranked.value if ranked else None,
        auc_ci=ranked.interval() if ranked else None,
        auc_bounds=ranked.bounds(level) if ranked else None,
        reference_auc=reference.get("auc"),
        slices=_slices(joined, y, p, clusters),
        timeline=_timeline(joined, y, p),
    )


def _recent(joined: pd.DataFrame, tolerance: Tolerance) -> pd.DataFrame:
    if len(joined) <= tolerance.enough:
        return joined
    ordered = joined.sort_values("matured_at", kind="stable")
    recent = ordered["matured_at"] > ordered["matured_at"].iloc[-1] - pd.Timedelta(days=tolerance.days)
    return ordered.iloc[-max(int(recent.sum()), tolerance.enough) :].reset_index(drop=True)


def _beyond(mean: Mean, value: float, level: float) -> bool:
    low, high = mean.bounds(level)
    return not low <= value <= high


def _worse(
    mean: Mean, reference: float | None, interval: list[float] | None, tolerated: float, sign: int, level: float
) -> bool:
    """Return whether a mean is beyond a reference that is itself uncertain, in the direction `sign`."""
    if reference is None:
        return False
    low, _ = mean.bounds(level)
    half = mean.value - low
    own = (interval[1] - interval[0]) / 2 if interval else 0.0
    return sign * (mean.value - reference) > max(tolerated, float(np.hypot(half, own)))


def _slices(joined: pd.DataFrame, y: np.ndarray, p: np.ndarray, clusters: np.ndarray) -> list[Slice]:
    members = []
    for column in COLUMNS:
        if column not in joined or not joined[column].notna().any():
            continue
        group = group_values(joined[column], MIN_SLICE)
        members += [(column, value, np.flatnonzero(group == value)) for value in sorted(set(group))]
    members = [item for item in members if len(item[2]) >= MIN_SLICE]
    found = []
    for column, value, rows in members:
        gap = mean_of(p[rows] - y[rows], clusters[rows])
        found.append(
            Slice(
                column=column,
                value=value,
                n=len(rows),
                late_rate=float(y[rows].mean()),
                mean_score=float(p[rows].mean()),
                calibration_gap=gap.value,
                calibration_gap_ci=gap.interval(),
                brier=float(np.mean((p[rows] - y[rows]) ** 2)),
                auc=auc(y[rows], p[rows]) if 0 < y[rows].sum() < len(rows) else None,
                worse=_beyond(gap, 0.0, ALPHA / len(members)),
            )
        )
    return found


def _timeline(joined: pd.DataFrame, y: np.ndarray, p: np.ndarray) -> list[dict[str, Any]]:
    months = joined["matured_at"].dt.strftime("%Y-%m").to_numpy(dtype=object)
    return [
        {
            **{"month": month, "n": int((months == month).sum())},
            **{"late_rate": float(y[months == month].mean()), "mean_score": float(p[months == month].mean())},
        }
        for month in sorted(set(months))
    ]
