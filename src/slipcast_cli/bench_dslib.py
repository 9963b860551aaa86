"""Benchmark of forecasts on DSLIB: activities and completions, every method on the same rows, folds by project fixed.

Times are working days of each project's calendar, lateness is in calendar days. Each figure is a mean over the means of
projects, so that long projects count no more than others. Everything that is learned is learned from other projects.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from slipcast.forecast import completion, monte_carlo, network_state, relative
from slipcast.forecast.stage import Stage
from slipcast.forecast.survival import kaplan_meier, step
from slipcast.forecast.training import project_folds
from slipcast.metrics.bootstrap import interval, multiplicities
from slipcast.metrics.scores import auc
from slipcast.schedule import draws
from slipcast.schedule.compiled import compiled
from slipcast.schedule.network import Constraint, ConstraintKind, CycleError, Key, Network
from slipcast_cli import dslib
from slipcast_cli.dslib import TrackedProject

SEED = 1
FOLDS, COMPLETION_FOLDS = 6, 10
AT_START_TREES = 200
TOLERANCE_DAYS = 30
# Levels of the pinball losses; twice their mean stands for the CRPS (Gneiting and Ranjan 2011, quantile form).
LEVELS = np.array([0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
# Activities of a tracking period that are judged at most: those of large projects say little more.
MOST_ROWS = 15
DRAWS = 500
TRIANGLE = (0.9, 1.0, 1.25)
# Quantiles within this part of a working day of the truth hold: data are in hours.
ROUNDING = 0.26
FORECAST, NETWORK, EARNED = "forecast", "critical path", "earned schedule, PF = 1"
AT_START = ("duration", "position", "predecessors", "successors", "value_share", "baseline_float", "planned_duration")
FEWEST_IN_CLASS = 5
DAY = 1440


@dataclass(frozen=True)
class Tables:
    """Rows that are judged.

    Attributes
    ----------
    activities
        open activities at status dates: `network_state.FEATURES`, ``project_id``, ``period``, ``sector``, ``stage``,
        ``true_remaining``, ``limit`` (working days to the last day in time), ``days_late`` (calendar days from planned
        to true finish), and by the triangular Monte Carlo ``triangle_<level in %>``
    projects
        status dates: what `completion.fit` takes, and the levels of both Monte Carlos
    left_out
        number of projects by the reason why they are left out
    leak
        share of percentages complete that know the finish, and number of records
    """

    activities: pd.DataFrame
    projects: pd.DataFrame
    left_out: Mapping[str, int]
    leak: tuple[float, int]


def tables(projects: Iterable[TrackedProject]) -> Tables:
    """Return what is judged of the projects of a download."""
    left_out: dict[str, int] = {}
    used = []
    for project in projects:
        reason = dslib.unusable(project)
        try:
            compiled(project.network)
        except CycleError:
            reason = reason or "relations in a circle"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            used.append(project)
    ratios = {project.name: _ratios(project) for project in used}
    activities, periods = [], []
    for project in used:
        others = [(name, ratio) for name, found in ratios.items() if name != project.name for ratio in found]
        reference = monte_carlo.reference_class([name for name, _ in others], [ratio for _, ratio in others])
        for rows, period in _periods(project, reference):
            activities.append(rows)
            periods.append(period)
    table = pd.concat(activities, ignore_index=True)
    chosen = np.random.default_rng(0).random(len(table))
    rank = pd.Series(chosen).groupby([table["project_id"], table["period"]]).rank()
    return Tables(
        table[rank <= MOST_ROWS].reset_index(drop=True), pd.DataFrame(periods), left_out, dslib.leak(used, 4 * 60)
    )


def _ratios(project: TrackedProject) -> list[float]:
    """Return actual over planned duration of what is finished."""
    found = []
    for key, (begin, end) in dslib.finishes(project).items():
        planned = project.network.activities[key].duration
        actual = project.clock.between(begin, end)
        if planned > 0 and actual > 0:
            found.append(actual / planned)
    return found


def _periods(
    project: TrackedProject, reference: monte_carlo.Reference
) -> Iterable[tuple[pd.DataFrame, dict[str, Any]]]:
    clock, day = project.clock, project.clock.day_minutes
    finished = dslib.finishes(project)
    last = max(end for _, end in finished.values())
    first = min(item.planned_start or last for item in project.network.activities.values())
    name = {"project_id": project.name, "sector": project.sector}
    for number, period in enumerate(project.periods):
        now = clock.worked(period.data_date)
        if period.data_date <= first or clock.worked(last) - now <= day / 2:
            continue
        network = project.as_of(period)
        state = network_state.state(network, project.value)
        drawn = {
            "triangle": _triangle(network, project.name, number),
            "learned": _learned(network, reference, number),
        }
        known = np.array([key in finished for key in state.activities["key"]], dtype=bool)
        rows = state.activities.loc[known].copy()
        if rows.empty:
            continue
        ends = np.array([finished[key][1] for key in rows["key"]], dtype="int64")
        planned = np.array([project.network.activities[key].planned_finish for key in rows["key"]], dtype="int64")
        rows["true_remaining"] = [(clock.worked(int(end)) - now) / day for end in ends]
        rows["follow_up"] = rows["true_remaining"]
        rows["limit"] = [(clock.worked(int(end) + TOLERANCE_DAYS * DAY) - now) / day for end in planned]
        rows["days_late"] = ends // DAY - planned // DAY
        over = period.data_date // DAY - planned // DAY
        rows["stage"] = np.select(
            [over >= TOLERANCE_DAYS, over >= 0, rows["started"] > 0],
            [Stage.ALREADY_LATE, Stage.OVERDUE, Stage.IN_PROGRESS],
            Stage.NOT_STARTED,
        )
        places = {node.activity.key: place for place, node in enumerate(drawn["triangle"].nodes)}
        moments = monte_carlo.activity_quantiles(drawn["triangle"], LEVELS.tolist())
        for column, level in enumerate(LEVELS):
            rows[f"triangle_{round(level * 100)}"] = [
                max((clock.worked(int(moments[places[key], column])) - now) / day, network_state.LEAST_DAYS)
                for key in rows["key"]
            ]
        record = {**name, **state.project, "period": number, "remaining": (clock.worked(last) - now) / day}
        for method, result in drawn.items():
            latest, _ = result.project_finish(project.name)
            for level in completion.LEVELS:
                moment = monte_carlo.quantile(latest, level)
                record[f"{method}_{round(level * 100)}"] = max((clock.worked(moment) - now) / day, 0.5)
        # What says an open activity has a finish before the status date was written down later.
        rows = rows[rows["true_remaining"] >= 0]
        if len(rows):
            yield rows.assign(period=number, **name), record


def _held(network: Network) -> Network:
    """Return the network with starts held to the plan."""
    activities = {
        key: replace(item, constraints=(Constraint(ConstraintKind.START_ON_OR_AFTER, item.planned_start),))
        if item.planned_start is not None
        else item
        for key, item in network.activities.items()
    }
    return replace(network, activities=activities)


def _triangle(network: Network, name: str, number: int) -> draws.Draws:
    nodes = compiled(_held(network))
    # A seed that stays the same whatever else is judged.
    rng = np.random.default_rng(zlib.crc32(f"{name} {number}".encode()))
    drawn: dict[Key, np.ndarray] = {
        node.activity.key: np.maximum(node.remaining * rng.triangular(*TRIANGLE, DRAWS), 1).astype("int32")
        for node in nodes.scheduled()
        if node.remaining and not node.complete
    }
    return draws.run(nodes, drawn, DRAWS)


def _learned(network: Network, reference: monte_carlo.Reference, number: int) -> draws.Draws:
    nodes = compiled(_held(network))
    return draws.run(nodes, monte_carlo.durations(nodes, reference, {}, DRAWS, number), DRAWS)


@dataclass(frozen=True)
class Said:
    """What a method says of each row: P(late), quantiles at `LEVELS` in working days, and an order of lateness."""

    p_late: np.ndarray | None
    quantiles: np.ndarray | None
    spread: bool = True


def activity_methods(table: pd.DataFrame, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Said]:
    """Return what each method says of each row of `Tables.activities`."""
    limit = table["limit"].to_numpy()
    base = table["network_remaining"].to_numpy()
    triangle = table[[f"triangle_{round(level * 100)}" for level in LEVELS]].to_numpy()
    methods = {
        "plan": _point(table["plan_remaining"], limit),
        "plan and delay so far": _point(table["shifted_remaining"], limit),
        NETWORK: _point(table["network_remaining"], limit),
        EARNED: _point(np.maximum(table["plan_remaining"] + table["earned_delay"], 0.5), limit),
        "earned schedule, SPI(t)": _point(table["earned_remaining"], limit),
        "Monte Carlo, -10/+25 %": Said(_share_above(triangle, limit), triangle),
    }
    past, at_start = np.empty((len(table), len(LEVELS))), np.empty(len(table))
    past_late, cdf = np.empty(len(table)), np.empty((len(table), len(relative.KNOTS)))
    late = (table["days_late"] > TOLERANCE_DAYS).to_numpy()
    for train, held in folds:
        past[held], past_late[held] = _slips(table.iloc[train], table.iloc[held])
        at_start[held] = _frozen(table.iloc[train], late[train], table.iloc[held])
        cdf[held] = relative.fit(table.iloc[train], SEED).cdf(table.iloc[held])
    methods["slips of the past"] = Said(past_late, past)
    methods["frozen at the start"] = Said(at_start, None)
    methods[FORECAST] = Said(relative.p_late(cdf, base, limit), relative.quantiles(cdf, base, LEVELS.tolist()))
    certain = (table["stage"] == Stage.ALREADY_LATE).to_numpy()
    return {
        name: Said(None if said.p_late is None else np.where(certain, 1.0, said.p_late), said.quantiles, said.spread)
        for name, said in methods.items()
    }


def _point(days: pd.Series | np.ndarray, limit: np.ndarray) -> Said:
    values = np.asarray(days, dtype="float64")
    return Said((values > limit).astype("float64"), np.repeat(values[:, None], len(LEVELS), axis=1), spread=False)


def _share_above(quantiles: np.ndarray, limit: np.ndarray) -> np.ndarray:
    return np.array(
        [
            1 - np.interp(at, row + np.arange(len(row)) * 1e-9, LEVELS, 0.0, 1.0)
            for at, row in zip(limit, quantiles, strict=True)
        ]
    )


def _slips(train: pd.DataFrame, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles and P(late) of the slips of other projects' activities, given that each row is open."""
    once = train.drop_duplicates("key")
    slip = (once["true_remaining"] - once["to_finish"]).to_numpy()
    weight = relative.project_weights(once["project_id"])
    times, survival = kaplan_meier(slip, np.ones(len(slip), dtype=bool), weight)
    over = -rows["to_finish"].to_numpy()
    floor = np.maximum(step(over, times, survival, 1.0), 1e-6)
    # The smallest slip whose tail, given the delay so far, is small enough.
    target = floor[:, None] * (1 - LEVELS)
    place = np.minimum(np.searchsorted(-survival, -target, side="left"), len(times) - 1)
    days = np.maximum(times[place] - over[:, None], network_state.LEAST_DAYS)
    return days, step(over + rows["limit"].to_numpy(), times, survival, 1.0) / floor


def _frozen(train: pd.DataFrame, late: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    first = ~train.duplicated("key").to_numpy()
    forest = RandomForestClassifier(AT_START_TREES, min_samples_leaf=10, max_features=0.4, random_state=SEED)
    names = list(AT_START)
    forest.fit(train[names][first], late[first], relative.project_weights(train["project_id"][first]))
    if len(forest.classes_) < 2:
        return np.full(len(rows), float(forest.classes_[0]))
    values: np.ndarray = forest.predict_proba(rows[names])[:, 1]
    return values


SELECTIONS: dict[str, Sequence[Stage]] = {
    "open, not yet late": (Stage.NOT_STARTED, Stage.IN_PROGRESS, Stage.OVERDUE),
    "not started": (Stage.NOT_STARTED,),
    "in progress": (Stage.IN_PROGRESS,),
    "overdue": (Stage.OVERDUE,),
    "already late": (Stage.ALREADY_LATE,),
    "all open": tuple(Stage),
}


class ProjectMeans:
    """Means over the means of projects, with 95 % intervals by the bootstrap of whole projects."""

    def __init__(self, projects: pd.Series) -> None:
        self._names, self._codes = np.unique(projects.to_numpy(dtype=str), return_inverse=True)

    def each(self, values: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return the mean of each project that has chosen rows."""
        rows = np.isfinite(values) if chosen is None else chosen & np.isfinite(values)
        count = np.bincount(self._codes[rows], minlength=len(self._names))
        total = np.bincount(self._codes[rows], values[rows], len(self._names))
        means: np.ndarray = total[count > 0] / count[count > 0]
        return means

    def mean(self, values: np.ndarray, chosen: np.ndarray | None = None) -> float:
        """Return the mean over projects."""
        return float(np.mean(self.each(values, chosen)))

    def difference(
        self, ours: np.ndarray, theirs: np.ndarray, chosen: np.ndarray | None = None
    ) -> tuple[float, list[float], float, list[float]]:
        """Return the paired difference of two scores with its interval, and its ratio to the second with its own."""
        one, other = self.each(ours, chosen), self.each(theirs, chosen)
        drawn = np.concatenate(
            [weights @ np.column_stack([one, other]) / len(one) for weights in multiplicities(len(one), 2000, 0)]
        )
        change, ratio = drawn[:, 0] - drawn[:, 1], drawn[:, 0] / drawn[:, 1] - 1
        return (
            float(one.mean() - other.mean()),
            interval(change),
            float(one.mean() / other.mean() - 1),
            interval(ratio),
        )


def pinball(truth: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the pinball losses, shape (n_rows, n_levels)."""
    error = truth[:, None] - quantiles
    losses: np.ndarray = np.maximum(levels * error, (levels - 1) * error)
    return losses


def activity_scores(table: pd.DataFrame, methods: Mapping[str, Said]) -> dict[str, pd.DataFrame]:
    """Return the scores of each method by selection of stages."""
    means = ProjectMeans(table["project_id"])
    late = (table["days_late"] > TOLERANCE_DAYS).to_numpy()
    truth = table["true_remaining"].to_numpy()
    found = {}
    for selection, stages in SELECTIONS.items():
        chosen = table["stage"].isin(list(stages)).to_numpy()
        rows = []
        for name, said in methods.items():
            row: dict[str, Any] = {"method": name, "rows": int(chosen.sum())}
            if said.p_late is not None and 0 < late[chosen].mean() < 1:
                row["auc"] = auc(late[chosen].astype(int), said.p_late[chosen])
                row["auc_within"] = _within(table["project_id"][chosen], late[chosen], said.p_late[chosen])
                row["brier"] = means.mean((said.p_late - late) ** 2, chosen)
            if said.quantiles is not None:
                losses = pinball(truth, said.quantiles, LEVELS)
                row["crps"] = means.mean(2 * losses.mean(axis=1), chosen)
                row |= {f"pinball_{level}": means.mean(losses[:, _column(level)], chosen) for level in (50, 80, 90)}
                if said.spread:
                    row |= _coverage(means, truth, said.quantiles, chosen)
            rows.append(row)
        found[selection] = pd.DataFrame(rows)
    return found


def lateness_auc(table: pd.DataFrame, methods: Mapping[str, Said]) -> pd.DataFrame:
    """Return the AUC of being more than 0, 7 and 30 calendar days late, of what has not started."""
    chosen = (table["stage"] == Stage.NOT_STARTED).to_numpy()
    rows = []
    for name, said in methods.items():
        if said.quantiles is None:
            continue
        row: dict[str, Any] = {"method": name, "rows": int(chosen.sum())}
        for days in (0, 7, 30):
            limit = table["limit"].to_numpy() - (TOLERANCE_DAYS - days) * 5 / 7
            late = (table["days_late"] > days).to_numpy()[chosen]
            # A date ranks by how late it is.
            score = _share_above(said.quantiles, limit) if said.spread else said.quantiles[:, 0] - limit
            row[f"late_{days}"] = auc(late.astype(int), score[chosen])
        rows.append(row)
    return pd.DataFrame(rows)


def _column(level: int) -> int:
    return int(np.flatnonzero(np.round(LEVELS * 100) == level)[0])


def _coverage(means: ProjectMeans, truth: np.ndarray, said: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    def held(low: int | None, high: int) -> float:
        inside = truth <= said[:, _column(high)] + ROUNDING
        if low is not None:
            inside &= truth >= said[:, _column(low)] - ROUNDING
        return means.mean(inside.astype("float64"), chosen)

    return {"held_80": held(None, 80), "cover_80": held(10, 90), "cover_90": held(5, 95)}


def _within(projects: pd.Series, late: np.ndarray, p: np.ndarray) -> float:
    names = projects.to_numpy(dtype=str)
    areas = []
    for name in np.unique(names):
        own = late[names == name]
        if min(own.sum(), len(own) - own.sum()) >= FEWEST_IN_CLASS:
            areas.append(auc(own.astype(int), p[names == name]))
    return float(np.median(areas)) if areas else float("nan")


def completion_methods(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what each method says of the remaining working days to completion, at `completion.LEVELS`.

    Dates have the same value at all levels. "+ spread" adds the errors of the other projects in the same third of the
    earned value.
    """
    levels = completion.LEVELS
    earned = np.maximum(table["earned_remaining"].to_numpy(), 0.5)
    points = {
        "plan": table["plan_remaining"].to_numpy(),
        NETWORK: table["network_remaining"].to_numpy(),
        "critical path, starts free": table["free_remaining"].to_numpy(),
        EARNED: earned,
        "earned schedule, SPI(t)": earned / np.clip(table["performance"].to_numpy(), 0.1, None),
        "mean of both": completion.base(table),
    }
    said = {name: np.repeat(days[:, None], len(levels), axis=1) for name, days in points.items()}
    for title, column in (("Monte Carlo, -10/+25 %", "triangle"), ("Monte Carlo, learned", "learned")):
        said[title] = table[[f"{column}_{round(level * 100)}" for level in levels]].to_numpy()
    spread = {name: np.empty((len(table), len(levels))) for name in (EARNED, NETWORK, "mean of both")}
    forecast = np.empty((len(table), len(levels)))
    third = thirds(table)
    for train, held in project_folds(table["project_id"], COMPLETION_FOLDS, SEED):
        forecast[held] = completion.fit(table.iloc[train], SEED).quantiles(table.iloc[held])
        weight = 1 / table.iloc[train].groupby("project_id")["remaining"].transform("size").to_numpy()
        for name, out in spread.items():
            error = np.clip(np.log(np.maximum(table["remaining"].to_numpy(), 0.5) / points[name]), -3, 3)
            for part in range(3):
                own, target = third[train] == part, held[third[held] == part]
                ratio = _weighted_quantiles(error[train][own], weight[own], levels)
                out[target] = points[name][target][:, None] * np.exp(ratio)
    said |= {f"{name} + spread": values for name, values in spread.items()}
    said[FORECAST] = forecast
    return said


def thirds(table: pd.DataFrame) -> np.ndarray:
    """Return the third of the earned value that each row is in: 0, 1 or 2."""
    parts: np.ndarray = np.digitize(table["earned"].to_numpy(), [1 / 3, 2 / 3])
    return parts


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    found: np.ndarray = values[order][np.minimum(np.searchsorted(share, levels), len(values) - 1)]
    return found


def completion_scores(table: pd.DataFrame, methods: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return errors in % of the true duration by thirds of the earned value, coverage of the P80, and pinball loss."""
    means, third = ProjectMeans(table["project_id"]), thirds(table)
    truth = table["remaining"].to_numpy()
    duration = truth + table["elapsed"].to_numpy()
    parts = {"early": third == 0, "middle": third == 1, "late": third == 2, "all": third >= 0}
    rows = []
    for name, said in methods.items():
        row: dict[str, Any] = {"method": name, "rows": len(table)}
        error = 100 * np.abs(said[:, 1] - truth) / duration
        row |= {f"error_{part}": means.mean(error, chosen) for part, chosen in parts.items()}
        if (said[:, 0] < said[:, -1]).any():
            held = (truth <= said[:, 2] + ROUNDING).astype("float64")
            row |= {f"held_{part}": means.mean(held, chosen) for part, chosen in parts.items()}
        row["pinball"] = means.mean(_relative_pinball(table, said))
        rows.append(row)
    return pd.DataFrame(rows)


def _relative_pinball(table: pd.DataFrame, said: np.ndarray) -> np.ndarray:
    truth = table["remaining"].to_numpy()
    losses = pinball(truth, said, np.array(completion.LEVELS)).mean(axis=1)
    values: np.ndarray = 100 * losses / (truth + table["elapsed"].to_numpy())
    return values


@dataclass(frozen=True)
class Result:
    """Scores of activities and completions; those of activities also with whole sectors held out."""

    found: Tables
    activities: dict[str, pd.DataFrame]
    not_started: pd.DataFrame
    out_of_sector: dict[str, pd.DataFrame]
    completion: pd.DataFrame
    differences: list[dict[str, Any]]


def run(found: Tables) -> Result:
    """Judge every method on the tables of a download."""
    table, projects = found.activities, found.projects
    usable = projects[(projects["earned"] > 0) & (projects["earned"] < 1)].reset_index(drop=True)
    methods = activity_methods(table, list(project_folds(table["project_id"], FOLDS, SEED)))
    sector = sectors(table["sector"])
    others = activity_methods(
        table, [(np.flatnonzero(sector != name), np.flatnonzero(sector == name)) for name in np.unique(sector)]
    )
    completions = completion_methods(usable)
    return Result(
        found,
        activity_scores(table, methods),
        lateness_auc(table, methods),
        {
            name: scores
            for name, scores in activity_scores(table, others).items()
            if name in ("open, not yet late", "all open")
        },
        completion_scores(usable, completions),
        _differences(table, methods, usable, completions),
    )


def sectors(names: pd.Series) -> np.ndarray:
    """Return the sectors, those of few projects as one."""
    kind = names.str.extract(r"^(construction \([a-z ]+\)|it|engineering)")[0].fillna("other")
    values: np.ndarray = kind.to_numpy(dtype=str)
    return values


def _differences(
    table: pd.DataFrame,
    methods: Mapping[str, Said],
    projects: pd.DataFrame,
    completions: Mapping[str, np.ndarray],
) -> list[dict[str, Any]]:
    means = ProjectMeans(table["project_id"])
    truth, late = table["true_remaining"].to_numpy(), (table["days_late"] > TOLERANCE_DAYS).to_numpy()

    def crps(name: str) -> np.ndarray:
        values: np.ndarray = 2 * pinball(truth, np.asarray(methods[name].quantiles), LEVELS).mean(axis=1)
        return values

    found = []
    for other in (NETWORK, "slips of the past"):
        found.append(_difference("crps, all open", other, means.difference(crps(FORECAST), crps(other))))
    open_ = (table["stage"] != Stage.ALREADY_LATE).to_numpy()
    for other in (NETWORK, "frozen at the start", "slips of the past"):
        ours, theirs = ((np.asarray(methods[name].p_late) - late) ** 2 for name in (FORECAST, other))
        found.append(_difference("brier, open, not yet late", other, means.difference(ours, theirs, open_)))
    whole = ProjectMeans(projects["project_id"])
    for other in (f"{EARNED} + spread", f"{NETWORK} + spread", "mean of both + spread"):
        ours, theirs = (_relative_pinball(projects, completions[name]) for name in (FORECAST, other))
        found.append(_difference("pinball of the completion", other, whole.difference(ours, theirs)))
    return found


def _difference(score: str, other: str, values: tuple[float, list[float], float, list[float]]) -> dict[str, Any]:
    mean, bounds, ratio, ratio_bounds = values
    return {"score": score, "less": other, "difference": mean, "ci": bounds, "ratio": ratio, "ratio_ci": ratio_bounds}


# Heading → score, decimals.
ACTIVITY_COLUMNS = {
    "AUC": ("auc", 3),
    "AUC within": ("auc_within", 3),
    "Brier": ("brier", 3),
    "CRPS": ("crps", 1),
    "P50": ("pinball_50", 1),
    "P80": ("pinball_80", 1),
    "P90": ("pinball_90", 1),
    "≤ P80": ("held_80", 3),
    "80 %": ("cover_80", 3),
    "90 %": ("cover_90", 3),
}
LATE_COLUMNS = {"> 0 days": ("late_0", 3), "> 7 days": ("late_7", 3), "> 30 days": ("late_30", 3)}
COMPLETION_COLUMNS = {
    **{f"error, {part}": (f"error_{part}", 1) for part in ("early", "middle", "late", "all")},
    **{f"≤ P80, {part}": (f"held_{part}", 2) for part in ("early", "middle", "late", "all")},
    "pinball": ("pinball", 2),
}


def text(result: Result) -> str:
    """Return the tables as Markdown."""
    table, projects = result.found.activities, result.found.projects
    share, records = result.found.leak
    lines = [
        f"{projects['project_id'].nunique()} projects, {len(projects):,} status dates, {len(table):,} open activities.",
        "Left out: " + ", ".join(f"{count} {reason}" for reason, count in sorted(result.found.left_out.items())) + ".",
        f"Percent complete knows the finish in {share:.0%} of {records:,} records of work in progress.",
        "",
    ]
    for name, scores in result.activities.items():
        lines += markdown(f"{name} ({scores['rows'].iloc[0]:,} rows)", scores, ACTIVITY_COLUMNS)
    lines += markdown("not started: AUC of lateness in calendar days", result.not_started, LATE_COLUMNS)
    for name, scores in result.out_of_sector.items():
        lines += markdown(f"{name}, learned from other sectors alone", scores, ACTIVITY_COLUMNS)
    lines += markdown(
        f"completion ({result.completion['rows'].iloc[0]:,} status dates)", result.completion, COMPLETION_COLUMNS
    )
    for item in result.differences:
        (low, high), (least, most) = item["ci"], item["ratio_ci"]
        lines.append(
            f"- {item['score']}: {FORECAST} less {item['less']} {item['difference']:+.3f} [{low:+.3f}, {high:+.3f}], "
            f"{100 * item['ratio']:+.1f} % [{100 * least:+.1f}, {100 * most:+.1f}]"
        )
    return "\n".join(lines)


def markdown(title: str, scores: pd.DataFrame, columns: Mapping[str, tuple[str, int]]) -> list[str]:
    """Return a table with the columns that it has values for."""
    shown = {
        heading: (key, digits)
        for heading, (key, digits) in columns.items()
        if key in scores and scores[key].notna().any()
    }
    lines = [
        f"**{title[0].upper()}{title[1:]}**",
        "",
        "| | " + " | ".join(shown) + " |",
        "|---" + "|--:" * len(shown) + "|",
    ]
    for row in scores.to_dict("records"):
        cells = ["" if row[key] != row[key] else f"{row[key]:.{digits}f}" for key, digits in shown.values()]
        lines.append(f"| {row['method']} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def document(result: Result) -> dict[str, Any]:
    """Return the tables as JSON values; undefined scores are None."""

    def plain(scores: pd.DataFrame) -> list[dict[str, Any]]:
        return [
            {key: None if value != value else value for key, value in row.items()} for row in scores.to_dict("records")
        ]

    return {
        "left_out": dict(result.found.left_out),
        "leak": result.found.leak[0],
        "activities": {name: plain(scores) for name, scores in result.activities.items()},
        "not_started": plain(result.not_started),
        "out_of_sector": {name: plain(scores) for name, scores in result.out_of_sector.items()},
        "completion": plain(result.completion),
        "differences": result.differences,
    }
