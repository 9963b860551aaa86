"""Network of a schedule: projects, activities, relations and calendars."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.options import Options


class Key(NamedTuple):
    """Project and id of an activity."""

    project: str
    activity: str

    def __str__(self) -> str:
        return f"{self.project}/{self.activity}" if self.project else self.activity


class Status(StrEnum):
    """Progress of an activity at the data date."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETE = "complete"


class Kind(StrEnum):
    """Type of an activity."""

    TASK = "task"
    RESOURCE_DEPENDENT = "resource_dependent"
    START_MILESTONE = "start_milestone"
    FINISH_MILESTONE = "finish_milestone"
    LEVEL_OF_EFFORT = "level_of_effort"
    SUMMARY = "summary"


MILESTONES = frozenset({Kind.START_MILESTONE, Kind.FINISH_MILESTONE})
# They span other activities and move none.
SPANNING = frozenset({Kind.LEVEL_OF_EFFORT, Kind.SUMMARY})


class ConstraintKind(StrEnum):
    """Kind of a constraint; `START_ON` and `FINISH_ON` bound from both sides, the mandatory ones break relations."""

    START_ON = "start_on"
    START_ON_OR_BEFORE = "start_on_or_before"
    START_ON_OR_AFTER = "start_on_or_after"
    FINISH_ON = "finish_on"
    FINISH_ON_OR_BEFORE = "finish_on_or_before"
    FINISH_ON_OR_AFTER = "finish_on_or_after"
    MANDATORY_START = "mandatory_start"
    MANDATORY_FINISH = "mandatory_finish"


class Constraint(NamedTuple):
    """A bound of dates."""

    kind: ConstraintKind
    moment: int


@dataclass(frozen=True, slots=True)
class Activity:
    """An activity. All moments are minutes since 1970, all durations minutes of work on its calendar.

    Attributes
    ----------
    key : project and id
    name : for people
    calendar : key in `Network.calendars`
    duration : planned duration
    remaining : remaining duration at the data date
    as_late_as_possible : whether its early dates move as far as no successor moves
    suspended, resumed : when work in progress was suspended, and when it goes on
    external_early_start, external_late_finish : bounds by relations to projects that are not in the network
    """

    key: Key
    calendar: str
    duration: int
    remaining: int
    name: str = ""
    kind: Kind = Kind.TASK
    status: Status = Status.NOT_STARTED
    actual_start: int | None = None
    actual_finish: int | None = None
    planned_start: int | None = None
    planned_finish: int | None = None
    constraints: tuple[Constraint, ...] = ()
    as_late_as_possible: bool = False
    expected_finish: int | None = None
    suspended: int | None = None
    resumed: int | None = None
    external_early_start: int | None = None
    external_late_finish: int | None = None


class Relation(NamedTuple):
    """A relation between two activities.

    Attributes
    ----------
    kind : FS, SS, FF or SF: which end of the predecessor bounds which end of the successor
    lag : minutes on the lag's calendar; negative for a lead
    calendar : key in `Network.calendars`; None for time that runs on at night and on holidays
    """

    predecessor: Key
    successor: Key
    kind: str = "FS"
    lag: int = 0
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes
    ----------
    data_date : moment up to which progress is known; nothing that remains is earlier
    planned_start : work that has not started is not earlier
    must_finish : moment that the float of the project counts to; its latest early finish without it
    """

    data_date: int
    planned_start: int | None = None
    must_finish: int | None = None
    options: Options = field(default_factory=Options)


class CycleError(ValueError):
    """Relations that lead back to where they begin: no date can be computed.

    Attributes
    ----------
    cycle : the activities in the order of their relations; the last one leads to the first
    """

    def __init__(self, cycle: Sequence[Key]) -> None:
        self.cycle = tuple(cycle)
        shown = [*self.cycle[:20], "…"] if len(self.cycle) > 20 else [*self.cycle, self.cycle[0]]
        count = len(self.cycle)
        waiting = f"{count} activities wait for each other" if count > 1 else "an activity waits for itself"
        super().__init__(f"{waiting}: {' → '.join(map(str, shown))}; remove one of these relations")


@dataclass(frozen=True)
class Network:
    """Projects, their activities and relations, and calendars.

    Relations to activities that are not in the network are ignored: `loose` has them.
    """

    projects: Mapping[str, Project]
    activities: Mapping[Key, Activity]
    relations: Sequence[Relation]
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    @property
    def loose(self) -> list[Relation]:
        """Relations of which one end is not in the network."""
        known = self.activities
        return [item for item in self.relations if item.predecessor not in known or item.successor not in known]


def order(keys: Sequence[Key], successors: Sequence[Iterable[int]]) -> list[int]:
    """Return the indices of `keys` in an order in which every activity stands after its predecessors.

    Parameters
    ----------
    successors : for each key the indices of those that come after it; one may be named several times

    Raises
    ------
    CycleError
        If there is no such order.
    """
    waiting = [0] * len(keys)
    for after in successors:
        for other in after:
            waiting[other] += 1
    free = [node for node, left in enumerate(waiting) if not left]
    # The list grows while it is walked.
    for node in free:
        for other in successors[node]:
            waiting[other] -= 1
            if not waiting[other]:
                free.append(other)
    if len(free) < len(keys):
        raise CycleError([keys[node] for node in _cycle(waiting, successors)])
    return free


def _cycle(waiting: Sequence[int], successors: Sequence[Iterable[int]]) -> list[int]:
    """Return the nodes of a cycle. Every node that waits has a predecessor that waits: the way back meets itself."""
    before = {other: node for node, left in enumerate(waiting) if left for other in successors[node] if waiting[other]}
    node = next(iter(before))
    seen: dict[int, int] = {}
    while node not in seen:
        seen[node] = len(seen)
        node = before[node]
    return list(seen)[seen[node] :][::-1]
