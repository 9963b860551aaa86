"""The backward pass: late dates and float."""

from slipcast.schedule.compiled import Compiled, Link, Node
from slipcast.schedule.network import ConstraintKind, Kind
from slipcast.schedule.options import FloatKind


def run(nodes: Compiled) -> None:
    """Set late dates, total and free float of all nodes; the forward pass has set the early dates."""
    ends = _ends(nodes)
    scheduled = list(nodes.scheduled())
    for node in reversed(scheduled):
        _late(node, ends.get(node.activity.key.project, node.early_finish))
    for node in scheduled:
        if not node.complete:
            node.total_float = _total_float(node)
            node.free_float = _free_float(node, nodes.finish[node.activity.key.project])
    for node in nodes.nodes:
        if node.spanning and not node.complete:
            _span(node)


def _ends(nodes: Compiled) -> dict[str, int]:
    """Return the moment that the float of each project counts to."""
    last = max(nodes.finish.values(), default=0)
    ends = {}
    for name, finish in nodes.finish.items():
        project = nodes.network.projects[name]
        own = finish if project.options.float_to_own_finish else last
        ends[name] = own if project.must_finish is None else project.must_finish
    return ends


def _late(node: Node, end: int) -> None:
    activity, clock = node.activity, node.clock
    remaining = 0 if node.complete else node.remaining
    finish: int | None = None
    start: int | None = None
    for link in node.after:
        after = link.after
        if not link.holds:
            continue
        moment = after.late_start if link.to_start else after.late_finish
        if link.left:
            moment = link.clock.add(moment, -link.left)
        if link.from_start:
            start = moment if start is None else min(start, moment)
        else:
            finish = moment if finish is None else min(finish, moment)
    if finish is None and start is None and node.options.open_ends_critical:
        finish = node.early_finish
    finish = end if finish is None else min(finish, end)
    for kind, moment in activity.constraints:
        if moment is None:
            continue
        if kind in (ConstraintKind.FINISH_ON_OR_BEFORE, ConstraintKind.FINISH_ON):
            finish = min(finish, moment)
        elif kind in (ConstraintKind.START_ON_OR_BEFORE, ConstraintKind.START_ON) and not node.started:
            start = moment if start is None else min(start, moment)
    if activity.external_late_finish is not None:
        finish = min(finish, activity.external_late_finish)
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
        if kind is ConstraintKind.MANDATORY_START and moment is not None and not node.started:
            node.late_start, node.late_finish = moment, clock.add(moment, remaining)
        elif kind is ConstraintKind.MANDATORY_FINISH and moment is not None:
            moment = clock.previous(moment)
            node.late_start, node.late_finish = clock.start(clock.worked(moment) - remaining), moment


def _total_float(node: Node) -> int:
    clock = node.clock
    at_finish = clock.between(node.early_finish, node.late_finish)
    kind = node.options.float_kind
    if kind is FloatKind.FINISH or node.started:
        return at_finish
    at_start = clock.between(node.early_start, node.late_start)
    return at_start if kind is FloatKind.START else min(at_start, at_finish)


def _free_float(node: Node, end: int) -> int:
    """Return the float that delays no successor; that to the finish of the project without successors."""
    slacks = [slack(link) for link in node.after if link.holds and not link.after.complete]
    return min(slacks) if slacks else node.clock.between(node.early_finish, end)


def slack(link: Link) -> int:
    """Return the minutes, on the predecessor's calendar, by which a relation does not bind; 0 or less if it drives."""
    before, after = link.before, link.after
    moment = after.early_start if link.to_start else after.early_finish
    if link.left:
        moment = link.clock.add(moment, -link.left)
    return before.clock.between(before.early_start if link.from_start else before.early_finish, moment)


def _span(node: Node) -> None:
    """Set the dates of what spans others: from the first to the last moment that its relations lead to."""
    ends: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for links, inward in ((node.before, True), (node.after, False)):
        for link in links:
            other = link.before if inward else link.after
            at_start = link.from_start if inward else link.to_start
            if not other.spanning:
                early, late = (
                    (other.early_start, other.late_start) if at_start else (other.early_finish, other.late_finish)
                )
                ends[link.to_start if inward else link.from_start].append((early, late))
    clock, activity = node.clock, node.activity
    early = min((moment for moment, _ in ends[True]), default=node.data_date)
    if not node.started and node.planned_start is not None:
        early = max(early, node.planned_start)
    node.early_start = clock.next(max(early, node.data_date))
    late = min((moment for _, moment in ends[True]), default=node.early_start)
    node.late_start = clock.next(late)
    if ends[False]:
        node.early_finish = max(node.early_start, clock.previous(max(moment for moment, _ in ends[False])))
        node.late_finish = max(node.late_start, clock.previous(max(moment for _, moment in ends[False])))
    else:
        node.early_finish = clock.add(node.early_start, activity.remaining)
        node.late_finish = clock.add(node.late_start, activity.remaining)
    node.total_float = clock.between(node.early_finish, node.late_finish)
    node.free_float = 0
