"""Quality of a schedule: the 14-point assessment of the DCMA, and what a forecast needs as well.

Formulas and limits are those of the Defense Contract Management Agency's Earned Value Management System Program
Analysis Pamphlet (DCMA-EA PAM 200.1, October 2012), section 4. Activities that span others (level of effort, summaries)
count in no check; complete work counts in those of dates and execution alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, NotRequired, TypedDict

from slipcast.contracts import CheckCounts
from slipcast.schedule.compiled import Link, Node
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


class Definition(NamedTuple):
    """Count of a check.

    Attributes
    ----------
    point : number in the DCMA's assessment; None for a check of Slipcast's own
    formula : in words
    unit : of value and limit
    least : whether the limit is the least that is good
    """

    point: int | None
    formula: str
    unit: Literal["share", "index", "days"] = "share"
    least: bool = False


DCMA = "DCMA-EA PAM 200.1 (October 2012), section 4"
DEFINITIONS: Mapping[str, Definition] = {
    "missing logic": Definition(1, "open activities without predecessor or without successor / open activities"),
    "leads": Definition(2, "relations with negative lag / relations"),
    "lags": Definition(3, "relations with positive lag / relations"),
    "finish-to-start": Definition(4, "finish-to-start relations / relations", least=True),
    "hard constraints": Definition(5, "open activities with a constraint that holds them / open activities"),
    "high float": Definition(6, f"open activities with more than {HIGH} days of float / open activities"),
    "negative float": Definition(7, "open activities with float below 0 / open activities"),
    "high duration": Definition(8, f"open activities of more than {HIGH} days / open activities but milestones"),
    "invalid dates": Definition(9, "activities with an actual date after the data date / activities"),
    "resources": Definition(10, "open activities without resources or costs / open activities"),
    "missed tasks": Definition(11, "finished after their baseline, or open past it / baseline finish by the data date"),
    "critical path test": Definition(
        12, f"days by which the finish moves / {PUSH} days added to the critical path", "share", least=True
    ),
    "critical path length index": Definition(
        13, "(length of the critical path + its float) / length", "index", least=True
    ),
    "baseline execution index": Definition(14, "complete / baseline finish by the data date", "index", least=True),
    "connected to the finish": Definition(
        None, "open activities that lead to what finishes last / open activities", least=True
    ),
    "out of sequence": Definition(None, "started before a predecessor let them / started"),
    "age of the data date": Definition(None, "days from the data date to the day on which the file was read", "days"),
}


class Point(TypedDict):
    """Result of a check as JSON; ``activities`` are the first of the ``count`` that fail."""

    name: str
    point: int | None
    value: float | None
    limit: float
    unit: str
    least: bool
    passed: bool | None
    count: int
    activities: list[dict[str, str]]
    formula: str
    source: str


class Quality(TypedDict):
    """Verdict on whether a schedule can be forecast: all checks, or ``why`` they could not be made."""

    points: list[Point]
    failed: int
    why: NotRequired[str]


@dataclass(frozen=True)
class Check:
    """Result of a check.

    Attributes
    ----------
    name : of the check
    value : a share between 0 and 1, or an index; None if there is nothing to check
    limit : the value that is still good
    passed : None if there is nothing to check
    found : activities that fail it; of relations those that they lead to
    count : how many activities or relations fail
    """

    name: str
    value: float | None
    limit: float
    passed: bool | None
    count: int = 0
    found: tuple[Key, ...] = ()


def assess(
    network: Network, dates: Dates, now: int | None = None, baseline: Mapping[Key, int] | None = None
) -> list[Check]:
    """Return the fourteen checks of the DCMA, then those of a forecast.

    The fourteen are: missing logic, leads, lags, relation types, hard constraints, high float, negative float, high
    duration, invalid dates, resources (None: the network has none), missed tasks, the critical path test, the critical
    path length index and the baseline execution index.

    Parameters
    ----------
    network, dates : a network and its computed dates
    now : minutes since 1970 that the age of the data date counts to; it is not checked without it
    baseline : baseline finish of activities, minutes since 1970; that of others is their planned finish
    """
    nodes = list(dates.compiled.scheduled())
    waiting = [node for node in nodes if not node.complete]
    links = [link for node in waiting for link in node.before]
    unfinished = len(waiting)

    def share(name: str, failing: Sequence[Node], of: int, limit: float) -> Check:
        value = len(failing) / of if of else None
        keys = tuple(node.activity.key for node in failing)
        return Check(name, value, limit, None if value is None else value <= limit, len(keys), keys)

    def relations(name: str, failing: Sequence[Link], limit: float) -> Check:
        keys = tuple(dict.fromkeys(link.after.activity.key for link in failing))
        least = DEFINITIONS[name].least
        value = (len(links) - len(failing) if least else len(failing)) / len(links) if links else None
        passed = None if value is None else value >= limit if least else value <= limit
        return Check(name, value, limit, passed, len(failing), keys)

    def planned(node: Node) -> int | None:
        return (baseline or {}).get(node.activity.key, node.activity.planned_finish)

    open_ends = [node for node in waiting if not node.before or not node.after]
    constrained = [node for node in waiting if any(kind in _HARD for kind, _ in node.activity.constraints)]
    floats = [(node, node.total_float or 0) for node in waiting]
    tasks = [node for node in waiting if node.activity.kind not in MILESTONES]
    due = [node for node in nodes if (planned(node) or node.data_date + 1) <= node.data_date]
    missed = [node for node in due if not _on_time(node, planned(node))]
    return [
        share("missing logic", open_ends, unfinished, 0.05),
        relations("leads", [link for link in links if link.lag < 0], 0),
        relations("lags", [link for link in links if link.lag > 0], 0.05),
        relations("finish-to-start", [link for link in links if link.from_start or not link.to_start], 0.9),
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


def document(checks: Sequence[Check], network: Network, most: int = 10) -> Quality:
    """Return checks as JSON takes them, each with up to `most` activities that fail it."""
    points: list[Point] = []
    for check in checks:
        rule = DEFINITIONS[check.name]
        points.append(
            {
                "name": check.name,
                "point": rule.point,
                "value": None if check.value is None else round(check.value, 6),
                "limit": check.limit,
                "unit": rule.unit,
                "least": rule.least,
                "passed": check.passed,
                "count": check.count,
                "activities": [
                    {
                        "project_id": key.project,
                        "activity_id": key.activity,
                        "activity_name": network.activities[key].name,
                    }
                    for key in check.found[:most]
                ],
                "formula": rule.formula,
                "source": "Slipcast" if rule.point is None else DCMA,
            }
        )
    return {"points": points, "failed": sum(point["passed"] is False for point in points)}


METRICS = {
    "connected to the finish": "ConnectedToFinish",
    "out of sequence": "OutOfSequence",
    "age of the data date": "DataDateAge",
}


def counts(found: Quality) -> CheckCounts | None:
    """Return how many checks passed, of those that could be made; None if none could."""
    made = [point["passed"] for point in found["points"] if point["passed"] is not None]
    return {"passed": sum(made), "checks": len(made)} if made else None


def metrics(found: Quality) -> dict[str, float]:
    """Return ``SchedulePointsFailed`` and the values of Slipcast's own checks, as far as they are known."""
    values = {METRICS[point["name"]]: point["value"] for point in found["points"] if point["name"] in METRICS}
    known = {name: value for name, value in values.items() if value is not None}
    return {"SchedulePointsFailed": float(found["failed"]), **known} if found["points"] else {}


def _on_time(node: Node, planned: int | None) -> bool:
    finish = node.activity.actual_finish
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
        return Check("critical path test", None, 0.5, None)
    first = min(path, key=lambda node: (node.early_start, node.activity.key))
    key, added = first.activity.key, PUSH * 1440
    before = max(dates.finish.values())
    pushed = replace(first.activity, remaining=first.remaining + first.clock.between(before, before + added))
    after = schedule(replace(network, activities={**network.activities, key: pushed}))
    moved = max(after.finish.values()) - before
    # Half of it or less means that the path does not reach the finish; calendars and free days take a few days.
    passed = moved >= added / 2
    return Check("critical path test", moved / added, 0.5, passed, int(not passed), () if passed else (key,))


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
    days = (now - min((project.data_date for project in network.projects.values()), default=now)) / 1440
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
