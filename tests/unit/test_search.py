"""The search is cross-validated in the order of time."""

import json

import numpy as np
import pandas as pd
import pytest

from slipcast.candidates import load_candidates
from slipcast.feature_table import feature_table
from slipcast.search import search, time_folds

TREE = json.dumps(
    [
        {
            "name": "tree",
            "estimator": "sklearn.tree.DecisionTreeClassifier",
            "scale": False,
            "params": {"min_samples_leaf": 10},
            "grid": {"max_depth": [1, 3]},
        }
    ]
)


def history(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2015-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 3000, n)), unit="D")
    days = rng.integers(30, 400, n).astype(float)
    late = (rng.random(n) < np.where(days > 200, 0.8, 0.2)).astype(int)
    return pd.DataFrame(
        {
            "start": start,
            "baseline_finish": start + pd.to_timedelta(days, unit="D"),
            "label_known_at": start + pd.to_timedelta(days + 30, unit="D"),
            "phase": "Design",
            "is_late": late,
        }
    )


def test_a_fold_trains_only_on_labels_known_before_it_begins():
    labelled = history()
    folds = list(time_folds(labelled))

    assert len(folds) == 5
    for train, test in folds:
        begins = labelled["start"].iloc[test].min()
        assert labelled["label_known_at"].iloc[train].max() < begins
        assert labelled["start"].iloc[train].max() < begins


def test_the_test_windows_follow_each_other_and_do_not_overlap():
    tests = [test for _, test in time_folds(history())]
    together = np.concatenate(tests)

    assert len(np.unique(together)) == len(together)
    assert (np.diff(together) > 0).all()
    assert together[-1] == 399


def test_the_search_finds_the_signal_and_reports_every_point():
    (candidate,) = load_candidates(TREE)
    labelled = history()
    result = search(candidate, feature_table(labelled), labelled, seed=1)

    assert [point["params"]["max_depth"] for point in result.cv] == [1, 3]
    best = min(result.cv, key=lambda point: point["mean_brier"])
    assert result.best_params == best["params"]
    assert best["mean_auc"] > 0.7
    assert best["mean_brier"] < 0.2
    assert result.model["model"].get_params()["max_depth"] == result.best_params["max_depth"]
    json.dumps(result.cv)


def test_the_same_seed_gives_the_same_model():
    forest = next(item for item in load_candidates() if item.name == "random_forest")
    small = load_candidates(
        json.dumps([{**forest.__dict__, "params": {"n_estimators": 5}, "grid": {"max_depth": [3]}}])
    )
    labelled = history()
    features = feature_table(labelled)
    first, second = (search(small[0], features, labelled, seed=4) for _ in range(2))

    assert first.cv == second.cv
    np.testing.assert_array_equal(first.model.predict_proba(features), second.model.predict_proba(features))


def test_a_history_of_one_class_is_an_error_that_says_so():
    (candidate,) = load_candidates(TREE)
    labelled = history().assign(is_late=0)

    with pytest.raises(ValueError, match="longer history"):
        search(candidate, feature_table(labelled), labelled)
