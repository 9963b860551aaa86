"""The pass with drawn durations agrees, draw by draw, with the engine."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.schedule import draws
from slipcast.schedule.compiled import compiled
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import (
    Activity,
    Constraint,
    ConstraintKind,
    Key,
    Kind,
    Network,
    Project,
    Relation,
    Status,
)
from slipcast.schedule.paths import longest_path
from slipcast.schedule.working_time import WorkingTime
from support.budgets import examples
from unit.schedule.test_properties import ALWAYS, KINDS, OFFICE, START, networks

COUNT = 3
DETAILS = st.sampled_from(list(ConstraintKind))


@st.composite
def detailed(draw):
    """Return a network with progress, two calendars, milestones, constraints, external dates and lags on calendars."""
    network = draw(networks(calendars=(ALWAYS, OFFICE), progressed=True))
    activities = dict(network.activities)
    for key, item in network.activities.items():
        if item.status is Status.COMPLETE:
            continue
        kind = draw(st.sampled_from([Kind.TASK, Kind.TASK, Kind.START_MILESTONE, Kind.FINISH_MILESTONE]))
        moment = START + draw(st.integers(-5, 40)) * 500
        changes = draw(
            st.sampled_from(
                [
                    {},
                    {},
                    {"constraints": (Constraint(draw(DETAILS), moment),)},
                    {"external_early_start": moment},
                    {"resumed": moment},
                ]
            )
        )
        remaining = item.remaining if kind is Kind.TASK else 0
        activities[key] = replace(item, kind=kind, remaining=remaining, **changes)
    calendars = st.sampled_from([None, "0", "1"])
    relations = [relation._replace(calendar=draw(calendars)) for relation in network.relations]
    return replace(network, activities=activities, relations=relations)


def drawn(network, seed):
    """Return remaining minutes for each activity with work, and the networks of the single draws."""
    rng = np.random.default_rng(seed)
    remaining = {
        key: rng.integers(1, 4000, COUNT).astype("int32")
        for key, item in network.activities.items()
        if item.remaining and item.status is not Status.COMPLETE
    }
    single = [
        replace(
            network,
            activities={
                key: replace(item, remaining=int(remaining[key][number])) if key in remaining else item
                for key, item in network.activities.items()
            },
        )
        for number in range(COUNT)
    ]
    return remaining, single


@given(detailed(), st.integers(0, 1000), st.booleans())
@settings(max_examples=examples(15, 2000))
def test_each_draw_is_the_schedule_of_its_durations(network, seed, tables):
    remaining, single = drawn(network, seed)
    with pytest.MonkeyPatch.context() as patched:
        # So few draws would never pay a table.
        patched.setattr(draws, "USES", 10**9 if tables else 0)
        result = draws.run(compiled(network), remaining, COUNT)
    for number, one in enumerate(single):
        dates = schedule(one).activities
        for node, start, finish in zip(result.nodes, result.start, result.finish, strict=True):
            at = [moments.at(number) for moments in (start, finish)]
            assert at == list(dates[node.activity.key][:2]), node.activity


def test_searching_a_calendar_gives_the_same_as_its_table():
    first, last = START - 30_000, START + 50_000
    table, search = (kind(WorkingTime(OFFICE, START, START), first, last) for kind in (draws._Table, draws._Search))
    moments = np.arange(START - 20_000, START + 40_000, 7, dtype="int32")
    counts, others = table.worked(moments), search.worked(moments)
    # They count from different moments; only differences mean something.
    assert np.array_equal(np.diff(counts), np.diff(others))
    assert np.array_equal(table.start(counts), search.start(others))
    assert np.array_equal(table.finish(counts), search.finish(others))


@given(networks(kinds=KINDS, leads=False))
@settings(max_examples=examples(15, 2000))
def test_without_spread_what_is_critical_is_the_longest_path(network):
    result = draws.run(compiled(network), {}, COUNT)
    share = result.critical("")
    found = {node.activity.key for node, value in zip(result.nodes, share, strict=True) if value}
    assert set(np.unique(share)) <= {0.0, 1.0}
    assert found == longest_path(schedule(network))


def test_criticality_is_the_share_of_draws_on_the_path_that_sets_the_finish():
    keys = [Key("p", name) for name in ("long", "short", "end")]
    activities = {key: Activity(key, "", 480, 480) for key in keys}
    activities[keys[2]] = Activity(keys[2], "", 0, 0, kind=Kind.FINISH_MILESTONE)
    relations = [Relation(keys[0], keys[2]), Relation(keys[1], keys[2])]
    network = Network({"p": Project(START)}, activities, relations, {"": ALWAYS})
    remaining = {keys[0]: np.array([600] * 9 + [300], "int32"), keys[1]: np.full(10, 480, "int32")}
    result = draws.run(compiled(network), remaining, 10)
    places = [node.activity.key for node in result.nodes]
    assert result.critical("p")[[places.index(key) for key in keys]].tolist() == [0.9, 0.1, 1.0]
    assert result.path(0, places.index(keys[2])) == [(places.index(keys[0]), True), (places.index(keys[2]), True)]
    assert result.project_finish("p")[0].tolist() == [START + 600] * 9 + [START + 480]


def test_work_that_waits_for_a_finish_on_its_own_calendar_ends_with_it():
    keys = [Key("p", name) for name in ("long", "short", "next")]
    activities = {key: Activity(key, "", 480, 480) for key in keys}
    relations = [Relation(keys[0], keys[1], "FF", 0, ""), Relation(keys[1], keys[2], "FS", 0, "")]
    network = Network({"p": Project(START)}, activities, relations, {"": OFFICE})
    remaining = {keys[0]: np.array([2400, 240, 480], "int32")}
    result = draws.run(compiled(network), remaining, 3)
    for number, minutes in enumerate(remaining[keys[0]].tolist()):
        one = replace(network, activities={**activities, keys[0]: replace(activities[keys[0]], remaining=minutes)})
        dates = schedule(one).activities
        assert {
            node.activity.key: (start.at(number), finish.at(number))
            for node, start, finish in zip(result.nodes, result.start, result.finish, strict=True)
        } == {key: found[:2] for key, found in dates.items()}
    place = [node.activity.key for node in result.nodes].index(keys[2])
    # Where the longer one is waited for, the duration of what waits is no part of the path.
    paths = [
        [(result.nodes[at].activity.key.activity, counts) for at, counts in result.path(draw, place)] for draw in (0, 1)
    ]
    assert paths == [[("long", True), ("short", False), ("next", True)], [("short", True), ("next", True)]]
