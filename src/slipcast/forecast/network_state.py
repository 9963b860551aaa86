"""State of a project with a network as of a data date: what forecasts of activities and of the completion learn from.

Everything is computed from the network as it is known on the data date: plan, relations, actual dates. Percent complete
is not used, since in many files it knows the future (docs/forecast.md). Times are working days on the calendar that
most activities have, so that those of different activities can be compared.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

import numpy as np
import pandas as pd

from slipcast.datasets.calendars import DAY
from slipcast.forecast.consistent import end_of_day
from slipcast.forecast.earned import earned_schedule
from slipcast.schedule import forward
from slipcast.schedule.compiled import Compiled, Node, compiled
from slipcast.schedule.network import Activity, Key, Network
from slipcast.schedule.working_time import WorkingTime, minute_of

# What the regressions see of an activity: of itself, of its network and of its project. Times in working days.
OWN = (
    *("started", "duration", "to_finish", "to_start", "elapsed", "elapsed_share", "start_delay", "work_left"),
    *("position", "predecessors", "successors", "value_share"),
)
NETWORK = (
    *("network_delay", "slow_delay", "free_delay", "network_to_start", "predecessor_delay", "open_predecessors"),
    *("baseline_float", "log_network_remaining", "ready_since", "started_successors", "branch_delay", "branch_start"),
    *("branch_overdue",),
)
PROJECT = (
    *("median_start_delay", "recent_delay", "growth", "performance", "earned", "share_complete", "planned_share"),
    *("late_share", "mean_delay", "overdue_share", "planned_duration", "activities", "earned_delay"),
)
FEATURES = (*OWN, *NETWORK, *PROJECT)
# Finishes that count as recent.
RECENT = 5
# Working days by which actual and planned durations are both lengthened: few short ones tell little of the growth.
PRIOR_DAYS = 10.0
LEAST_DAYS = 0.5


@dataclass(frozen=True)
class State:
    """State of a project as of its data date.

    Attributes
    ----------
    activities
        a row for each open activity: ``key``, `FEATURES`, and in working days from the data date ``network_remaining``
        (to the early finish, starts held to the plan), ``plan_remaining`` and ``shifted_remaining`` (to the planned
        finish as it is, and moved by the delay so far), ``earned_remaining`` (by the earned schedule of the project,
        SPI(t)), each at least half a day
    project
        what `slipcast.forecast.completion.fit` takes of a project, in working days
    clock
        calendar that most activities have: what a working day is
    data_date
        of the project, minutes since 1970
    """

    activities: pd.DataFrame
    project: Mapping[str, float]
    clock: WorkingTime
    data_date: int

    def working_days(self, moment: float) -> float:
        """Return the working days from the data date to a moment, minutes since 1970."""
        return (self.clock.worked(round(moment)) - self.clock.worked(self.data_date)) / self.clock.day_minutes

    def moment(self, working_days: float) -> int:
        """Return the moment at which some working days from the data date on are done, minutes since 1970."""
        return self.clock.finish(self.clock.worked(self.data_date) + round(working_days * self.clock.day_minutes))

    def calendar_days(self, working_days: float) -> int:
        """Return the calendar days from the data date to the day on which the work is done, 1 or more."""
        return max(math.ceil((self.moment(working_days) - end_of_day(self.data_date)) / DAY - 1e-9), 1)


def alone(network: Network, project: str, baselines: Mapping[Key, tuple[date | None, date | None]]) -> Network:
    """Return the network of one project, planned as its baseline is.

    Parameters
    ----------
    baselines
        first and last day of activities in the baseline; where one is not known the planned date stands for it, which
        many tools move with every update
    """

    def planned(item: Activity) -> Activity:
        first, last = baselines.get(item.key, (None, None))
        return replace(
            item,
            planned_start=item.planned_start if first is None else _minute(first),
            planned_finish=item.planned_finish if last is None else _minute(last) + DAY,
        )

    own = {key: item for key, item in network.activities.items() if key.project == project}
    return replace(
        network,
        projects={project: network.projects[project]},
        activities={key: planned(item) for key, item in own.items()},
        relations=[item for item in network.relations if item.predecessor in own and item.successor in own],
    )


def _minute(day: date) -> int:
    return minute_of(datetime.combine(day, time.min))


def state(network: Network, value: Mapping[Key, float] | None = None) -> State:
    """Return the state of a network of one project.

    Parameters
    ----------
    network
        as of its data date; the planned dates are the baseline's
    value
        planned value of each activity; its planned duration counts where most have none

    Raises
    ------
    CycleError
        If activities wait for each other.
    ValueError
        If no activity has planned dates.
    """
    nodes = compiled(network)
    found = [node for node in nodes.scheduled() if node.activity.planned_start is not None]
    if not found:
        raise ValueError("no activity has planned dates")
    return _State(nodes, found, value or {}).result()


class _State:
    def __init__(self, nodes: Compiled, found: list[Node], value: Mapping[Key, float]) -> None:
        self.nodes, self.found = nodes, found
        self.place = {node.activity.key: place for place, node in enumerate(found)}
        calendars = Counter(node.activity.calendar for node in found)
        usual = calendars.most_common(1)[0][0]
        self.clock = next(node.clock for node in found if node.activity.calendar == usual)
        self.now = self._each([node.data_date for node in found])
        self.start = self._each([node.activity.planned_start or 0 for node in found])
        finish = [node.activity.planned_finish or node.activity.planned_start or 0 for node in found]
        self.finish = np.maximum(self._each(finish), self.start)
        self.duration = np.array([node.activity.duration for node in found]) / self._minutes()
        self.complete = np.array([node.complete for node in found])
        self.started = np.array([node.started for node in found])
        self.actual_start = self._each([node.activity.actual_start for node in found])
        self.actual_finish = self._each([node.activity.actual_finish for node in found])
        worth = np.array([value.get(node.activity.key, 0.0) for node in found])
        # A value that most activities lack says nothing of progress.
        weight = worth if (worth > 0).mean() > 0.5 else np.maximum(self.duration, 1e-3)
        self.weight = weight / weight.sum()

    def result(self) -> State:
        project = self._project()
        held = self._early(held=True)
        slow = self._early(held=True, factor=float(np.clip(project["growth"], 0.5, 3)))
        free = self._early(held=False)
        project["network_remaining"] = max(float((held[1] - self.now)[~self.complete].max(initial=0.0)), LEAST_DAYS)
        project["slow_remaining"] = max(float((slow[1] - self.now)[~self.complete].max(initial=0.0)), LEAST_DAYS)
        project["free_remaining"] = max(float((free[1] - self.now)[~self.complete].max(initial=0.0)), LEAST_DAYS)
        table = self._activities(project, held, slow[1], free[1])
        return State(table, project, self.clock, self.found[0].data_date)

    def _activities(
        self, project: Mapping[str, float], held: tuple[np.ndarray, np.ndarray], slow: np.ndarray, free: np.ndarray
    ) -> pd.DataFrame:
        now, begun = self.now, self.started | self.complete
        delay = np.where(self.complete, self.actual_finish - self.finish, np.nan)
        start_delay = np.where(begun, self.actual_start - self.start, np.nan)
        elapsed = np.where(self.started, now - self.actual_start, np.nan)
        early_start, early_finish = held
        remaining = np.maximum(early_finish - now, LEAST_DAYS)
        first, length = self.start.min(), max(float(self.finish.max() - self.start.min()), 1.0)
        shift = np.where(self.started, np.maximum(np.nan_to_num(start_delay), 0), project["median_start_delay"])
        shifted = np.where(
            self.started, self.finish + shift - now, np.maximum(self.finish + shift - now, self.duration)
        )
        branch = self._branches(delay, start_delay)
        left = np.array([node.remaining for node in self.found]) / self._minutes()
        table = pd.DataFrame(
            {
                "key": [node.activity.key for node in self.found],
                "started": self.started.astype("float64"),
                "duration": self.duration,
                "to_finish": self.finish - now,
                "to_start": self.start - now,
                "elapsed": elapsed,
                "elapsed_share": elapsed / np.maximum(self.duration, 1),
                "start_delay": start_delay,
                "work_left": left,
                "position": (self.start - first) / length,
                "predecessors": [float(len(node.before)) for node in self.found],
                "successors": [float(len(node.after)) for node in self.found],
                "value_share": self.weight,
                "network_delay": early_finish - self.finish,
                "slow_delay": slow - self.finish,
                "free_delay": free - self.finish,
                "network_to_start": early_start - now,
                "predecessor_delay": self._predecessor_delay(early_finish),
                "open_predecessors": [
                    float(sum(not link.before.complete for link in node.before)) for node in self.found
                ],
                "baseline_float": self._baseline_float(),
                "log_network_remaining": np.log(remaining),
                "ready_since": self._ready_since(),
                "started_successors": [
                    float(any(link.after.started or link.after.complete for link in node.after)) for node in self.found
                ],
                **branch,
                **{name: project[name] for name in PROJECT},
                "network_remaining": remaining,
                "plan_remaining": np.maximum(self.finish - now, LEAST_DAYS),
                "shifted_remaining": np.maximum(shifted, LEAST_DAYS),
                "earned_remaining": np.maximum(
                    (self.finish - project["earned_at"]) / np.clip(project["performance"], 0.2, 3), LEAST_DAYS
                ),
            }
        )
        return table[~self.complete].reset_index(drop=True)

    def _project(self) -> dict[str, float]:
        now, begun = float(np.median(self.now)), self.started | self.complete
        first, last = float(self.start.min()), float(self.finish.max())
        share = np.where(
            self.complete,
            1.0,
            np.where(
                self.started,
                np.clip((self.now - self.actual_start) / np.maximum(self.duration, LEAST_DAYS), 0, 0.9),
                0.0,
            ),
        )
        earned = float((share * self.weight).sum())
        at = earned_schedule(self.start, self.finish, self.weight, earned) if earned > 0 else first
        delays = (self.actual_finish - self.finish)[self.complete]
        recent = np.argsort(self.actual_finish[self.complete])[-RECENT:]
        long_enough = self.complete & (self.duration > 0)
        actual = float((self.actual_finish - self.actual_start)[long_enough].sum())
        planned = float(self.duration[self.complete].sum())
        elapsed = now - first
        open_ = ~self.complete
        return {
            "median_start_delay": _median((self.actual_start - self.start)[begun]),
            "recent_delay": float(delays[recent].mean()) if len(recent) else 0.0,
            "start_delay": _median((self.actual_start - self.start)[begun]),
            "growth": (actual + PRIOR_DAYS) / (planned + PRIOR_DAYS),
            "duration_ratio": (actual + PRIOR_DAYS) / (planned + PRIOR_DAYS),
            "performance": (at - first) / elapsed if elapsed > 0 else 1.0,
            "earned": earned,
            "earned_at": at,
            "share_complete": float(self.complete.mean()),
            "planned_share": elapsed / max(last - first, 1.0),
            "late_share": float((delays > 0).mean()) if len(delays) else 0.5,
            "mean_delay": float(delays.mean()) if len(delays) else 0.0,
            "overdue_share": float((self.finish < self.now)[open_].mean()) if open_.any() else 0.0,
            "planned_duration": last - first,
            "plan_remaining": max(last - now, LEAST_DAYS),
            "activities": float(len(self.found)),
            "elapsed": elapsed,
            # What the plan has not earned, at the pace of the plan (PF = 1) and at the pace so far (SPI(t)).
            "earned_remaining": max(last - at, LEAST_DAYS),
            "earned_delay": now - at,
        }

    def _branches(self, delay: np.ndarray, start_delay: np.ndarray) -> dict[str, np.ndarray]:
        """Return what happened next to each activity: among those that were planned to start closest to it."""
        count = len(self.found)
        order = np.argsort(self.start, kind="stable")
        rank = np.empty(count, dtype=int)
        rank[order] = np.arange(count)
        late = np.where(~self.complete & (self.finish < self.now), 1.0, 0.0)
        waits = np.where(~(self.started | self.complete) & (self.start < self.now), self.now - self.start, np.nan)
        begin = np.where(np.isnan(start_delay), waits, start_delay)
        near = 6
        rows = [order[max(place - near, 0) : place + near + 1] for place in rank]
        return {
            "branch_delay": np.array([_mean(delay[row]) for row in rows]),
            "branch_start": np.array([_mean(begin[row]) for row in rows]),
            "branch_overdue": np.array([float(late[row].mean()) for row in rows]),
        }

    def _predecessor_delay(self, early_finish: np.ndarray) -> np.ndarray:
        ends = np.where(self.complete, self.actual_finish, early_finish) - self.finish
        return np.array([max((ends[place] for place in self._before(node)), default=0.0) for node in self.found])

    def _ready_since(self) -> np.ndarray:
        """Return for how long nothing has kept each activity that has not started; missing while something does."""
        since = []
        for node in self.found:
            before = self._before(node)
            ready = not node.started and not node.complete and all(self.complete[place] for place in before)
            own = self.place[node.activity.key]
            moments = [self.start[own], *(self.actual_finish[place] for place in before)]
            since.append(self.now[own] - max(moments) if ready else np.nan)
        return np.array(since)

    def _before(self, node: Node) -> list[int]:
        return [self.place[link.before.activity.key] for link in node.before if link.before.activity.key in self.place]

    def _baseline_float(self) -> np.ndarray:
        """Return by how much each planned finish could move before the plan's last finish does."""
        late = np.full(len(self.found), float(self.finish.max()))
        for node in reversed(self.found):
            own = self.place[node.activity.key]
            for link in node.after:
                after = self.place.get(link.after.activity.key)
                if after is None:
                    continue
                lag = link.lag / node.clock.day_minutes
                to = late[after] - (self.duration[after] if link.to_start else 0.0) - lag
                late[own] = min(late[own], to + (self.duration[own] if link.from_start else 0.0))
        floating: np.ndarray = late - self.finish
        return floating

    def _early(self, *, held: bool, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Return early starts and finishes, the starts held to the plan or not, durations times `factor`."""
        kept = [(node, node.planned_start, node.remaining) for node in self.found]
        for node in self.found:
            if held and not node.started and not node.complete:
                node.planned_start = node.activity.planned_start
            node.remaining = round(node.remaining * factor)
        forward.run(self.nodes)
        for node, planned, remaining in kept:
            node.planned_start, node.remaining = planned, remaining
        starts, finishes = ([getattr(node, name) for node in self.found] for name in ("early_start", "early_finish"))
        return self._each(starts), self._each(finishes)

    def _each(self, moments: Sequence[int | None]) -> np.ndarray:
        """Return moments in working days on the usual calendar; only differences mean something."""
        return np.array(
            [np.nan if moment is None else self.clock.worked(moment) / self.clock.day_minutes for moment in moments]
        )

    def _minutes(self) -> np.ndarray:
        return np.array([node.clock.day_minutes for node in self.found])


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
