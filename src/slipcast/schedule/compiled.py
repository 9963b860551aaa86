"""A network with its calendars as tables and its activities in order, for both passes."""

from collections.abc import Iterator, Mapping

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.network import SPANNING, Activity, Key, Network, Status, order
from slipcast.schedule.options import Options, OutOfSequence
from slipcast.schedule.working_time import ELAPSED, Clock, WorkingTime


class Node:
    """An activity with what the passes compute.

    Attributes
    ----------
    activity, clock : the activity and its calendar
    data_date, planned_start, options : of its project
    before, after : links to predecessors and successors
    remaining : minutes of work that remain
    complete, started, spanning : whether it is complete, in progress, or spans others
    pushed : whether it is complete and its predecessors ask for more than the data date
    early_start, early_finish, late_start, late_finish : minutes since 1970
    """

    __slots__ = (
        *("activity", "after", "before", "clock", "complete", "data_date", "early_finish", "early_start"),
        *("free_float", "late_finish", "late_start", "options", "planned_start", "pushed", "remaining", "spanning"),
        *("started", "total_float"),
    )

    def __init__(
        self, activity: Activity, clock: WorkingTime, data_date: int, planned_start: int | None, options: Options
    ) -> None:
        self.activity, self.clock, self.options = activity, clock, options
        self.data_date, self.planned_start = data_date, planned_start
        self.before: list[Link] = []
        self.after: list[Link] = []
        self.remaining = activity.remaining
        self.complete = activity.status is Status.COMPLETE
        self.started = activity.status is Status.IN_PROGRESS
        self.spanning = activity.kind in SPANNING
        self.pushed = False
        self.early_start = self.early_finish = self.late_start = self.late_finish = data_date
        self.total_float: int | None = None
        self.free_float: int | None = None


class Link:
    """A relation between two nodes.

    Attributes
    ----------
    from_start, to_start : whether it leads from the start of the predecessor, and to the start of the successor
    lag, left : minutes on `clock`; of them those that have not passed at the data date
    holds : whether it bounds anything; not if progress overrides it
    actual : moment of the successor that bounds late dates alone, where actual dates replace the relation
    """

    __slots__ = ("actual", "after", "before", "clock", "from_start", "holds", "lag", "left", "to_start")

    def __init__(self, before: Node, after: Node, kind: str, lag: int, clock: Clock) -> None:
        self.before, self.after = before, after
        self.from_start, self.to_start = kind[0] == "S", kind[1] == "S"
        self.lag = self.left = lag
        self.clock = clock
        self.actual: int | None = None
        self.holds = not (before.spanning or after.spanning)
        if after.complete or after.started:
            rule = after.options.out_of_sequence
            if rule is OutOfSequence.ACTUAL_DATES and self.holds:
                self.actual = after.activity.actual_start if self.to_start else after.activity.actual_finish
            self.holds = self.holds and rule is OutOfSequence.RETAINED_LOGIC

    def back(self, moment: int) -> int:
        """Return the last moment of the predecessor that leaves a moment of the successor where it is."""
        return self.clock.add(moment, -self.left) if self.left else moment


class Compiled:
    """A network in the order of its relations.

    Attributes
    ----------
    nodes : every activity after its predecessors; those that span others at the end
    by_key : the same by activity
    options : by project
    finish : latest early finish by project, after the forward pass
    """

    def __init__(self, network: Network, nodes: list[Node]) -> None:
        self.network, self.nodes = network, nodes
        self.by_key = {node.activity.key: node for node in nodes}
        self.options = {node.activity.key.project: node.options for node in nodes}
        self.finish: dict[str, int] = {}

    def scheduled(self) -> Iterator[Node]:
        """Yield what moves others."""
        return (node for node in self.nodes if not node.spanning)


def compiled(network: Network, data_date: int | None = None, options: Options | None = None) -> Compiled:
    """Return a network as the passes take it; raise `CycleError` if activities wait for each other."""
    projects, activities = network.projects, network.activities
    moments = [project.data_date for project in projects.values()]
    moments += [item.planned_finish for item in activities.values() if item.planned_finish is not None]
    clocks = _Clocks(network.calendars, min(moments, default=0), max(moments, default=0))
    nodes: dict[Key, Node] = {}
    for key, activity in activities.items():
        project = projects[key.project]
        nodes[key] = Node(
            activity,
            clocks[activity.calendar],
            project.data_date if data_date is None else data_date,
            project.planned_start,
            project.options if options is None else options,
        )
    for relation in network.relations:
        before, after = nodes.get(relation.predecessor), nodes.get(relation.successor)
        if before is None or after is None:
            continue
        clock: Clock = ELAPSED if relation.calendar is None else clocks[relation.calendar]
        link = Link(before, after, relation.kind, relation.lag, clock)
        before.after.append(link)
        after.before.append(link)
    return Compiled(network, _ordered(nodes))


def _ordered(nodes: Mapping[Key, Node]) -> list[Node]:
    keys = [key for key, node in nodes.items() if not node.spanning]
    places = {key: place for place, key in enumerate(keys)}
    after = [[places[link.after.activity.key] for link in nodes[key].after if not link.after.spanning] for key in keys]
    spanning = [node for node in nodes.values() if node.spanning]
    return [nodes[keys[place]] for place in order(keys, after)] + spanning


class _Clocks(dict[str, WorkingTime]):
    """Tables of the calendars that are used."""

    def __init__(self, calendars: Mapping[str, Calendar], first: int, last: int) -> None:
        super().__init__()
        self._calendars, self._first, self._last = calendars, first, last

    def __missing__(self, name: str) -> WorkingTime:
        clock = self[name] = WorkingTime(self._calendars.get(name, Calendar()), self._first, self._last)
        return clock
