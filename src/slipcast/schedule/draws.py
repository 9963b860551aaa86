"""The forward pass with many drawn durations at once, for Monte Carlo.

The rules are those of `slipcast.schedule.forward`, which a property test compares draw by draw. Dates are arrays over
the draws; what does not depend on a draw stays a whole number. Constraints as late as possible move nothing else and
are left out. For each draw the pass keeps what set each date, one bit for each relation, so that paths can be traced.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slipcast.datasets.calendars import DAY
from slipcast.schedule import forward
from slipcast.schedule.compiled import Compiled, Link, Node
from slipcast.schedule.network import ConstraintKind, Key, Kind
from slipcast.schedule.working_time import ElapsedTime, WorkingTime

type Values = Any
# Tables with an entry for each minute take this much at most, in bytes; calendars beyond it are searched.
TABLES_BYTES = 100_000_000
# A table pays if each of its entries is looked up at least once in this many uses.
USES = 8
_FINISHES = frozenset({ConstraintKind.FINISH_ON_OR_AFTER, ConstraintKind.FINISH_ON})


class _Table:
    """Working time of a calendar as a table over the minutes of the schedule."""

    def __init__(self, clock: WorkingTime, first: int, last: int) -> None:
        works = np.zeros(last - first, dtype=bool)
        for begin, end in clock.spans_between(first, last):
            works[max(begin - first, 0) : max(end - first, 0)] = True
        self._first, self._size = first, last - first
        self._worked = np.concatenate([[0], np.cumsum(works, dtype="int32")]).astype("int32")
        self._moments = (np.flatnonzero(works) + first).astype("int32")

    def worked(self, moments: Values) -> Values:
        return self._worked.take(moments - self._first, mode="clip")

    def start(self, counts: Values) -> Values:
        return self._moments.take(counts, mode="clip")

    def finish(self, counts: Values) -> Values:
        return self._moments.take(counts - 1, mode="clip") + 1


class _Search:
    """Working time of a calendar by search among its spans."""

    def __init__(self, clock: WorkingTime, first: int, last: int) -> None:
        spans = np.array(clock.spans_between(first, last), dtype="int32")
        self._begins, self._ends = spans[:, 0].copy(), spans[:, 1].copy()
        self._counts = np.concatenate([[0], np.cumsum(self._ends - self._begins)]).astype("int32")

    def worked(self, moments: Values) -> Values:
        place = np.maximum(self._begins.searchsorted(moments, side="right") - 1, 0)
        within = np.minimum(moments, self._ends[place]) - self._begins[place]
        return self._counts[place] + np.maximum(within, 0)

    def start(self, counts: Values) -> Values:
        place = np.clip(self._counts.searchsorted(counts, side="right") - 1, 0, len(self._begins) - 1)
        return self._begins[place] + (counts - self._counts[place])

    def finish(self, counts: Values) -> Values:
        place = np.clip(self._counts.searchsorted(counts, side="left") - 1, 0, len(self._begins) - 1)
        return self._begins[place] + (counts - self._counts[place])


type _Clock = _Table | _Search


class Moments:
    """Moments of one date over the draws: minutes since 1970, or minutes of work on a calendar as long as these do.

    Work on one calendar adds up without looking at it; most relations of a schedule stay on one calendar.

    Attributes
    ----------
    counts
        working minutes on `clock`: an array of shape (n_draws,), or a number where no draw changes it; None where the
        moment is not where work begins (`at_start`) or ends on that calendar
    """

    __slots__ = ("_moments", "at_start", "clock", "counts")

    def __init__(self, moments: Values | None, clock: _Clock | None = None, counts: Values | None = None) -> None:
        self._moments, self.clock, self.counts = moments, clock, counts
        self.at_start = False

    @classmethod
    def start(cls, clock: _Clock, counts: Values) -> "Moments":
        """Return where the work after `counts` minutes begins."""
        made = cls(None, clock, counts)
        made.at_start = True
        return made

    @classmethod
    def finish(cls, clock: _Clock, counts: Values) -> "Moments":
        """Return where the work of `counts` minutes ends."""
        return cls(None, clock, counts)

    def moments(self) -> Values:
        """Return the minutes since 1970."""
        if self._moments is None:
            self._moments = self.convert(self.counts)
        return self._moments

    def convert(self, values: Values) -> Values:
        """Return minutes since 1970 of values as this date has them; the order of values stays."""
        if self.clock is None or self.counts is None:
            return values
        return self.clock.start(values) if self.at_start else self.clock.finish(values)

    def values(self) -> Values:
        """Return what `convert` takes."""
        return self.moments() if self.counts is None else self.counts

    def worked(self, clock: _Clock) -> Values:
        """Return the working minutes until the moments on a calendar."""
        return self.counts if self.counts is not None and self.clock is clock else clock.worked(self.moments())

    def at(self, draw: int) -> int:
        """Return the moment of a draw, minutes since 1970."""
        values = np.asarray(self.values())
        return int(self.convert(values if values.ndim == 0 else values[draw]))

    def last(self) -> int:
        """Return the latest moment of all draws."""
        return int(self.convert(np.max(self.values())))


@dataclass(frozen=True)
class Draws:
    """Dates of a network for many draws.

    Attributes
    ----------
    nodes
        activities that move others, in the order of the pass
    start, finish
        early dates of each of `nodes`
    driving
        for each of `nodes` its relations that drive it in some draw: the place of the predecessor, whether the relation
        leaves its start, whether it leads to the start, and the draws in which it drives, packed eight to a byte
    count
        number of draws
    """

    nodes: Sequence[Node]
    start: Sequence[Moments]
    finish: Sequence[Moments]
    driving: Sequence[Sequence[tuple[int, bool, bool, np.ndarray]]]
    count: int

    def finishes(self, place: int) -> np.ndarray:
        """Return the finish of an activity in each draw, minutes since 1970, shape (n_draws,)."""
        return np.broadcast_to(np.asarray(self.finish[place].moments(), dtype="int32"), self.count)

    def project_finish(self, project: str) -> tuple[np.ndarray, list[int]]:
        """Return the latest finish of a project's open activities in each draw, and the activities that finish last.

        Returns
        -------
        tuple[np.ndarray, list[int]]
            minutes since 1970, shape (n_draws,); places in `nodes`
        """
        own = [
            (self.finish[place].last(), place)
            for place, node in enumerate(self.nodes)
            if node.activity.key.project == project and not node.complete
        ]
        latest = np.zeros(self.count, dtype="int32")
        ends = []
        for last, place in sorted(own, reverse=True):
            if last < latest.min():
                break
            latest = np.maximum(latest, self.finishes(place))
            ends.append(place)
        return latest, [place for place in sorted(ends) if (self.finishes(place) == latest).any()]

    def critical(self, project: str) -> np.ndarray:
        """Return the share of draws in which each of `nodes` is on a path that sets the finish of a project.

        Float says the same only where all activities have one calendar and nothing is constrained.
        """
        latest, ends = self.project_finish(project)
        reached = [np.zeros((self.count + 7) // 8, dtype="uint8")] * len(self.nodes)
        for place in ends:
            reached[place] = np.packbits(self.finishes(place) == latest)
        share = np.zeros(len(self.nodes))
        for place in reversed(range(len(self.nodes))):
            for before, _, _, bits in self.driving[place]:
                reached[before] = reached[before] | (reached[place] & bits)
            share[place] = np.bitwise_count(reached[place]).sum() / self.count
        return share

    def path(self, draw: int, place: int) -> list[tuple[int, bool]]:
        """Return what set the finish of an activity in one draw, first to last.

        Of several relations that drive the first one is followed.

        Returns
        -------
        list[tuple[int, bool]]
            places in `nodes`, and whether the duration of that activity is part of the path
        """
        byte, bit = draw // 8, 0x80 >> draw % 8
        found: list[tuple[int, bool]] = []
        at_finish = True
        while True:
            links = [link for link in self.driving[place] if link[3][byte] & bit]
            # Relations to the start come first: those to the finish drive with them only where both say the same.
            links.sort(key=lambda link: not link[2])
            found.append((place, at_finish and (not links or links[0][2])))
            if not links:
                return found[::-1]
            place, from_start, _, _ = links[0]
            at_finish = not from_start


def run(nodes: Compiled, remaining: Mapping[Key, np.ndarray], count: int) -> Draws:
    """Return the early dates for drawn remaining durations.

    Parameters
    ----------
    nodes
        network; its dates stay as they are
    remaining
        minutes of work that remain, int32 of shape (count,), by activity; others keep their own
    count
        number of draws
    """
    return _Pass(nodes, remaining, count).run()


class _Pass:
    def __init__(self, nodes: Compiled, remaining: Mapping[Key, np.ndarray], count: int) -> None:
        self.nodes = list(nodes.scheduled())
        self.place = {id(node): place for place, node in enumerate(self.nodes)}
        self.count = count
        self.remaining: list[Values] = [_own(node, remaining) for node in self.nodes]
        self.clocks = self._tables(*self._range(nodes))
        self.start: list[Moments] = []
        self.finish: list[Moments] = []
        self.driving: list[list[tuple[int, bool, bool, np.ndarray]]] = []

    def run(self) -> Draws:
        for place, node in enumerate(self.nodes):
            if node.complete:
                self._complete(node)
            else:
                self._open(place, node)
        return Draws(self.nodes, self.start, self.finish, self.driving, self.count)

    def _range(self, nodes: Compiled) -> tuple[int, int]:
        """Return moments between which all dates lie: longer durations never make anything earlier."""
        kept = [(node.remaining, node.early_start, node.early_finish) for node in self.nodes]
        finish = dict(nodes.finish)
        for node, drawn in zip(self.nodes, self.remaining, strict=True):
            node.remaining = int(np.max(drawn))
        forward.run(nodes)
        moments = [moment for node in self.nodes for moment in (node.early_start, node.early_finish)]
        for node, before in zip(self.nodes, kept, strict=True):
            node.remaining, node.early_start, node.early_finish = before
        nodes.finish = finish
        for node in self.nodes:
            activity = node.activity
            known = (activity.actual_start, activity.actual_finish, activity.resumed, activity.external_early_start)
            moments += [moment for moment in (*known, node.data_date, node.planned_start) if moment is not None]
            moments += [moment for kind, moment in activity.constraints]
        lags = [abs(link.lag) for node in self.nodes for link in node.before]
        # A lag is working time, at the slowest an hour a day.
        spare = 60 * DAY + 24 * max(lags, default=0)
        return min(moments) - spare, max(moments) + spare

    def _tables(self, first: int, last: int) -> dict[int, _Clock]:
        used: dict[int, tuple[int, WorkingTime]] = {}
        for node in self.nodes:
            for clock in (node.clock, *(link.clock for link in node.before if link.lag)):
                if not isinstance(clock, ElapsedTime):
                    uses, _ = used.get(id(clock), (0, clock))
                    used[id(clock)] = uses + 1, clock
        clocks: dict[int, _Clock] = {}
        left, minutes = TABLES_BYTES, last - first
        for uses, clock in sorted(used.values(), key=lambda item: -item[0]):
            pays = uses * self.count * USES > minutes and left > 5 * minutes
            left -= 5 * minutes if pays else 0
            clocks[id(clock)] = (_Table if pays else _Search)(clock, first, last)
        return clocks

    def _complete(self, node: Node) -> None:
        asked = []
        moment: Values = node.data_date
        for link in node.before:
            if link.holds:
                place = self.place[id(link.before)]
                ask = self._asked(link, place).moments()
                if link.before.complete:
                    # Complete work that nothing keeps asks for nothing.
                    ask = np.where(self.finish[place].moments() > node.data_date, ask, node.data_date)
                asked.append((place, link, ask))
                moment = np.maximum(moment, ask)
        driving: list[tuple[int, bool, bool, np.ndarray]] = []
        for place, link, ask in asked:
            driving += self._drives(place, link, (ask == moment) & (ask > node.data_date), to_start=True)
        self.start.append(Moments(moment))
        self.finish.append(Moments(moment))
        self.driving.append(driving)

    def _open(self, place: int, node: Node) -> None:
        clock, remaining = self.clocks[id(node.clock)], self.remaining[place]
        asked = [
            (before, link, self._asked(link, before))
            for link in node.before
            if link.holds
            for before in [self.place[id(link.before)]]
        ]
        begin, waits = self._fixed(node, clock)
        milestone = isinstance(remaining, int) and remaining == 0
        for _, link, ask in asked:
            if link.to_start or milestone:
                begin = np.maximum(begin, ask.worked(clock))
        pushed: Values = False
        if milestone:
            start, finish = self._milestone(node, clock, asked, waits)
        else:
            start, finish = Moments.start(clock, begin), Moments.finish(clock, begin + remaining)
            ends = [ask for _, link, ask in asked if not link.to_start]
            if ends or waits is not None:
                start, finish, pushed = _wait(clock, begin, remaining, ends, waits)
        expected = node.activity.expected_finish if node.options.expected_finish else None
        if expected is not None:
            begun = start.worked(clock)
            remaining = np.maximum(clock.worked(expected) - begun, 0)
            finish = Moments.finish(clock, begun + remaining)
        for kind, fixed in node.activity.constraints:
            if kind is ConstraintKind.MANDATORY_START and not node.started:
                start = Moments(fixed)
                finish = start if milestone else Moments.finish(clock, clock.worked(fixed) + remaining)
                asked = []
            elif kind is ConstraintKind.MANDATORY_FINISH:
                earliest = node.data_date if milestone else clock.finish(clock.worked(node.data_date) + remaining)
                finish = Moments(np.maximum(fixed, earliest))
                start = Moments.start(clock, finish.worked(clock) - remaining)
                asked = []
        driving: list[tuple[int, bool, bool, np.ndarray]] = []
        for before, link, ask in asked:
            to_start = link.to_start or milestone
            if milestone:
                drives = ask.worked(clock) == np.maximum(begin, 0 if waits is None else clock.worked(waits))
            elif to_start:
                drives = (ask.worked(clock) == begin) & ~np.asarray(pushed)
            else:
                drives = ask.worked(clock) == finish.worked(clock)
            driving += self._drives(before, link, drives, to_start=to_start)
        self.start.append(start)
        self.finish.append(finish)
        self.driving.append(driving)

    def _fixed(self, node: Node, clock: _Clock) -> tuple[Values, int | None]:
        """Return the earliest start by what is no relation, in minutes of work, and the earliest finish, a moment."""
        ends = [int(_end(clock, moment)) for kind, moment in node.activity.constraints if kind in _FINISHES]
        return clock.worked(forward.earliest_start(node)), max(ends, default=None)

    def _milestone(
        self, node: Node, clock: _Clock, asked: Sequence[tuple[int, Link, Moments]], waits: int | None
    ) -> tuple[Moments, Moments]:
        if node.activity.kind is not Kind.FINISH_MILESTONE:
            begin, _ = self._fixed(node, clock)
            for _, _, ask in asked:
                begin = np.maximum(begin, ask.worked(clock))
            if waits is not None:
                begin = np.maximum(begin, clock.worked(waits))
            moment = Moments.start(clock, begin)
            return moment, moment
        fixed = forward.earliest_start(node)
        latest: Values = fixed if waits is None else max(fixed, waits)
        for _, _, ask in asked:
            latest = np.maximum(latest, ask.moments())
        moment = Moments(_end(clock, latest))
        return moment, moment

    def _asked(self, link: Link, place: int) -> Moments:
        """Return the moments that a relation asks for."""
        given = self.start[place] if link.from_start else self.finish[place]
        lag, fixed = forward.lag_left(link)
        if fixed is not None:
            given = Moments(fixed)
        if not lag:
            return given
        if isinstance(link.clock, ElapsedTime):
            return Moments(given.moments() + lag)
        clock = self.clocks[id(link.clock)]
        count = given.worked(clock) + lag
        return Moments.finish(clock, count) if lag > 0 else Moments.start(clock, count)

    def _drives(
        self, place: int, link: Link, drives: np.ndarray | bool, *, to_start: bool
    ) -> Iterator[tuple[int, bool, bool, np.ndarray]]:
        bits = np.packbits(drives if np.ndim(drives) else np.full(self.count, drives))
        if bits.any():
            yield place, link.from_start, to_start, bits


def _own(node: Node, remaining: Mapping[Key, np.ndarray]) -> Values:
    if node.complete or not node.remaining:
        return 0
    return remaining.get(node.activity.key, node.remaining)


def _wait(
    clock: _Clock, begin: Values, remaining: Values, ends: Sequence[Moments], waits: int | None
) -> tuple[Moments, Moments, Values]:
    """Return start and finish of work that waits for finishes, and in which draws it does."""
    end = begin + remaining
    if waits is None and all(ask.clock is clock and not ask.at_start for ask in ends):
        # Finishes of work on the same calendar: their counts have the order of the moments.
        latest = ends[0].worked(clock)
        for ask in ends[1:]:
            latest = np.maximum(latest, ask.worked(clock))
        pushed = latest > end
        if not np.any(pushed):
            return Moments.start(clock, begin), Moments.finish(clock, end), pushed
        end = np.maximum(end, latest)
        return Moments.start(clock, np.maximum(begin, end - remaining)), Moments.finish(clock, end), pushed
    moment: Values = waits
    for ask in ends:
        moment = ask.moments() if moment is None else np.maximum(moment, ask.moments())
    finish = clock.finish(end)
    pushed = moment > finish
    count = clock.worked(moment)
    later = np.where(clock.finish(count) == moment, moment, clock.start(count))
    finish = np.where(pushed, later, finish)
    begin = np.where(pushed, np.maximum(begin, clock.worked(later) - remaining), begin)
    return Moments.start(clock, begin), Moments(finish), pushed


def _end(clock: _Clock, moment: Values) -> Values:
    """Return a moment at which work can end, as `forward` does."""
    count = clock.worked(moment)
    return np.where(clock.finish(count) == moment, moment, clock.start(count) + 1)
