"""Calibration of distributions by project: what was forecast for other projects' activities, held against the truth.

Each training row is forecast by a model that has not seen its project. The probability that this forecast gave to a
finish up to the true one (the probability integral transform, Dawid 1984) is uniform if the forecast is calibrated; its
distribution function turns any later forecast into a calibrated one (Chernozhukov, Wüthrich and Zhu 2021,
"Distributional conformal prediction"; out of fold by group as in Barber et al. 2021, "Predictive inference with the
jackknife+"). A finish that lay after the cut gives a censored transform, so the product-limit estimate is taken.
"""

from collections.abc import Mapping

import numpy as np

from slipcast.forecast.survival import kaplan_meier, step

# Finer at both ends, where the quantiles are that people ask for.
GRID = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1])
# Fewer projects than this tell too little of a stage: it gets the calibration of all stages.
MIN_PROJECTS = 30
ALL = "all"


def calibration_curves(
    transforms: np.ndarray,
    observed: np.ndarray,
    projects: np.ndarray,
    stages: np.ndarray,
    weights: np.ndarray,
) -> dict[str, list[float]]:
    """Return for each stage the share of finishes that came up to each probability of `GRID`.

    Parameters
    ----------
    transforms
        out-of-fold cdf at the finish, or at the cut where the activity was open then, shape (n_rows,)
    observed
        whether the finish was seen, shape (n_rows,)
    projects, stages
        project and stage of each row, shape (n_rows,)
    weights
        weight of each row, shape (n_rows,)

    Returns
    -------
    dict[str, list[float]]
        curves by stage, and under `ALL` of all rows; stages of fewer than `MIN_PROJECTS` projects have none
    """
    curves = {}
    for stage in (ALL, *np.unique(stages).tolist()):
        rows = np.ones(len(stages), dtype=bool) if stage == ALL else stages == stage
        if len(np.unique(projects[rows])) >= MIN_PROJECTS:
            curves[stage] = _curve(transforms[rows], observed[rows], weights[rows])
    return curves


def calibrated(cdf: np.ndarray, stages: np.ndarray, curves: Mapping[str, list[float]]) -> np.ndarray:
    """Return the cdfs of shape (n_rows, n_knots) with each row's curve applied; unchanged where there is none."""
    out = cdf.copy()
    for stage in np.unique(stages):
        curve = curves.get(stage, curves.get(ALL))
        if curve is not None:
            rows = stages == stage
            out[rows] = np.interp(cdf[rows], GRID, curve)
    return out


def _curve(transforms: np.ndarray, observed: np.ndarray, weights: np.ndarray) -> list[float]:
    times, survival = kaplan_meier(transforms, observed, weights)
    share = 1 - step(GRID, times, survival, 1.0)
    # The forecast's own tail stands beyond what was seen, and the ends of a distribution stay where they are.
    share[0], share[-1] = 0.0, 1.0
    last = float(transforms.max())
    beyond = last < GRID
    base = float(share[~beyond][-1])
    share[beyond] = base + (GRID[beyond] - last) / max(1 - last, 1e-9) * (1 - base)
    curve: list[float] = np.maximum.accumulate(share).tolist()
    return curve
