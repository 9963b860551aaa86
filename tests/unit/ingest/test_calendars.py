"""Working time on the calendars of scheduling tools, held against days counted by hand."""

from datetime import date, datetime

import pytest

from slipcast.datasets.calendars import Calendar, days_between, last_day, p6_calendar
from support.p6_files import clndr_data


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-{text}")


FIVE = p6_calendar(clndr_data(), 8, 40)
# Christmas 2025 (Thursday, day 46016 of Excel) is free, the Saturday after it is worked in the morning.
XMAS = p6_calendar(clndr_data(exceptions={46016: "", 46018: "08:00-12:00"}))
ALL_DAY = p6_calendar(clndr_data(range(1, 8), "00:00-00:00"))
NIGHT = p6_calendar(clndr_data(range(2, 7), "00:00-06:00 18:00-00:00"))


def test_a_calendar_of_p6_has_its_week_and_its_exceptions():
    assert FIVE.hours_per_week == 40
    assert [FIVE.minutes(date(2025, 12, day)) for day in range(22, 29)] == [480] * 5 + [0] * 2
    assert [XMAS.minutes(date(2025, 12, day)) for day in range(22, 29)] == [480] * 3 + [0, 480, 240, 0]
    assert ALL_DAY.hours_per_week == 168
    assert NIGHT.hours_per_week == 60


@pytest.mark.parametrize(
    "text",
    [
        "(0||CalendarData()((0||DaysOfWeek()((0||1()())(0||2()((0||0(f|17:00|s|08:00)())))))(0||Exceptions()())))",
        "(0||CalendarData()( (0||DaysOfWeek()( (0||1()()) (0||2()( (0||0(s|8:00|f|17:00)())))))))",
        "(0||CalendarData()((0||DaysOfWeek()((0||2()((0||0(s|08:00|f|17:00)())",
    ],
)
def test_other_ways_of_writing_it_are_read_alike(text):
    calendar = p6_calendar(text)

    assert calendar.minutes(date(2025, 12, 22)) == 9 * 60
    assert calendar.minutes(date(2025, 12, 23)) == 0


@pytest.mark.parametrize("text", ["", "x", "(0||CalendarData()(  (0||DaysOfWeek()(    (0||1()())))))", "\x7f" * 50])
def test_without_a_working_week_the_hours_of_the_calendar_count(text):
    assert not p6_calendar(text).works
    assert p6_calendar(text, 10, 70).hours_per_week == 70
    assert p6_calendar(text, 10).hours_per_week == 50
    assert p6_calendar(text, 10, 70).days(100, at("02-03T08:00")) == 10
    assert p6_calendar(text).days(40) == 7


@pytest.mark.parametrize(
    ("calendar", "start", "finish", "hours"),
    [
        (FIVE, "12-22T08:00", "12-26T17:00", 40),
        (XMAS, "12-22T08:00", "12-26T17:00", 32),
        (XMAS, "12-22T08:00", "12-29T12:00", 40),
        (FIVE, "12-22T10:30", "12-22T13:30", 2),
        (FIVE, "12-22T12:00", "12-22T13:00", 0),
        (FIVE, "12-27T08:00", "12-28T17:00", 0),
        (ALL_DAY, "12-22T00:00", "12-24T00:00", 48),
        (NIGHT, "12-22T18:00", "12-23T06:00", 12),
        (FIVE, "12-26T17:00", "12-22T08:00", -40),
    ],
)
def test_hours_of_work_between_two_moments(calendar, start, finish, hours):
    assert calendar.working_hours(at(start), at(finish)) == hours


@pytest.mark.parametrize(
    ("calendar", "start", "hours", "finish"),
    [
        (FIVE, "12-22T08:00", 40, "12-26T17:00"),
        (FIVE, "12-22T08:00", 41, "12-29T09:00"),
        (XMAS, "12-22T08:00", 36, "12-27T12:00"),
        (FIVE, "12-22T08:00", 0, "12-22T08:00"),
        (FIVE, "12-26T17:00", -40, "12-19T17:00"),
        (FIVE, "12-26T17:00", -39, "12-22T09:00"),
        (ALL_DAY, "12-22T00:00", 48, "12-24T00:00"),
    ],
)
def test_when_work_is_done(calendar, start, hours, finish):
    assert calendar.after(at(start), hours) == at(finish)


def test_a_calendar_on_which_nothing_is_ever_done_ends():
    idle = Calendar(week=((),) * 6 + (((0, 1),),), exceptions={})

    assert idle.after(at("12-22T00:00"), 1e6).year == 2125


@pytest.mark.parametrize(
    ("start", "finish", "last", "days"),
    [
        ("02-03T08:00", "02-03T17:00", date(2025, 2, 3), 1),
        ("02-03T08:00", "02-07T17:00", date(2025, 2, 7), 5),
        ("02-03T00:00", "02-13T00:00", date(2025, 2, 12), 10),
        ("02-03T00:00", "02-03T00:00", date(2025, 2, 3), 1),
    ],
)
def test_the_first_and_the_last_day_count(start, finish, last, days):
    assert last_day(at(start), at(finish)) == last
    assert days_between(at(start), at(finish)) == days
