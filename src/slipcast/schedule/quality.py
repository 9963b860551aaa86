"""Whether a schedule can be trusted: the 14-point assessment of the DCMA, and what a forecast needs as well.

Formulas and limits are those of the Defense Contract Management Agency's Earned Value Management System Program
Analysis Pamphlet (DCMA-EA PAM 200.1, October 2012), section 4. Activities that span others (level of effort, summaries)
count in no check; complete work counts in those of dates and execution alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from slipcast.schedule.compiled import Node
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import MILESTONES, ConstraintKind, Key, Network, Status
from slipcast.schedule.paths import longest_path

DAY = 480
# Working days: 44 are two months.
HIGH = 44
# Calendar days that the critical path test adds.
PUSH = 600
# Calendar days between two updates: schedules are updated monthly as a rule.
OLDEST = 45
_HARD = frozenset(
    {
        *(ConstraintKind.MANDATORY_START, ConstraintKind.MANDATORY_FINISH),
        *(ConstraintKind.START_ON, ConstraintKind.FINISH_ON),
        *(ConstraintKind.START_ON_OR_BEFORE, ConstraintKind.FINISH_ON_OR_BEFORE),
    }
)


@dataclass(frozen=True)
class Check:
    """Result of a check.

    Attributes
    ----------
    name : of the check
    value : a share between 0 and 1, or an index; None if there is nothing to check
    limit : the value that is still good
    passed : None if there is nothing to check
    found : activities that fail it, at most `count` of them
    count : how many activities or relations fail
    """

    name: str
    value: float | None
    limit: float
    passed: bool | None
    count: int = 0
    found: tuple[Key, ...] = ()


def assess(network: Network, dates: Dates, now: int | None = None) -> list[Check]:
    """Return the fourteen checks of the DCMA, then those of a forecast.

    The fourteen are: missing logic, leads, lags, relation types, hard constraints, high float, negative float, high
    duration, invalid dates, resources (None: the network has none), missed tasks, the critical path test, the critical
    path length index and the baseline execution index. The planned finish counts as the baseline's.

    Parameters
    ----------
    network, dates : a network and its computed dates
    now : minutes since 1970 that the age of the data date counts to; it is not checked without it
    """
    nodes = list(dates.compiled.scheduled())
    waiting = [node for node in nodes if not node.complete]
    links = [link for node in waiting for link in node.before]
    unfinished = len(waiting)

    def share(name: str, failing: Sequence[Node], of: int, limit: float) -> Check:
        value = len(failing) / of if of else None
        keys = tuple(node.activity.key for node in failing)
        return Check(name, value, limit, None if value is None else value <= limit, len(keys), keys)

    def relations(name: str, count: int, limit: float, least: bool = False) -> Check:
        value = count / len(links) if links else None
        passed = None if value is None else value >= limit if least else value <= limit
        return Check(name, value, limit, passed, len(links) - count if least else count)

    open_ends = [node for node in waiting if not node.before or not node.after]
    constrained = [node for node in waiting if any(kind in _HARD for kind, _ in node.activity.constraints)]
    floats = [(node, node.total_float or 0) for node in waiting]
    tasks = [node for node in waiting if node.activity.kind not in MILESTONES]
    due = [node for node in nodes if (node.activity.planned_finish or node.data_date + 1) <= node.data_date]
    missed = [node for node in due if not _on_time(node)]
    return [
        share("missing logic", open_ends, unfinished, 0.05),
        relations("leads", sum(link.lag < 0 for link in links), 0),
        relations("lags", sum(link.lag > 0 for link in links), 0.05),
        relations("finish-to-start", sum(not link.from_start and link.to_start for link in links), 0.9, least=True),
        share("hard constraints", constrained, unfinished, 0.05),
        share("high float", [node for node, value in floats if value > HIGH * DAY], unfinished, 0.05),
        share("negative float", [node for node, value in floats if value < 0], unfinished, 0),
        share("high duration", [node for node in tasks if node.activity.duration > HIGH * DAY], len(tasks), 0.05),
        share("invalid dates", [node for node in nodes if _invalid(node)], len(nodes), 0),
        Check("resources", None, 0, None),
        share("missed tasks", missed, len(due), 0.05),
        _critical_path_test(network, dates),
        _critical_path_length_index(dates),
        _baseline_execution_index(nodes, due),
        *_forecast_checks(dates, waiting),
        *([] if now is None else [_age(network, now)]),
    ]


def _on_time(node: Node) -> bool:
    finish, planned = node.activity.actual_finish, node.activity.planned_finish
    return node.complete and finish is not None and planned is not None and finish <= planned


def _invalid(node: Node) -> bool:
    """Return whether actual dates lie after the data date, or remaining work before it."""
    actual = (node.activity.actual_start, node.activity.actual_finish)
    return any(moment is not None and moment > node.data_date for moment in actual)


def _critical_path_test(network: Network, dates: Dates) -> Check:
    """Return whether the finish moves by what is added to the first activity of the longest path that is open."""
    keys = longest_path(dates)
    path = [node for node in dates.compiled.scheduled() if not node.complete and node.activity.key in keys]
    if not path:
        return Check("critical path test", None, 1, None)
    first = min(path, key=lambda node: (node.early_start, node.activity.key))
    key, added = first.activity.key, PUSH * 1440
    before = max(dates.finish.values())
    pushed = replace(first.activity, remaining=first.remaining + first.clock.between(before, before + added))
    after = schedule(replace(network, activities={**network.activities, key: pushed}))
    moved = max(after.finish.values()) - before
    # Half of it or less means that the path does not reach the finish; calendars and free days take a few days.
    passed = moved >= added / 2
    return Check("critical path test", moved / added, 1, passed, int(not passed), () if passed else (key,))


def _critical_path_length_index(dates: Dates) -> Check:
    """Return (length of the critical path + total float) / length; below .95 the finish is hard to reach."""
    path = longest_path(dates)
    ends = [dates.compiled.by_key[key] for key in path if not dates.compiled.by_key[key].complete]
    if not ends:
        return Check("critical path length index", None, 0.95, None)
    last = max(ends, key=lambda node: node.early_finish)
    length = last.clock.between(last.data_date, last.early_finish)
    if not length:
        return Check("critical path length index", None, 0.95, None)
    value = (length + (last.total_float or 0)) / length
    return Check("critical path length index", value, 0.95, value >= 0.95)


def _baseline_execution_index(nodes: Sequence[Node], due: Sequence[Node]) -> Check:
    complete = sum(node.complete for node in nodes)
    value = complete / len(due) if due else None
    return Check("baseline execution index", value, 0.95, None if value is None else value >= 0.95)


def _forecast_checks(dates: Dates, waiting: Sequence[Node]) -> list[Check]:
    """Return what a forecast needs as well: a way to the finish, progress in order, and a fresh data date."""
    reached = _connected(dates)
    loose = tuple(node.activity.key for node in waiting if node.activity.key not in reached)
    value = 1 - len(loose) / len(waiting) if waiting else None
    early = tuple(node.activity.key for node in dates.compiled.scheduled() if _out_of_sequence(node))
    started = sum(node.started or node.complete for node in dates.compiled.scheduled())
    share = len(early) / started if started else None
    return [
        Check("connected to the finish", value, 0.95, None if value is None else value >= 0.95, len(loose), loose),
        Check("out of sequence", share, 0.05, None if share is None else share <= 0.05, len(early), early),
    ]


def _age(network: Network, now: int) -> Check:
    """Return the age in days of the oldest data date."""
    oldest = min((project.data_date for project in network.projects.values()), default=now)
    days = (now - oldest) / 1440
    return Check("age of the data date", days, OLDEST, days <= OLDEST, int(days > OLDEST))


def _connected(dates: Dates) -> set[Key]:
    """Return what leads to an activity that finishes last in its project."""
    last = [
        node
        for node in dates.compiled.scheduled()
        if not node.complete and node.early_finish == dates.finish[node.activity.key.project]
    ]
    found: set[Key] = set()
    while last:
        node = last.pop()
        if node.activity.key not in found:
            found.add(node.activity.key)
            last += [link.before for link in node.before]
    return found


def _out_of_sequence(node: Node) -> bool:
    """Return whether an activity has started before a finish-to-start or start-to-start predecessor let it."""
    start = node.activity.actual_start
    if start is None or node.activity.status is Status.NOT_STARTED:
        return False
    for link in node.before:
        before = link.before.activity
        moment = before.actual_start if link.from_start else before.actual_finish
        if link.to_start and link.lag >= 0 and not link.before.spanning and (moment is None or moment > start):
            return True
    return False
