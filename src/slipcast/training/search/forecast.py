"""Search for the forecast: a small grid, judged in the order of time, next to the search for the classifier.

The points are measured in the first round and the best one is fitted in the last, by tasks of the same fan-out. A
failure here costs the release its forecast, never the classifier. Planning needs this module and has no scikit-learn.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from slipcast.contracts import ForecastPlan, ForecastPoint
from slipcast.forecast.landmarks import known_at
from slipcast.training.candidates import CandidateError, load_candidates

TRACK = "forecast"
SEARCH, FIT = "forecast_search", "forecast_fit"
# Its regression forest and the classifier of late or timely take the same parameters.
ESTIMATOR = "sklearn.ensemble.ExtraTreesRegressor"
FOLDS = 3
# The first folds of an expanding window would have almost no training rows.
FIRST_SHARE = 0.4
# Trees of a fit that only ranks points: the loss of fewer is higher for all of them alike.
RANKING_TREES = 30
# With more landmarks than this, activities are drawn: the model is read at every start of the prediction function.
MAX_ROWS = 20_000
# One fit of `RANKING_TREES` on 10,000 landmarks, and the most that one task measures.
FIT_SECONDS = 1.5
TASK_SECONDS = 20.0


def load_grid(text: str | None = None) -> list[dict[str, Any]]:
    """Return the parameter points of the declared grid; `text` replaces the packaged ``forecast.json``.

    Raises
    ------
    CandidateError
        If the declaration is not an object with ``params`` and ``grid`` only, or a grid has no values.
    """
    try:
        declared = json.loads(
            text if text is not None else files("slipcast.training").joinpath("forecast.json").read_text()
        )
    except ValueError as error:
        raise CandidateError(f"the declaration of the forecast is not JSON: {error}") from None
    if not isinstance(declared, dict) or not declared.keys() <= {"params", "grid"}:
        raise CandidateError("the declaration of the forecast is an object with the fields params and grid")
    (candidate,) = load_candidates(json.dumps([{"name": TRACK, "estimator": ESTIMATOR, **declared}]))
    return [{**candidate.params, **point} for point in candidate.points()]


def tasks(plan: ForecastPlan) -> list[dict[str, Any]]:
    """Return the tasks that measure the points of a plan; none if there is nothing to choose."""
    points = plan["points"]
    if not plan["tables"] or len(points) < 2:
        return []
    seconds = FOLDS * FIT_SECONDS * plan["tables"]["train"]["rows"] / 10_000
    size = max(int(TASK_SECONDS / max(seconds, 0.1)), 1)
    numbers = range(len(points))
    return [
        {"kind": SEARCH, "track": TRACK, "points": list(numbers[begin : begin + size])}
        for begin in range(0, len(points), size)
    ]


def measure(landmarks: pd.DataFrame, plan: ForecastPlan, numbers: Sequence[int], seed: int) -> list[ForecastPoint]:
    """Return the mean pinball loss (days) of points of a plan over the folds."""
    return [_measured(landmarks, plan["points"][number], number, seed) for number in numbers]


def folds(landmarks: pd.DataFrame, count: int = FOLDS) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield training and test landmarks of expanding windows of time.

    A fold is trained on what was known of the outcomes before its first test landmark, and on no project that it tests.
    """
    ordered = landmarks["landmark"].sort_values(ignore_index=True)
    shares = FIRST_SHARE + (1 - FIRST_SHARE) * np.arange(count) / count
    edges = [*ordered[(len(ordered) * shares).astype(int)], ordered.iloc[-1] + pd.Timedelta(days=1)]
    for begin, end in pairwise(edges):
        test = landmarks[(landmarks["landmark"] >= begin) & (landmarks["landmark"] < end)]
        train = known_at(landmarks, begin)
        train = train[~train["project_id"].isin(test["project_id"].dropna())]
        if len(train) and len(test):
            yield train, test


def conclude(plan: ForecastPlan, measured: Sequence[ForecastPoint], fitted: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the record of the search; without ``model`` there is no forecast, and ``why`` says the reason."""
    record: dict[str, Any] = {"why": plan["why"], "tables": plan["tables"], "points": list(measured)}
    if not plan["tables"]:
        return record
    if fitted is None or "error" in fitted:
        return {**record, "why": "its task did not finish" if fitted is None else fitted["error"]}
    kept = ("model", "params", "fit_seconds")
    networks = dict(plan.get("networks", {"why": "", "tables": {}}))
    networks["why"] = networks["why"] or fitted.get("network_error", "")
    return {**record, **{name: fitted[name] for name in kept}, "networks": networks}


def best(plan: ForecastPlan, measured: Sequence[ForecastPoint]) -> dict[str, Any]:
    """Return the parameters of the point with the smallest loss, of the first if none could be measured."""
    scored = [point for point in measured if point["pinball"] is not None]
    number = min(scored, key=lambda point: (point["pinball"], point["point"]))["point"] if scored else 0
    return plan["points"][number]


def lost(plan: ForecastPlan, number: int, why: str) -> ForecastPoint:
    """Return the record of a point whose task did not end."""
    return {"point": number, "params": plan["points"][number], "pinball": None, "seconds": 0.0, "error": why}


def _measured(landmarks: pd.DataFrame, params: Mapping[str, Any], number: int, seed: int) -> ForecastPoint:
    # Imported by name, like the families: the function that plans has no scikit-learn.
    forest, scores = import_module("slipcast.forecast.forest"), import_module("slipcast.forecast.scores")
    began = time.perf_counter()
    point: ForecastPoint = {"point": number, "params": dict(params), "pinball": None, "seconds": 0.0, "error": None}
    losses: list[np.ndarray] = []
    for train, test in folds(landmarks):
        try:
            trees = min(params.get("n_estimators", RANKING_TREES), RANKING_TREES)
            grown = forest.grow(train, seed, **{**params, "n_estimators": trees})
        except Exception as error:
            # The first window may be too short to learn from, and the others say enough.
            point["error"] = f"{type(error).__name__}: {error}"[:500]
            continue
        days = np.array([np.interp(scores.DAYS, forest.knots(), row) for row in grown.cdf(test)])
        found = scores.row_scores(test, scores.Forecasts(None, days))
        losses.append(np.mean([value for name, value in found.items() if name.startswith("pinball_")], axis=0))
    if losses:
        point |= {"pinball": float(np.concatenate(losses).mean()), "error": None}
    return {**point, "seconds": time.perf_counter() - began}
