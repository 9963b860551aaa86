"""State of a project: computed from the plan, the logic and what has happened by the data date."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from slipcast.datasets.calendars import Calendar
from slipcast.forecast import relative
from slipcast.forecast.network_state import FEATURES, state
from slipcast.schedule.network import Activity, Key, Network, Project, Relation, Status
from slipcast.schedule.options import Options, OutOfSequence
from slipcast.schedule.working_time import WorkingTime

OFFICE = Calendar((((480, 720), (780, 1020)),) * 5 + ((), ()))
# A Monday, 8 o'clock.
BEGIN = 28_401_120 // 10080 * 10080 + 4 * 1440 + 480
CLOCK = WorkingTime(OFFICE, BEGIN, BEGIN)
DAY = 480


def at(days, *, end=False):
    count = CLOCK.worked(BEGIN) + round(days * DAY)
    return CLOCK.finish(count) if end else CLOCK.start(count)


def chain(now, progress):
    """Return four activities in a row, ten days each; `progress` has actual start and finish in working days."""
    activities = {}
    for number in range(4):
        key = Key("p", str(number))
        start, finish = progress.get(number, (None, None))
        status = Status.COMPLETE if finish is not None else Status.NOT_STARTED if start is None else Status.IN_PROGRESS
        activities[key] = Activity(
            key, "c", 10 * DAY, 0 if status is Status.COMPLETE else 10 * DAY,
            status=status,
            actual_start=None if start is None else at(start),
            actual_finish=None if finish is None else at(finish, end=True),
            planned_start=at(10 * number),
            planned_finish=at(10 * number + 10, end=True),
        )  # fmt: skip
    relations = [Relation(Key("p", str(number)), Key("p", str(number + 1)), calendar="c") for number in range(3)]
    options = Options(out_of_sequence=OutOfSequence.PROGRESS_OVERRIDE)
    return Network({"p": Project(at(now, end=True), options=options)}, activities, relations, {"c": OFFICE})


def test_delays_travel_along_the_network():
    # The first activity took 16 days instead of 10; the second started then, at the data date.
    found = state(chain(16, {0: (0, 16), 1: (16, None)}))
    rows = found.activities.set_index("key")
    assert list(rows.index) == [Key("p", "1"), Key("p", "2"), Key("p", "3")]
    assert rows["network_delay"].tolist() == pytest.approx([6, 6, 6])
    assert rows["network_remaining"].tolist() == pytest.approx([10, 20, 30])
    assert rows["predecessor_delay"].tolist() == pytest.approx([6, 6, 6])
    assert rows["to_finish"].tolist() == pytest.approx([4, 14, 24])
    assert rows["open_predecessors"].tolist() == [0, 1, 1]
    assert rows["baseline_float"].tolist() == pytest.approx([0, 0, 0])
    # Durations that grow as they have so far make it later still.
    assert (rows["slow_delay"] > rows["network_delay"]).all()
    project = found.project
    assert project["network_remaining"] == pytest.approx(30)
    assert (project["share_complete"], project["recent_delay"]) == (0.25, pytest.approx(6))
    assert project["earned"] == pytest.approx(0.25)
    # Ten days of forty are earned after sixteen.
    assert project["earned_remaining"] == pytest.approx(30)
    assert project["performance"] == pytest.approx(10 / 16)


def test_starts_are_held_to_the_plan_and_free_ones_are_not():
    # The first took 4 days: only the free network starts the others early.
    found = state(chain(4, {0: (0, 4)}))
    rows = found.activities
    assert rows["network_delay"].tolist() == pytest.approx([0, 0, 0])
    assert rows["free_delay"].tolist() == pytest.approx([-6, -6, -6])
    assert rows["ready_since"].isna().tolist() == [False, True, True]


def test_nothing_that_comes_after_the_data_date_is_part_of_it():
    network = chain(16, {0: (0, 16), 1: (16, None)})
    before = state(network)
    later = replace(network.activities[Key("p", "3")], planned_start=at(30), planned_finish=at(40, end=True))
    after = state(replace(network, activities={**network.activities, Key("p", "3"): later}))
    pd.testing.assert_frame_equal(before.activities, after.activities)


def test_a_network_without_plan_is_refused():
    network = chain(0, {})
    bare = {key: replace(item, planned_start=None) for key, item in network.activities.items()}
    with pytest.raises(ValueError, match="no activity has planned dates"):
        state(replace(network, activities=bare))


def rows_of(count, seed, factor=1.5):
    """Return rows whose true remaining time is `factor` times the computed one, with a spread of .3."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({name: rng.normal(size=count) for name in FEATURES})
    table["project_id"] = [f"P{number}" for number in rng.integers(0, 40, count)]
    table["network_remaining"] = rng.uniform(5, 100, count)
    table["true_remaining"] = table["network_remaining"] * factor * np.exp(rng.normal(0, 0.3, count))
    table["follow_up"] = table["true_remaining"]
    return table


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(relative, "TREES", 6)
        yield


@pytest.mark.usefixtures("small")
def test_the_distribution_relative_to_the_network_holds_for_other_projects():
    model, fresh = relative.fit(rows_of(800, 1), 0), rows_of(1500, 2)
    base = fresh["network_remaining"].to_numpy()
    cdf = model.cdf(fresh)
    found = relative.quantiles(cdf, base, [0.1, 0.5, 0.9])
    shares = (fresh["true_remaining"].to_numpy()[:, None] <= found).mean(axis=0)
    assert shares == pytest.approx([0.1, 0.5, 0.9], abs=0.06)
    # One distribution: what is later than the P90 has a probability of a tenth.
    assert relative.p_late(cdf, base, found[:, 2]) == pytest.approx(0.1, abs=1e-6)
    assert (relative.p_late(cdf, base, np.zeros(len(base))) == 1).all()


@pytest.mark.usefixtures("small")
def test_open_activities_count_as_long_as_they_were_seen():
    table = rows_of(800, 3)
    # Seen for half to three times the computed time.
    table["follow_up"] = np.maximum(table["network_remaining"] * np.random.default_rng(4).uniform(0.5, 3, 800), 1)
    open_ = table["true_remaining"] > table["follow_up"]
    assert 0.2 < open_.mean() < 0.8
    censored = table.assign(true_remaining=table["true_remaining"].where(~open_))
    fresh = rows_of(800, 5)
    base = fresh["network_remaining"].to_numpy()
    medians = [
        np.median(relative.quantiles(relative.fit(rows, 0).cdf(fresh), base, [0.5])[:, 0] / base)
        for rows in (table, censored, censored[~open_])
    ]
    assert medians[1] == pytest.approx(medians[0], rel=0.05)
    assert medians[2] < 0.95 * medians[0], "without them everything seems faster"
