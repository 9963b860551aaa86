"""Drivers of a date: driving relations, driving paths and the longest path."""

from collections.abc import Iterator

from slipcast.schedule.backward import slack
from slipcast.schedule.compiled import Link, Node
from slipcast.schedule.engine import Dates
from slipcast.schedule.network import Key, Relation


def driving_relations(dates: Dates, key: Key) -> list[Relation]:
    """Return the relations that set the early dates of an activity: those without slack; none if nothing waits."""
    return [_relation(link) for link in driving_links(dates.compiled.by_key[key])]


def driving_path(dates: Dates, key: Key) -> list[Key]:
    """Return the activities that drive an activity, in order, from the first to the activity itself.

    Of several driving predecessors the one with the least total float is followed, as P6 does, then the one that
    finishes last, then the first by id.
    """
    node = dates.compiled.by_key[key]
    path = [node]
    while links := list(driving_links(node)):
        node = min((link.before for link in links), key=_rank)
        path.append(node)
    return [found.activity.key for found in reversed(path)]


def longest_path(dates: Dates, project: str | None = None) -> set[Key]:
    """Return the activities on the driving paths to what finishes last.

    Float says the same only where all activities have one calendar and nothing is constrained.

    Parameters
    ----------
    project : whose finish counts; by default that of all projects together
    """
    open_nodes = [node for node in dates.compiled.scheduled() if not node.complete]
    ends = [node for node in open_nodes if project is None or node.activity.key.project == project]
    last = max((node.early_finish for node in ends), default=0)
    waiting = [node for node in ends if node.early_finish == last]
    found: set[Key] = set()
    while waiting:
        node = waiting.pop()
        if node.activity.key not in found:
            found.add(node.activity.key)
            waiting += [link.before for link in driving_links(node)]
    return found


def driving_links(node: Node) -> Iterator[Link]:
    """Yield the links that set the early dates of a node."""
    for link in node.before:
        if link.holds and slack(link) <= 0:
            yield link


def _rank(node: Node) -> tuple[int, int, Key]:
    return node.total_float or 0, -node.early_finish, node.activity.key


def _relation(link: Link) -> Relation:
    kind = ("S" if link.from_start else "F") + ("S" if link.to_start else "F")
    return Relation(link.before.activity.key, link.after.activity.key, kind, link.lag)
