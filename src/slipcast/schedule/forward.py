"""The forward pass: early dates."""

from slipcast.schedule.compiled import Compiled, Link, Node
from slipcast.schedule.network import ConstraintKind, Kind
from slipcast.schedule.working_time import WorkingTime


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
    for node in reversed(list(nodes.scheduled())):
        if not node.complete and any(
            kind is ConstraintKind.AS_LATE_AS_POSSIBLE for kind, _ in node.activity.constraints
        ):
            _as_late_as_possible(node, nodes.finish[node.activity.key.project])


def _as_late_as_possible(node: Node, end: int) -> None:
    """Move the early dates of an activity as far as no successor moves."""
    clock, remaining = node.clock, node.remaining
    finish: int | None = None
    for link in node.after:
        after = link.after
        if not link.holds:
            continue
        moment = after.early_start if link.to_start else after.early_finish
        if link.left:
            moment = link.clock.add(moment, -link.left)
        if link.from_start:
            moment = clock.finish(clock.worked(moment) + remaining)
        finish = moment if finish is None else min(finish, moment)
    finish = end if finish is None else finish
    finish = clock.next(finish) if node.activity.kind is Kind.START_MILESTONE else clock.previous(finish)
    if finish > node.early_finish:
        node.early_finish = finish
        node.early_start = clock.start(clock.worked(finish) - remaining) if remaining else finish


def _complete(node: Node) -> None:
    """What is complete has nothing that remains, and hands on what its predecessors still ask for."""
    moment = node.data_date
    for link in node.before:
        if not link.holds:
            continue
        if link.before.complete and not link.before.pushed:
            link.left = 0
        else:
            moment = max(moment, _asked(link))
    node.early_start = node.early_finish = moment
    node.pushed = moment > node.data_date


def _open(node: Node) -> None:
    activity, clock, remaining = node.activity, node.clock, node.remaining
    start = node.data_date
    if not node.started and node.planned_start is not None:
        start = max(start, node.planned_start)
    if node.started and activity.resumed is not None:
        start = max(start, activity.resumed)
    finish: int | None = None
    for link in node.before:
        if not link.holds:
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
            moment = _end(clock, moment)
            finish = moment if finish is None else max(finish, moment)
    if activity.external_early_start is not None and not node.started:
        start = max(start, activity.external_early_start)
    if remaining == 0:
        moment = start if finish is None else max(start, finish)
        if activity.kind is not Kind.FINISH_MILESTONE:
            moment = clock.next(moment)
        else:
            moment = _end(clock, moment)
        node.early_start = node.early_finish = moment
    else:
        begin = clock.next(start)
        end = clock.finish(clock.worked(begin) + remaining)
        if finish is not None and finish > end:
            # Work that waits for the end of other work ends when its calendar says that there is work.
            end = finish if clock.previous(finish) == finish else clock.next(finish)
            begin = max(begin, clock.start(clock.worked(end) - remaining))
        node.early_start, node.early_finish = begin, end
    for kind, moment in activity.constraints:
        if kind is ConstraintKind.MANDATORY_START and moment is not None and not node.started:
            node.early_start, node.early_finish = moment, clock.add(moment, remaining)
        elif kind is ConstraintKind.MANDATORY_FINISH and moment is not None:
            moment = max(
                moment, clock.finish(clock.worked(node.data_date) + remaining) if remaining else node.data_date
            )
            node.early_start, node.early_finish = clock.start(clock.worked(moment) - remaining), moment


def _end(clock: WorkingTime, moment: int) -> int:
    """Return a moment at which work can end: where none ends at that moment, the next minute of work does."""
    return moment if clock.previous(moment) == moment else clock.next(moment) + 1


def _asked(link: Link) -> int:
    """Return the moment that a relation asks for, and keep what is left of its lag."""
    before, activity, clock = link.before, link.before.activity, link.clock
    lag = link.lag
    moment = before.early_start if link.from_start else before.early_finish
    since = activity.actual_start if link.from_start else activity.actual_finish
    if since is not None and (before.complete or (before.started and link.from_start)):
        if link.from_start and before.options.lag_from_actual_start:
            moment = since
        elif lag > 0:
            # What has passed of a lag is not waited for again.
            lag = max(lag - max(clock.between(since, before.data_date), 0), 0)
        elif before.complete:
            lag = 0
    link.left = lag
    return clock.add(moment, lag) if lag else moment
