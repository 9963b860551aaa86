"""Dates of what spans other activities: level of effort and summaries."""

from collections.abc import Iterator

from slipcast.schedule.compiled import Compiled, Node


def run(nodes: Compiled) -> None:
    """Set the dates of what spans others: from the first to the last moment that its relations lead to.

    A summary without relations keeps the data date: which activities it sums up is no part of the network.
    """
    for node in nodes.nodes:
        if node.spanning and not node.complete:
            _span(node)


def _span(node: Node) -> None:
    clock, ends = node.clock, list(_ends(node))
    starts = [(early, late) for at_start, early, late in ends if at_start]
    finishes = [(early, late) for at_start, early, late in ends if not at_start]
    earliest = min((early for early, _ in starts), default=node.data_date)
    if not node.started and node.planned_start is not None:
        earliest = max(earliest, node.planned_start)
    node.early_start = clock.next(max(earliest, node.data_date))
    node.late_start = clock.next(min((late for _, late in starts), default=node.early_start))
    if finishes:
        node.early_finish = max(node.early_start, clock.previous(max(early for early, _ in finishes)))
        node.late_finish = max(node.late_start, clock.previous(max(late for _, late in finishes)))
    else:
        node.early_finish = clock.add(node.early_start, node.remaining)
        node.late_finish = clock.add(node.late_start, node.remaining)
    node.total_float = clock.between(node.early_finish, node.late_finish)
    node.free_float = 0


def _ends(node: Node) -> Iterator[tuple[bool, int, int]]:
    """Yield for each relation whether it leads to the node's start, and the early and late moment at its other end."""
    for link in node.before:
        yield link.to_start, *_moments(link.before, link.from_start)
    for link in node.after:
        yield link.from_start, *_moments(link.after, link.to_start)


def _moments(node: Node, at_start: bool) -> tuple[int, int]:
    return (node.early_start, node.late_start) if at_start else (node.early_finish, node.late_finish)
