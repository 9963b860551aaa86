"""Candidate families are declared, checked and built."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import ParameterGrid

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.model import artifact
from slipcast.model.export.pipeline import export, servable
from slipcast.training.candidates import CandidateError, check, dump_candidates, load_candidates
from slipcast.training.pipeline import build_pipeline
from support.serving_cases import feature_frame, late


def declared(**changes) -> str:
    item = {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "scale": False}
    return json.dumps([item | {"params": {}, "grid": {"max_depth": [1]}} | changes])


def test_the_packaged_families():
    assert [candidate.name for candidate in load_candidates()] == [
        *("prior", "logistic_regression", "linear_svc", "rbf_svc", "decision_tree", "random_forest", "extra_trees"),
        *("gradient_boosting", "hist_gradient_boosting", "ada_boost", "k_nearest_neighbours", "naive_bayes", "mlp"),
    ]


@pytest.mark.parametrize("candidate", load_candidates(), ids=lambda candidate: candidate.name)
def test_a_packaged_family_is_known_to_scikit_learn(candidate):
    check(candidate)
    assert candidate.points() == list(ParameterGrid(candidate.grid))


@pytest.mark.parametrize("family", ["logistic_regression", "decision_tree", "hist_gradient_boosting", "naive_bayes"])
def test_a_day_more_in_every_duration_changes_no_probability(family):
    """Trees split between values, the other families standardise: counting both days moves no figure of the docs."""
    candidate = next(item for item in load_candidates() if item.name == family)
    frame = feature_frame(200, seed=1)
    frame["baseline_duration_days"] = np.random.default_rng(1).integers(1, 400, len(frame)).astype("float64")
    longer = frame.assign(baseline_duration_days=frame["baseline_duration_days"] + 1)
    labels = late(frame, seed=1)

    before, after = (
        build_pipeline(candidate, 1).fit(features, labels).predict_proba(features) for features in (frame, longer)
    )

    np.testing.assert_allclose(after, before, rtol=0, atol=1e-9)
    assert len(np.unique(before)) > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ("{}", "not a list of families"),
        ("[]", "not a list of families"),
        (declared(estimator="os.system"), "not a class of scikit-learn"),
        (declared(depth=1), "unknown field depth; there are calibrate"),
        (declared(name="../x"), "no name of a family"),
        (declared(grid={"max_depth": []}), "at least one"),
        (declared(grid={"max_depth": 3}), "a list of values"),
        (declared(cost={"seconds": 1}), "cost has the fields growth, seconds"),
        (declared(cost={"seconds": 0, "growth": 1}), "each a number above 0"),
        (json.dumps([{"name": "tree"}]), "tree: estimator is missing"),
        (json.dumps(json.loads(declared()) * 2), "declared twice"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_reason(text, message):
    with pytest.raises(CandidateError, match=message):
        load_candidates(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (declared(estimator="sklearn.tree.Oak"), "scikit-learn has no"),
        (declared(estimator="sklearn.oak.Tree"), "scikit-learn has no"),
        (declared(grid={"depth": [1]}), "no parameter depth"),
        (declared(params={"colour": 1}), "no parameter colour"),
    ],
)
def test_what_scikit_learn_does_not_have_is_refused_when_it_is_built(text, message):
    (candidate,) = load_candidates(text)
    with pytest.raises(CandidateError, match=message):
        candidate.build(1)


def test_a_declaration_survives_being_written():
    families = load_candidates()

    assert load_candidates(dump_candidates(families)) == families


def test_the_seed_reaches_estimators_that_have_one():
    (tree,) = load_candidates(declared())
    (bayes,) = load_candidates(declared(name="nb", estimator="sklearn.naive_bayes.GaussianNB", grid={}))

    assert tree.build(7, max_depth=2).get_params()["random_state"] == 7
    assert "random_state" not in bayes.build(7).get_params()


def test_the_cost_grows_with_the_rows():
    (tree,) = load_candidates(declared(cost={"seconds": 2.0, "growth": 1.5}))

    assert tree.seconds(10_000) == 2.0
    assert tree.seconds(40_000) == pytest.approx(16.0)


def table(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    features = pd.DataFrame({name: rng.normal(size=n) for name in NUMERIC})
    features.iloc[::7, 0] = np.nan
    features[NUMERIC[-1]] = np.nan
    for name in CATEGORICAL:
        features[name] = rng.choice(["a", "b", "rare"], n, p=[0.5, 0.45, 0.05])
    return features


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("candidate", load_candidates(), ids=lambda candidate: candidate.name)
def test_a_pipeline_takes_missing_numbers_empty_columns_and_unknown_categories(candidate):
    features, y = table(), np.arange(120) % 2
    model = build_pipeline(candidate, 1, **candidate.points()[0]).fit(features, y)
    p = model.predict_proba(features.head(3).assign(phase="never seen"))

    assert p.shape == (3, 2)
    assert np.isfinite(p).all()
    # Every family can be served; what is declared as `serve` needs the standard library alone.
    assert servable(model) is None
    assert (artifact.runtime(export(model, family=candidate.name, threshold=0.5)) is None) == candidate.serve


def test_only_families_that_ask_for_it_are_scaled():
    steps = {c.name: dict(build_pipeline(c)["prepare"].transformers[0][1].steps) for c in load_candidates()}

    assert [name for name, numeric in steps.items() if "scale" in numeric] == [
        *("logistic_regression", "linear_svc", "rbf_svc", "k_nearest_neighbours", "naive_bayes", "mlp"),
    ]


def test_a_pipeline_can_have_columns_of_its_own():
    (tree,) = load_candidates(declared())
    own = pd.DataFrame({"progress": [1.0, 2.0, 3.0, 4.0], "crew": pd.Series(["a", "b", "a", "b"], dtype=object)})
    model = build_pipeline(tree, columns=own, max_depth=1).fit(own, [0, 0, 1, 1])

    assert model.predict(own).tolist() == [0, 0, 1, 1]
