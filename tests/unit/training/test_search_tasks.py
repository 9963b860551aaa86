"""A round is cut into tasks of about the same size."""

import pytest

from slipcast.training.candidates import Candidate, load_candidates
from slipcast.training.search.halving import Race
from slipcast.training.search.tasks import TASK_SECONDS, cut


def race(*families: Candidate, rows: int = 10_000) -> Race:
    return Race(families, folds=[rows] * 5, rows=rows)


def family(name: str, seconds: float, points: int = 4) -> Candidate:
    cost = {"seconds": seconds, "growth": 1.0}
    return Candidate(name, "sklearn.tree.DecisionTreeClassifier", grid={"max_depth": list(range(points))}, cost=cost)


def units(tasks: list[dict]) -> list[tuple]:
    return sorted(tuple(unit) for task in tasks for unit in task["units"])


def test_every_fit_is_in_exactly_one_task():
    rules = Race(load_candidates(), folds=[6_000, 7_000, 8_000, 9_000, 10_000], rows=11_000)
    tasks, grain = cut(rules, rules.entries(), 1.0, {})

    assert units(tasks) == sorted((entry.family, entry.point, fold) for entry in rules.entries() for fold in range(5))
    assert grain["family"] > 0
    assert grain["point"] > 0
    assert grain["fold"] > 0


def test_what_is_small_stays_together_and_what_is_large_is_cut_fine():
    rules = race(family("small", 0.01), family("middle", 1.0), family("large", 20.0))
    tasks, grain = cut(rules, rules.entries(), 1.0, {})
    holders = {name: [t for t in tasks if any(unit[0] == name for unit in t["units"])] for name in rules.families}

    assert len(holders["small"]) == 1
    assert grain == {"family": 1, "point": 4, "fold": 20}
    assert all(len([unit for unit in task["units"] if unit[0] == "large"]) <= 4 for task in holders["large"])


@pytest.mark.parametrize("rows", [1_000, 10_000, 100_000])
def test_tasks_come_out_even(rows):
    rules = race(*(family(f"f{number}", 0.2 * number) for number in range(1, 9)), rows=rows)
    tasks, _ = cut(rules, rules.entries(), 1.0, {})
    seconds = [task["seconds"] for task in tasks]

    assert max(seconds) <= 1.4 * sum(seconds) / len(seconds)
    assert max(seconds) <= 2 * max(TASK_SECONDS, rules.fit_seconds("f8", rows))


def test_little_work_is_one_task():
    rules = race(family("a", 0.001), family("b", 0.001))
    tasks, _ = cut(rules, rules.entries(), 1.0, {})

    assert len(tasks) == 1


def test_measured_times_change_the_cut():
    rules = race(family("a", 1.0), family("b", 1.0))
    as_declared, _ = cut(rules, rules.entries(), 1.0, {})
    as_measured, _ = cut(rules, rules.entries(), 1.0, {"a": 30.0, "b": 30.0})

    assert len(as_measured) > len(as_declared)
