"""Forecasts of activities that wait for each other: the engine's dates without spread, never earlier by a relation."""

from datetime import date

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipcast.datasets.calendars import DAY, Calendar
from slipcast.forecast import consistent, relations
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.relations import LEVELS, Relation, State
from slipcast.forecast.stage import known
from slipcast.schedule import network as schedules
from slipcast.schedule.compiled import compiled
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Activity, Constraint, ConstraintKind, CycleError, Key, Network, Project, Status
from support.budgets import examples

ALWAYS = {"": Calendar((((0, 1440),),) * 7)}
TODAY = 19_724 * DAY
NO_SPREAD: dict[int, FinishDistribution] = {}


@st.composite
def states(draw):
    stage = draw(st.sampled_from(Status))
    days = st.integers(0, 15)
    if stage is Status.NOT_STARTED:
        return State(float(draw(days)), float(draw(days)))
    started = -float(draw(days))
    if stage is Status.IN_PROGRESS:
        return State(float(draw(days)), started=started)
    return State(0.0, started=started, finished=-float(draw(st.integers(0, round(-started)))))


@st.composite
def networks(draw):
    found = draw(st.lists(states(), min_size=1, max_size=10))
    place = st.integers(0, len(found) - 1)
    drawn = draw(st.lists(st.tuples(place, place, st.sampled_from(("FS", "SS", "FF", "SF")), st.integers(-4, 8))))
    return found, [
        Relation(min(one, two), max(one, two), kind, float(lag)) for one, two, kind, lag in drawn if one != two
    ]


@st.composite
def spreads(draw, count):
    finishes = {}
    for place in range(count):
        steps = draw(st.lists(st.integers(1, 30), min_size=2, max_size=4))
        days = np.cumsum([0, *steps]).astype(float).tolist()
        finishes[place] = FinishDistribution(days, np.linspace(0, 1, len(days)).tolist())
    return finishes


def open_ones(found, finishes):
    return {place: finish for place, finish in finishes.items() if found[place].finished is None}


def names(found):
    return [f"A{place}" for place in range(len(found))]


def engine(found, links) -> Network:
    """Return the network in minutes on a calendar that never rests."""

    def minute(days):
        return None if days is None else TODAY + round(days * DAY)

    activities = {}
    for place, item in enumerate(found):
        if item.finished is not None:
            status = Status.COMPLETE
        else:
            status = Status.NOT_STARTED if item.started is None else Status.IN_PROGRESS
        bound = (Constraint(ConstraintKind.START_ON_OR_AFTER, minute(item.earliest)),) if item.earliest else ()
        work = round(item.remaining * DAY)
        dates = {"actual_start": minute(item.started), "actual_finish": minute(item.finished)}
        key = Key("", f"A{place}")
        activities[key] = Activity(key, "", work, work, status=status, constraints=bound, **dates)
    keys = [*activities]
    joined = [schedules.Relation(keys[one], keys[two], kind, round(lag * DAY)) for one, two, kind, lag in links]
    return Network({"": Project(TODAY)}, activities, joined, ALWAYS)


@settings(max_examples=examples(15, 200))
@given(networks())
@example(([State(1.0), State(2.0)], [Relation(0, 1, "FS", 0.0)]))
# A finish that is held moves the start, which others wait for.
@example(([State(5.0), State(2.0), State(1.0)], [Relation(0, 1, "FF", 0.0), Relation(1, 2, "SS", 0.0)]))
def test_without_spread_the_dates_are_the_engines(given_network):
    found, links = given_network

    answer = relations.forecasts(found, links, NO_SPREAD, names(found))

    dates = schedule(engine(found, links)).activities
    for place, (item, finish) in enumerate(zip(found, answer.finishes, strict=True)):
        if item.finished is None:
            early = (dates[Key("", f"A{place}")].early_finish - TODAY) / DAY
            assert [finish.quantile(level) for level in (0.1, 0.5, 1.0)] == pytest.approx([early] * 3, abs=1e-8)
        else:
            assert finish is None


@settings(max_examples=examples(15, 200))
@given(networks(), st.data())
def test_another_relation_makes_nothing_earlier_and_an_own_finish_is_a_floor(given_network, data):
    found, links = given_network
    own = open_ones(found, data.draw(spreads(len(found))))
    ends = sorted(data.draw(st.tuples(*[st.integers(0, len(found) - 1)] * 2)))
    added = Relation(*ends, data.draw(st.sampled_from(("FS", "SS", "FF", "SF"))), 3.0)
    more = [*links, added] if ends[0] != ends[1] else links

    before = relations.forecasts(found, links, own, names(found))
    after = relations.forecasts(found, more, own, names(found))

    for place, finish in own.items():
        days = [
            [item.quantile(level) for level in LEVELS[1:]]
            for item in (finish, before.finishes[place], after.finishes[place])
        ]
        assert np.all(np.diff(days, axis=0) >= -1e-8)
    assert np.all(np.subtract(after.completion, before.completion) >= 0)


@settings(max_examples=examples(15, 200))
@given(networks(), st.data())
def test_a_network_that_binds_nothing_leaves_each_distribution_as_it_is(given_network, data):
    found, _ = given_network
    own = open_ones(found, data.draw(spreads(len(found))))
    # Ends of work that is over, and a start that is bounded by less than the activity's own.
    links = [
        Relation(one, two, "FS", 0.0)
        for one, before in enumerate(found)
        for two, after in enumerate(found)
        if one < two and before.finished is not None and after.finished is None
    ]

    answer = relations.forecasts(found, links, own, names(found))

    assert all(answer.finishes[place] is finish for place, finish in own.items())
    assert answer.drivers == [None] * len(found)
    if own:
        assert answer.completion[80] == max(finish.quantile(0.8) for finish in own.values())


@settings(max_examples=examples(15, 200))
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.data())
def test_finish_to_finish_says_what_scored_updates_say_of_the_same_distributions(days, data):
    """`consistent.finishes` raises the distributions of a scored update to those of their predecessors."""
    found = [State(1.0)] * len(days)
    own = {
        place: FinishDistribution((0.0, float(day), 2.0 * day, 4.0 * day), (0.0, 0.1, 0.6, 1.0))
        for place, day in enumerate(days)
    }
    links = [Relation(place, place + 1, "FF", 0.0) for place in range(len(days) - 1)]
    nodes = compiled(engine(found, links)).nodes
    stated = {Key("", f"A{place}"): finish for place, finish in own.items()}
    never = {"": np.full(len(consistent.LEVELS), float(TODAY + 10_000 * DAY))}

    scored = consistent.finishes(nodes, np.zeros((len(nodes), 13)), never, stated, {"": TODAY})
    answer = relations.forecasts(found, links, own, names(found))

    for place, finish in enumerate(answer.finishes):
        other = scored[Key("", f"A{place}")]
        for level in (0.1, 0.5, 0.8, 0.9):
            assert finish.finish_date(date(2024, 1, 1), level) == other.finish_date(date(2024, 1, 1), level)


def test_side_by_side_the_last_finish_is_earliest_and_in_a_chain_latest_for_those_late_together():
    """What docs/api.md says of activities that are late together, against the exact P80 of those late apart."""
    even = FinishDistribution((0.0, 10.0), (0.0, 1.0))
    beside = relations.forecasts([State(10.0)] * 2, [], {0: even, 1: even}, ["A", "B"])
    chain = relations.forecasts([State(10.0)] * 2, [Relation(0, 1, "FS", 0.0)], {0: even, 1: even}, ["A", "B"])

    # The larger of two even draws from 0 to 10 is below 10 √p, their sum below 20 - 10 √(2 (1 - p)), for p above .5.
    assert beside.completion[80] == pytest.approx(8.0)
    assert beside.completion[80] < 10 * 0.8**0.5
    assert chain.completion[80] == pytest.approx(16.0)
    assert chain.completion[80] > 20 - 10 * (2 * 0.2) ** 0.5


def test_the_predecessor_that_sets_the_p80_is_named():
    wide = FinishDistribution((0.0, 10.0, 20.0, 90.0), (0.0, 0.1, 0.5, 1.0))
    short = FinishDistribution((0.0, 5.0, 6.0), (0.0, 0.5, 1.0))

    answer = relations.forecasts(
        [State(5.0), State(5.0), State(5.0)],
        [Relation(0, 2, "FS", 0.0), Relation(1, 2, "FS", 0.0)],
        {0: short, 1: wide, 2: short},
        ["A", "B", "C"],
    )

    assert answer.drivers == [None, None, 1]
    assert answer.finishes[2].quantile(0.8) == pytest.approx(wide.quantile(0.8) + 5)


def test_a_cycle_is_named():
    links = [Relation(0, 1, "FS", 0.0), Relation(1, 2, "SS", 0.0), Relation(2, 0, "FF", 0.0)]

    with pytest.raises(CycleError, match="3 activities wait for each other: "):
        relations.forecasts([State(1.0)] * 3, links, {}, ["A", "B", "C"])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"start": date(2024, 6, 1)}, State(10.0, started=-30.0)),
        ({"start": date(2024, 6, 25)}, State(34.0, started=-6.0)),
        ({"start": date(2024, 7, 1)}, State(40.0, 0.0)),
        ({"start": date(2024, 7, 3)}, State(40.0, 2.0)),
        ({"start": date(2024, 6, 1), "status": "not_started"}, State(40.0, 0.0)),
        ({"start": date(2024, 6, 1), "actual_finish": date(2024, 6, 28)}, State(0.0, 0.0, -30.0, -2.0)),
    ],
)
def test_state_counts_days_from_the_end_of_the_data_date(sent, expected):
    facts = known(data_date=date(2024, 6, 30), baseline_finish=date(2024, 9, 30), tolerance_days=30, **sent)

    assert relations.state(facts, 40.0, sent["start"], sent.get("actual_finish")) == expected
