"""Monte Carlo over a network: zero spread is the critical path method, days add up, projects teach each other."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipcast.forecast import monte_carlo
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.monte_carlo import GRID, NOTHING, Reference, project_forecasts, reference_class
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Activity, Key, Kind, Network, Project, Relation, Status
from support.budgets import examples
from unit.schedule.test_properties import ALWAYS, OFFICE, START, networks

DAY = 1440
DATA_DATE = START // DAY * DAY
WIDE = Reference(np.linspace(-1.5, 1.5, len(GRID)).tolist(), 0.2, 40, 2000)


def chains(**remaining):
    """Return two chains that end in one milestone: a-b and c; lengths in days of 24 hours."""
    keys = {name: Key("p", name) for name in ("a", "b", "c", "end")}
    days = {"a": 20, "b": 20, "c": 30, "end": 0, **remaining}
    activities = {
        key: Activity(key, "", days[name] * DAY, days[name] * DAY, name.upper()) for name, key in keys.items()
    }
    activities[keys["end"]] = replace(activities[keys["end"]], kind=Kind.FINISH_MILESTONE)
    relations = [Relation(keys["a"], keys["b"]), Relation(keys["b"], keys["end"]), Relation(keys["c"], keys["end"])]
    return Network({"p": Project(DATA_DATE)}, activities, relations, {"": ALWAYS})


def day(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days - DATA_DATE // DAY + 1


@given(networks(calendars=(ALWAYS, OFFICE), progressed=True))
@settings(max_examples=examples(15, 1000))
def test_without_spread_every_level_is_the_computed_date(network):
    computed = schedule(network).finish
    for name, found in project_forecasts(network, NOTHING, count=20).items():
        assert {found[level] for level in ("computed", "p10", "p50", "p80", "p90")} == {monte_carlo.day(computed[name])}
        assert all(item["days"] == 0 for item in found["drivers"])
        assert found["other_days"] == 0


@given(networks(calendars=(ALWAYS, OFFICE), progressed=True), st.data())
@settings(max_examples=examples(10, 1000))
def test_a_longer_duration_makes_no_level_earlier(network, data):
    names = [key for key, item in network.activities.items() if item.remaining]
    if not names:
        return
    key = data.draw(st.sampled_from(names))
    item = network.activities[key]
    longer = replace(network, activities={**network.activities, key: replace(item, remaining=2 * item.remaining)})
    before, after = (project_forecasts(one, WIDE, count=50) for one in (network, longer))
    for name, found in before.items():
        for level in ("computed", "p10", "p50", "p80", "p90"):
            assert after[name][level] >= found[level]


def test_days_of_all_durations_and_the_rest_add_up_to_the_p80():
    network = chains()
    groups = {"branch": {Key("p", "a"): "first", Key("p", "b"): "first", Key("p", "c"): "second"}}
    found = project_forecasts(network, WIDE, groups=groups, count=4000)["p"]
    assert day(found["computed"]) == 40
    assert 40 <= day(found["p50"]) < day(found["p80"]) < day(found["p90"])
    days = {item["activity_id"]: item["days"] for item in found["drivers"]}
    total = sum(days.values()) + found["other_days"]
    assert total == pytest.approx(day(found["p80"]) - 40, abs=1)
    # The longer chain is the one that drives; both halves of it add the same, but for chance.
    assert found["driving_path"] == ["a", "b", "end"]
    assert days["a"] == pytest.approx(days["b"], rel=0.5)
    assert min(days["a"], days["b"]) > days["c"]
    shares = {item["activity_id"]: item["criticality"] for item in found["drivers"]}
    assert shares["a"] == shares["b"]
    assert shares["a"] + shares["c"] == pytest.approx(1, abs=0.01)
    assert shares["end"] == 1
    branches = {item["name"]: item["days"] for item in found["groups"]["branch"]}
    assert branches == pytest.approx({"first": days["a"] + days["b"], "second": days["c"]}, abs=0.02)
    assert found["milestones"][0]["p80"] == found["p80"]


def test_what_a_project_has_finished_moves_its_forecast_and_shrinks_toward_the_portfolio():
    def with_finished(number, factor):
        network = chains()
        activities = dict(network.activities)
        for place in range(number):
            key = Key("p", f"done {place}")
            begin = DATA_DATE - 100 * DAY
            activities[key] = Activity(
                key, "", 10 * DAY, 0, status=Status.COMPLETE, actual_start=begin,
                actual_finish=begin + round(10 * DAY * factor),
            )  # fmt: skip
        return day(project_forecasts(replace(network, activities=activities), WIDE, count=4000)["p"]["p50"])

    usual, few, many, fast = (with_finished(*case) for case in ((0, 1), (2, 3), (20, 3), (20, 1 / 3)))
    assert fast < usual < few < many


def test_the_reference_class_tells_shared_from_own_parts():
    rng = np.random.default_rng(0)
    projects = np.repeat(np.arange(200), 20)
    logs = rng.normal(0, 0.4, 200)[projects] + rng.normal(0.1, 0.3, len(projects))
    found = reference_class(projects.tolist(), np.exp(logs).tolist())
    assert found.shared == pytest.approx(0.16 / 0.25, abs=0.08)
    assert found.log_ratios[GRID.index(0.5)] == pytest.approx(0.1, abs=0.08)
    assert found.log_ratios[GRID.index(0.9)] == pytest.approx(0.1 + 1.2816 * 0.5, abs=0.1)
    assert str(found) == "reference class: 200 like projects, 4000 finished activities"
    # A project of a thousand activities counts no more than one of ten.
    loud = reference_class([*projects.tolist(), *["loud"] * 5000], np.exp([*logs, *[2.0] * 5000]).tolist())
    assert loud.log_ratios[GRID.index(0.5)] == pytest.approx(found.log_ratios[GRID.index(0.5)], abs=0.05)
    assert reference_class([], []) == NOTHING


def test_the_finished_activities_of_a_network_are_a_reference_class():
    network = chains()
    key = Key("p", "done")
    times = {"actual_start": DATA_DATE - 50 * DAY, "actual_finish": DATA_DATE - 20 * DAY}
    done = Activity(key, "", 10 * DAY, 0, status=Status.COMPLETE, **times)
    found = monte_carlo.finished_durations(replace(network, activities={**network.activities, key: done}))
    assert found == (["p"], [3.0])
    assert reference_class(*found).log_ratios == pytest.approx([np.log(3)] * len(GRID))


def test_a_forecast_of_an_activity_replaces_the_reference_class():
    slow = FinishDistribution((0.0, 60.0, 240.0), (0.0, 0.5, 1.0))
    usual = project_forecasts(chains(), WIDE, count=500)["p"]
    found = project_forecasts(chains(), WIDE, {Key("p", "c"): slow}, count=500)["p"]
    criticality = [{item["activity_id"]: item["criticality"] for item in one["drivers"]}["c"] for one in (usual, found)]
    assert criticality[1] > criticality[0]


def test_a_trained_completion_sets_the_levels_and_moves_the_milestones():
    found = project_forecasts(chains(), WIDE, completion={"p": (45.0, 50.0, 80.0, 100.0)}, count=500)["p"]
    dates = [(date(1970, 1, 1) + timedelta(DATA_DATE // DAY + days - 1)).isoformat() for days in (45, 50, 80, 100)]
    assert [found[level] for level in monte_carlo.LEVELS] == dates
    assert [found["milestones"][0][level] for level in monte_carlo.LEVELS] == dates


@given(networks(calendars=(ALWAYS, OFFICE), progressed=True), st.data())
@settings(max_examples=examples(10, 1000))
def test_no_finish_lies_before_what_it_waits_for_or_after_the_completion(network, data):
    days = st.integers(1, 300)
    said = {
        key: FinishDistribution((0.0, low, low + more), (0.0, 0.5, 1.0))
        for key, item in network.activities.items()
        if item.remaining and data.draw(st.booleans())
        for low, more in [(float(data.draw(days)), float(data.draw(days)))]
    }
    for name, found in project_forecasts(network, WIDE, stated=said, count=50).items():
        today = date.fromisoformat(found["data_date"])
        finishes = found["finishes"]
        assert finishes
        for name_of_level, level in monte_carlo.LEVELS.items():
            end = max(date.fromisoformat(found[name_of_level]), today + timedelta(days=1))
            dates = {key: finish.finish_date(today, level) for key, finish in finishes.items()}
            assert all(today < day <= end for day in dates.values())
            for link in network.relations:
                # Of what is out of sequence the network says by its rule; both have not started here.
                keys = (link.predecessor, link.successor)
                fresh = all(network.activities[key].status is Status.NOT_STARTED for key in keys)
                if fresh and link.kind in ("FS", "FF") and link.lag >= 0:
                    assert dates[link.predecessor.activity] <= dates[link.successor.activity], (name, level)
