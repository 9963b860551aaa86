"""The race: what runs in each round, within the budget, and who is fitted in the end."""

import pytest

from slipcast.training.candidates import Candidate
from slipcast.training.search.halving import Entry, Race


def family(name: str, points: int = 3, seconds: float = 1.0, **options) -> Candidate:
    grid = {"max_depth": list(range(points))} if points > 1 else {}
    cost = {"seconds": seconds, "growth": 1.0}
    return Candidate(name, "sklearn.tree.DecisionTreeClassifier", grid=grid, cost=cost, **options)


def race(*families: Candidate, budget: float | None = None, folds=(10_000, 10_000), **options) -> Race:
    return Race(families, folds=folds, rows=10_000, budget=budget, **options)


def ran(share: float, scores: dict[tuple[str, int], float | None], seconds: float = 1.0) -> dict:
    """A round's summary in which the points scored `scores`; None is a failure."""
    points = [
        {
            **{"family": name, "point": point, "params": {"max_depth": point}, "share": share},
            **{"score": score, "seconds": seconds, "error": None if score is not None else "ValueError: no"},
        }
        for (name, point), score in scores.items()
    ]
    return {"share": share, "points": points, "seconds": seconds * len(points)}


def names(entries: list[Entry]) -> list[tuple[str, int]]:
    return [(entry.family, entry.point) for entry in entries]


def test_what_is_cheap_runs_in_one_round_on_all_rows():
    rules = race(family("a"), family("b"))
    first = rules.first()

    assert first.share == 1.0
    assert sorted(names(first.entries)) == [(name, point) for name in "ab" for point in range(3)]
    assert first.left_out == []
    assert rules.following([ran(1.0, {("a", 0): 0.2})]) is None


def test_what_is_dear_is_halved():
    rules = race(family("a", 9, seconds=50.0), family("b", 9, seconds=50.0))
    assert rules.shares == (1 / 9, 1 / 3, 1.0)
    scores = {("a", point): 0.1 + point / 100 for point in range(9)} | {("b", p): 0.3 + p / 100 for p in range(9)}
    second = rules.following([ran(1 / 9, scores)])

    assert second.share == 1 / 3
    # A third of 18 are 6, and b keeps its best although nine points of a are better.
    assert names(second.entries) == [("a", 0), ("b", 0), ("a", 1), ("a", 2), ("a", 3), ("a", 4)]


def test_a_share_that_leaves_too_few_rows_is_left_out():
    rules = race(family("a", 9, seconds=5000.0), folds=(900, 1500))

    assert rules.shares == (1.0,)
    assert race(family("a", 9, seconds=500.0), folds=(1300, 9000)).shares == (1 / 3, 1.0)


def test_a_point_that_failed_does_not_go_on():
    rules = race(family("a", 2, seconds=200.0), family("b", 2, seconds=200.0))
    following = rules.following([ran(1 / 9, {("a", 0): None, ("a", 1): 0.2, ("b", 0): None, ("b", 1): None})])

    assert names(following.entries) == [("a", 1)]


def test_where_accuracy_decides_higher_is_better():
    rules = race(family("a"), higher_is_better=True)

    assert names(rules.ranked(ran(1.0, {("a", 0): 0.6, ("a", 1): 0.8})["points"])) == [("a", 1), ("a", 0)]


def test_a_budget_takes_the_middle_of_each_family_before_the_rest():
    # Two seconds for each point on both folds; a third of 30 s is held back for the fits on all rows at most.
    rules = race(family("a"), family("b"), family("c"), budget=9.0, folds=(10_000, 10_000))
    rules.shares = (1.0,)
    first = rules.first()

    assert sorted(names(first.entries)[:3]) == [("a", 1), ("b", 1), ("c", 1)]
    spent = sum(rules.seconds(entry, 1.0) for entry in first.entries)
    assert spent <= 9.0 - rules._reserve({})
    assert len(first.entries) + len(first.left_out) == 9
    assert all(seconds == 2.0 for _, seconds in first.left_out)


def test_however_short_the_budget_something_is_searched():
    first = race(family("a"), budget=0.001).first()

    assert len(first.entries) == 1


def test_a_later_round_costs_what_the_first_one_measured():
    rules = race(family("a", 3, seconds=100.0), family("b", 3, seconds=100.0))
    # Declared 100 s on 10,000 rows, measured a tenth.
    history = [ran(1 / 9, {("a", point): 0.2 for point in range(3)}, seconds=200 / 9 / 10)]
    speed = rules.measured_speed(history)

    assert speed["a"] == pytest.approx(0.1)
    assert rules.fit_seconds("a", 10_000, speed) == pytest.approx(10.0)
    # Nothing was measured of b: it is taken to be off by as much as the others.
    assert rules.fit_seconds("b", 10_000, speed) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (family("a", max_rows=9_999), "10,000 training rows are more than its max_rows of 9,999"),
        (family("a", seconds=601.0), "one fit on 10,000 rows is expected to take 601 s"),
    ],
)
def test_a_family_that_cannot_scale_is_skipped_and_says_so(candidate, message):
    rules = race(candidate, family("b"))

    assert message in rules.skipped["a"]
    assert {entry.family for entry in rules.entries()} == {"b"}


def test_the_best_of_each_family_is_fitted():
    rules = race(family("a"), family("b"), family("c"))
    history = [ran(1.0, {("a", 0): 0.3, ("a", 1): 0.2, ("b", 2): 0.1, ("c", 0): None})]

    assert rules.winners(history)[0] == [Entry("b", 2, {"max_depth": 2}), Entry("a", 1, {"max_depth": 1})]


def test_only_what_ran_on_all_rows_can_win():
    rules = race(family("a", 3, seconds=200.0), family("b", 3, seconds=200.0))
    history = [ran(1 / 3, {("a", 0): 0.01, ("b", 0): 0.2}), ran(1.0, {("b", 0): 0.2})]

    assert names(rules.winners(history)[0]) == [("b", 0)]


def test_a_spent_budget_still_fits_the_best_and_the_best_that_can_be_served():
    rules = race(family("a", serve=False), family("b"), family("c"), budget=1.0)
    history = [ran(1.0, {("a", 0): 0.1, ("b", 0): 0.2, ("c", 0): 0.3}, seconds=10.0)]
    chosen, beyond = rules.winners(history)

    assert names(chosen) == [("a", 0), ("b", 0)]
    assert beyond == ["c"]
