"""Folds keep the order of time and tested projects apart."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from slipcast.training.search.folds import FoldError, ShuffledSplit, TimeProjectSplit, time_folds


def history(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2015-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 3000, n)), unit="D")
    days = rng.integers(30, 400, n).astype(float)
    late = (rng.random(n) < np.where(days > 200, 0.8, 0.2)).astype(int)
    return pd.DataFrame(
        {
            "start": start,
            "matured_at": start + pd.to_timedelta(days + 30, unit="D"),
            "project_id": [f"P{number}" for number in rng.integers(0, 150, n)],
            "is_late": late,
        }
    )


def test_a_fold_trains_only_on_what_matured_before_it_begins():
    labelled = history()
    folds = time_folds(labelled)

    assert len(folds) == 5
    for fold in folds:
        begins = labelled["start"].iloc[fold.test].min()
        assert labelled["matured_at"].iloc[fold.train].max() < begins
        assert labelled["start"].iloc[fold.train].max() < begins
        assert pd.Timestamp(fold.begin) == begins
        assert labelled["start"].iloc[fold.test].max() < pd.Timestamp(fold.end)


def test_the_test_windows_follow_each_other_and_do_not_overlap():
    tests = [fold.test for fold in time_folds(history())]
    together = np.concatenate(tests)

    assert len(np.unique(together)) == len(together)
    assert (np.diff(together) > 0).all()
    assert together[-1] == 399


def test_no_project_is_trained_on_in_the_fold_that_tests_it():
    labelled = history()
    project = labelled["project_id"].to_numpy()
    folds, plain = time_folds(labelled), time_folds(labelled, by_project=False)

    assert sum(fold.purged for fold in folds) > 0
    for fold, whole in zip(folds, plain, strict=True):
        assert not set(project[fold.train]) & set(project[fold.test])
        assert fold.test.tolist() == whole.test.tolist()
        assert len(whole.train) == len(fold.train) + fold.purged


def test_activities_without_a_project_are_not_one_project():
    labelled = history().assign(project_id=None)

    assert all(fold.purged == 0 for fold in time_folds(labelled))
    assert [f.summary() for f in time_folds(labelled)] == [
        f.summary() for f in time_folds(labelled.drop(columns="project_id"))
    ]


def test_a_history_of_one_class_is_an_error_that_says_so():
    with pytest.raises(FoldError, match=r"400 activities leave no fold .* longer history"):
        time_folds(history().assign(is_late=0))


def test_shuffled_folds_test_every_row_once():
    late = history()["is_late"].to_numpy()
    folds = ShuffledSplit(5, seed=3).folds(late)

    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(400))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(400))
    assert [fold.test.tolist() for fold in ShuffledSplit(5, seed=3).folds(late)] == [
        fold.test.tolist() for fold in folds
    ]
    assert ShuffledSplit(5, seed=4).folds(late)[0].test.tolist() != folds[0].test.tolist()


@pytest.mark.parametrize(("late", "message"), [([1, 0, 1], "3 activities are too few"), ([1] + [0] * 30, "one class")])
def test_rows_that_cannot_be_shuffled_into_folds_are_an_error(late, message):
    with pytest.raises(FoldError, match=message):
        ShuffledSplit(5, seed=0).folds(late)


def splitters(labelled: pd.DataFrame) -> list:
    return [TimeProjectSplit(labelled["start"], labelled["matured_at"], 4), ShuffledSplit(4, seed=1)]


@pytest.mark.parametrize("which", [0, 1], ids=["time", "shuffled"])
def test_a_grid_search_of_scikit_learn_takes_a_splitter(which):
    labelled = history()
    features = (labelled["matured_at"] - labelled["start"]).dt.days.to_numpy()[:, None]
    splitter = splitters(labelled)[which]
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=splitter, scoring="neg_brier_score")
    search.fit(features, labelled["is_late"], groups=labelled["project_id"])
    folds = splitter.folds(labelled["is_late"], labelled["project_id"])
    model = LogisticRegression(C=1.0)

    assert search.n_splits_ == len(folds) == 4
    for number, fold in enumerate(folds):
        late = labelled["is_late"].to_numpy()
        score = model.fit(features[fold.train], late[fold.train]).predict_proba(features[fold.test])[:, 1]
        assert search.cv_results_[f"split{number}_test_score"][1] == pytest.approx(
            -np.mean((score - late[fold.test]) ** 2)
        )


def test_the_number_of_splits_is_that_of_the_folds_that_are_left():
    """scikit-learn refuses a search whose splitter yields another number than it says."""
    labelled = history()
    labelled.loc[300:, "is_late"] = 0
    splitter = splitters(labelled)[0]
    windows = list(splitter.split(labelled, labelled["is_late"]))

    assert 0 < len(windows) < 4
    assert splitter.get_n_splits(labelled, labelled["is_late"]) == len(windows)
    with pytest.raises(ValueError, match="y is needed"):
        splitter.get_n_splits()
