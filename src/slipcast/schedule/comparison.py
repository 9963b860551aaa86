"""Changes from one update of a schedule to the next."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypedDict

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.engine import Dates
from slipcast.schedule.network import Activity, Key, Network, Relation
from slipcast.schedule.paths import driving_links
from slipcast.schedule.working_time import moment_of

# Fields of an activity whose change a planner decides on; dates and progress follow from work.
_EDITED = ("duration", "constraints", "as_late_as_possible", "kind")
_PLANNED = ("planned_start", "planned_finish")


@dataclass(frozen=True)
class Change:
    """A change of an activity; `field` is the name in `Activity`."""

    key: Key
    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Slip:
    """Dates of an activity that is open in both updates.

    Attributes
    ----------
    days : calendar days by which its early finish moved; negative for a pull
    float_consumed : minutes of total float that it has less; negative if it gained
    driver : the activity in the longest path of its delay that is the first to slip; itself if it is the cause
    """

    key: Key
    days: float
    float_consumed: int
    driver: Key


@dataclass(frozen=True)
class Comparison:
    """Changes between two updates.

    Attributes
    ----------
    added, removed : activities
    added_relations, removed_relations : relations between activities of both updates; a changed lag is both
    changes : durations, working times, constraints and types that were edited
    planned_changes : planned dates that were edited: the network has no other baseline
    slips : moved finishes, the largest slip first
    consumed : float consumed by activity that caused it, minutes, the largest first
    finish_days : calendar days by which the finish of each project moved
    """

    added: tuple[Key, ...]
    removed: tuple[Key, ...]
    added_relations: tuple[Relation, ...]
    removed_relations: tuple[Relation, ...]
    changes: tuple[Change, ...]
    planned_changes: tuple[Change, ...]
    slips: tuple[Slip, ...]
    consumed: Mapping[Key, int]
    finish_days: Mapping[str, float]


class Named(TypedDict):
    """An activity with its name."""

    project_id: str
    activity_id: str
    activity_name: str


class RelationRow(TypedDict):
    """A relation; lag in hours."""

    predecessor: Named
    successor: Named
    type: str
    lag_hours: float


class ChangeRow(Named):
    """An edit of an activity, values in words: durations in hours, moments as ISO 8601 without an offset."""

    field: str
    before: str
    after: str


class SlipRow(Named):
    """A moved finish; ``driver`` is the activity that caused it."""

    days: float
    float_consumed_hours: float
    driver: Named


class ConsumedRow(Named):
    """Float that others lost because of an activity."""

    hours: float


class Document(TypedDict):
    """A comparison as JSON; pulls are slips of fewer than 0 days. `baselines` gives those of baselines."""

    finish_days: dict[str, float]
    slips: list[SlipRow]
    consumed: list[ConsumedRow]
    added: list[Named]
    removed: list[Named]
    added_relations: list[RelationRow]
    removed_relations: list[RelationRow]
    changes: list[ChangeRow]
    planned_changes: list[ChangeRow]
    baseline_changes: list[ChangeRow]


def baselines(edits: Iterable[tuple[str, str, str | None, date, date]]) -> list[ChangeRow]:
    """Return baseline finishes that were edited: project, activity, name, before and now of each."""
    return [
        {
            "project_id": project,
            "activity_id": activity,
            "activity_name": name or "",
            "field": "baseline_finish",
            "before": was.isoformat(),
            "after": now.isoformat(),
        }
        for project, activity, name, was, now in edits
    ]


def document(found: Comparison, before: Network, after: Network) -> Document:
    """Return a comparison as JSON takes it."""

    def named(key: Key) -> Named:
        item = after.activities.get(key) or before.activities[key]
        return {"project_id": key.project, "activity_id": key.activity, "activity_name": item.name}

    def linked(item: Relation) -> RelationRow:
        ends = named(item.predecessor), named(item.successor)
        return {"predecessor": ends[0], "successor": ends[1], "type": item.kind, "lag_hours": _hours(item.lag)}

    def row(change: Change) -> ChangeRow:
        was, now = _words(change.field, change.before, before), _words(change.field, change.after, after)
        return {**named(change.key), "field": change.field, "before": was, "after": now}

    return {
        "finish_days": {name: round(days, 3) for name, days in found.finish_days.items()},
        "slips": [
            {
                **named(slip.key),
                "days": round(slip.days, 3),
                "float_consumed_hours": _hours(slip.float_consumed),
                "driver": named(slip.driver),
            }
            for slip in found.slips
        ],
        "consumed": [{**named(key), "hours": _hours(minutes)} for key, minutes in found.consumed.items()],
        "added": [named(key) for key in found.added],
        "removed": [named(key) for key in found.removed],
        "added_relations": [linked(item) for item in found.added_relations],
        "removed_relations": [linked(item) for item in found.removed_relations],
        "changes": [row(change) for change in found.changes],
        "planned_changes": [row(change) for change in found.planned_changes],
        "baseline_changes": [],
    }


def _hours(minutes: int) -> float:
    return round(minutes / 60, 2)


def _words(field: str, value: Any, network: Network) -> str:
    """Return a value of an activity in words."""
    if field == "calendar":
        calendar = network.calendars.get(value, Calendar())
        hours = sum(end - begin for day in calendar.week for begin, end in day) / 60
        return f"{hours:g} h a week, {len(calendar.exceptions)} days that differ"
    if value is None or value == ():
        return "none"
    if field == "duration":
        return f"{_hours(value):g} h"
    if field in _PLANNED:
        return moment_of(value).isoformat(" ", "minutes")
    if field == "constraints":
        return ", ".join(
            f"{kind.value.replace('_', ' ')} {moment_of(moment).isoformat(' ', 'minutes')}" for kind, moment in value
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def aligned(before: Network, after: Network) -> Network:
    """Return the earlier network with the project names of the later one, if each has one project.

    P6 cannot hold two projects of one name: the copy that is the next update gets another one.
    """
    if len(before.projects) != 1 or len(after.projects) != 1 or before.projects.keys() == after.projects.keys():
        return before
    ((name, project),) = before.projects.items()
    (new,) = after.projects

    def renamed(key: Key) -> Key:
        return Key(new, key.activity) if key.project == name else key

    return replace(
        before,
        projects={new: project},
        activities={renamed(key): replace(item, key=renamed(key)) for key, item in before.activities.items()},
        relations=[
            item._replace(predecessor=renamed(item.predecessor), successor=renamed(item.successor))
            for item in before.relations
        ],
    )


def compare(before: Network, after: Network, was: Dates, now: Dates) -> Comparison:
    """Return what changed between two updates of the same projects.

    Parameters
    ----------
    before, after : the networks
    was, now : their dates

    Notes
    -----
    A slip is attributed to the first activity of the chain of driving predecessors that slipped by itself: whose own
    driving predecessors did not slip as much.
    """
    both = before.activities.keys() & after.activities.keys()
    old, new = ({_bare(item): item for item in _between(network, both)} for network in (before, after))
    slips = sorted(_slips(was, now, both), key=lambda slip: (-slip.days, slip.key))
    consumed: dict[Key, int] = {}
    for slip in slips:
        if slip.float_consumed > 0:
            consumed[slip.driver] = consumed.get(slip.driver, 0) + slip.float_consumed
    return Comparison(
        tuple(sorted(after.activities.keys() - both)),
        tuple(sorted(before.activities.keys() - both)),
        tuple(new[item] for item in sorted(new.keys() - old.keys())),
        tuple(old[item] for item in sorted(old.keys() - new.keys())),
        (*_changes(before, after, sorted(both), _EDITED), *_calendar_changes(before, after, sorted(both))),
        tuple(_changes(before, after, sorted(both), _PLANNED)),
        tuple(slips),
        dict(sorted(consumed.items(), key=lambda item: (-item[1], item[0]))),
        {name: (finish - was.finish[name]) / 1440 for name, finish in sorted(now.finish.items()) if name in was.finish},
    )


def _bare(relation: Relation) -> tuple[Key, Key, str, int]:
    # Tools number calendars differently in each file.
    return relation.predecessor, relation.successor, relation.kind, relation.lag


def _calendar_changes(before: Network, after: Network, keys: list[Key]) -> Iterator[Change]:
    """Yield the activities whose working time is another one: by its hours, not by the number of the calendar."""
    for key in keys:
        old, new = before.activities[key].calendar, after.activities[key].calendar
        if before.calendars.get(old) != after.calendars.get(new):
            yield Change(key, "calendar", old, new)


def _between(network: Network, keys: set[Key]) -> Iterator[Relation]:
    return (item for item in network.relations if item.predecessor in keys and item.successor in keys)


def _changes(before: Network, after: Network, keys: list[Key], fields: tuple[str, ...]) -> Iterator[Change]:
    for key in keys:
        old: Activity = before.activities[key]
        new: Activity = after.activities[key]
        for field in fields:
            was, now = getattr(old, field), getattr(new, field)
            if was != now:
                yield Change(key, field, was, now)


def _slips(was: Dates, now: Dates, keys: set[Key]) -> Iterator[Slip]:
    moved: dict[Key, int] = {}
    for node in now.compiled.scheduled():
        key = node.activity.key
        if key in keys and not node.complete and not was.compiled.by_key[key].complete:
            moved[key] = node.early_finish - was.activities[key].early_finish
    drivers: dict[Key, Key] = {}
    for node in now.compiled.scheduled():
        key = node.activity.key
        if key not in moved:
            continue
        causes = [
            link.before.activity.key for link in driving_links(node) if moved.get(link.before.activity.key, 0) > 0
        ]
        cause = max(causes, key=lambda other: (moved[other], other), default=key)
        # Half of a slip that comes with the predecessor is not the activity's own.
        own = cause == key or moved[cause] * 2 < moved[key]
        drivers[key] = key if own else drivers[cause]
        if moved[key]:
            lost = (was.activities[key].total_float or 0) - (now.activities[key].total_float or 0)
            yield Slip(key, moved[key] / 1440, lost, drivers[key])
