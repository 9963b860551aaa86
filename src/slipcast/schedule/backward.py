"""The backward pass: late dates and float."""

from slipcast.schedule.compiled import Compiled, Link, Node
from slipcast.schedule.network import ConstraintKind, Kind
from slipcast.schedule.options import FloatKind

_STARTS = frozenset({ConstraintKind.START_ON_OR_BEFORE, ConstraintKind.START_ON})
_FINISHES = frozenset({ConstraintKind.FINISH_ON_OR_BEFORE, ConstraintKind.FINISH_ON})


def run(nodes: Compiled) -> None:
    """Set late dates, total and free float of all nodes that move others; the forward pass has set the early dates."""
    ends = _ends(nodes)
    scheduled = list(nodes.scheduled())
    for node in reversed(scheduled):
        _late(node, ends.get(node.activity.key.project, node.early_finish))
    for node in scheduled:
        if not node.complete:
            node.total_float = _total_float(node)
            node.free_float = _free_float(node, nodes.finish[node.activity.key.project])


def slack(link: Link) -> int:
    """Return the minutes, on the predecessor's calendar, by which a relation does not bind; 0 or less if it drives."""
    before, after = link.before, link.after
    moment = link.back(after.early_start if link.to_start else after.early_finish)
    return before.clock.between(before.early_start if link.from_start else before.early_finish, moment)


def _ends(nodes: Compiled) -> dict[str, int]:
    """Return the moment that the float of each project counts to."""
    last = max(nodes.finish.values(), default=0)
    ends = {}
    for name, finish in nodes.finish.items():
        project = nodes.network.projects[name]
        own = finish if nodes.options[name].float_to_own_finish else last
        ends[name] = own if project.must_finish is None else project.must_finish
    return ends


def _late(node: Node, end: int) -> None:
    activity, clock = node.activity, node.clock
    remaining = 0 if node.complete else node.remaining
    # P6: nothing is later than the end, not even by a negative lag.
    start, finish = _bounds(node, end)
    if remaining == 0:
        moment = finish if start is None else min(start, finish)
        if activity.kind is not Kind.START_MILESTONE or clock.next(moment) != moment:
            moment = clock.previous(moment)
        node.late_start = node.late_finish = moment
    else:
        finish = clock.previous(finish)
        if start is not None:
            finish = min(finish, clock.finish(clock.worked(start) + remaining))
        node.late_start, node.late_finish = clock.start(clock.worked(finish) - remaining), finish
    for kind, moment in activity.constraints:
        if kind is ConstraintKind.MANDATORY_START and not node.started:
            node.late_start, node.late_finish = moment, clock.add(moment, remaining)
        elif kind is ConstraintKind.MANDATORY_FINISH:
            finish = clock.previous(moment)
            node.late_start, node.late_finish = clock.start(clock.worked(finish) - remaining), finish


def _bounds(node: Node, end: int) -> tuple[int | None, int]:
    """Return the latest start if something bounds it, and the latest finish."""
    starts: list[int] = []
    finishes = [end]
    for link in node.after:
        if link.holds:
            moment = link.back(link.after.late_start if link.to_start else link.after.late_finish)
            (starts if link.from_start else finishes).append(moment)
        elif link.actual is not None:
            (starts if link.from_start else finishes).append(link.back(link.actual))
    if not starts and len(finishes) == 1 and node.options.open_ends_critical:
        finishes.append(node.early_finish)
    for kind, moment in node.activity.constraints:
        if kind in _FINISHES:
            finishes.append(moment)
        elif kind in _STARTS and not node.started:
            starts.append(moment)
    if node.activity.external_late_finish is not None:
        finishes.append(node.activity.external_late_finish)
    return min(starts, default=None), min(finishes)


def _total_float(node: Node) -> int:
    clock = node.clock
    at_finish = clock.between(node.early_finish, node.late_finish)
    kind = node.options.float_kind
    # What has started has no start to float.
    if kind is FloatKind.FINISH or node.started:
        return at_finish
    at_start = clock.between(node.early_start, node.late_start)
    return at_start if kind is FloatKind.START else min(at_start, at_finish)


def _free_float(node: Node, end: int) -> int:
    """Return the float that delays neither a successor nor the finish of the project."""
    slacks = [slack(link) for link in node.after if link.holds and not link.after.complete]
    return min([node.clock.between(node.early_finish, end), *slacks])
