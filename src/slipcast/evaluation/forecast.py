"""Assessment of a forecast: landmarks of the holdout by stage, next to the champion's forecast and simpler methods.

The forecast has limits of its own. One that breaks them is left out of the release, and the classifier is judged
without it: a model that tells late from timely well must not wait for one that tells when.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from slipcast.contracts import (
    ForecastBacktest,
    ForecastEvaluation,
    ForecastMethod,
    ForecastStage,
    NetworkEvaluation,
)
from slipcast.evaluation import networks
from slipcast.evaluation.gate import Limit
from slipcast.forecast import baselines, scores
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.scores import Forecasts
from slipcast.forecast.stage import Stage
from slipcast.metrics.groups import project_codes
from slipcast.model import artifact

CHALLENGER, CHAMPION = "forecast", "live forecast"
PLAN, DELAY, SLIPS = "plan", "plan and delay so far", "slips of the past"
FEW_FINISHES = 30
SHOWN = 15
STAGES = (Stage.NOT_STARTED, Stage.IN_PROGRESS, Stage.OVERDUE, Stage.ALREADY_LATE)
# Each name of a part of the landmarks and the stages in it.
SELECTIONS: dict[str, tuple[Stage, ...]] = {
    "open, not yet late": STAGES[:-1],
    **{stage.value: (stage,) for stage in STAGES},
    "all open": STAGES,
}
MEASURES = (
    *("auc", "auc_within", "precision_top", "brier", "crps", "pinball", "pinball_50", "pinball_80", "pinball_90"),
    *("held_80", "cover_80", "cover_90"),
)


@dataclass(frozen=True)
class Bounds:
    """Bounds of the share of finishes inside the 80 % interval, as the owner sets them."""

    min_coverage: float = 0.7
    max_coverage: float = 0.9


@dataclass(frozen=True)
class Found:
    """Result of a forecast's search.

    Attributes
    ----------
    train, holdout
        landmark tables (`landmarks.landmark_table`); None without a forecast
    raw
        bytes of the challenger's ``forecast.json``; None if there is none
    why
        reason why there is none
    search
        parameters and measured points, for the record
    champion
        bytes of the live ``forecast.json``; None if the live model has none or it cannot be read
    projects, activities
        rows of the holdout for the part ``network`` (`network_table.tables`); None without such a part
    why_no_network
        reason why there is no such part
    """

    train: pd.DataFrame | None = None
    holdout: pd.DataFrame | None = None
    raw: bytes | None = None
    why: str = ""
    search: Mapping[str, Any] | None = None
    champion: bytes | None = None
    projects: pd.DataFrame | None = None
    activities: pd.DataFrame | None = None
    why_no_network: str = ""


@dataclass(frozen=True)
class ForecastAssessment:
    """Result of `assess`.

    Attributes
    ----------
    released
        bytes of the ``forecast.json`` that a release gets: the challenger's, the champion's or none
    improved
        reason why the release brings a better forecast; None if it does not
    record
        figures for ``evaluation.json``
    """

    released: bytes | None
    improved: str | None
    record: ForecastEvaluation


def assess(
    found: Found,
    p_at_start: Callable[[pd.DataFrame], np.ndarray],
    champion_p_at_start: Callable[[pd.DataFrame], np.ndarray] | None,
    bounds: Bounds,
    *,
    seed: int,
    champion_live: bool,
) -> ForecastAssessment:
    """Measure the forecasts on the holdout's landmarks and decide which one a release gets.

    Parameters
    ----------
    p_at_start, champion_p_at_start
        probability judged at the start, by challenger and champion, of landmarks
    champion_live
        whether a model is live
    """
    rows, train = found.holdout, found.train
    if found.raw is None or rows is None or train is None:
        return _unjudged(found, found.why)
    if _observed(rows).sum() < FEW_FINISHES:
        return _unjudged(found, f"fewer than {FEW_FINISHES} finishes could judge it")
    said = {CHALLENGER: _forecasts(rows, found.raw, p_at_start(rows))}
    if found.champion is not None:
        p = None if champion_p_at_start is None else champion_p_at_start(rows)
        said[CHAMPION] = _forecasts(rows, found.champion, p)
    seen = _seen(rows)
    methods = {name: _as_forecasts(rows, seen, distributions) for name, distributions in said.items()}
    methods |= _simpler(rows, train, seen)
    methods = {name: scores.with_facts(rows, forecasts) for name, forecasts in methods.items()}
    stages = _stages(rows, methods, seed)
    limits, numbers = _limits(rows, methods, bounds, seed)
    kept, reasons, released = _choose(found, limits)
    judged = _networks(found, bounds, seed)
    if kept != CHALLENGER:
        judged["released"] = False
    elif released is not None and not judged["released"]:
        released = _without_network(released)
    improved = None
    if kept == CHALLENGER and found.champion is None and champion_live:
        improved = "the live model has no forecast"
    elif kept == CHALLENGER and CHAMPION in numbers and numbers[CHAMPION]["ci"][1] < 0:
        improved = f"its forecast is better: {_compared(numbers[CHAMPION], CHAMPION)}"
    record: ForecastEvaluation = {
        "why": "",
        "released": kept,
        "reasons": reasons,
        "limits": [limit.as_dict() for limits_ in limits.values() for limit in limits_],
        "pinball": numbers,
        "networks": judged,
        "bounds": asdict(bounds),
        "search": None if found.search is None else dict(found.search),
        "landmarks": {"train": len(train), "holdout": len(rows), "days": _days(rows)},
        "stages": stages,
        "histogram": scores.histogram(_transform(methods[CHALLENGER]), _observed(rows)),
        "backtest": _backtest(rows, said[CHALLENGER]),
    }
    return ForecastAssessment(released, improved, record)


def _networks(found: Found, bounds: Bounds, seed: int) -> NetworkEvaluation:
    part = None if found.raw is None else json.loads(found.raw).get("network")
    if part is None or found.projects is None or found.activities is None:
        why = found.why_no_network or "the forecast was trained without networks"
        return networks.assess(None, pd.DataFrame(), pd.DataFrame(), why, bounds.min_coverage, seed=seed)
    return networks.assess(part, found.projects, found.activities, "", bounds.min_coverage, seed=seed)


def _without_network(raw: bytes) -> bytes:
    document = json.loads(raw)
    # Without the part the bytes of the search are the ones of the release.
    return raw if document.pop("network", None) is None else artifact.encode(document)


def _unjudged(found: Found, why: str) -> ForecastAssessment:
    """Return the assessment without a forecast to judge: a task that was lost takes no dates from the live model."""
    kept = found.champion is not None
    record: ForecastEvaluation = {
        "why": why,
        "released": CHAMPION if kept else None,
        "reasons": [f"no new forecast: {why}", *(["the live forecast stays"] if kept else [])],
        "limits": [],
        "pinball": {},
        "bounds": {},
        "search": None if found.search is None else dict(found.search),
        "landmarks": {"train": 0, "holdout": 0, "days": []},
        "stages": [],
        "histogram": [],
        "backtest": None,
    }
    return ForecastAssessment(found.champion, None, record)


def _forecasts(rows: pd.DataFrame, raw: bytes, p_at_start: np.ndarray | None) -> list[FinishDistribution]:
    """Return what serving would say: the same evaluator, from the bytes of the release."""
    forecaster = Forecaster(json.loads(raw))
    at_start = [None] * len(rows) if p_at_start is None else p_at_start.tolist()
    return [
        forecaster.forecast(row, row["stage"], row["limit"], p)
        for row, p in zip(rows.to_dict("records"), at_start, strict=True)
    ]


def _seen(rows: pd.DataFrame) -> np.ndarray:
    # In the middle of the day of the finish: a day is an interval, and its end would favor late forecasts.
    seen: np.ndarray = rows["remaining"].sub(0.5).fillna(rows["follow_up"]).to_numpy()
    return seen


def _as_forecasts(rows: pd.DataFrame, seen: np.ndarray, said: Sequence[FinishDistribution]) -> Forecasts:
    return Forecasts(
        np.array([finish.p_late(limit) for finish, limit in zip(said, rows["limit"], strict=True)]),
        np.array([np.interp(scores.DAYS, finish.days, finish.probability) for finish in said]),
        np.array([finish.cdf(day) for finish, day in zip(said, seen, strict=True)]),
    )


def _simpler(rows: pd.DataFrame, train: pd.DataFrame, seen: np.ndarray) -> dict[str, Forecasts]:
    past = baselines.slips_of_the_past(rows, train, scores.DAYS)
    limit = rows["limit"].clip(0, scores.CAP_DAYS).to_numpy(dtype="int64")
    slips = Forecasts(
        1 - past[np.arange(len(rows)), limit],
        past,
        baselines.slips_of_the_past(rows, train, seen[:, None])[:, 0],
    )
    return {
        SLIPS: slips,
        DELAY: scores.point(rows, baselines.plan_and_delay(rows, train)),
        PLAN: scores.point(rows, baselines.plan(rows)),
    }


def _stages(rows: pd.DataFrame, methods: Mapping[str, Forecasts], seed: int) -> list[ForecastStage]:
    found: list[ForecastStage] = []
    projects, observed = project_codes(rows["project_id"]), _observed(rows)
    for name, stages in SELECTIONS.items():
        select = partial(_of_stages, stages)
        chosen = select(rows).to_numpy(dtype=bool)
        if not chosen.any():
            continue
        table = scores.table(rows, methods, select)
        measured = [
            cast("ForecastMethod", {"method": row["method"], **{key: _number(row.get(key)) for key in MEASURES}})
            for row in table.to_dict("records")
        ]
        finished = int(observed[chosen].sum())
        intervals = {}
        if finished:
            transform = _transform(methods[CHALLENGER])[chosen]
            intervals = scores.coverage_intervals(transform, observed[chosen], projects[chosen], seed=seed)
        found.append(
            {
                "stage": name,
                "rows": int(chosen.sum()),
                "finished": finished,
                "methods": measured,
                "coverage_ci": intervals,
            }
        )
    return found


def _of_stages(stages: Sequence[Stage], rows: pd.DataFrame) -> pd.Series:
    inside: pd.Series = rows["stage"].isin(stages)
    return inside


def _limits(
    rows: pd.DataFrame, methods: Mapping[str, Forecasts], bounds: Bounds, seed: int
) -> tuple[dict[str, list[Limit]], dict[str, Any]]:
    """Return the limits of challenger and champion, and the differences of the challenger's loss from others'.

    A limit is broken if the whole 95 % interval of a bootstrap by project lies beyond it: few finishes break none.
    """
    projects, observed = project_codes(rows["project_id"]), _observed(rows)
    limits = {}
    for name in (CHALLENGER, CHAMPION):
        if name in methods:
            transform = _transform(methods[name])
            share = scores.coverage(transform, observed)["cover_80"]
            low, high = scores.coverage_intervals(transform, observed, projects, seed=seed)["cover_80"]
            limits[name] = _coverage_limits(name, share, (low, high), bounds)
    numbers = {}
    for other in (SLIPS, CHAMPION):
        if other in methods:
            ours, theirs = (_pinball(rows, methods[each]) for each in (CHALLENGER, other))
            mean, ci = scores.paired(ours, theirs, projects, seed=seed)
            numbers[other] = {"challenger": float(ours.mean()), "other": float(theirs.mean()), "less": mean, "ci": ci}
            limits[CHALLENGER].append(
                Limit(
                    f"forecast: pinball loss less that of the {other}, lower bound, at most",
                    ci[0],
                    0.0,
                    ci[0] > 0,
                    f"its pinball loss is higher than that of the {other}: {_compared(numbers[other], other)}",
                )
            )
    return limits, numbers


def _coverage_limits(name: str, share: float, ci: tuple[float, float], bounds: Bounds) -> list[Limit]:
    said = (
        f"the 80 % interval of the {name} holds in {share:.0%} of finishes (95 % interval {ci[0]:.0%} to {ci[1]:.0%})"
    )
    return [
        Limit(
            f"{name}: coverage of the 80 % interval, upper bound, at least",
            ci[1],
            bounds.min_coverage,
            ci[1] < bounds.min_coverage,
            f"{said}, at least {bounds.min_coverage:.0%} are asked for (MinForecastCoverage): it is too sure",
        ),
        Limit(
            f"{name}: coverage of the 80 % interval, lower bound, at most",
            ci[0],
            bounds.max_coverage,
            ci[0] > bounds.max_coverage,
            f"{said}, at most {bounds.max_coverage:.0%} are allowed (MaxForecastCoverage): it is not sure enough",
        ),
    ]


def _choose(found: Found, limits: Mapping[str, list[Limit]]) -> tuple[str | None, list[str], bytes | None]:
    broken = {name: [limit.why for limit in each if limit.broken] for name, each in limits.items()}
    if not broken[CHALLENGER]:
        return CHALLENGER, ["the new forecast is within its limits"], found.raw
    against = [f"the new forecast is left out: {why}" for why in broken[CHALLENGER]]
    if CHAMPION not in limits:
        return None, [*against, "the release has no forecast: stages and days late are answered, dates are not"], None
    if not broken[CHAMPION]:
        return CHAMPION, [*against, "the live forecast stays, it is within its limits"], found.champion
    return None, [*against, *broken[CHAMPION], "the release has no forecast"], None


def _compared(numbers: Mapping[str, Any], other: str) -> str:
    low, high = numbers["ci"]
    return (
        f"{numbers['challenger']:.2f} days against {numbers['other']:.2f} of the {other} "
        f"(95 % interval of the difference {low:+.2f} to {high:+.2f})"
    )


def _pinball(rows: pd.DataFrame, forecasts: Forecasts) -> np.ndarray:
    found = scores.row_scores(rows, forecasts)
    losses: np.ndarray = np.mean([value for key, value in found.items() if key.startswith("pinball_")], axis=0)
    return losses


def _transform(forecasts: Forecasts) -> np.ndarray:
    if forecasts.transform is None:
        raise TypeError("a method of dates alone has no coverage")
    return forecasts.transform


def _observed(rows: pd.DataFrame) -> np.ndarray:
    observed: np.ndarray = rows["remaining"].notna().to_numpy()
    return observed


def _days(rows: pd.DataFrame) -> list[str]:
    return [day.date().isoformat() for day in sorted(rows["landmark"].unique())]


def _backtest(rows: pd.DataFrame, said: Sequence[FinishDistribution]) -> ForecastBacktest | None:
    """Return what was said of one project at one landmark, and what came: the one with most finishes since.

    Neither project nor day is chosen by how good the forecast was.
    """
    known = rows[rows["remaining"].notna() & rows["project_id"].notna()]
    if known.empty:
        return None
    counts = known.groupby(["project_id", "landmark"]).size().sort_index()
    project, day = counts.idxmax()
    inside = np.flatnonzero((rows["project_id"] == project) & (rows["landmark"] == day)).tolist()
    activities = []
    for place in sorted(inside, key=lambda place: (rows["to_finish"].iloc[place], place))[:SHOWN]:
        row, finish = rows.iloc[place], said[place]
        ended = None if pd.isna(row["remaining"]) else day + pd.Timedelta(days=row["remaining"])
        seen = day + pd.Timedelta(days=row["follow_up"])
        activities.append(
            {
                "activity_id": str(row.get("activity_id", row["row"])),
                "stage": row["stage"],
                "baseline_finish": (day + pd.Timedelta(days=row["to_finish"])).date().isoformat(),
                **{
                    f"p{round(100 * level)}": finish.finish_date(day.date(), level).isoformat()
                    for level in (0.1, 0.5, 0.8, 0.9)
                },
                "finish": None if ended is None else ended.date().isoformat(),
                "last_seen": seen.date().isoformat(),
            }
        )
    return {"project_id": str(project), "data_date": day.date().isoformat(), "activities": activities}


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)
