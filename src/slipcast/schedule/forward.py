"""The forward pass: early dates.

P6's rules that no textbook has are marked; docs/schedule-engine.md says how they were found.
"""

from slipcast.schedule.compiled import Compiled, Link, Node
from slipcast.schedule.network import ConstraintKind, Kind
from slipcast.schedule.working_time import WorkingTime

_STARTS = frozenset({ConstraintKind.START_ON_OR_AFTER, ConstraintKind.START_ON})
_FINISHES = frozenset({ConstraintKind.FINISH_ON_OR_AFTER, ConstraintKind.FINISH_ON})


def run(nodes: Compiled) -> None:
    """Set the early dates of all nodes that move others, and the finish of each project."""
    scheduled = list(nodes.scheduled())
    for node in scheduled:
        if node.complete:
            _complete(node)
        else:
            _open(node)
    for node in scheduled:
        if not node.complete:
            project = node.activity.key.project
            nodes.finish[project] = max(nodes.finish.get(project, node.early_finish), node.early_finish)
    for node in reversed(scheduled):
        if node.activity.as_late_as_possible and not node.complete:
            _as_late_as_possible(node, nodes.finish[node.activity.key.project])


def _complete(node: Node) -> None:
    """Set the moment that complete work hands on: logic that is retained runs through it."""
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
    start, finish = _bounds(node)
    clock, remaining = node.clock, node.remaining
    if remaining == 0:
        moment = start if finish is None else max(start, finish)
        milestone = node.activity.kind is Kind.FINISH_MILESTONE
        node.early_start = node.early_finish = _end(clock, moment) if milestone else clock.next(moment)
    else:
        begin = clock.next(start)
        end = clock.finish(clock.worked(begin) + remaining)
        if finish is not None and finish > end:
            # P6: work that waits for other work ends where its own calendar has work.
            end = finish if clock.previous(finish) == finish else clock.next(finish)
            begin = max(begin, clock.start(clock.worked(end) - remaining))
        node.early_start, node.early_finish = begin, end
    if node.options.expected_finish and node.activity.expected_finish is not None:
        _expect(node, node.activity.expected_finish)
    for kind, moment in node.activity.constraints:
        if kind is ConstraintKind.MANDATORY_START and not node.started:
            node.early_start, node.early_finish = moment, clock.add(moment, remaining)
        elif kind is ConstraintKind.MANDATORY_FINISH:
            # P6: even a mandatory finish leaves what remains after the data date.
            earliest = clock.finish(clock.worked(node.data_date) + remaining) if remaining else node.data_date
            finish = max(moment, earliest)
            node.early_start, node.early_finish = clock.start(clock.worked(finish) - remaining), finish


def _bounds(node: Node) -> tuple[int, int | None]:
    """Return the earliest start, and the earliest finish if something bounds it."""
    starts = [earliest_start(node)]
    finishes: list[int] = []
    for link in node.before:
        if link.holds:
            (starts if link.to_start else finishes).append(_asked(link))
    for kind, moment in node.activity.constraints:
        if kind in _FINISHES:
            finishes.append(_end(node.clock, moment))
    return max(starts), max(finishes, default=None)


def earliest_start(node: Node) -> int:
    """Return the earliest start by all that is no relation."""
    activity = node.activity
    starts = [node.data_date]
    if not node.started:
        # P6: not before the planned start of the project, even if its data date is earlier.
        starts += [moment for moment in (node.planned_start, activity.external_early_start) if moment is not None]
        starts += [moment for kind, moment in activity.constraints if kind in _STARTS]
    elif activity.resumed is not None:
        starts.append(activity.resumed)
    return max(starts)


def _asked(link: Link) -> int:
    """Return the moment that a relation asks for, and keep what is left of its lag."""
    lag, moment = lag_left(link)
    if moment is None:
        moment = link.before.early_start if link.from_start else link.before.early_finish
    link.left = lag
    return link.clock.add(moment, lag) if lag else moment


def lag_left(link: Link) -> tuple[int, int | None]:
    """Return the minutes of a lag that are still waited for, and the actual date they count from if they do so."""
    before, lag = link.before, link.lag
    since = before.activity.actual_start if link.from_start else before.activity.actual_finish
    if since is not None and (before.complete or (before.started and link.from_start)):
        if link.from_start and before.options.lag_from_actual_start:
            return lag, since
        if lag > 0:
            # P6: what has passed of a lag is not waited for again.
            return max(lag - max(link.clock.between(since, before.data_date), 0), 0), None
        if before.complete:
            return 0, None
    return lag, None


def _end(clock: WorkingTime, moment: int) -> int:
    """Return a moment at which work can end. P6: where none ends at that moment, the next minute of work does."""
    return moment if clock.previous(moment) == moment else clock.next(moment) + 1


def _expect(node: Node, finish: int) -> None:
    """Set the remaining duration so that an activity ends when it is expected to."""
    clock = node.clock
    node.remaining = max(clock.between(node.early_start, finish), 0)
    node.early_finish = clock.finish(clock.worked(node.early_start) + node.remaining)


def _as_late_as_possible(node: Node, end: int) -> None:
    """Move the early dates of an activity as far as no successor moves."""
    clock, remaining = node.clock, node.remaining
    limits = []
    for link in node.after:
        if link.holds:
            moment = link.back(link.after.early_start if link.to_start else link.after.early_finish)
            limits.append(clock.finish(clock.worked(moment) + remaining) if link.from_start else moment)
    finish = min(limits, default=end)
    finish = clock.next(finish) if node.activity.kind is Kind.START_MILESTONE else clock.previous(finish)
    if finish > node.early_finish:
        node.early_finish = finish
        node.early_start = clock.start(clock.worked(finish) - remaining) if remaining else finish
