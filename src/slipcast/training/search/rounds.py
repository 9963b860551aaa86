"""Rounds of a search: the first one, the next after each, and the record at the end. Independent of storage.

The plan is a JSON document (``candidates``, ``seed``, ``budget_seconds``, ``tolerated_share``, ``forecast`` and for
each of its ``tracks`` the ``folds``, ``rows``, ``columns`` and ``select_by``); so is each round. A caller that stores
them can stop between two rounds and continue on another machine.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from slipcast.contracts import ForecastPoint, Round, SearchPlan
from slipcast.training.candidates import Candidate, load_candidates
from slipcast.training.search import forecast, tasks
from slipcast.training.search import summary as record
from slipcast.training.search.halving import Entry, Race

MAIN, SIDE = "main", "paper"


class SearchFailedError(RuntimeError):
    """Too much of the search failed; the message gives the reasons and the numbers."""


def race_of(plan: SearchPlan, track: str) -> Race:
    """Return the rules of one track. The budget applies to the main track; the other one runs in full."""
    rows = plan["tracks"][track]
    return Race(
        candidates_of(plan),
        folds=[fold["train"] for fold in rows["folds"]],
        rows=rows["rows"],
        columns=rows["columns"],
        budget=plan["budget_seconds"] if track == MAIN else None,
        higher_is_better=rows["select_by"] == "accuracy",
    )


def candidates_of(plan: SearchPlan) -> list[Candidate]:
    """Return the candidates that the plan declares."""
    return load_candidates(json.dumps(plan["candidates"]))


def first_round(plan: SearchPlan) -> Round:
    """Return the first round: ``kind`` search, its ``tasks`` and the input of the next step.

    Raises
    ------
    SearchFailedError
        If no family is left.
    """
    race = race_of(plan, MAIN)
    if not race.entries():
        raise SearchFailedError(f"no candidate is left to train: {race.skipped}")
    begun = race.first()
    planned = _search_tasks(race, begun.entries, begun.share, MAIN)
    entries = {MAIN: begun.entries}
    if SIDE in plan["tracks"]:
        second = race_of(plan, SIDE)
        entries[SIDE] = second.entries()
        more = _search_tasks(second, entries[SIDE], 1.0, SIDE)
        planned = {"tasks": planned["tasks"] + more["tasks"], "grain": _sum(planned["grain"], more["grain"])}
    planned["tasks"] = [*planned["tasks"], *forecast.tasks(plan["forecast"])]
    return _round(0, "search", planned, entries, begun.share, [], {}, _dump(begun.left_out), [])


def next_round(plan: SearchPlan, done: Round, results: Mapping[str, Mapping[str, Any]]) -> Round:
    """Return the round after `done`: another one of search, or that of the fits on all rows.

    Parameters
    ----------
    plan
        the plan
    done
        the round that ran
    results
        results of `done` by the task's id; unfinished tasks are absent

    Raises
    ------
    SearchFailedError
        If more of the fits failed than the plan tolerates, or everything.
    """
    race = race_of(plan, MAIN)
    history = [*done["history"], _summary(plan, done, results, MAIN)]
    second = done["second"]
    if SIDE in done["entries"]:
        second = _summary(plan, done, results, SIDE)
    _tolerate(plan, history[-1])
    points = [*done["forecast"], *_forecast_points(plan, done, results)]
    left_out = list(done["left_out"])
    following = race.following(history)
    if following is not None:
        speed = race.measured_speed(history)
        planned = _search_tasks(race, following.entries, following.share, MAIN, speed)
        left_out += _dump(following.left_out)
        entries = {MAIN: following.entries}
        return _round(done["round"] + 1, "search", planned, entries, following.share, history, second, left_out, points)
    winners, beyond = race.winners(history)
    fits = [_fit_task(MAIN, entry, history[-1]) for entry in winners]
    if second:
        other = race_of(plan, SIDE)
        chosen, _ = other.winners([second])
        fits += [_fit_task(SIDE, entry, second) for entry in chosen]
    speed = race.measured_speed(history)
    fits.sort(key=lambda task: -race.fit_seconds(task["family"], race.rows, speed))
    if plan["forecast"]["tables"]:
        params = forecast.best(plan["forecast"], points)
        fits.append({"kind": forecast.FIT, "track": forecast.TRACK, "params": params})
    planned = {"tasks": fits, "grain": {}}
    following_round = _round(done["round"] + 1, "fit", planned, {}, 1.0, history, second, left_out, points)
    following_round["beyond"] = beyond
    return following_round


def conclude(plan: SearchPlan, done: Round, results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the result of the search, after the round of the fits, with what the plan says of its tables.

    Raises
    ------
    SearchFailedError
        If nothing could be fitted.
    """
    race, history = race_of(plan, MAIN), done["history"]
    fitted: dict[str, dict[str, Mapping[str, Any]]] = {MAIN: {}, SIDE: {}}
    for task in done["tasks"]:
        if task["kind"] == "fit":
            fitted[task["track"]][task["family"]] = results.get(task["id"], {"error": record.LOST})
    families = record.families(race, history, fitted[MAIN], done["beyond"])
    if not any(family["status"] == "fitted" for family in families):
        why = "; ".join(f"{family['family']}: {family['why']}" for family in families)
        raise SearchFailedError(f"no family could be fitted: {why}")
    select_by = plan["tracks"][MAIN]["select_by"]
    seconds = sum(result.get("fit_seconds", 0.0) for result in fitted[MAIN].values())
    left_out = [(Entry(*entry), cost) for entry, cost in done["left_out"]]
    planned, failed = (sum(item[name] for item in history) for name in ("fits", "failed_fits"))
    shared = ("execution", "protocol", "seed", "cut", "tables", "features", "fills")
    return {
        **{name: value for name, value in plan.items() if name in shared},
        "select_by": select_by,
        "folds": plan["tracks"][MAIN]["folds"],
        "grain": done["grain"],
        "tasks": {
            "planned": sum(item["tasks"] for item in history)
            + len(done["tasks"])
            + len(forecast.tasks(plan["forecast"])),
            "failed": sum(item["failed_tasks"] for item in history)
            + sum("error" in result for result in fitted[MAIN].values()),
            "fits": planned,
            "failed_fits": failed,
            "failed_share": failed / planned,
            "tolerated_share": plan["tolerated_share"],
        },
        "rounds": _rounds(history),
        "budget": record.budget(race, history, left_out, select_by=select_by, fit_seconds=seconds),
        "families": families,
        "paper": _paper_protocol(plan, done["second"], fitted[SIDE]) if done["second"] else None,
        "forecast": forecast.conclude(plan["forecast"], done["forecast"], _forecast_fit(done, results)),
    }


def _forecast_points(plan: SearchPlan, done: Round, results: Mapping[str, Mapping[str, Any]]) -> list[ForecastPoint]:
    found: list[ForecastPoint] = []
    for task in done["tasks"]:
        if task["kind"] == "forecast_search" and task["id"] in results:
            found += results[task["id"]]["points"]
        elif task["kind"] == "forecast_search":
            found += [forecast.lost(plan["forecast"], number, record.LOST) for number in task["points"]]
    return found


def _forecast_fit(done: Round, results: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((results.get(task["id"]) for task in done["tasks"] if task["kind"] == "forecast_fit"), None)


def _rounds(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    kept = [len(item["points"]) for item in history[1:]] + [0]
    return [
        {"share": item["share"], "points": len(item["points"]), "kept": after, "seconds": item["seconds"]}
        for item, after in zip(history, kept, strict=True)
    ]


def _paper_protocol(
    plan: SearchPlan, summary: Mapping[str, Any], fitted: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    track, race = plan["tracks"][SIDE], race_of(plan, SIDE)
    families = []
    for family in record.families(race, [summary], fitted, []):
        if family["status"] == "fitted":
            best = next(
                point
                for point in summary["points"]
                if point["family"] == family["family"] and point["score"] == family["cv_score"]
            )
            families.append(
                {
                    "family": family["family"],
                    "best_params": family["best_params"],
                    "cv_accuracy": family["cv_score"],
                    "cv_accuracy_std": best["std_accuracy"],
                    "test": family["test"],
                }
            )
    families.sort(key=lambda family: -family["cv_accuracy"])
    return {
        "rows": {"train": track["rows"], "test": track["rest"]},
        "majority_accuracy": track["majority_accuracy"],
        "chosen": families[0]["family"] if families else None,
        "families": families,
    }


def _search_tasks(
    race: Race, entries: Sequence[Entry], share: float, track: str, speed: dict[str, float] | None = None
) -> dict[str, Any]:
    planned, grain = tasks.cut(race, entries, share, speed or {})
    return {"tasks": [{"kind": "search", "track": track, "share": share, **task} for task in planned], "grain": grain}


def _fit_task(track: str, entry: Entry, summary: Mapping[str, Any]) -> dict[str, Any]:
    point = next(item for item in summary["points"] if (item["family"], item["point"]) == (entry.family, entry.point))
    kept = {"family": entry.family, "point": entry.point, "params": entry.params, "oof": point["oof"]}
    return {"kind": "fit", "track": track, **kept}


def _round(
    number: int,
    kind: Literal["search", "fit"],
    planned: Mapping[str, Any],
    entries: Mapping[str, Sequence[Entry]],
    share: float,
    history: Sequence[Mapping[str, Any]],
    second: Mapping[str, Any],
    left_out: Sequence[Any],
    points: Sequence[ForecastPoint],
) -> Round:
    numbered: list[Any] = [{"id": f"t{place:04d}", **task} for place, task in enumerate(planned["tasks"])]
    return {
        "round": number,
        "kind": kind,
        "share": share,
        "tasks": numbered,
        "grain": planned["grain"] if kind == "search" else _grain(history),
        "entries": {name: [[e.family, e.point, e.params] for e in members] for name, members in entries.items()},
        "history": list(history),
        "second": second,
        "left_out": list(left_out),
        "forecast": list(points),
    }


def _grain(history: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for item in history:
        total = _sum(total, item["grain"])
    return total


def _summary(plan: SearchPlan, done: Round, results: Mapping[str, Mapping[str, Any]], track: str) -> dict[str, Any]:
    planned = [task for task in done["tasks"] if task["track"] == track]
    here = {task["id"] for task in planned}
    found = record.summarise(
        planned,
        {name: result for name, result in results.items() if name in here},
        [Entry(*entry) for entry in done["entries"][track]],
        share=done["share"] if track == MAIN else 1.0,
        select_by=plan["tracks"][track]["select_by"],
    )
    return found | {"grain": done["grain"]}


def _tolerate(plan: SearchPlan, summary: Mapping[str, Any]) -> None:
    share = summary["failed_fits"] / summary["fits"]
    if share > plan["tolerated_share"] or summary["failed_fits"] == summary["fits"]:
        first = next(point for point in summary["points"] if point["error"])
        raise SearchFailedError(
            f"{summary['failed_fits']} of {summary['fits']} fits failed, more than the tolerated share of "
            f"{plan['tolerated_share']:.0%}; the first: {first['family']} {first['params']}: {first['error']}"
        )


def _dump(left_out: Sequence[tuple[Entry, float]]) -> list[Any]:
    return [[[entry.family, entry.point, entry.params], seconds] for entry, seconds in left_out]


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
