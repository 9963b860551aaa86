"""Arithmetic with working time: a calendar as a table of cumulative working minutes.

Moments are whole minutes since 1970-01-01 00:00, without time zones, as scheduling tools have them.
"""

from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta

from slipcast.datasets.calendars import DAY, Calendar, Spans

EPOCH = datetime(1970, 1, 1)
_FIRST_DAY = EPOCH.toordinal()
# Days by which a table grows when a moment beyond it is asked for; each time twice as many.
_GROWTH = 2 * 366
# No schedule reaches farther: what does is an error of data, and is cut there.
_FARTHEST = 400 * 366
# Work of a calendar that says nothing: Monday to Friday from 8 to 12 and from 13 to 17.
_USUAL: tuple[Spans, ...] = (((480, 720), (780, 1020)),) * 5 + ((), ())


def minute_of(moment: datetime) -> int:
    """Return a moment in minutes since 1970; seconds are cut off."""
    return (moment.toordinal() - _FIRST_DAY) * DAY + moment.hour * 60 + moment.minute


def moment_of(minute: int) -> datetime:
    """Return the moment of a minute since 1970."""
    return EPOCH + timedelta(minutes=minute)


class WorkingTime:
    """Working minutes of a calendar, counted from a day near the schedule.

    A moment between two spans of work has two neighbors: work goes on at the next span (`start`), and was done at the
    end of the span before (`finish`). Each takes O(log n). The table grows by itself.

    Parameters
    ----------
    calendar : a calendar without any working day counts as Monday to Friday, 8 to 12 and 13 to 17
    first, last : minutes since 1970 between which most moments lie
    """

    __slots__ = ("_begins", "_counts", "_days", "_ends", "_exceptions", "_grown", "_week")

    def __init__(self, calendar: Calendar, first: int, last: int) -> None:
        self._week = calendar.week if calendar.works else _USUAL
        self._exceptions: dict[int, Spans] = {
            day.toordinal() - _FIRST_DAY: spans for day, spans in calendar.exceptions.items()
        }
        self._begins: list[int] = []
        self._ends: list[int] = []
        # Working minutes until each span begins, and until the last one ends.
        self._counts = [0]
        start = first // DAY
        self._days = (start, start)
        self._grown = _GROWTH
        self._append(max(last // DAY - start, 0) + _GROWTH)

    @property
    def day_minutes(self) -> float:
        """Working minutes of a usual working day: the mean of the weekdays on which work is done."""
        worked = [sum(end - begin for begin, end in spans) for spans in self._week]
        return sum(worked) / max(sum(minutes > 0 for minutes in worked), 1)

    def worked(self, moment: int) -> int:
        """Return the working minutes until a moment; only differences mean something."""
        if moment > self._ends[-1]:
            self._reach(moment)
        elif moment < self._begins[0]:
            self._reach_back(moment)
        place = bisect_right(self._begins, moment) - 1
        if place < 0:
            return self._counts[0]
        end = self._ends[place]
        return self._counts[place] + (moment if moment < end else end) - self._begins[place]

    def start(self, count: int) -> int:
        """Return the last moment at which `count` minutes are worked: where the work after them begins."""
        while count >= self._counts[-1] and self._append(self._double()):
            pass
        while count < self._counts[0] and self._prepend(self._double()):
            pass
        place = min(max(bisect_right(self._counts, count) - 1, 0), len(self._begins) - 1)
        return self._begins[place] + count - self._counts[place]

    def finish(self, count: int) -> int:
        """Return the first moment at which `count` minutes are worked: where the work before them ends."""
        while count > self._counts[-1] and self._append(self._double()):
            pass
        while count <= self._counts[0] and self._prepend(self._double()):
            pass
        place = min(max(bisect_left(self._counts, count) - 1, 0), len(self._begins) - 1)
        return self._begins[place] + count - self._counts[place]

    def next(self, moment: int) -> int:
        """Return the moment, or the one at which work begins again."""
        return self.start(self.worked(moment))

    def previous(self, moment: int) -> int:
        """Return the moment, or the one at which work ended before it."""
        return self.finish(self.worked(moment))

    def add(self, moment: int, minutes: int) -> int:
        """Return the moment at which `minutes` of work from `moment` on are done; before it if they are negative."""
        if minutes > 0:
            return self.finish(self.worked(moment) + minutes)
        return self.start(self.worked(moment) + minutes) if minutes < 0 else moment

    def between(self, start: int, finish: int) -> int:
        """Return the working minutes from `start` to `finish`; negative if `finish` is before `start`."""
        return self.worked(finish) - self.worked(start)

    def spans_between(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the spans of work of all days from that of `first` to that of `last`."""
        return self._spans(first // DAY, last // DAY + 1)

    def _double(self) -> int:
        self._grown *= 2
        return self._grown

    def _reach(self, moment: int) -> None:
        # One span more than is asked for, so that the moment lies within the table.
        while moment > self._ends[-1] and self._append(max(moment // DAY - self._days[1], 0) + _GROWTH):
            pass

    def _reach_back(self, moment: int) -> None:
        while moment < self._begins[0] and self._prepend(max(self._days[0] - moment // DAY, 0) + _GROWTH):
            pass

    def _append(self, days: int) -> bool:
        first, last = self._days
        upto = min(last + days, first + _FARTHEST)
        self._days = first, upto
        begins, ends, counts = self._begins, self._ends, self._counts
        for begin, end in self._spans(last, upto):
            if ends and ends[-1] == begin:
                ends[-1] = end
                counts[-1] += end - begin
            else:
                begins.append(begin)
                ends.append(end)
                counts.append(counts[-1] + end - begin)
        if not begins:
            # Nothing but exceptions without work so far.
            return self._append(days * 2) if upto > last else self._give_up()
        return upto > last

    def _give_up(self) -> bool:
        self._exceptions = {}
        self._days = self._days[0], self._days[0]
        return self._append(_GROWTH)

    def _prepend(self, days: int) -> bool:
        first, last = self._days
        since = max(first - days, last - _FARTHEST)
        self._days = since, last
        found: list[tuple[int, int]] = []
        for begin, end in self._spans(since, first):
            if found and found[-1][1] == begin:
                found[-1] = found[-1][0], end
            else:
                found.append((begin, end))
        if found and found[-1][1] == self._begins[0]:
            begin, end = found.pop()
            self._begins[0] = begin
            self._counts[0] -= end - begin
        counts = [self._counts[0]]
        for begin, end in reversed(found):
            counts.append(counts[-1] - (end - begin))
        self._counts[:1] = reversed(counts)
        self._begins[:0] = [begin for begin, _ in found]
        self._ends[:0] = [end for _, end in found]
        return since < first

    def _spans(self, since: int, upto: int) -> list[tuple[int, int]]:
        week, exceptions = self._week, self._exceptions
        found = []
        # 1970-01-01 is a Thursday.
        for day in range(since, upto):
            spans = exceptions.get(day)
            for begin, end in week[(day + 3) % 7] if spans is None else spans:
                if end > begin:
                    found.append((day * DAY + begin, day * DAY + end))
        return found


class ElapsedTime:
    """Time that runs on at night and on holidays, with the interface of `WorkingTime`."""

    __slots__ = ()

    def worked(self, moment: int) -> int:
        """Return the moment itself."""
        return moment

    start = finish = next = previous = worked

    def add(self, moment: int, minutes: int) -> int:
        """Return the moment `minutes` later."""
        return moment + minutes

    def between(self, start: int, finish: int) -> int:
        """Return the minutes from `start` to `finish`."""
        return finish - start


type Clock = WorkingTime | ElapsedTime
ELAPSED = ElapsedTime()
