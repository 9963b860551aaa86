"""Results of a search: the summary of a round, and at the end the record for the evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from slipcast.training.search.halving import Entry, Race

LOST = "did not finish: out of time or memory, the log of the train function says more"
MEASURES = ("brier", "auc", "log_loss", "accuracy")


def summarise(
    tasks: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]],
    entries: Sequence[Entry],
    *,
    share: float,
    select_by: str,
) -> dict[str, Any]:
    """Return the summary of one round.

    Parameters
    ----------
    tasks
        planned, each with ``id`` and ``units`` (family, point, fold)
    results
        by the task's id, each with ``units``, ``seconds`` and, where probabilities were kept, ``oof``; a task without a
        result did not finish
    entries
        points of the round, in their order
    select_by
        ``brier`` or ``accuracy``: the measure whose mean over the folds is the score

    Returns
    -------
    dict[str, Any]
        ``share``, ``seconds`` of all tasks, ``points`` (see `Race.following`) and the numbers of ``tasks``,
        ``failed_tasks``, ``fits`` and ``failed_fits``
    """
    found: dict[tuple[str, int], dict[int, dict[str, Any]]] = {(entry.family, entry.point): {} for entry in entries}
    kept: dict[tuple[str, int], list[str]] = {key: [] for key in found}
    for task in tasks:
        result = results.get(task["id"])
        measured = {} if result is None else {tuple(unit["unit"]): unit for unit in result["units"]}
        for family, point, fold in task["units"]:
            found[family, point][fold] = measured.get((family, point, fold), {"error": LOST, "seconds": 0.0})
            if result and result.get("oof") and result["oof"] not in kept[family, point]:
                kept[family, point].append(result["oof"])
    points = []
    for entry in entries:
        units = found[entry.family, entry.point]
        point = _point(entry, [units[fold] for fold in sorted(units)], share, select_by)
        points.append({**point, "oof": kept[entry.family, entry.point]})
    fits = [unit for units in found.values() for unit in units.values()]
    return {
        "share": share,
        "seconds": sum(result["seconds"] for result in results.values()),
        "points": points,
        "tasks": len(tasks),
        "failed_tasks": sum(task["id"] not in results for task in tasks),
        "fits": len(fits),
        "failed_fits": sum("error" in unit for unit in fits),
    }


def _point(entry: Entry, units: Sequence[dict[str, Any]], share: float, select_by: str) -> dict[str, Any]:
    error = next((unit["error"] for unit in units if "error" in unit), None)
    point: dict[str, Any] = {
        "family": entry.family,
        "point": entry.point,
        "params": entry.params,
        "share": share,
        "folds": len(units),
        "seconds": sum(unit["seconds"] for unit in units),
        "error": error,
        "score": None,
    }
    if error is None:
        for name in MEASURES:
            values = [unit[name] for unit in units if unit[name] is not None]
            point[f"mean_{name}"] = float(np.mean(values)) if values else None
            point[f"std_{name}"] = float(np.std(values)) if values else None
        point["score"] = point[f"mean_{select_by}"]
    return point


def families(
    race: Race, history: Sequence[Mapping[str, Any]], fitted: Mapping[str, Mapping[str, Any]], beyond: Sequence[str]
) -> list[dict[str, Any]]:
    """Return for each family ``fitted``, ``skipped`` or ``failed``, the reason, and the scores of its points.

    Parameters
    ----------
    history
        summaries of the rounds
    fitted
        results of the fits, by family: ``model``, ``oof``, ``holdout_p``, ``fit_seconds``, ``test``; or ``error``
    beyond
        families with a winner that the budget did not reach
    """
    return [_family(race, name, history, fitted.get(name), name in beyond) for name in race.families]


def _family(
    race: Race, name: str, history: Sequence[Mapping[str, Any]], fit: Mapping[str, Any] | None, beyond: bool
) -> dict[str, Any]:
    # If a point ran on several shares, the largest counts.
    points = {point["point"]: point for done in history for point in done["points"] if point["family"] == name}
    hidden = ("family", "point", "oof", "score")
    shown = [{key: value for key, value in point.items() if key not in hidden} for point in points.values()]
    family: dict[str, Any] = {"family": name, "scale": race.families[name].scale, "points": shown}
    family["seconds"] = sum(p["seconds"] for done in history for p in done["points"] if p["family"] == name)
    if fit is not None and "error" not in fit:
        winner = next(
            point for done in history for point in done["points"] if point["family"] == name and _won(race, point, done)
        )
        shared = {key: fit[key] for key in ("model", "oof", "holdout_p", "fit_seconds", "test") if key in fit}
        chosen = {"best_params": winner["params"], "cv_score": winner["score"], "cv_auc": winner["mean_auc"]}
        return family | {"status": "fitted", "why": None} | chosen | shared
    return family | _why_not(race, name, list(points.values()), fit, beyond)


def _won(race: Race, point: Mapping[str, Any], done: Mapping[str, Any]) -> bool:
    if done["share"] != 1.0 or point["error"]:
        return False
    first = next(entry for entry in race.ranked(done["points"]) if entry.family == point["family"])
    result: bool = first.point == point["point"]
    return result


def _why_not(
    race: Race, name: str, points: Sequence[Mapping[str, Any]], fit: Mapping[str, Any] | None, beyond: bool
) -> dict[str, str]:
    if name in race.skipped:
        return {"status": "skipped", "why": race.skipped[name]}
    if fit is not None:
        return {"status": "failed", "why": f"the fit on all rows: {fit['error']}"}
    if beyond:
        return {"status": "skipped", "why": "the search budget was spent before its fit on all rows"}
    errors = [point["error"] for point in points if point["error"]]
    if errors and len(errors) == len(points):
        return {"status": "failed", "why": errors[0]}
    if not points:
        return {"status": "skipped", "why": "the search budget was spent before its first point"}
    share = max(point["share"] for point in points)
    return {"status": "skipped", "why": f"the search budget ended before more than {share:.0%} of the rows were used"}


def budget(
    race: Race,
    history: Sequence[Mapping[str, Any]],
    left_out: Sequence[tuple[Entry, float]],
    *,
    select_by: str,
    fit_seconds: float = 0.0,
) -> dict[str, Any]:
    """Return the cost of the search, the points left out, and the points that one more budget would pay for.

    The curve has one point for each candidate that ran on all rows: seconds spent until then, best score so far.
    """
    spent, best, curve = 0.0, None, []
    for done in history:
        for point in done["points"]:
            spent += point["seconds"]
            if point["share"] == 1.0 and point["score"] is not None:
                best = point["score"] if best is None else min(best, point["score"], key=lambda s: race.sign * s)
                curve.append([spent, best])
    searched = sum(done["seconds"] for done in history)
    untried = [
        {"family": entry.family, "params": entry.params, "estimated_seconds": seconds} for entry, seconds in left_out
    ]
    return {
        "limit_seconds": race.budget,
        "spent_seconds": searched + fit_seconds,
        "estimated_seconds": race.estimated_seconds,
        "not_tried": untried,
        "curve": curve,
        "one_more": _one_more(race.budget, left_out, curve, select_by),
    }


def _one_more(
    limit: float | None, left_out: Sequence[tuple[Entry, float]], curve: Sequence[Sequence[float]], select_by: str
) -> str | None:
    if limit is None:
        return None
    if not left_out:
        return "Nothing was left out: one more budget would have bought nothing."
    bought: dict[str, int] = {}
    left = limit
    for entry, seconds in left_out:
        if seconds <= left:
            left -= seconds
            bought[entry.family] = bought.get(entry.family, 0) + 1
    if not bought:
        cheapest = min(seconds for _, seconds in left_out)
        text = f"Another {limit:,.0f} s would not have paid for any of the {len(left_out)} points left out: "
        return text + f"the cheapest takes about {cheapest:,.0f} s."
    names = ", ".join(f"{name} {number}" for name, number in bought.items())
    text = f"Another {limit:,.0f} s would have paid for {sum(bought.values())} of the {len(left_out)} points left out "
    text += f"({names})."
    if len(curve) > 1:
        half = curve[(len(curve) - 1) // 2][1]
        text += f" The second half of this one moved the best {select_by} from {half:.4f} to {curve[-1][1]:.4f}."
    return text
