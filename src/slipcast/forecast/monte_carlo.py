"""Completion of a project by Monte Carlo over its network: quantiles, what is critical, and what adds days.

Each draw gives every open activity a duration and runs the network. The durations of a project are not independent: an
activity's position in its distribution is the sum of a factor that the project shares and a part of its own (a Gaussian
copula with one factor; Li 2000, "On default correlation", uses the same). What the project has finished so far tells
of its factor, and shrinks toward the portfolio while that is little. A second factor moves all open work of a project
alike: what no duration tells.

Where a model of completions was trained, its quantiles replace those of the draws, and milestones move with them:
durations that vary as much as activities do make a project vary more than projects do (docs/forecast.md).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist
from typing import TypedDict

import numpy as np

from slipcast.datasets.calendars import DAY
from slipcast.forecast import consistent
from slipcast.forecast.distribution import FinishDistribution
from slipcast.schedule import backward, draws, forward
from slipcast.schedule.compiled import Compiled, Node, compiled
from slipcast.schedule.draws import Draws
from slipcast.schedule.network import MILESTONES, Key, Network
from slipcast.schedule.working_time import moment_of

LEVELS = {"p10": 0.1, "p50": 0.5, "p80": 0.8, "p90": 0.9}
DRAWS = 2000
# Levels at which distributions of durations are kept, and their places on the scale of the normal distribution.
GRID = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
SCORES = np.array([NormalDist().inv_cdf(level) for level in GRID])
# Logarithms of durations over planned durations beyond this are errors of the data more often than activities.
LARGEST = 2.3
# Share of the logarithms' spread that is drawn: see the module. Measured on DSLIB (docs/forecast.md).
DAMPING = 0.3
# Standard deviation of the logarithm of what moves all open work of a project alike (weather, approvals, crews): the
# error of completions that durations do not explain. Measured on DSLIB (docs/forecast.md).
SYSTEMATIC = 0.25
# Standard deviation of the logarithm of the days to a finish that the network does not tell: this over the square root
# of these days, as errors of single days add up, within bounds. Measured on DSLIB (docs/forecast.md).
OWN, LEAST_OWN, MOST_OWN = 3.0, 0.2, 1.5
# Scores are looked up in tables of this many steps on either side, up to this score.
STEPS, WIDEST = 512, 4.0
# Finished activities of a project that count at most: they are not as independent as the model takes them for.
MOST_FINISHED = 30
# Share of the draws around the P80 whose paths say what adds days.
WINDOW = 0.05
DRIVERS = 20


class Quantiles(TypedDict):
    """Dates (year-month-day) by which the probability is reached, and the date by the critical path method."""

    computed: str
    p10: str
    p50: str
    p80: str
    p90: str


class Milestone(Quantiles):
    """Forecast of a milestone."""

    activity_id: str
    activity_name: str


class Driver(TypedDict):
    """Activity that drives the completion.

    ``criticality`` is the share of draws in which it is on a path that sets the completion; ``days`` the calendar days
    that its duration, where it is longer than planned, adds to the P80 of the draws.
    """

    activity_id: str
    activity_name: str
    criticality: float
    days: float


class GroupDays(TypedDict):
    """Days that the activities of a group add to the P80."""

    name: str
    days: float


class ProjectForecast(Quantiles):
    """Forecast of a project's completion.

    ``reference`` says what the durations were learned from, ``reference_projects`` and ``reference_activities`` from
    how many. ``groups`` has for each kind (such as WBS, location or subcontractor) the days of its groups,
    ``other_days`` what is due to no single duration: paths that meet and calendars. The days of all activities and
    ``other_days`` add up to the P80 of the draws less ``computed``. ``driving_path`` is the path that most draws
    around the P80 go through, first to last. ``criticality`` and ``days`` are those of `Driver`, for every open
    activity where they are not 0; ``finishes`` the distributions of the days from the data date to the finish of
    each open activity (`slipcast.forecast.consistent`).
    """

    project_id: str
    data_date: str
    draws: int
    reference: str
    reference_projects: int
    reference_activities: int
    milestones: list[Milestone]
    drivers: list[Driver]
    groups: dict[str, list[GroupDays]]
    other_days: float
    driving_path: list[str]
    criticality: dict[str, float]
    days: dict[str, float]
    finishes: dict[str, FinishDistribution]


@dataclass(frozen=True)
class Reference:
    """Durations of the portfolio's finished activities, relative to plan.

    Attributes
    ----------
    log_ratios
        logarithms of actual over planned duration at the levels of `GRID`, each project counting once
    shared
        share of the variance that activities of one project have in common, from 0 to 1
    projects, activities
        numbers of projects and activities
    """

    log_ratios: Sequence[float]
    shared: float
    projects: int
    activities: int

    def __str__(self) -> str:
        return f"reference class: {self.projects} like projects, {self.activities} finished activities"


# What stands in where no activity of the portfolio is finished yet: the plan, without spread.
NOTHING = Reference((0.0,) * len(GRID), 0.0, 0, 0)


def reference_class(projects: Sequence[object], ratios: Sequence[float]) -> Reference:
    """Return the durations of finished activities as a reference class.

    The shared part is the one of a one-way random-effects model (Searle, Casella and McCulloch 1992, "Variance
    components", section 3.6), estimated by the analysis of variance.

    Parameters
    ----------
    projects
        project of each finished activity
    ratios
        actual over planned duration of each finished activity, above 0
    """
    logs = np.clip(np.log(np.asarray(ratios, dtype="float64")), -LARGEST, LARGEST)
    if not len(logs):
        return NOTHING
    names, codes, sizes = np.unique(np.asarray(projects, dtype=str), return_inverse=True, return_counts=True)
    weights = 1 / sizes[codes]
    order = np.argsort(logs)
    share = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    quantiles = np.interp(GRID, share, logs[order])
    return Reference(quantiles.tolist(), _shared(logs, codes, sizes), len(names), len(logs))


def finished_durations(network: Network) -> tuple[list[str], list[float]]:
    """Return project and actual over planned duration of finished activities, for `reference_class`."""
    nodes = compiled(network)
    found = [
        (node.activity.key.project, ratio) for node in nodes.scheduled() if (ratio := _finished_ratio(node)) is not None
    ]
    return [project for project, _ in found], [ratio for _, ratio in found]


def _finished_ratio(node: Node) -> float | None:
    activity = node.activity
    if not node.complete or activity.actual_start is None or activity.actual_finish is None or activity.duration <= 0:
        return None
    actual = node.clock.between(activity.actual_start, activity.actual_finish)
    return actual / activity.duration if actual > 0 else None


def _shared(logs: np.ndarray, codes: np.ndarray, sizes: np.ndarray) -> float:
    groups, count = len(sizes), len(logs)
    if groups < 2 or count <= groups:
        return 0.0
    means = np.bincount(codes, logs) / sizes
    within = float(((logs - means[codes]) ** 2).sum()) / (count - groups)
    between = float((sizes * (means - logs.mean()) ** 2).sum()) / (groups - 1)
    usual = (count - float((sizes**2).sum()) / count) / (groups - 1)
    part = max((between - within) / usual, 0.0)
    return part / (part + within) if part + within > 0 else 0.0


def project_forecasts(
    network: Network,
    reference: Reference = NOTHING,
    work: Mapping[Key, FinishDistribution] | None = None,
    *,
    groups: Mapping[str, Mapping[Key, str]] | None = None,
    completion: Mapping[str, Sequence[float]] | None = None,
    stated: Mapping[Key, FinishDistribution] | None = None,
    count: int = DRAWS,
    seed: int = 0,
) -> dict[str, ProjectForecast]:
    """Return the forecast of every project of a network that has open activities.

    Parameters
    ----------
    network
        as of its data date
    reference
        durations of finished activities of the portfolio (`reference_class`)
    work
        for some work in progress the distribution of the calendar days from the data date to its finish. Other
        activities take the reference class
    stated
        for some open activities the distribution of the days from the data date to the finish, by a model that knows
        the network; where an activity has none, the draws say it
    groups
        for each kind of group the group of each activity
    completion
        for each project the days from its data date to its completion at `LEVELS`, by
        `slipcast.forecast.completion.CompletionModel`
    count
        number of draws
    seed
        of the random numbers

    Raises
    ------
    CycleError
        If activities wait for each other.
    """
    nodes = compiled(network)
    forward.run(nodes)
    computed = dict(nodes.finish)
    backward.run(nodes)
    drawn = durations(nodes, reference, work or {}, count, seed)
    result = draws.run(nodes, drawn, count)
    projects = {
        project: _Completion(nodes, result, drawn, project, computed[project], (completion or {}).get(project))
        for project in computed
    }
    finishes = consistent.finishes(
        result.nodes,
        _moments(result, projects, spread=bool(reference.activities)),
        {project: item.levels() for project, item in projects.items()},
        stated or {},
        {project: consistent.end_of_day(item.data_date) for project, item in projects.items()},
    )
    return {project: item.forecast(reference, groups or {}, finishes) for project, item in projects.items()}


def _moments(result: Draws, projects: "Mapping[str, _Completion]", *, spread: bool) -> np.ndarray:
    """Return the finishes at `consistent.LEVELS`: of draws, as wide as activities are, moved as their project is."""
    moments = activity_quantiles(result, consistent.LEVELS).astype("float64")
    begin = np.array([node.data_date for node in result.nodes], dtype="float64")[:, None]
    if spread:
        work = [node.activity.kind not in MILESTONES for node in result.nodes]
        moments[work] = begin[work] + _widened(moments[work] - begin[work])
    for place, node in enumerate(result.nodes):
        item = projects.get(node.activity.key.project)
        if item is not None and item.scale is not None:
            moments[place] = item.moved(moments[place])
    return moments


def _widened(minutes: np.ndarray) -> np.ndarray:
    """Return times to finishes at `consistent.LEVELS` with the spread that activities have of their own.

    Logarithms of the draws and of what is added vary independently, so their variances add up; the median stays.
    """
    minutes = np.maximum(minutes, 1.0)
    median = minutes[:, [consistent.LEVELS.index(0.5)]]
    scores = np.array([NormalDist().inv_cdf(min(max(level, 1e-3), 1 - 1e-3)) for level in consistent.LEVELS])
    own = np.clip(OWN / np.sqrt(median / DAY), LEAST_OWN, MOST_OWN)
    logs = np.hypot(np.log(minutes / median), own * scores)
    widened: np.ndarray = median * np.exp(np.sign(scores) * logs)
    return widened


def durations(
    nodes: Compiled, reference: Reference, work: Mapping[Key, FinishDistribution], count: int, seed: int
) -> dict[Key, np.ndarray]:
    """Return drawn remaining minutes of work of each open activity with work, int32 of shape (count,), at least 1."""
    rng = np.random.default_rng(seed)
    factors = {
        name: (mean + deviation * rng.standard_normal(count)).astype("float32")
        for name, (mean, deviation) in _factors(nodes, reference).items()
    }
    own, common = math.sqrt(1 - reference.shared), math.sqrt(reference.shared)
    scores = np.linspace(-WIDEST, WIDEST, 2 * STEPS + 1)

    def table(log_ratios: Sequence[float]) -> np.ndarray:
        return np.exp(DAMPING * np.interp(scores, SCORES, log_ratios)).astype("float32")

    usual = table(reference.log_ratios)
    # Without a finished activity nothing is known of any spread.
    spread = SYSTEMATIC if reference.activities else 0.0
    whole = {name: np.exp(spread * rng.standard_normal(count)).astype("float32") for name in factors}
    drawn = {}
    for node in nodes.scheduled():
        key = node.activity.key
        if node.complete or not node.remaining:
            continue
        score = common * factors[key.project] + own * rng.standard_normal(count, dtype="float32")
        place = (score * (STEPS / WIDEST) + STEPS).astype("int32")
        ratios = table(_log_ratios(node, work[key])) if key in work else usual
        minutes = node.remaining * ratios.take(place, mode="clip") * whole[key.project]
        drawn[key] = np.maximum(minutes + 0.5, 1).astype("int32")
    return drawn


def _log_ratios(node: Node, work: FinishDistribution) -> Sequence[float]:
    """Return the logarithms of a distribution's quantiles over the planned days, both in calendar days."""
    begin = node.clock.next(max(node.data_date, node.early_start))
    planned = (node.clock.add(begin, node.remaining) - begin) / DAY
    days = np.maximum([work.quantile(level) for level in GRID], 0.5)
    logs: list[float] = np.clip(np.log(days / max(planned, 0.5)), -LARGEST, LARGEST).tolist()
    return logs


def _factors(nodes: Compiled, reference: Reference) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of each project's factor, given what it has finished.

    The finished durations have scores z = sqrt(shared) · factor + sqrt(1 - shared) · own part; the factor is normal a
    priori, so it is normal given them, with the usual weights.
    """
    curve = np.array(reference.log_ratios)
    scores: dict[str, list[float]] = {node.activity.key.project: [] for node in nodes.scheduled()}
    for node in nodes.scheduled():
        ratio = _finished_ratio(node)
        if ratio is not None and curve[-1] > curve[0]:
            scores[node.activity.key.project].append(_score(math.log(ratio), curve))
    found = {}
    shared = reference.shared
    for project, values in scores.items():
        number = min(len(values), MOST_FINISHED)
        weight = 1 - shared + number * shared
        mean = number * math.sqrt(shared) * float(np.mean(values)) / weight if number else 0.0
        found[project] = mean, math.sqrt((1 - shared) / weight) if weight > 0 else 0.0
    return found


def _score(log_ratio: float, curve: np.ndarray) -> float:
    """Return the score of a finished duration; of levels with the same quantile the middle of their scores."""
    low, high = np.searchsorted(curve, [log_ratio - 1e-9, log_ratio + 1e-9])
    if high - low <= 1:
        return float(np.interp(log_ratio, curve, SCORES))
    return float(SCORES[low] + SCORES[high - 1]) / 2


class _Completion:
    def __init__(
        self,
        nodes: Compiled,
        result: Draws,
        drawn: Mapping[Key, np.ndarray],
        project: str,
        computed: int,
        model: Sequence[float] | None,
    ) -> None:
        self.nodes, self.result, self.drawn, self.project, self.computed = nodes, result, drawn, project, computed
        self.data_date = nodes.network.projects[project].data_date
        self.finish, self.ends = result.project_finish(project)
        self.order = np.argsort(self.finish, kind="stable")
        # How much later than the draws the trained model puts each level, relative to the time that remains.
        self.scale: np.ndarray | None = None
        if model is not None:
            own = [max(quantile(self.finish, level) - self.data_date, 1) for level in LEVELS.values()]
            self.scale = np.array([days * DAY / time for days, time in zip(model, own, strict=True)])

    def levels(self) -> np.ndarray:
        """Return the completion at `consistent.LEVELS`, minutes since 1970."""
        return self.moved(np.array([quantile(self.finish, level) for level in consistent.LEVELS]))

    def moved(self, moments: np.ndarray) -> np.ndarray:
        """Return moments at `consistent.LEVELS` as the trained model puts them."""
        if self.scale is None:
            return moments
        levels = [*LEVELS.values()]
        scale = np.interp(consistent.LEVELS, levels, self.scale)
        found = self.data_date + np.round((moments - self.data_date) * scale)
        # The levels of the model stand; those between them lie between them.
        fixed = [consistent.LEVELS.index(level) for level in levels]
        stated = np.maximum.accumulate(found[fixed])
        after = np.searchsorted(fixed, np.arange(len(found)))
        bounds = np.concatenate([[-np.inf], stated, [np.inf]])
        within = np.clip(found, bounds[after], bounds[after + 1])
        within[fixed] = stated
        return np.maximum.accumulate(within)

    def forecast(
        self,
        reference: Reference,
        groups: Mapping[str, Mapping[Key, str]],
        finishes: Mapping[Key, FinishDistribution],
    ) -> ProjectForecast:
        paths = self._paths()
        days = self._days(paths)
        criticality = self.result.critical(self.project)
        at_p80 = quantile(self.finish, LEVELS["p80"])
        drivers: list[Driver] = [
            {
                "activity_id": node.activity.key.activity,
                "activity_name": node.activity.name,
                "criticality": round(float(criticality[place]), 4),
                "days": round(days.get(place, 0.0), 2),
            }
            for place, node in enumerate(self.result.nodes)
            if not node.complete and criticality[place] > 0
        ]
        drivers.sort(key=lambda item: (-item["days"], -item["criticality"], item["activity_id"]))
        return {
            "project_id": self.project,
            "data_date": day(self.data_date),
            **self._quantiles(self.computed),
            "draws": self.result.count,
            "reference": str(reference),
            "reference_projects": reference.projects,
            "reference_activities": reference.activities,
            "milestones": self._milestones(finishes),
            "drivers": drivers[:DRIVERS],
            "groups": {kind: self._group_days(days, names) for kind, names in groups.items()},
            "other_days": round((at_p80 - self.computed) / DAY - sum(days.values()), 2),
            "driving_path": self._driving_path(paths),
            "criticality": {item["activity_id"]: item["criticality"] for item in drivers},
            "days": {item["activity_id"]: item["days"] for item in drivers if item["days"]},
            "finishes": {key.activity: item for key, item in finishes.items() if key.project == self.project},
        }

    def _quantiles(self, computed: int) -> Quantiles:
        at = dict(zip(consistent.LEVELS, self.levels().tolist(), strict=True))
        p10, p50, p80, p90 = (day(round(at[level])) for level in LEVELS.values())
        return {"computed": day(computed), "p10": p10, "p50": p50, "p80": p80, "p90": p90}

    def _milestones(self, finishes: Mapping[Key, FinishDistribution]) -> list[Milestone]:
        today = date.fromisoformat(day(self.data_date))
        found: list[Milestone] = []
        for node in self.result.nodes:
            key = node.activity.key
            if key.project == self.project and node.activity.kind in MILESTONES and not node.complete:
                levels = [finishes[key].finish_date(today, level).isoformat() for level in LEVELS.values()]
                found.append(
                    {
                        "activity_id": key.activity,
                        "activity_name": node.activity.name,
                        "computed": day(node.early_finish),
                        **dict(zip(LEVELS, levels, strict=True)),  # type: ignore[typeddict-item]
                    }
                )
        return found

    def _paths(self) -> list[tuple[int, list[tuple[int, bool]]]]:
        """Return the draws around the P80, and for each what set the completion."""
        middle = LEVELS["p80"] * self.result.count
        half = max(WINDOW / 2 * self.result.count, 1)
        chosen = self.order[max(round(middle - half), 0) : min(round(middle + half) + 1, self.result.count)]
        found = []
        for draw in chosen.tolist():
            last = next(
                place for place in reversed(self.ends) if self.result.finish[place].at(draw) == self.finish[draw]
            )
            found.append((draw, self.result.path(draw, last)))
        return found

    def _days(self, paths: Sequence[tuple[int, list[tuple[int, bool]]]]) -> dict[int, float]:
        """Return the calendar days by which each activity's longer or shorter duration moves the completion."""
        total: dict[int, float] = defaultdict(float)
        for draw, path in paths:
            for place, counts in path:
                node = self.result.nodes[place]
                drawn = self.drawn.get(node.activity.key)
                if counts and drawn is not None:
                    begun = node.clock.worked(self.result.start[place].at(draw))
                    moved = node.clock.finish(begun + int(drawn[draw])) - node.clock.finish(begun + node.remaining)
                    total[place] += moved / DAY / len(paths)
        return dict(total)

    def _group_days(self, days: Mapping[int, float], names: Mapping[Key, str]) -> list[GroupDays]:
        total: dict[str, float] = defaultdict(float)
        for place, value in days.items():
            name = names.get(self.result.nodes[place].activity.key)
            if name:
                total[name] += value
        ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
        return [{"name": name, "days": round(value, 2)} for name, value in ranked[:DRIVERS]]

    def _driving_path(self, paths: Sequence[tuple[int, list[tuple[int, bool]]]]) -> list[str]:
        common, _ = Counter(tuple(place for place, _ in path) for _, path in paths).most_common(1)[0]
        nodes = [self.result.nodes[place] for place in common]
        return [node.activity.key.activity for node in nodes if not node.complete]


def activity_quantiles(result: Draws, levels: Sequence[float] = (0.1, 0.5, 0.8, 0.9)) -> np.ndarray:
    """Return the finish of each activity of a simulation at `levels`, minutes since 1970, shape (n_nodes, n_levels)."""
    places = [_rank(level, result.count) for level in levels]
    found = np.empty((len(result.nodes), len(levels)), dtype="int64")
    for row, moment in enumerate(result.finish):
        values = np.asarray(moment.values())
        found[row] = moment.convert(values if values.ndim == 0 else np.partition(values, places)[places])
    return found


def quantile(moments: np.ndarray, level: float) -> int:
    """Return the first moment that at least the share `level` of draws has reached."""
    place = _rank(level, len(moments))
    return int(np.partition(moments, place)[place])


def _rank(level: float, count: int) -> int:
    return max(math.ceil(level * count - 1e-9) - 1, 0)


def day(moment: int) -> str:
    """Return the day of a moment, year-month-day; midnight is the end of the day before."""
    return date.isoformat(moment_of(moment - 1).date())
