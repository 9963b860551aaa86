"""What a search reports of itself."""

import pytest

from slipcast.training.candidates import Candidate
from slipcast.training.search import summary as record
from slipcast.training.search.halving import Entry, Race

ENTRIES = [Entry("tree", 0, {"max_depth": 1}), Entry("tree", 1, {"max_depth": 2})]
MEASURES = {"auc": 0.7, "log_loss": 0.5, "accuracy": 0.6}


def unit(point: int, fold: int, brier: float, seconds: float = 1.0) -> dict:
    return {"unit": ["tree", point, fold], "brier": brier, "seconds": seconds, **MEASURES}


def tasks(*members: list) -> list[dict]:
    return [{"id": f"t{number}", "units": units} for number, units in enumerate(members)]


def summary(planned: list[dict], results: dict, **options) -> dict:
    return record.summarise(planned, results, ENTRIES, **{"share": 1.0, "select_by": "brier"} | options)


def rules(budget: float | None = None) -> Race:
    tree = Candidate("tree", "sklearn.tree.DecisionTreeClassifier", grid={"max_depth": [1, 2]})
    return Race([tree], folds=[100, 200], rows=300, budget=budget)


PLANNED = tasks([["tree", 0, 0], ["tree", 1, 0]], [["tree", 0, 1], ["tree", 1, 1]])
RESULTS = {
    "t0": {"units": [unit(0, 0, 0.2), unit(1, 0, 0.3)], "seconds": 2.5, "oof": "s3://b/t0.npz"},
    "t1": {"units": [unit(0, 1, 0.1), unit(1, 1, 0.2)], "seconds": 2.5, "oof": "s3://b/t1.npz"},
}


def test_the_score_of_a_point_is_its_mean_over_the_folds_whichever_tasks_had_them():
    found = summary(PLANNED, RESULTS)

    assert [point["score"] for point in found["points"]] == pytest.approx([0.15, 0.25])
    assert found["points"][0]["std_brier"] == pytest.approx(0.05)
    assert found["points"][0]["oof"] == ["s3://b/t0.npz", "s3://b/t1.npz"]
    assert (found["tasks"], found["failed_tasks"], found["fits"], found["failed_fits"]) == (2, 0, 4, 0)
    assert found["seconds"] == 5.0


def test_accuracy_can_be_the_score():
    assert summary(PLANNED, RESULTS, select_by="accuracy")["points"][0]["score"] == pytest.approx(0.6)


def test_a_point_that_misses_a_fold_has_no_score():
    found = summary(PLANNED, {"t0": RESULTS["t0"]})

    assert [point["score"] for point in found["points"]] == [None, None]
    assert all(point["error"] == record.LOST for point in found["points"])
    assert (found["failed_tasks"], found["failed_fits"]) == (1, 2)


def test_the_curve_of_the_budget_follows_the_best_score():
    history = [summary(PLANNED, RESULTS)]
    spent = record.budget(rules(), history, [], select_by="brier", fit_seconds=1.5)

    assert spent["curve"] == [[2.0, pytest.approx(0.15)], [4.0, pytest.approx(0.15)]]
    assert spent["spent_seconds"] == 6.5
    assert spent["limit_seconds"] is None
    assert spent["one_more"] is None


def test_one_more_budget_buys_what_fits_into_it():
    left_out = [(Entry("tree", 1, {"max_depth": 2}), 6.0), (Entry("tree", 0, {"max_depth": 1}), 7.0)]
    spent = record.budget(rules(10.0), [summary(PLANNED, RESULTS)], left_out, select_by="brier")

    assert spent["one_more"].startswith("Another 10 s would have paid for 1 of the 2 points left out (tree 1).")
    assert [item["estimated_seconds"] for item in spent["not_tried"]] == [6.0, 7.0]
    nothing = record.budget(rules(10.0), [summary(PLANNED, RESULTS)], [], select_by="brier")
    assert nothing["one_more"] == "Nothing was left out: one more budget would have bought nothing."
    little = record.budget(rules(1.0), [summary(PLANNED, RESULTS)], left_out, select_by="brier")
    assert "the cheapest takes about 6 s" in little["one_more"]


def test_a_family_says_why_it_was_not_fitted():
    history = [summary(PLANNED, RESULTS)]
    (beyond,) = record.families(rules(), history, {}, ["tree"])
    (failed,) = record.families(rules(), history, {"tree": {"error": "MemoryError: "}}, [])
    (untried,) = record.families(rules(), [summary([], {}) | {"points": []}], {}, [])

    assert (beyond["status"], beyond["why"]) == ("skipped", "the search budget was spent before its fit on all rows")
    assert (failed["status"], failed["why"]) == ("failed", "the fit on all rows: MemoryError: ")
    assert untried["why"] == "the search budget was spent before its first point"
