"""What the ranking rests on."""

import numpy as np
import pytest

from slipcast.evaluation.importance import dependence, permutation
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.training.calibration import CalibratedPipeline
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from support.search_records import labelled_rows

NAMES = [*NUMERIC, *CATEGORICAL]


@pytest.fixture(scope="module")
def fitted():
    """A tree of rows in which long activities are late, and the features of others like them."""
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    train, held = labelled_rows(600, seed=1), labelled_rows(400, seed=2)
    model = build_pipeline(candidate, 1, max_depth=4, min_samples_leaf=20).fit(feature_table(train), train["is_late"])
    return CalibratedPipeline(model, 0.8, 0.1), feature_table(held), held["is_late"].to_numpy()


def test_the_feature_that_decides_comes_first(fitted):
    model, features, y = fitted
    found = permutation(model, features, y, NAMES, seed=1, repeats=3)

    assert found[0]["feature"] == "baseline_duration_days"
    assert found[0]["mean"] > 0.1 > found[1]["mean"]
    assert {item["feature"] for item in found} == set(NAMES)
    # A column without a value cannot matter.
    unused = next(item for item in found if item["feature"] == "total_float_days")
    assert (unused["mean"], unused["std"]) == (0, 0)
    assert found == permutation(model, features, y, NAMES, seed=1, repeats=3)


def test_one_class_has_no_ranking_to_lose(fitted):
    model, features, _ = fitted

    assert permutation(model, features, np.zeros(len(features)), NAMES, seed=1) == []


def test_the_probability_rises_where_the_data_does(fitted):
    model, features, _ = fitted
    (days,) = dependence(model, features, ["baseline_duration_days"], numeric=list(NUMERIC), seed=1)

    assert days["kind"] == "numeric"
    assert days["values"] == sorted(days["values"])
    assert sum(days["n"]) == len(features)
    assert days["mean"][-1] - days["mean"][0] > 0.3


def test_a_point_of_the_dependence_is_the_mean_over_the_rows(fitted):
    model, features, _ = fitted
    phase, days = dependence(model, features, ["phase", "baseline_duration_days"], numeric=list(NUMERIC), seed=1)

    assert phase["kind"] == "categorical"
    assert dict(zip(phase["values"], phase["n"], strict=True)) == features["phase"].value_counts().to_dict()
    for item in (phase, days):
        for value, mean in zip(item["values"], item["mean"], strict=True):
            changed = features.assign(**{item["feature"]: value})
            assert mean == pytest.approx(model.predict_proba(changed)[:, 1].mean())


def test_a_feature_without_a_value_has_no_dependence(fitted):
    model, features, _ = fitted

    assert dependence(model, features, ["total_float_days"], numeric=list(NUMERIC), seed=1) == []


def test_many_rows_are_sampled(fitted, monkeypatch):
    model, features, y = fitted
    monkeypatch.setattr("slipcast.evaluation.importance.MAX_ROWS", 200)
    monkeypatch.setattr("slipcast.evaluation.importance.MAX_ROWS_DEPENDENCE", 50)

    assert permutation(model, features, y, NAMES, seed=1, repeats=2)[0]["feature"] == "baseline_duration_days"
    (days,) = dependence(model, features, ["baseline_duration_days"], numeric=list(NUMERIC), seed=1)
    assert sum(days["n"]) == len(features)
