"""Fairness report: differences between groups of activities in warnings, missed delays and calibration.

The largest gap between groups is biased upward: among many equal groups, some two always differ by chance, and the more
groups, the more they differ. So the observed gap alone decides nothing. All pairwise differences between groups get
simultaneous 95 % intervals (max-T over the bootstrap; Westfall and Young 1993, for means Tukey's intervals): whatever
the number of groups, in 95 % of cases every true difference lies in its interval, and then the true gap is at least the
highest lower bound among them. Only that lower bound can break a limit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from slipcast.metrics.bootstrap import multiplicities
from slipcast.metrics.groups import OTHER, group_values

MEASURES = ("selection_rate", "false_negative_rate", "calibration_gap")
# Fewer late activities than this give almost no information about the share of them that is missed.
MIN_LATE = 10
MIN_N = 30


def fairness_report(
    table: pd.DataFrame,
    y: np.ndarray,
    p: np.ndarray,
    *,
    columns: list[str],
    threshold: float,
    limits: Mapping[str, float],
    seed: int,
    n_boot: int = 1000,
    min_n: int = MIN_N,
) -> dict[str, Any]:
    """Measure each group of the columns, and the gap between groups.

    Parameters
    ----------
    table
        holdout of shape (n_activities, n_columns)
    y, p
        outcomes and probabilities of shape (n_activities,)
    columns
        columns whose groups are compared; a column that is missing or empty is left out
    threshold
        probability from which a warning is given
    limits
        largest allowed gap by measure (`MEASURES`); 1 can never be exceeded
    min_n
        groups of fewer activities are merged into ``(other)``. That group is shown, but no gap counts it

    Returns
    -------
    dict[str, Any]
        ``columns``, ``threshold``, and two lists:

        - ``groups``: ``column``, ``value``, ``n``, ``n_late``, ``selection_rate`` (share of activities with a warning),
          ``false_negative_rate`` (share of late activities without a warning; None without a late one) and
          ``calibration_gap`` (mean score less late rate).
        - ``gaps``: ``column``, ``measure``, ``gap`` (highest less lowest group; biased upward), ``gap_ci``
          (simultaneous 95 % interval of the true gap), ``limit``, ``broken`` (whether the interval lies above the
          limit), ``highest`` and ``lowest`` (values of the groups). A measure has no entry unless it is defined for at
          least two groups.
    """
    y, p = np.asarray(y), np.asarray(p)
    used = [name for name in columns if name in table and table[name].notna().any()]
    # Each measure is the mean of a value over some activities.
    parts = {
        "selection_rate": ((p >= threshold).astype("float64"), np.ones(len(y))),
        "false_negative_rate": ((p < threshold).astype("float64"), (y == 1).astype("float64")),
        "calibration_gap": (p - y, np.ones(len(y))),
    }
    groups, gaps = [], []
    for column in used:
        member = group_values(table[column], min_n)
        values = sorted(set(member))
        inside = np.stack([member == value for value in values]).astype("float64")
        found = {name: _rates(value, counted, inside, None)[0] for name, (value, counted) in parts.items()}
        sizes, late = inside.sum(axis=1), inside @ y
        groups += [
            {
                **{"column": column, "value": value, "n": int(sizes[at]), "n_late": int(late[at])},
                **{name: float(rates[at]) if np.isfinite(rates[at]) else None for name, rates in found.items()},
            }
            for at, value in enumerate(values)
        ]
        for measure, (value, counted) in parts.items():
            enough = (late >= MIN_LATE) if measure == "false_negative_rate" else (sizes >= min_n)
            judged = np.flatnonzero(enough & np.array([name != OTHER for name in values]))
            if len(judged) >= 2:
                samples = np.concatenate(
                    [_rates(value, counted, inside[judged], w) for w in multiplicities(len(y), n_boot, seed)]
                )
                floor = _floor(value, counted, y, inside[judged])
                gap = _gap(found[measure][judged], samples, floor, [values[at] for at in judged])
                limit = float(limits[measure])
                broken = gap["gap_ci"][0] > limit
                gaps.append({"column": column, "measure": measure, **gap, "limit": limit, "broken": broken})
    return {"columns": used, "threshold": threshold, "groups": groups, "gaps": gaps}


def _rates(value: np.ndarray, counted: np.ndarray, inside: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the mean of `value` over the counted activities of each group, shape (n_samples, n_groups)."""
    w = np.ones((1, len(value))) if weights is None else weights
    with np.errstate(divide="ignore", invalid="ignore"):
        values: np.ndarray = (w * (value * counted)) @ inside.T / ((w * counted) @ inside.T)
        return values


def _floor(value: np.ndarray, counted: np.ndarray, y: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the minimum variance of each group's rate.

    A group whose activities all have the same value has no spread in any bootstrap sample, although its rate is not
    known exactly. It gets the variance of a share with two successes and two failures added (Agresti and Coull 1998).
    """
    decided = value if set(np.unique(value)) <= {0.0, 1.0} else y.astype("float64")
    n = inside @ counted
    rate = inside @ (decided * counted) / n
    held = (rate * n + 2) / (n + 4)
    return np.where((rate == 0) | (rate == 1), held * (1 - held) / (n + 4), 0.0)


def _gap(rates: np.ndarray, samples: np.ndarray, floor: np.ndarray, values: list[str]) -> dict[str, Any]:
    first, second = np.triu_indices(len(rates), k=1)
    difference = rates[first] - rates[second]
    deviation = samples - rates
    # The variances of two groups add: no activity is in both.
    variance = np.maximum(np.nanvar(deviation, axis=0), floor)
    error = np.sqrt(np.maximum(variance[first] + variance[second], 1e-18))
    largest = np.nanmax(np.abs(deviation[:, first] - deviation[:, second]) / error, axis=1)
    margin = np.quantile(largest, 0.95) * error
    highest, lowest = int(np.argmax(rates)), int(np.argmin(rates))
    return {
        "gap": float(rates[highest] - rates[lowest]),
        "gap_ci": [float(max(0.0, (np.abs(difference) - margin).max())), float((np.abs(difference) + margin).max())],
        "highest": values[highest],
        "lowest": values[lowest],
    }
