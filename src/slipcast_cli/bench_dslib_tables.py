"""Rows of the benchmark on DSLIB: open activities and projects at status dates, with what the network says of them."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from slipcast.forecast import monte_carlo, network_state
from slipcast.forecast.consistent import end_of_day
from slipcast.forecast.stage import Stage
from slipcast.schedule import draws
from slipcast.schedule.compiled import compiled
from slipcast.schedule.network import Constraint, ConstraintKind, CycleError, Key, Network
from slipcast.schedule.working_time import WorkingTime
from slipcast_cli import dslib
from slipcast_cli.dslib import TrackedProject

TOLERANCE_DAYS = 30
# Levels of the pinball losses; twice their mean stands for the CRPS (Gneiting and Ranjan 2011, quantile form).
LEVELS = np.array([0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
# Activities of a tracking period that are judged at most: those of large projects say little more.
MOST_ROWS = 15
DRAWS = 500
TRIANGLE = (0.9, 1.0, 1.25)
DAY = 1440


@dataclass(frozen=True)
class Tables:
    """Rows that are judged.

    Attributes
    ----------
    activities
        open activities at status dates: `network_state.FEATURES`, ``project_id``, ``period``, ``sector``, ``stage``,
        ``true_remaining``, ``limit`` (working days to the last day in time), ``days_late`` (calendar days from planned
        to true finish), and by both Monte Carlos ``triangle_<level in %>`` and ``learned_<level in %>``
    projects
        status dates: what `completion.fit` takes, and the levels of both Monte Carlos
    left_out
        number of projects by the reason why they are left out
    leaks
        for each progress column the share of records that know the finish, and number of records
    """

    activities: pd.DataFrame
    projects: pd.DataFrame
    left_out: Mapping[str, int]
    leaks: Mapping[str, tuple[float, int]]


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
        table[rank <= MOST_ROWS].reset_index(drop=True), pd.DataFrame(periods), left_out, dslib.leaks(used, 4 * 60)
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
        known = np.array([key in finished for key in state.activities["key"]], dtype=bool)
        rows = state.activities.loc[known].copy()
        # Some workbooks call everything finished before the last finish: nothing is left to forecast.
        if rows.empty:
            continue
        drawn = triangle(_held(network), f"{project.name} {number}")
        learned = monte_carlo.project_forecasts(_held(network), reference, count=DRAWS, seed=number)[project.name]
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
        places = {node.activity.key: place for place, node in enumerate(drawn.nodes)}
        moments = monte_carlo.activity_quantiles(drawn, LEVELS.tolist())
        for column, level in enumerate(LEVELS):
            rows[f"triangle_{round(level * 100)}"] = [
                max((clock.worked(int(moments[places[key], column])) - now) / day, network_state.LEAST_DAYS)
                for key in rows["key"]
            ]
            rows[f"learned_{round(level * 100)}"] = [
                _working_days(clock, period.data_date, learned["finishes"][key.activity].quantile(level))
                for key in rows["key"]
            ]
        record = {**name, **state.project, "period": number, "remaining": (clock.worked(last) - now) / day}
        latest, _ = drawn.project_finish(project.name)
        for level, said in monte_carlo.LEVELS.items():
            moment = monte_carlo.quantile(latest, said)
            record[f"triangle_{round(said * 100)}"] = max((clock.worked(moment) - now) / day, 0.5)
            days = (date.fromisoformat(learned[level]) - date.fromisoformat(learned["data_date"])).days  # type: ignore[literal-required]
            record[f"learned_{round(said * 100)}"] = _working_days(clock, period.data_date, days)
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


def triangle(network: Network, name: str) -> draws.Draws:
    """Return draws with a triangle of -10 to +25 % around each remaining duration, all independent.

    Parameters
    ----------
    name : what is drawn; the seed, so that it stays the same whatever else is judged
    """
    nodes = compiled(network)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    drawn: dict[Key, np.ndarray] = {
        node.activity.key: np.maximum(node.remaining * rng.triangular(*TRIANGLE, DRAWS), 1).astype("int32")
        for node in nodes.scheduled()
        if node.remaining and not node.complete
    }
    return draws.run(nodes, drawn, DRAWS)


def _working_days(clock: WorkingTime, data_date: int, days: float) -> float:
    """Return the working days up to the middle of the day that lies some calendar days after a data date."""
    moment = end_of_day(data_date) + round((days - 0.5) * DAY)
    return max((clock.worked(moment) - clock.worked(data_date)) / clock.day_minutes, network_state.LEAST_DAYS)
