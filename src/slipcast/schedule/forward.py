"""The forward pass: early dates."""

from slipcast.schedule.compiled import Compiled, Link, Node
from slipcast.schedule.network import MILESTONES, ConstraintKind, Kind
from slipcast.schedule.options import OutOfSequence


def run(nodes: Compiled) -> None:
    """Set the early dates of all nodes, and the finish of each project."""
    for node in nodes.scheduled():
        if node.complete:
            _complete(node)
        else:
            _open(node)
    for node in nodes.scheduled():
        if not node.complete:
            project = node.activity.key.project
            nodes.finish[project] = max(nodes.finish.get(project, node.early_finish), node.early_finish)


def _complete(node: Node) -> None:
    """What is complete hands on what its predecessors still ask for: retained logic runs through it."""
    data_date, activity = node.data_date, node.activity
    asked = data_date
    if node.options.out_of_sequence is not OutOfSequence.PROGRESS_OVERRIDE:
        for link in node.before:
            before = link.before
            if before.spanning or link.from_start:
                continue
            if before.complete and before.early_finish <= before.data_date:
                continue
            asked = max(asked, link.clock.add(before.early_finish, link.lag))
    finish = activity.actual_finish if activity.actual_finish is not None else data_date
    node.early_finish = asked if asked > data_date else finish
    node.early_start = activity.actual_start if activity.actual_start is not None else node.early_finish
    node.pushed = asked > data_date


def _open(node: Node) -> None:
    activity, clock, remaining = node.activity, node.clock, node.remaining
    start = node.data_date
    if not node.started and node.planned_start is not None:
        start = max(start, node.planned_start)
    if node.started and activity.resumed is not None:
        start = max(start, activity.resumed)
    finish: int | None = None
    override = node.options.out_of_sequence is OutOfSequence.PROGRESS_OVERRIDE
    for link in node.before:
        if link.before.spanning or (node.started and (override or (link.from_start and not link.to_start))):
            continue
        moment = _asked(link)
        if link.to_start:
            start = max(start, moment)
        else:
            finish = moment if finish is None else max(finish, moment)
    for kind, moment in activity.constraints:
        if moment is None:
            continue
        if kind in (ConstraintKind.START_ON_OR_AFTER, ConstraintKind.START_ON) and not node.started:
            start = max(start, moment)
        elif kind in (ConstraintKind.FINISH_ON_OR_AFTER, ConstraintKind.FINISH_ON):
            finish = moment if finish is None else max(finish, moment)
    if activity.external_early_start is not None and not node.started:
        start = max(start, activity.external_early_start)
    if remaining == 0:
        moment = start if finish is None else max(start, finish)
        if activity.kind is not Kind.FINISH_MILESTONE:
            moment = clock.next(moment)
        node.early_start = node.early_finish = moment
    else:
        begin = clock.next(start)
        if finish is not None:
            begin = max(begin, clock.start(clock.worked(finish) - remaining))
        node.early_start = begin
        node.early_finish = clock.finish(clock.worked(begin) + remaining)
    for kind, moment in activity.constraints:
        if kind is ConstraintKind.MANDATORY_START and moment is not None and not node.started:
            node.early_start, node.early_finish = moment, clock.add(moment, remaining)
        elif kind is ConstraintKind.MANDATORY_FINISH and moment is not None:
            node.early_start, node.early_finish = clock.start(clock.worked(moment) - remaining), moment


def _asked(link: Link) -> int:
    """Return the moment that a relation asks for, and keep what is left of its lag."""
    before, activity, clock = link.before, link.before.activity, link.clock
    lag = link.lag
    if link.from_start:
        moment = before.early_start
        if before.complete and activity.actual_start is not None:
            moment = activity.actual_start
        elif before.started and activity.actual_start is not None:
            if before.options.lag_from_actual_start:
                moment = activity.actual_start
            elif lag > 0:
                lag = max(lag - clock.between(activity.actual_start, before.data_date), 0)
    else:
        moment = before.early_finish
        if lag > 0 and before.complete and before.pushed and activity.actual_finish is not None:
            lag = max(lag - clock.between(activity.actual_finish, before.data_date), 0)
    link.left = lag
    return clock.add(moment, lag) if lag else moment


__all__ = ["MILESTONES", "run"]
