"""A task fits what it is told on the rows it is told, and reports what cannot be fitted."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from slipcast.training.candidates import Candidate
from slipcast.training.pipeline import build_pipeline
from slipcast.training.search.data import SearchData
from slipcast.training.search.folds import Fold
from slipcast.training.search.worker import Worker, subset

TREE = Candidate("tree", "sklearn.tree.DecisionTreeClassifier", grid={"max_depth": [1, 3]})
LOGIT = Candidate("logit", "sklearn.linear_model.LogisticRegression", grid={"C": [0.1]}, scale=True)


def data(n: int = 300) -> SearchData:
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"days": rng.normal(size=n), "float": rng.normal(size=n)})
    features.iloc[::9, 0] = np.nan
    features["phase"] = pd.Series(rng.choice(["Design", "Build"], n), dtype=object)
    late = (rng.random(n) < np.where(features["float"] > 0, 0.8, 0.2)).astype(int)
    folds = [Fold(np.arange(0, 100), np.arange(100, 150)), Fold(np.arange(0, 150), np.arange(150, 240))]
    return SearchData(features, late, 240, folds)


@pytest.mark.parametrize("candidate", [TREE, LOGIT])
def test_a_fold_is_measured_as_by_a_pipeline_of_its_own(candidate):
    """The preparation that points share changes nothing."""
    rows = data()
    results, probabilities = Worker(rows, seed=5).search(candidate, [(0, 0), (0, 1)], 1.0)

    for result, fold in zip(results, rows.folds, strict=True):
        model = build_pipeline(candidate, 5, columns=rows.features, **candidate.points()[0])
        model.fit(rows.features.iloc[fold.train], rows.late[fold.train])
        p = model.predict_proba(rows.features.iloc[fold.test])[:, 1]
        np.testing.assert_array_equal(probabilities[0, result["fold"]], p)
        assert result["brier"] == pytest.approx(brier_score_loss(rows.late[fold.test], p))
        assert result["rows"] == len(fold.train)


def test_a_smaller_share_fits_on_fewer_rows_and_tests_on_the_same():
    results, probabilities = Worker(data(), seed=5).search(TREE, [(0, 0), (1, 1)], 1 / 3)

    assert [result["rows"] for result in results] == [33, 50]
    assert [len(p) for p in probabilities.values()] == [50, 90]


def test_a_larger_share_holds_every_smaller_one():
    rows = np.arange(1000)
    ninth, third = subset(rows, 1 / 9, 4), subset(rows, 1 / 3, 4)

    assert set(ninth) < set(third)
    assert (np.diff(third) > 0).all()
    assert subset(rows, 1.0, 4) is rows


def test_a_point_that_cannot_be_fitted_is_reported_and_the_others_go_on():
    broken = Candidate("tree", "sklearn.tree.DecisionTreeClassifier", grid={"max_depth": [-1, 3]})
    results, probabilities = Worker(data(), seed=5).search(broken, [(0, 0), (1, 0)], 1.0)

    assert "max_depth" in results[0]["error"]
    assert "brier" not in results[0]
    assert 0 < results[1]["brier"] < 0.25
    assert set(probabilities) == {(1, 0)}


def test_a_parameter_that_the_class_does_not_have_is_reported_with_those_it_has():
    wrong = Candidate("tree", "sklearn.tree.DecisionTreeClassifier", grid={"depth": [3]})
    (result,), _ = Worker(data(), seed=5).search(wrong, [(0, 0)], 1.0)

    assert "has no parameter depth; it has" in result["error"]


def test_a_network_that_stops_at_its_limit_is_judged_like_any_other():
    network = Candidate(
        "mlp", "sklearn.neural_network.MLPClassifier", params={"max_iter": 2, "hidden_layer_sizes": [4]}, scale=True
    )
    (result,), _ = Worker(data(), seed=5).search(network, [(0, 0)], 1.0)

    assert "error" not in result


def test_the_fit_on_all_rows_is_tested_on_those_that_the_search_did_not_know():
    rows = data()
    model, p, measured = Worker(rows, seed=5).fit(TREE, {"max_depth": 3})

    assert len(p) == 60
    np.testing.assert_array_equal(model.predict_proba(rows.features.iloc[240:])[:, 1], p)
    (tn, fp), (fn, tp) = measured["confusion"]
    assert (tn + tp) / 60 == pytest.approx(measured["accuracy"])
    assert tn + fp + fn + tp == 60


def test_memory_is_bounded_by_the_folds_that_are_kept():
    worker = Worker(data(), seed=5, keep=1)
    first, _ = worker.search(TREE, [(point, fold) for point in range(2) for fold in range(2)], 1.0)
    again, _ = Worker(data(), seed=5).search(TREE, [(point, fold) for point in range(2) for fold in range(2)], 1.0)

    assert len(worker._prepared) == 1
    assert [item["brier"] for item in first] == [item["brier"] for item in again]
