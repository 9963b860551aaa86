"""Calendars of a Microsoft Project XML file: base calendars, exceptions that recur, weeks that differ for a time."""

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from slipcast.datasets.calendars import DAY, FARTHEST_DAYS, Calendar, Spans

# Kinds of an exception in Microsoft's schema.
YEARLY, YEARLY_POSITION, MONTHLY, MONTHLY_POSITION, WEEKLY = "2", "3", "4", "5", "6"
# The items that a position counts: any day, weekdays, weekend days, then Sunday to Saturday.
ITEMS = {"0": range(7), "1": range(5), "2": (5, 6), **{str(number + 3): ((number + 6) % 7,) for number in range(7)}}
LAST = 4
# More days than all holidays of a project; the rest of an endless exception is left out.
MOST_EXCEPTIONS = 20_000
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::\d\d)?")


class Calendars:
    """Calendars by their UID, as the elements ``Calendar`` come in.

    Attributes
    ----------
    names, bases
        Name, and UID of the base calendar, by UID.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.bases: dict[str, str] = {}
        self._own: dict[str, tuple[dict[int, Spans], dict[date, Spans]]] = {}
        self._whole: dict[str, Calendar] = {}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take in an element ``Calendar``."""
        uid, base = _text(fields, "UID"), _text(fields, "BaseCalendarUID")
        self.names[uid] = _text(fields, "Name")
        if base not in ("", "-1", "0", uid):
            self.bases[uid] = base
        week: dict[int, Spans] = {}
        exceptions: dict[date, Spans] = {}
        for item in _items(fields, "WorkWeeks", "WorkWeek"):
            own = dict(_week(item))
            _put(exceptions, ((day, own[day.weekday()]) for day in _period(item) if day.weekday() in own))
        week.update(_week(fields))
        for item in _items(fields, "WeekDays", "WeekDay"):
            if _text(item, "DayType") == "0":
                # Files for MS Project 2003 name exceptions in this way; later ones name them again below.
                _put(exceptions, ((day, _spans(item)) for day in _period(item)))
        for item in _items(fields, "Exceptions", "Exception"):
            spans = _spans(item)
            _put(exceptions, ((day, spans) for day in _recurring(item)))
        self._own[uid] = week, exceptions

    def known(self, uid: str, project: Mapping[str, Any]) -> str:
        """Return the UID of the calendar that counts: the project's one if a task has none of its own."""
        return uid if uid in self._own else _text(project, "CalendarUID")

    def get(self, uid: str, project: Mapping[str, Any]) -> Calendar:
        """Return a calendar with what it takes from its base; the project's one if it is not known.

        Parameters
        ----------
        uid
            Of the task's calendar; -1 if it has none of its own.
        project
            Fields of the element ``Project``.
        """
        uid = self.known(uid, project)
        if uid not in self._whole:
            line: list[str] = []
            while uid in self._own and uid not in line:
                line.append(uid)
                uid = self.bases.get(uid, "")
            week: dict[int, Spans] = {}
            exceptions: dict[date, Spans] = {}
            for item in reversed(line):
                week |= self._own[item][0]
                exceptions |= self._own[item][1]
            hours = (_hours(project, name) for name in ("MinutesPerDay", "MinutesPerWeek"))
            days = tuple(week.get(day, ()) for day in range(7))
            whole = Calendar(days if any(days) else (), exceptions, *hours)
            for item in line[:1]:
                self._whole[item] = whole
            return whole
        return self._whole[uid]


def _put(exceptions: dict[date, Spans], found: Iterator[tuple[date, Spans]]) -> None:
    for day, spans in found:
        if len(exceptions) >= MOST_EXCEPTIONS:
            return
        exceptions[day] = spans


def _week(fields: Mapping[str, Any]) -> Iterator[tuple[int, Spans]]:
    """Yield weekday (Monday is 0) and its work; Sunday is day 1 for MS Project."""
    for item in _items(fields, "WeekDays", "WeekDay"):
        if _text(item, "DayType") in set("1234567"):
            yield (int(_text(item, "DayType")) + 5) % 7, _spans(item)


def _spans(fields: Mapping[str, Any]) -> Spans:
    if _text(fields, "DayWorking") == "0":
        return ()
    found = []
    for item in _items(fields, "WorkingTimes", "WorkingTime"):
        begin, end = _minute(_text(item, "FromTime")), _minute(_text(item, "ToTime"))
        if begin is not None and end is not None:
            # Midnight at the end is written as that at the beginning.
            found.append((begin, end if end > begin else DAY))
    return tuple(sorted(found))


def _period(fields: Mapping[str, Any]) -> Iterator[date]:
    for item in _list(fields, "TimePeriod"):
        first, last = _day(_text(item, "FromDate")), _day(_text(item, "ToDate"))
        if first is not None and last is not None:
            for number in range(min((last - first).days + 1, FARTHEST_DAYS)):
                yield first + timedelta(days=number)


def _recurring(fields: Mapping[str, Any]) -> Iterator[date]:
    """Yield the days of an exception; by its number of occurrences where it says one, else until its last day."""
    kind, every = _text(fields, "Type"), max(1, _number(fields, "Period", 1))
    days = list(_period(fields))
    if not days:
        return
    first = days[0]
    if kind in (YEARLY, YEARLY_POSITION):
        found = (day for day in days if day.month == _number(fields, "Month", 0) + 1 and _in_month(fields, kind, day))
    elif kind in (MONTHLY, MONTHLY_POSITION):
        found = (
            day
            for day in days
            if ((day.year - first.year) * 12 + day.month - first.month) % every == 0 and _in_month(fields, kind, day)
        )
    elif kind == WEEKLY:
        mask, monday = _number(fields, "DaysOfWeek", 0), first - timedelta(days=(first.weekday() + 1) % 7)
        found = (day for day in days if mask >> ((day.weekday() + 1) % 7) & 1 and (day - monday).days // 7 % every == 0)
    else:
        found = (day for day in days[::every])
    yield from found


def _in_month(fields: Mapping[str, Any], kind: str, day: date) -> bool:
    if kind in (YEARLY, MONTHLY):
        return day.day == _number(fields, "MonthDay", 0)
    weekdays, place = ITEMS.get(_text(fields, "MonthItem"), range(7)), _number(fields, "MonthPosition", 0)
    if day.weekday() not in weekdays:
        return False
    last = calendar.monthrange(day.year, day.month)[1]
    among = [number for number in range(1, last + 1) if day.replace(day=number).weekday() in weekdays]
    return among[-1] == day.day if place == LAST else among[place : place + 1] == [day.day]


def _hours(fields: Mapping[str, Any], name: str) -> float | None:
    minutes = _number(fields, name, 0)
    return minutes / 60 if minutes > 0 else None


def _minute(text: str) -> int | None:
    found = _CLOCK.fullmatch(text)
    return min(DAY, int(found[1]) * 60 + int(found[2])) if found else None


def _day(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date() if text else None
    except ValueError:
        return None


def _number(fields: Mapping[str, Any], name: str, default: int) -> int:
    text = _text(fields, name)
    return int(text) if re.fullmatch(r"-?\d{1,6}", text) else default


def _items(fields: Mapping[str, Any], outer: str, inner: str) -> Iterator[Mapping[str, Any]]:
    for group in _list(fields, outer):
        yield from _list(group, inner)


def _list(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = fields.get(name)
    return value if isinstance(value, list) else []


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    return value.strip() if isinstance(value, str) else ""
