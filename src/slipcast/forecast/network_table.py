"""Rows that the models of networks learn from and are judged by: states of projects at the data dates of a dataset.

A project counts once it has matured at the cut: its plan, and half as long again, has passed. Of those that could not
yet have been late by half of their plan the fast ones are known alone, and to learn from these would make every
completion too early. One that is still open then counts with the time that has passed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from slipcast.datasets.calendars import DAY
from slipcast.forecast import monte_carlo, network_state
from slipcast.forecast.consistent import end_of_day
from slipcast.forecast.network_state import State
from slipcast.schedule.compiled import compiled
from slipcast.schedule.network import CycleError, Key, Network, Status
from slipcast.schedule.review import dated
from slipcast.schedule.tables import Row, network_of
from slipcast.schedule.working_time import minute_of

# Projects that must have matured by the cut, and those with updates after it: with fewer the models of networks would
# not be better than the draws, or nobody could tell (docs/forecast.md).
FEWEST_PROJECTS, FEWEST_JUDGED = 20, 10
# Updates of a project, and activities of an update: more of them say little more.
MOST_UPDATES, MOST_ACTIVITIES = 12, 15
# Activities of all updates together that the time of the function leaves room for; each takes about a millisecond.
MOST_STATES = 200_000
JUDGED_DRAWS = 200
# Share of the plan's length after its end at which a project has matured.
MATURITY = 0.5
LEVELS = tuple(monte_carlo.LEVELS.values())
TRAIN, HOLDOUT = "train", "holdout"

type Baselines = Mapping[Key, tuple[date | None, date | None]]


class Listed(NamedTuple):
    """An update of a project with a network, and the number of its activities."""

    source: str
    project_id: str
    data_date: date
    activities: int


class Networks(Protocol):
    """Networks of projects at their updates, planned as their baselines are."""

    def listed(self) -> Sequence[tuple[str, str, date, int]]:
        """Return source, project, data date and number of activities of all updates."""

    def network(self, update: Listed) -> Network | None:
        """Return the network of one project at an update; None if dates cannot be computed from it."""


class Updates(Protocol):
    """Networks of a dataset version as rows."""

    def listed(self) -> Sequence[tuple[str, str, date, int]]:
        """Return source, project, data date and number of activities of all updates."""

    def rows(self, source: str, project_id: str, data_date: date) -> Mapping[str, Sequence[Row]]:
        """Return the rows of the network of an update by table."""


@dataclass(frozen=True)
class Found:
    """Rows before the cut and from it on: ``projects`` and ``activities`` of `TRAIN` and `HOLDOUT`.

    Attributes
    ----------
    why
        reason why there are none; empty if there are
    parts
        by name, such as ``projects-train``
    """

    why: str
    parts: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class _Facts:
    """What became of a project by a day: finishes of activities, its completion (None while open), and that day."""

    finishes: Mapping[Key, int]
    completion: int | None
    seen: int


def tables(networks: Networks, cut: date, until: date) -> Found:
    """Return the rows of a portfolio's projects.

    Parameters
    ----------
    networks
        networks of the portfolio
    cut
        day from which on the rows judge; nothing that became known on it or later is part of those before it
    until
        last day of the dataset
    """
    series = _series(Listed(*item) for item in networks.listed())
    before = {name: [item for item in own if item.data_date < cut] for name, own in series.items()}
    after = {name: [item for item in own if item.data_date >= cut] for name, own in series.items()}
    for what, found, least in (("before", before, FEWEST_PROJECTS), ("after", after, FEWEST_JUDGED)):
        count = sum(1 for own in found.values() if own)
        if count < least:
            said = "no project" if not count else f"{count} project{'s' if count > 1 else ''}"
            return Found(f"{said} with a network {what} the cut, {least} are needed")
    most = _most_updates([*before.values(), *after.values()])
    parts: dict[str, list[pd.DataFrame]] = {TRAIN: [], HOLDOUT: []}
    records: dict[str, list[dict[str, Any]]] = {TRAIN: [], HOLDOUT: []}
    ratios: list[tuple[str, float]] = []
    for name, own in before.items():
        if own:
            last = networks.network(own[-1])
            ratios += [] if last is None else zip(*monte_carlo.finished_durations(last), strict=True)
            for record, rows in _judged(networks, name, own, cut - timedelta(days=1), most):
                records[TRAIN].append(record)
                parts[TRAIN].append(rows)
    reference = monte_carlo.reference_class([name for name, _ in ratios], [ratio for _, ratio in ratios])
    for name, own in after.items():
        for record, rows in _judged(networks, name, own, until, most, reference):
            records[HOLDOUT].append(record)
            parts[HOLDOUT].append(rows)
    found = {}
    for part, least in ((TRAIN, FEWEST_PROJECTS), (HOLDOUT, FEWEST_JUDGED)):
        projects = pd.DataFrame(records[part])
        matured = projects["project_id"][projects["remaining"].notna()].nunique() if len(projects) else 0
        if matured < least:
            where = "before" if part == TRAIN else "after"
            return Found(f"{matured} projects with a network have matured {where} the cut, {least} are needed")
        found[f"projects-{part}"] = projects[projects["remaining"].notna()].reset_index(drop=True)
        found[f"activities-{part}"] = pd.concat(parts[part], ignore_index=True)
    return Found("", found)


def network_from(rows: Mapping[str, Sequence[Row]]) -> Network | None:
    """Return the network of an update; None if dates cannot be computed from it."""
    if not all(rows.get(name) for name in ("activities", "relations", "calendars")):
        return None
    try:
        network = network_of({**rows, "projects": dated(rows)})
        compiled(network)
    except (CycleError, ValueError):
        return None
    return network


class Stored:
    """Networks of a dataset version.

    Parameters
    ----------
    updates
        its rows
    baselines
        first and last day of activities in the baseline, by project and activity
    """

    def __init__(self, updates: Updates, baselines: Baselines) -> None:
        self._updates, self._baselines = updates, baselines

    def listed(self) -> Sequence[tuple[str, str, date, int]]:
        """Return source, project, data date and number of activities of all updates."""
        return self._updates.listed()

    def network(self, update: Listed) -> Network | None:
        """Return the network of one project at an update; None if dates cannot be computed from it."""
        network = network_from(self._updates.rows(update.source, update.project_id, update.data_date))
        if network is None or update.project_id not in network.projects:
            return None
        return network_state.alone(network, update.project_id, self._baselines)


def _series(listed: Iterable[Listed]) -> dict[str, list[Listed]]:
    found: dict[str, list[Listed]] = {}
    for item in sorted(listed):
        found.setdefault(f"{item.source}/{item.project_id}", []).append(item)
    return found


def _most_updates(series: Sequence[Sequence[Listed]]) -> int:
    """Return how many updates of each project there is time for, at least 1."""
    for most in range(MOST_UPDATES, 1, -1):
        if sum(sum(item.activities for item in _spread(own, most)) for own in series) <= MOST_STATES:
            return most
    return 1


def _spread(own: Sequence[Listed], most: int) -> list[Listed]:
    if len(own) <= most:
        return list(own)
    return [own[place] for place in np.linspace(0, len(own) - 1, most).round().astype(int)]


def _judged(
    networks: Networks,
    name: str,
    own: Sequence[Listed],
    known: date,
    most: int,
    reference: monte_carlo.Reference | None = None,
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield a row of the project and those of its activities for its updates, by what is known on a day."""
    last = networks.network(own[-1]) if own else None
    if last is None:
        return
    facts = _facts(last, own[-1].project_id)
    for number, update in enumerate(_spread(own, most)):
        network = networks.network(update)
        if network is None:
            continue
        try:
            state = network_state.state(network)
        except (CycleError, ValueError):
            continue
        if state.activities.empty:
            continue
        record, rows = _rows(name, update, state, facts, _end(known))
        if reference is not None:
            _draw(record, rows, state, network, reference, number)
        yield record, rows.drop(columns="key")


def _end(day: date) -> int:
    return minute_of(datetime.combine(day + timedelta(days=1), time.min))


def _facts(network: Network, project: str) -> _Facts:
    scheduled = [node.activity for node in compiled(network).scheduled()]
    finishes = {item.key: item.actual_finish for item in scheduled if item.actual_finish is not None}
    complete = all(item.status is Status.COMPLETE for item in scheduled)
    completion = max(finishes.values()) if complete and finishes else None
    return _Facts(finishes, completion, network.projects[project].data_date)


def _rows(name: str, update: Listed, state: State, facts: _Facts, known: int) -> tuple[dict[str, Any], pd.DataFrame]:
    project = state.project
    begin = state.moment(-project["elapsed"])
    end = state.moment(project["planned_duration"] - project["elapsed"])
    remaining = float("nan")
    if end + MATURITY * (end - begin) <= known:
        ended = facts.completion if facts.completion is not None and facts.completion <= known else known
        remaining = max(state.working_days(ended), network_state.LEAST_DAYS)
    record = {"project_id": name, "data_date": pd.Timestamp(update.data_date), **project, "remaining": remaining}
    rows = state.activities
    # Always the same ones of a project: they are followed from update to update.
    order = pd.util.hash_array(np.array([key.activity for key in rows["key"]], dtype=object)).argsort(kind="stable")
    rows = rows.iloc[np.sort(order[:MOST_ACTIVITIES])].reset_index(drop=True)
    finishes = [facts.finishes.get(key) for key in rows["key"]]
    seen = min(facts.seen, known)
    true = [
        None if moment is None or moment > known else max(state.working_days(moment), network_state.LEAST_DAYS)
        for moment in finishes
    ]
    open_ = max(state.working_days(seen), 0.0)
    outcome = {
        "true_remaining": np.array(true, dtype="float64"),
        "follow_up": [open_ if days is None else days for days in true],
        "project_id": name,
        "data_date": pd.Timestamp(update.data_date),
    }
    return record, rows.assign(**outcome)


def _draw(
    record: dict[str, Any],
    rows: pd.DataFrame,
    state: State,
    network: Network,
    reference: monte_carlo.Reference,
    seed: int,
) -> None:
    """Add what the draws of the Monte Carlo say: what the models are compared with."""
    found = monte_carlo.project_forecasts(network, reference, count=JUDGED_DRAWS, seed=seed)
    (forecast,) = found.values()
    today = date.fromisoformat(forecast["data_date"])
    for level, name in zip(LEVELS, monte_carlo.LEVELS, strict=True):
        days = (date.fromisoformat(forecast[name]) - today).days  # type: ignore[literal-required]
        record[f"drawn_{name}"] = _middle(state, days)
        rows[f"drawn_{name}"] = [
            _middle(state, forecast["finishes"][key.activity].quantile(level)) for key in rows["key"]
        ]


def _middle(state: State, days: float) -> float:
    """Return the working days up to the middle of the day that lies some calendar days after the data date."""
    moment = end_of_day(state.data_date) + round((days - 0.5) * DAY)
    return max(state.working_days(moment), network_state.LEAST_DAYS)
