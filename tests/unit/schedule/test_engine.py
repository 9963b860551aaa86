"""Dates by the rules of Primavera P6; what a rule says was seen in dates that P6 stored in real files."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import (
    Activity,
    Constraint,
    ConstraintKind,
    CycleError,
    Key,
    Kind,
    Network,
    Project,
    Relation,
    Status,
)
from slipcast.schedule.options import FloatKind, Options, OutOfSequence
from slipcast.schedule.paths import driving_path, driving_relations, longest_path
from slipcast.schedule.working_time import minute_of, moment_of

DAY = 480
# Sunday to Thursday, 8 to 16, as in the Egyptian schedules that the rules were found in; Friday and Saturday are free.
WEEK = Calendar((((480, 960),),) * 4 + ((), (), ((480, 960),)))
# 2010-07-18 is a Sunday.
START = "2010-07-18 00:00"


def at(text: str) -> int:
    return minute_of(datetime.fromisoformat(text))


def activity(name: str, days: float = 0, **values) -> Activity:
    remaining = values.pop("remaining", days)
    return Activity(Key("", name), "week", round(days * DAY), round(remaining * DAY), **values)


def link(before: str, after: str, kind: str = "FS", lag: float = 0, calendar: str | None = "week") -> Relation:
    return Relation(Key("", before), Key("", after), kind, round(lag * DAY), calendar)


def network(*parts: Activity | Relation, data_date: str = START, **project) -> Network:
    activities = {part.key: part for part in parts if isinstance(part, Activity)}
    relations = [part for part in parts if isinstance(part, Relation)]
    return Network({"": Project(at(data_date), **project)}, activities, relations, {"week": WEEK})


def shown(dates: Dates, name: str) -> tuple[str, str, str, str]:
    return tuple(f"{moment_of(moment):%m-%d %H:%M}" for moment in dates.activities[Key("", name)][:4])


@pytest.mark.parametrize(
    ("kind", "lag", "early"),
    [
        ("FS", 0, ("07-21 08:00", "07-22 16:00")),
        ("FS", 1, ("07-22 08:00", "07-25 16:00")),
        ("FS", -1, ("07-20 08:00", "07-21 16:00")),
        ("SS", 1, ("07-19 08:00", "07-20 16:00")),
        ("FF", 1, ("07-20 08:00", "07-21 16:00")),
        ("SF", 4, ("07-20 08:00", "07-21 16:00")),
    ],
)
def test_each_kind_of_relation_bounds_its_ends(kind, lag, early):
    dates = schedule(network(activity("a", 3), activity("b", 2), link("a", "b", kind, lag)))

    assert shown(dates, "b")[:2] == early


def test_a_lag_counts_on_its_own_calendar():
    parts = activity("a", 5), activity("b", 1), link("a", "b", lag=1, calendar=None)

    # 480 minutes after Thursday 16:00 are Friday 0:00: work goes on on Sunday.
    assert shown(schedule(network(*parts)), "b")[0] == "07-25 08:00"


def test_late_dates_and_float_count_back_from_the_finish():
    dates = schedule(
        network(
            *(activity("a", 1), activity("b", 4), activity("c", 2), activity("d", 1)),
            *(link("a", "b"), link("a", "c"), link("b", "d"), link("c", "d")),
        )
    )

    assert shown(dates, "c") == ("07-19 08:00", "07-20 16:00", "07-21 08:00", "07-22 16:00")
    assert [dates.activities[Key("", name)].total_float for name in "abcd"] == [0, 0, 2 * DAY, 0]
    assert [dates.activities[Key("", name)].free_float for name in "abcd"] == [0, 0, 2 * DAY, 0]
    assert longest_path(dates) == {Key("", name) for name in "abd"}
    assert driving_path(dates, Key("", "d")) == [Key("", name) for name in "abd"]
    assert driving_relations(dates, Key("", "d")) == [Relation(Key("", "b"), Key("", "d"), "FS", 0)]


@pytest.mark.parametrize(
    ("kind", "moment", "early", "late"),
    [
        ("start_on_or_after", "2010-07-20 08:00", "07-20 08:00", "07-28 08:00"),
        ("start_on_or_before", "2010-07-20 08:00", "07-18 08:00", "07-20 08:00"),
        ("start_on", "2010-07-20 08:00", "07-20 08:00", "07-20 08:00"),
        ("finish_on_or_after", "2010-07-21 16:00", "07-20 08:00", "07-28 08:00"),
        ("finish_on_or_before", "2010-07-21 16:00", "07-18 08:00", "07-20 08:00"),
        ("finish_on", "2010-07-21 16:00", "07-20 08:00", "07-20 08:00"),
        ("mandatory_start", "2010-07-20 08:00", "07-20 08:00", "07-20 08:00"),
        ("mandatory_finish", "2010-07-21 16:00", "07-20 08:00", "07-20 08:00"),
    ],
)
def test_constraints_bound_early_or_late_dates(kind, moment, early, late):
    constrained = activity("a", 2, constraints=(Constraint(ConstraintKind(kind), at(moment)),))
    dates = schedule(network(constrained, activity("end", 10)))

    assert (shown(dates, "a")[0], shown(dates, "a")[2]) == (early, late)


def test_a_mandatory_start_breaks_its_relations():
    early = activity("b", 1, constraints=(Constraint(ConstraintKind.MANDATORY_START, at("2010-07-19 08:00")),))
    dates = schedule(network(activity("a", 5), early, link("a", "b")))

    assert shown(dates, "b")[0] == "07-19 08:00"
    assert dates.activities[Key("", "a")].total_float == -4 * DAY


def test_as_late_as_possible_uses_free_float_and_moves_no_successor():
    dates = schedule(
        network(
            *(activity("a", 1, as_late_as_possible=True), activity("b", 4), activity("c", 1)),
            *(link("a", "c"), link("b", "c")),
        )
    )

    assert shown(dates, "a")[:2] == ("07-21 08:00", "07-21 16:00")
    assert shown(dates, "c")[0] == "07-22 08:00"


@pytest.mark.parametrize(
    ("rule", "early"),
    [("retained_logic", "07-25 08:00"), ("progress_override", "07-18 08:00"), ("actual_dates", "07-18 08:00")],
)
def test_what_has_started_out_of_sequence_waits_or_goes_on(rule, early):
    running = activity("b", 5, remaining=2, status=Status.IN_PROGRESS, actual_start=at("2010-07-13 08:00"))
    parts = network(activity("a", 5), running, link("a", "b"))

    dates = schedule(parts, options=Options(out_of_sequence=OutOfSequence(rule)))

    assert shown(dates, "b")[0] == early
    if rule == "actual_dates":
        assert dates.activities[Key("", "a")].total_float < 0


def test_retained_logic_runs_through_complete_work():
    complete = activity(
        "b", 2, status=Status.COMPLETE, actual_start=at("2010-07-11 00:00"), actual_finish=at("2010-07-12 00:00")
    )
    parts = network(activity("a", 3), complete, activity("c", 1), link("a", "b"), link("b", "c", "SS"))

    assert shown(schedule(parts), "c")[0] == "07-21 08:00"
    overridden = schedule(parts, options=Options(out_of_sequence=OutOfSequence.PROGRESS_OVERRIDE))
    assert shown(overridden, "c")[0] == "07-18 08:00"


@pytest.mark.parametrize(
    ("lag", "expected"),
    # Two of the days have passed since Wednesday, the 14th.
    [(5, "07-21 08:00"), (1, "07-18 08:00"), (-3, "07-18 08:00")],
)
def test_what_has_passed_of_a_lag_is_not_waited_for_again(lag, expected):
    complete = activity(
        "a", 2, status=Status.COMPLETE, actual_start=at("2010-07-12 00:00"), actual_finish=at("2010-07-14 00:00")
    )

    assert shown(schedule(network(complete, activity("b", 1), link("a", "b", lag=lag))), "b")[0] == expected


def test_the_lag_of_running_work_counts_from_the_data_date_or_the_actual_start():
    running = activity("a", 9, remaining=7, status=Status.IN_PROGRESS, actual_start=at("2010-07-14 08:00"))
    parts = network(running, activity("b", 1), link("a", "b", "SS", 4))

    assert shown(schedule(parts), "b")[0] == "07-20 08:00"
    assert shown(schedule(parts, options=Options(lag_from_actual_start=True)), "b")[0] == "07-20 08:00"
    # An actual start in the future takes nothing from the lag.
    ahead = replace(running, actual_start=at("2010-07-27 08:00"))
    assert shown(schedule(network(ahead, activity("b", 1), link("a", "b", "SS", 4))), "b")[0] == "07-22 08:00"


def test_work_that_waits_for_a_finish_on_its_free_day_ends_with_the_next_one():
    longer = replace(activity("a", 4), calendar="all")
    parts = network(longer, activity("b", 1), link("a", "b", "FF", 2.5, None))
    around = replace(parts, calendars={"week": WEEK, "all": Calendar((((480, 960),),) * 7)})

    # The fourth day ends on Wednesday at 16:00; twenty hours later it is Thursday noon.
    assert shown(schedule(around), "b")[:2] == ("07-21 12:00", "07-22 12:00")
    friday = replace(around, relations=[link("a", "b", "FF", 5, None)])
    assert shown(schedule(friday), "b")[:2] == ("07-22 08:00", "07-25 08:00")


@pytest.mark.parametrize(
    ("kind", "moment", "expected"),
    [
        # 2010-07-23 is a Friday.
        (Kind.FINISH_MILESTONE, "2010-07-23 08:01", "07-25 08:01"),
        (Kind.FINISH_MILESTONE, "2010-07-22 16:00", "07-22 16:00"),
        (Kind.START_MILESTONE, "2010-07-23 08:01", "07-25 08:00"),
    ],
)
def test_milestones_stand_where_work_can_end_or_begin(kind, moment, expected):
    constraint = ConstraintKind.FINISH_ON if kind is Kind.FINISH_MILESTONE else ConstraintKind.START_ON
    dates = schedule(network(activity("m", kind=kind, constraints=(Constraint(constraint, at(moment)),))))

    assert shown(dates, "m")[1] == expected


def test_work_that_has_not_started_waits_for_the_planned_start_of_the_project():
    dates = schedule(network(activity("a", 1), planned_start=at("2010-07-20 08:00")))

    assert shown(dates, "a")[0] == "07-20 08:00"


def test_suspended_work_goes_on_when_it_is_resumed():
    waiting = activity(
        "a", 2, status=Status.IN_PROGRESS, actual_start=at("2010-07-11 08:00"), resumed=at("2010-07-21 08:00")
    )

    assert shown(schedule(network(waiting)), "a")[:2] == ("07-21 08:00", "07-22 16:00")


def test_an_expected_finish_sets_the_remaining_duration_as_an_option():
    expected = activity("a", 2, expected_finish=at("2010-07-22 16:00"))

    assert shown(schedule(network(expected)), "a")[1] == "07-19 16:00"
    assert shown(schedule(network(expected), options=Options(expected_finish=True)), "a")[1] == "07-22 16:00"


def test_float_counts_to_the_date_by_which_a_project_must_finish():
    dates = schedule(network(activity("a", 3), must_finish=at("2010-07-19 16:00")))

    assert dates.activities[Key("", "a")].total_float == -DAY


def test_open_ends_are_critical_as_an_option():
    parts = network(activity("a", 1), activity("b", 5))

    assert schedule(parts).activities[Key("", "a")].total_float == 4 * DAY
    assert schedule(parts, options=Options(open_ends_critical=True)).activities[Key("", "a")].total_float == 0


def test_total_float_may_be_that_of_the_start():
    # The finish has float, the start has none.
    parts = network(activity("a", 2), activity("b", 5), link("a", "b", "SS"), activity("c", 5), link("b", "c"))

    kinds = {kind: schedule(parts, options=Options(float_kind=kind)).activities[Key("", "a")] for kind in FloatKind}
    assert kinds[FloatKind.START].total_float == kinds[FloatKind.SMALLEST].total_float == 0


def test_level_of_effort_spans_its_relations_and_moves_nothing():
    effort = activity("loe", 1, kind=Kind.LEVEL_OF_EFFORT)
    dates = schedule(
        network(
            *(activity("a", 2), activity("b", 3), effort, activity("c", 1)),
            *(link("a", "b"), link("a", "loe", "SS"), link("loe", "b", "FF"), link("loe", "c")),
        )
    )

    assert shown(dates, "loe")[:2] == ("07-18 08:00", "07-22 16:00")
    assert shown(dates, "c")[0] == "07-18 08:00"


def test_projects_are_scheduled_together_each_from_its_own_data_date():
    first, second = Key("one", "a"), Key("two", "b")
    parts = Network(
        {"one": Project(at(START)), "two": Project(at("2010-07-11 00:00"))},
        {first: replace(activity("a", 3), key=first), second: replace(activity("b", 1), key=second)},
        [Relation(first, second, "FS", 0, "week")],
        {"week": WEEK},
    )

    dates = schedule(parts)

    assert moment_of(dates.activities[second].early_start) == datetime(2010, 7, 21, 8)
    assert schedule(replace(parts, relations=[])).activities[second].early_start == at("2010-07-11 08:00")


def test_a_cycle_is_refused_and_named_in_order():
    parts = network(
        *(activity(name, 1) for name in "abcde"),
        *(link("a", "b"), link("b", "c"), link("c", "d"), link("d", "b"), link("d", "e")),
    )

    with pytest.raises(CycleError, match="remove one of these relations") as error:
        schedule(parts)

    names = "".join(key.activity for key in error.value.cycle)
    assert len(names) == 3
    assert names in "bcdbcd"


def test_relations_to_what_is_not_there_are_named_and_bound_nothing():
    parts = network(activity("a", 1), link("gone", "a"))

    assert parts.loose == [link("gone", "a")]
    assert shown(schedule(parts), "a")[0] == "07-18 08:00"


def test_a_calendar_without_work_counts_as_the_usual_week():
    parts = network(activity("a", 1))

    for empty in (Calendar(), Calendar((((480, 960),),) * 7, {date(2010, 1, 1): ()})):
        dates = schedule(replace(parts, calendars={"week": empty}))
        assert shown(dates, "a")[0] in ("07-18 08:00", "07-19 08:00")
