"""Calendars of scheduling tools: working hours by weekday, holidays and other exceptions, and arithmetic with them.

Every duration of a schedule is working time on the calendar of its activity. What Slipcast compares is calendar days:
how many days lie from the first to the last, both included.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

# Minutes of a day at which work begins and ends.
Spans = tuple[tuple[int, int], ...]
DAY = 24 * 60
# P6 counts days as Excel does.
EPOCH = date(1899, 12, 30)
# Longer than any activity; a walk through a calendar ends there.
FARTHEST_DAYS = 36_525
_WEEKDAY = re.compile(r"\|\|([1-7])\(\)|\bs\|(\d{1,2}:\d\d)\|f\|(\d{1,2}:\d\d)|\bf\|(\d{1,2}:\d\d)\|s\|(\d{1,2}:\d\d)")
_EXCEPTION = re.compile(r"\bd\|(\d+)|\bs\|(\d{1,2}:\d\d)\|f\|(\d{1,2}:\d\d)|\bf\|(\d{1,2}:\d\d)\|s\|(\d{1,2}:\d\d)")


@dataclass(frozen=True)
class Calendar:
    """Working time.

    Attributes
    ----------
    week
        For Monday to Sunday the spans of work.
    exceptions
        The spans of single days that differ from their weekday; none on a holiday.
    hours_per_day, hours_per_week
        What the tool converts durations with; None if it does not say.
    """

    week: tuple[Spans, ...] = ()
    exceptions: Mapping[date, Spans] = field(default_factory=dict)
    day_hours: float | None = None
    week_hours: float | None = None

    @cached_property
    def _minutes(self) -> tuple[int, ...]:
        return tuple(sum(end - begin for begin, end in spans) for spans in self.week)

    @property
    def works(self) -> bool:
        """True if some weekday is known to be worked; without one there is nothing to count with."""
        return any(self._minutes)

    @property
    def hours_per_week(self) -> float:
        """Hours of work in a week without holidays; 40 if nothing is known."""
        if self.works:
            return sum(self._minutes) / 60
        return self.week_hours or (self.day_hours or 8) * 5

    def spans(self, day: date) -> Spans:
        """Return when work is done on a day."""
        found = self.exceptions.get(day)
        return self.week[day.weekday()] if found is None else found

    def minutes(self, day: date) -> int:
        """Return how many minutes are worked on a day."""
        found = self.exceptions.get(day)
        return self._minutes[day.weekday()] if found is None else sum(end - begin for begin, end in found)

    def working_hours(self, start: datetime, finish: datetime) -> float:
        """Return the hours of work from `start` to `finish`; negative if `finish` is before `start`."""
        if finish < start:
            return -self.working_hours(finish, start)
        total, day = 0, start.date()
        while day <= finish.date():
            begin = _minute(start) if day == start.date() else 0
            end = _minute(finish) if day == finish.date() else DAY
            if begin == 0 and end == DAY:
                total += self.minutes(day)
            else:
                total += sum(max(0, min(end, last) - max(begin, first)) for first, last in self.spans(day))
            day += timedelta(days=1)
        return total / 60

    def between(self, start: datetime, finish: datetime) -> float:
        """Return the hours of work from `start` to `finish`; all hours if nothing is known of the week."""
        return self.working_hours(start, finish) if self.works else (finish - start).total_seconds() / 3600

    def after(self, start: datetime, hours: float) -> datetime:
        """Return the moment at which `hours` of work from `start` on are done; before `start` if they are negative."""
        left, day, step = round(abs(hours) * 60), start.date(), 1 if hours >= 0 else -1
        if not left:
            return start
        for _ in range(FARTHEST_DAYS):
            spans = self.spans(day)
            for begin, end in spans if step > 0 else reversed(spans):
                if day == start.date():
                    begin, end = (max(begin, _minute(start)), end) if step > 0 else (begin, min(end, _minute(start)))
                if begin >= end:
                    continue
                # Backwards, the beginning of a day's work is the end of the work before it.
                if left < end - begin or (left == end - begin and step > 0):
                    return datetime.combine(day, datetime.min.time()) + timedelta(
                        minutes=begin + left if step > 0 else end - left
                    )
                left -= end - begin
            day += timedelta(days=step)
        return datetime.combine(day, datetime.min.time())

    def days(self, hours: float, start: datetime | None = None) -> float:
        """Return the calendar days that working time takes.

        Parameters
        ----------
        hours
            Working time.
        start
            Where it begins; without it a week without holidays counts.
        """
        if not self.works or start is None or abs(hours) > FARTHEST_DAYS * 24:
            return hours / self.hours_per_week * 7
        return float((self.after(start, hours).date() - start.date()).days)


def last_day(start: datetime, finish: datetime) -> date:
    """Return the last day of what begins and ends at these moments: an end at midnight belongs to the day before."""
    midnight = finish.hour == finish.minute == 0 and finish.date() > start.date()
    return finish.date() - timedelta(days=midnight)


def days_between(start: datetime, finish: datetime) -> int:
    """Return the calendar days from the first to the last, both included."""
    return (last_day(start, finish) - start.date()).days + 1


def p6_calendar(text: str, day_hours: float | None = None, week_hours: float | None = None) -> Calendar:
    """Return the calendar in P6's own notation, the field ``clndr_data`` of table CALENDAR.

    Parameters
    ----------
    text
        Such as ``(0||CalendarData()((0||DaysOfWeek()((0||1()())(0||2()((0||0(s|08:00|f|16:00)())))…``; Sunday is 1,
        exceptions are numbered as Excel's days. What cannot be read counts as not there.
    day_hours, week_hours
        P6's ``day_hr_cnt`` and ``week_hr_cnt``.
    """
    _, _, weekdays = text.partition("DaysOfWeek")
    weekdays, _, exceptions = weekdays.partition("Exceptions")
    found = _spans(_WEEKDAY, weekdays.partition("||VIEW")[0])
    # Sunday is the first day for P6 and the last one for Python.
    week = tuple(found.get((number + 1) % 7 + 1, ()) for number in range(7))
    own = {
        EPOCH + timedelta(days=number): spans
        for number, spans in _spans(_EXCEPTION, exceptions).items()
        if number < 100_000
    }
    return Calendar(week if any(week) else (), own, day_hours, week_hours)


def _spans(pattern: re.Pattern[str], text: str) -> dict[int, Spans]:
    found: dict[int, list[tuple[int, int]]] = {}
    current: list[tuple[int, int]] | None = None
    for match in pattern.finditer(text):
        number, start, finish, other_finish, other_start = match.groups()
        if number is not None:
            current = found.setdefault(int(number), [])
        elif current is not None:
            begin, end = _clock(start or other_start), _clock(finish or other_finish)
            # Work until midnight, and all day.
            current.append((begin, end if end > begin else DAY))
    return {number: tuple(sorted(spans)) for number, spans in found.items()}


def _clock(text: str) -> int:
    hours, minutes = text.split(":")
    return min(DAY, int(hours) * 60 + int(minutes))


def _minute(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
