"""What holds for every network."""

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Activity, Key, Network, Project, Relation, Status
from slipcast.schedule.paths import longest_path
from slipcast.schedule.working_time import WorkingTime, minute_of

ALWAYS = Calendar((((0, 1440),),) * 7)
OFFICE = Calendar(
    (((480, 720), (780, 1020)),) * 5 + ((), ()), {date(2024, 1, 10): (), date(2024, 1, 13): ((480, 600),)}
)
START = 28_401_120
KINDS = ("FS", "SS", "FF", "SF")


@st.composite
def networks(draw, calendars=(ALWAYS,), kinds=KINDS, leads=True, progressed=False):
    count = draw(st.integers(1, 12))
    keys = [Key("", str(number)) for number in range(count)]
    activities = {}
    for key in keys:
        calendar, duration = draw(st.integers(0, len(calendars) - 1)), draw(st.integers(0, 6)) * 240
        status = draw(st.sampled_from([Status.NOT_STARTED, *([Status.IN_PROGRESS, Status.COMPLETE] * progressed)]))
        start = None if status is Status.NOT_STARTED else START - draw(st.integers(0, 20)) * 720
        finish = None if start is None or status is not Status.COMPLETE else start + duration
        remaining = 0 if status is Status.COMPLETE else duration
        activities[key] = Activity(
            key, str(calendar), duration, remaining, status=status, actual_start=start, actual_finish=finish
        )
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    relations = [
        Relation(keys[min(pair)], keys[max(pair)], draw(st.sampled_from(kinds)), lag * 240, None)
        for pair in draw(st.lists(ends, max_size=2 * count))
        if pair[0] != pair[1] and (lag := draw(st.integers(-2 if leads else 0, 4))) is not None
    ]
    named = {str(number): calendar for number, calendar in enumerate(calendars)}
    return Network({"": Project(START)}, activities, relations, named)


def longest(network: Network) -> dict[Key, tuple[int, int]]:
    """Return early dates without calendars as the least solution of the inequalities, by relaxation."""
    starts = dict.fromkeys(network.activities, START)
    for _ in range(len(starts) + 1):
        for relation in network.relations:
            before, after = (network.activities[key] for key in (relation.predecessor, relation.successor))
            moment = starts[before.key] + relation.lag + (before.remaining if relation.kind[0] == "F" else 0)
            moment -= after.remaining if relation.kind[1] == "F" else 0
            starts[after.key] = max(starts[after.key], moment)
    return {key: (start, start + network.activities[key].remaining) for key, start in starts.items()}


@given(networks())
def test_without_calendars_dates_are_the_longest_paths(network):
    dates = schedule(network)

    assert {key: found[:2] for key, found in dates.activities.items()} == longest(network)


@given(networks(calendars=(ALWAYS, OFFICE), progressed=True), st.data())
@settings(max_examples=100)
def test_a_longer_duration_or_another_relation_makes_nothing_earlier(network, data):
    before = schedule(network).activities
    key = data.draw(st.sampled_from([key for key, item in network.activities.items()]))
    item = network.activities[key]
    longer = network
    # Where a relation holds its finish and another leaves from its start, a longer activity starts earlier, and what
    # follows its start too: Wiest 1981, "Precedence diagramming method: some unusual characteristics".
    leaves_start = any(relation.predecessor == key and relation.kind in ("SS", "SF") for relation in network.relations)
    if item.status is not Status.COMPLETE and not leaves_start:
        longer = replace(network, activities={**network.activities, key: replace(item, remaining=item.remaining + 240)})
    keys = list(network.activities)
    first = data.draw(st.integers(0, len(keys) - 1))
    second = data.draw(st.integers(first, len(keys) - 1))
    more = longer
    if first != second:
        added = Relation(keys[first], keys[second], data.draw(st.sampled_from(KINDS)), 240, None)
        more = replace(longer, relations=[*longer.relations, added])

    after = schedule(more).activities

    assert all(after[name].early_finish >= found.early_finish for name, found in before.items())
    if first == second:
        assert all(after[name].early_start >= found.early_start for name, found in before.items() if name != key)


@given(networks(leads=False))
def test_the_longest_path_has_no_float_and_late_is_never_before_early(network):
    dates = schedule(network)

    assert all(dates.activities[key].total_float == 0 for key in longest_path(dates))
    assert all(found.total_float >= 0 for found in dates.activities.values())
    assert all(found.free_float <= found.total_float for found in dates.activities.values())


@given(networks(calendars=(OFFICE,)))
def test_dates_are_their_duration_apart_and_fit_in_the_working_time(network):
    clock = WorkingTime(OFFICE, START, START)
    for key, found in schedule(network).activities.items():
        remaining = network.activities[key].remaining
        assert clock.between(found.early_start, found.early_finish) == remaining
        assert clock.between(found.late_start, found.late_finish) == remaining


@given(st.integers(-400_000, 400_000), st.integers(-20_000, 20_000))
def test_arithmetic_with_working_time_agrees_with_walking_through_the_calendar(offset, minutes):
    clock, moment = WorkingTime(OFFICE, START, START), START + offset
    moved = clock.add(moment, minutes)

    assert clock.between(moment, moved) == minutes
    assert abs(minutes) <= abs(moved - moment)
    slow = sum(
        max(0, min(moment + 3 * 1440, day * 1440 + end) - max(moment, day * 1440 + begin))
        for day in range(moment // 1440, moment // 1440 + 4)
        for begin, end in OFFICE.spans(date.fromordinal(date(1970, 1, 1).toordinal() + day))
    )
    assert clock.between(moment, moment + 3 * 1440) == slow


def test_the_minutes_of_a_moment_are_those_since_1970():
    from datetime import datetime

    assert minute_of(datetime(2024, 1, 1)) == START
