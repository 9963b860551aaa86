"""Slices on which the model is worse than overall: one slice for each value of a column."""

from typing import Any

import numpy as np
import pandas as pd

from slipcast.metrics.bootstrap import interval_or_none, multiplicities
from slipcast.metrics.groups import COLUMNS, OTHER, group_values, project_sizes
from slipcast.metrics.scores import auc, brier, ranking

MIN_N = 30


def slice_report(
    table: pd.DataFrame,
    y: np.ndarray,
    p: np.ndarray,
    *,
    known_projects: pd.Series | None,
    seed: int,
    n_boot: int = 1000,
    min_n: int = MIN_N,
) -> dict[str, Any]:
    """Measure phases, work types, locations and thirds by project size, and name the worst slice.

    The worst slice is the one whose Brier score is most certainly above the overall one: it has the highest lower bound
    of (its score - overall score). The bounds hold for all slices together in 95 % of cases: the margin is a common
    multiple of each slice's bootstrap standard error, the 95 % quantile of the largest standardised deviation in a
    bootstrap sample (single-step max-T; Westfall and Young 1993). A score also rises with a late rate near one half, so
    the worst slice may be difficult to predict rather than neglected by the model.

    Parameters
    ----------
    table
        holdout of shape (n_activities, n_columns); a column that it does not have is left out
    y, p
        outcomes and probabilities of shape (n_activities,)
    known_projects
        projects of training and holdout rows, from which sizes are counted; None: no slices by size
    min_n
        smaller slices are merged; if the merged slice is still smaller, it is not judged

    Returns
    -------
    dict[str, Any]
        ``columns``; ``rows``: ``column``, ``value``, ``n``, ``n_late``, ``late_rate``, ``mean_score``, ``auc`` (None
        without both classes), ``auc_ci``, ``brier``, ``brier_ci``; ``worst``: None, or one of the rows with
        ``excess_lower_bound``, ``significant`` (whether it is above 0) and ``why``
    """
    y, p = np.asarray(y), np.asarray(p)
    columns = {name: table[name] for name in COLUMNS if name in table and table[name].notna().any()}
    if known_projects is not None and "project_id" in table:
        columns["project_size"] = project_sizes(table["project_id"], known_projects)
    members = []
    for name, values in columns.items():
        group = group_values(values, min_n)
        members += [(name, value, np.flatnonzero(group == value)) for value in sorted(set(group))]
    squared = (p - y) ** 2
    scores, areas, overall = _samples(y, p, squared, [rows for _, _, rows in members], seed, n_boot)
    rows_out = [
        {
            **{"column": name, "value": value, "n": len(rows), "n_late": int(y[rows].sum())},
            **{"late_rate": float(y[rows].mean()), "mean_score": float(p[rows].mean())},
            "auc": auc(y[rows], p[rows]) if 0 < y[rows].sum() < len(rows) else None,
            "auc_ci": interval_or_none(areas[:, at]) if 0 < y[rows].sum() < len(rows) else None,
            "brier": brier(y[rows], p[rows]),
            "brier_ci": interval_or_none(scores[:, at]),
        }
        for at, (name, value, rows) in enumerate(members)
    ]
    judged = [at for at, row in enumerate(rows_out) if row["n"] >= min_n and row["n"] < len(y)]
    worst = _worst(rows_out, judged, scores - overall[:, None], float(squared.mean())) if judged else None
    return {"columns": list(columns), "rows": rows_out, "worst": worst}


def _samples(
    y: np.ndarray, p: np.ndarray, squared: np.ndarray, members: list[np.ndarray], seed: int, n_boot: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Brier score and AUC of each slice, of shape (n_boot, n_slices), and the overall Brier score."""
    scores, areas, overall = [], [], []
    for weights in multiplicities(len(y), n_boot, seed):
        with np.errstate(divide="ignore", invalid="ignore"):
            scores.append(
                np.column_stack([weights[:, rows] @ squared[rows] / weights[:, rows].sum(axis=1) for rows in members])
                if members
                else np.empty((len(weights), 0))
            )
            areas.append(
                np.column_stack([ranking(y[rows], p[rows], weights[:, rows])[0] for rows in members])
                if members
                else np.empty((len(weights), 0))
            )
        overall.append(weights @ squared / len(y))
    return np.concatenate(scores), np.concatenate(areas), np.concatenate(overall)


def _worst(rows: list[dict[str, Any]], judged: list[int], excess: np.ndarray, overall: float) -> dict[str, Any]:
    found = np.array([rows[at]["brier"] - overall for at in judged])
    deviation = excess[:, judged] - found
    # A sample without rows of a slice gives no value for it.
    error = np.nanstd(deviation, axis=0)
    factor = np.quantile(np.nanmax(deviation / np.maximum(error, 1e-12), axis=1), 0.95)
    bounds = found - factor * error
    best = int(np.argmax(bounds))
    row, bound = rows[judged[best]], float(bounds[best])
    name = f"small groups of {row['column']}" if row["value"] == OTHER else f"{row['column']} {row['value']}"
    said = f"{name}: Brier {row['brier']:.4f} against {overall:.4f} overall"
    if bound > 0:
        why = f"{said}; at least {bound:.4f} more at 95 % over all {len(judged)} slices together"
    else:
        why = f"{said}; with {len(judged)} slices looked at, a difference like this comes by chance"
    return {**row, "excess_lower_bound": bound, "significant": bound > 0, "why": why}
