"""Assessment of the part ``network`` of a forecast, compared with the Monte Carlo draws without it.

Projects and activities are those of the holdout, by what was known in the end. The part is evaluated as serving does,
and is left out where it is not better than the draws, or too sure.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from slipcast.contracts import NetworkEvaluation, NetworkScores
from slipcast.forecast import monte_carlo, scores
from slipcast.forecast.network_model import NetworkModel
from slipcast.metrics.groups import project_codes

LEVELS = np.array([*monte_carlo.LEVELS.values()])
DRAWN = [f"drawn_{name}" for name in monte_carlo.LEVELS]
P80 = [*monte_carlo.LEVELS].index("p80")
# A finish within this part of a working day of a level is by that level: schedules have hours, dates have none.
ROUNDING = 0.26


def assess(
    document: Mapping[str, Any] | None,
    projects: pd.DataFrame,
    activities: pd.DataFrame,
    why: str,
    min_coverage: float,
    *,
    seed: int,
) -> NetworkEvaluation:
    """Measure the part on the holdout and decide whether a release gets it.

    Parameters
    ----------
    document
        the part; None if there is none, for the reason `why`
    projects, activities
        rows of `slipcast.forecast.network_table.tables` from the cut on
    min_coverage
        least share of completions by their P80
    """
    if document is None:
        return {"why": why, "released": False, "reasons": [], "completion": None, "activities": None}
    model = NetworkModel(document)
    levels = LEVELS.tolist()
    of_projects = _compared(
        projects["remaining"].to_numpy(),
        projects["remaining"].to_numpy(),
        np.array([model.completion(row) for row in projects.to_dict("records")]),
        projects,
        (projects["remaining"] + projects["elapsed"]).to_numpy() / 100,
        seed,
    )
    of_activities = _compared(
        activities["true_remaining"].to_numpy(),
        activities["follow_up"].to_numpy(),
        np.array([model.activity(row, levels) for row in activities.to_dict("records")]),
        activities,
        np.ones(len(activities)),
        seed,
    )
    reasons = []
    for name, found in (("completions", of_projects), ("activities", of_activities)):
        if found["less"] >= 0:
            reasons.append(
                f"its pinball loss of {name} is not below that of the draws: {found['pinball']:.3g} against "
                f"{found['drawn']:.3g}"
            )
    if of_projects["held_80"] < min_coverage:
        reasons.append(f"{of_projects['held_80']:.0%} of completions came by its P80, {min_coverage:.0%} are asked for")
    return {
        "why": "",
        "released": not reasons,
        "reasons": reasons,
        "completion": of_projects,
        "activities": of_activities,
    }


def _compared(
    truth: np.ndarray, seen: np.ndarray, said: np.ndarray, rows: pd.DataFrame, unit: np.ndarray, seed: int
) -> NetworkScores:
    """Return the scores of both; what was open when it was last seen counts until then."""
    ends = np.where(np.isfinite(truth), truth, seen)
    drawn = rows[DRAWN].to_numpy()
    # Projects count the same, however many updates they have.
    weight = 1 / rows.groupby("project_id")["project_id"].transform("size").to_numpy()
    weight = weight / weight.mean()
    losses = [
        _pinball(ends, np.where(np.isfinite(truth)[:, None], each, np.minimum(each, seen[:, None]))) / unit
        for each in (said, drawn)
    ]
    mean, ci = scores.paired(weight * losses[0], weight * losses[1], project_codes(rows["project_id"]), seed=seed)
    known = np.isfinite(truth)
    held, drawn_held = (
        float(np.average(ends[known] <= each[known, P80] + ROUNDING, weights=weight[known])) if known.any() else 0.0
        for each in (said, drawn)
    )
    return {
        "rows": len(rows),
        "projects": int(rows["project_id"].nunique()),
        "pinball": float(np.average(losses[0], weights=weight)),
        "drawn": float(np.average(losses[1], weights=weight)),
        "less": mean,
        "ci": list(ci),
        "held_80": held,
        "drawn_held_80": drawn_held,
    }


def _pinball(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    error = truth[:, None] - said
    losses: np.ndarray = np.maximum(LEVELS * error, (LEVELS - 1) * error).mean(axis=1)
    return losses
