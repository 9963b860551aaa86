"""Candidate families are declared, checked and built."""

import json

import numpy as np
import pandas as pd
import pytest

from slipcast.candidates import CandidateError, load_candidates
from slipcast.features import CATEGORICAL, NUMERIC
from slipcast.pipeline import build_pipeline


def declared(**changes) -> str:
    item = {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "scale": False}
    return json.dumps([item | {"params": {}, "grid": {"max_depth": [1]}} | changes])


def test_the_packaged_families():
    names = [candidate.name for candidate in load_candidates()]

    assert names == ["logistic_regression", "decision_tree", "random_forest", "hist_gradient_boosting"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (declared(estimator="os.system"), "not a class of scikit-learn"),
        (declared(estimator="sklearn.tree.Oak"), "scikit-learn has no"),
        (declared(estimator="sklearn.oak.Tree"), "scikit-learn has no"),
        (declared(grid={"depth": [1]}), "no parameter depth"),
        (declared(params={"colour": 1}), "no parameter colour"),
        (json.dumps(json.loads(declared()) * 2), "declared twice"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_reason(text, message):
    with pytest.raises(CandidateError, match=message):
        load_candidates(text)


def test_the_seed_reaches_estimators_that_have_one():
    (tree,) = load_candidates(declared())
    (bayes,) = load_candidates(declared(name="nb", estimator="sklearn.naive_bayes.GaussianNB", grid={}))

    assert tree.build(7, max_depth=2).get_params()["random_state"] == 7
    assert "random_state" not in bayes.build(7).get_params()


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    features = pd.DataFrame({name: rng.normal(size=n) for name in NUMERIC})
    features.iloc[::7, 0] = np.nan
    features[NUMERIC[-1]] = np.nan
    for name in CATEGORICAL:
        features[name] = rng.choice(["a", "b", "rare"], n, p=[0.5, 0.45, 0.05])
    return features


def test_a_pipeline_takes_missing_numbers_empty_columns_and_unknown_categories():
    features, y = table(), np.arange(60) % 2
    for candidate in load_candidates():
        point = {name: values[0] for name, values in candidate.grid.items()}
        model = build_pipeline(candidate, 1, **point).fit(features, y)
        unseen = features.head(3).assign(phase="never seen")
        p = model.predict_proba(unseen)

        assert p.shape == (3, 2)
        assert np.isfinite(p).all()


def test_only_families_that_ask_for_it_are_scaled():
    steps = {c.name: dict(build_pipeline(c)["prepare"].transformers[0][1].steps) for c in load_candidates()}

    assert [name for name, numeric in steps.items() if "scale" in numeric] == ["logistic_regression"]
