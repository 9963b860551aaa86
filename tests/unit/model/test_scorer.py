import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import slipcast
from slipcast.features.row import CATEGORICAL, NUMERIC, feature_row
from slipcast.model import scorer
from slipcast.model.artifact import ArtifactError, decode, digest, encode
from slipcast.model.export.pipeline import export
from support.budgets import examples
from tests.support.serving_cases import ESTIMATORS, feature_frame, fitted, late, pipeline, records

TOLERANCE = 1e-9


def _load(model, **metadata):
    raw = export(model, family="any", threshold=0.4, metadata=metadata)
    return scorer.load(raw, digest(raw))


def _worst(model, frame: pd.DataFrame) -> float:
    expected = model.predict_proba(frame)[:, 1]
    return float(np.abs(np.array(_load(model).score(records(frame))) - expected).max())


def _thresholds(model) -> list[tuple[int, float]]:
    """Return (prepared column, threshold) of every split of a fitted forest, tree or boosting pipeline."""
    document = decode(raw := export(model, family="any", threshold=0.5), digest(raw))
    return [
        (column, number)
        for tree in document["model"]["trees"]
        for column, number in zip(tree["feature"], tree["number"], strict=True)
        if column >= 0
    ]


# Without shrinking: a smaller case tells no more here, and each attempt fits a model.
@settings(
    max_examples=examples(4, 12),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@pytest.mark.parametrize("family", ESTIMATORS)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.05, 0.6]), data=st.data())
def test_equals_scikit_learn_on_rows_it_has_not_seen(family, seed, missing, data):
    train = feature_frame(150, seed, missing=missing)
    model = pipeline(family, seed).fit(train, late(train, seed))
    unseen = feature_frame(30, seed + 1, missing=data.draw(st.sampled_from([0.0, 0.5, 1.0])))
    name = data.draw(st.sampled_from(CATEGORICAL))
    unseen.loc[:9, name] = data.draw(st.text(max_size=8))
    wild = st.floats(-1e30, 1e30) | st.just(math.nan)
    unseen.loc[0, list(NUMERIC)] = data.draw(st.lists(wild, min_size=len(NUMERIC), max_size=len(NUMERIC)))
    assert _worst(model, unseen) <= TOLERANCE


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("layers", [(5,), (6, 4, 3)])
def test_neural_networks_of_every_activation(activation, layers):
    frame = feature_frame(200, seed=3)
    network = MLPClassifier(layers, activation=activation, tol=1.0, random_state=1)
    model = pipeline("mlp", estimator=network).fit(frame, late(frame, 3))
    assert _worst(model, feature_frame(100, seed=4, missing=0.3)) <= TOLERANCE


@pytest.mark.parametrize("smoothing", [1e-9, 0.1])
@pytest.mark.parametrize("priors", [None, [0.9, 0.1]])
def test_naive_bayes_of_every_smoothing(smoothing, priors):
    frame = feature_frame(200, seed=3)
    model = pipeline("naive_bayes", estimator=GaussianNB(var_smoothing=smoothing, priors=priors))
    model.fit(frame, late(frame, 3))
    assert _worst(model, feature_frame(200, seed=4, missing=0.3)) <= TOLERANCE


def test_boosting_may_start_from_zero():
    frame = feature_frame(200, seed=3)
    model = pipeline("any", estimator=GradientBoostingClassifier(n_estimators=5, init="zero")).fit(
        frame, late(frame, 3)
    )
    assert _worst(model, frame) <= TOLERANCE


def test_a_tie_in_a_tree_of_ada_boost_is_a_vote_against_delay():
    frame = feature_frame(120, seed=3, missing=0.0)
    # Two rows of each kind, one of them late: leaves of equal shares are all there can be.
    doubled = frame.loc[np.repeat(np.arange(60), 2)].reset_index(drop=True)
    noisy = np.where(np.arange(120) < 100, np.arange(120) % 2, 1)
    model = pipeline("any", estimator=AdaBoostClassifier(DecisionTreeClassifier(), n_estimators=3, random_state=0))
    model.fit(doubled, noisy)
    shares = model.named_steps["model"].estimators_[0].tree_.value[:, 0, 1]
    assert (shares == 0.5).any()
    assert _worst(model, doubled) <= TOLERANCE


@pytest.mark.parametrize("family", ESTIMATORS)
@pytest.mark.parametrize(("slope", "intercept"), [(0.6, -0.3), (1.7, 2.0)])
def test_the_probability_is_the_calibrated_one(family, slope, intercept):
    model, frame, _ = fitted(family)
    raw = export(model, family="any", threshold=0.4, calibration=SimpleNamespace(slope=slope, intercept=intercept))
    p = np.clip(model.predict_proba(frame)[:, 1], 1e-6, 1 - 1e-6)
    expected = 1 / (1 + np.exp(-(slope * np.log(p / (1 - p)) + intercept)))
    assert scorer.load(raw, digest(raw)).score(records(frame)) == pytest.approx(expected, abs=TOLERANCE)


def test_a_model_of_the_format_before_scores_as_it_did():
    for family in ("decision_tree", "hist_gradient_boosting", "logistic_regression"):
        model, frame, _ = fitted(family)
        document = decode(raw := export(model, family="any", threshold=0.5), digest(raw))
        del document["calibration"]
        document["format_version"] = 1
        for tree in document["model"].get("trees", []):
            del tree["cover"]
        document["model"].pop("single_precision", None)
        document["model"].pop("reference", None)
        older = encode(document)
        assert scorer.load(older, digest(older)).score(records(frame)) == _load(model).score(records(frame))


@pytest.mark.parametrize("family", ESTIMATORS)
def test_no_number_is_too_large_for_a_probability(family):
    model, frame, _ = fitted(family)
    rows = records(frame.head(4))
    for row, value in zip(rows, (1e300, -1e300, 1.7e308, -1.7e308), strict=True):
        row.update(dict.fromkeys(NUMERIC, value))
    rows[0][NUMERIC[1]] = rows[1][NUMERIC[2]] = -1e308
    assert all(0 <= p <= 1 for p in _load(model).score(rows))


@pytest.mark.parametrize(
    "family",
    ["decision_tree", "random_forest", "extra_trees", "gradient_boosting", "ada_boost", "hist_gradient_boosting"],
)
def test_equals_scikit_learn_at_and_beside_every_threshold(family):
    model, frame, _ = fitted(family)
    cases = []
    for column, number in _thresholds(model):
        if column < len(NUMERIC):
            single = float(np.float32(number))
            beside = [np.nextafter(number, -np.inf), np.nextafter(number, np.inf)]
            # Half a float32 step away is where rounding to float32 changes the side.
            half = abs(float(np.spacing(np.float32(number)))) / 2
            cases += [(column, value) for value in (number, single, *beside, single - half, single + half)]
    assert len(cases) >= 60
    table = frame.sample(len(cases), replace=True, random_state=0).reset_index(drop=True)
    for row, (column, value) in enumerate(cases):
        table.loc[row, NUMERIC[column]] = value
    assert _worst(model, table) <= TOLERANCE


def test_forest_compares_in_float32_and_boosting_in_float64():
    # 0.1 is rounded up to float32, so 0.1 <= threshold only in float64 when the threshold lies between them.
    frame = feature_frame(200, seed=3, missing=0.0)
    frame[NUMERIC[0]] = np.where(np.arange(200) % 2, 0.1, 0.1 + 2e-9)
    labels = np.arange(200) % 2
    for estimator in (DecisionTreeClassifier(), RandomForestClassifier(5, random_state=0)):
        model = pipeline("any", estimator=estimator).fit(frame, labels)
        assert _worst(model, frame) <= TOLERANCE
    boosting = pipeline("any", estimator=HistGradientBoostingClassifier(max_iter=20)).fit(frame, labels)
    assert _worst(boosting, frame) <= TOLERANCE
    p = boosting.predict_proba(frame)[:, 1]
    assert p[0] != p[1]


def test_boosting_without_imputation_sends_missing_values_where_training_did():
    frame = feature_frame(400, seed=4, missing=0.3)
    # Whether a value is missing decides the label, which makes splits of missing from present (threshold infinity).
    frame[NUMERIC[1]] = np.where(np.arange(400) % 2, np.nan, 3.0)
    labels = np.where(np.arange(400) % 2, 1, late(frame, 4))
    estimator = HistGradientBoostingClassifier(max_iter=20)
    model = pipeline("any", estimator=estimator, numeric="passthrough").fit(frame, labels)
    assert np.isinf([t for (p,) in model.named_steps["model"]._predictors for t in p.nodes["num_threshold"]]).any()
    assert _worst(model, frame) <= TOLERANCE
    assert _worst(model, feature_frame(100, seed=9, missing=0.5)) <= TOLERANCE


def test_a_pool_of_infrequent_categories_takes_unseen_ones_too():
    model, frame, _ = fitted("logistic_regression")
    encoder = model.named_steps["prepare"].named_transformers_["categorical"]
    rare = encoder.infrequent_categories_[0][0]
    rows = frame.head(3).copy()
    rows[CATEGORICAL[0]] = [rare, "never seen", "(missing)"]
    rows.loc[:, list(NUMERIC)] = 0.0
    assert _worst(model, rows) <= TOLERANCE
    scores = _load(model).score(records(rows.assign(**dict.fromkeys(CATEGORICAL[1:], "(missing)"))))
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("options", [{}, {"min_frequency": 10}, {"max_categories": 3}])
def test_unknown_categories_may_be_ignored_instead(options):
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, **options)
    frame = feature_frame(300, seed=6)
    model = pipeline("random_forest")
    model.named_steps["prepare"].transformers[1] = ("categorical", encoder, list(CATEGORICAL))
    model.fit(frame, late(frame, 6))
    rows = frame.copy()
    rows.loc[:9, CATEGORICAL[0]] = "never seen"
    assert _worst(model, rows) <= TOLERANCE


def test_no_indicator_where_nothing_was_missing_in_training():
    frame = feature_frame(200, seed=7, missing=0.0)
    model = pipeline("logistic_regression").fit(frame, late(frame, 7))
    assert _worst(model, feature_frame(50, seed=8, missing=0.5)) <= TOLERANCE


def test_a_feature_without_any_value_is_zero():
    frame = feature_frame(200, seed=7)
    frame[NUMERIC[2]] = np.nan
    model = pipeline("random_forest").fit(frame, late(frame, 7))
    assert _worst(model, feature_frame(50, seed=8)) <= TOLERANCE


def test_a_number_beyond_float32_is_scored_as_the_largest():
    model, frame, _ = fitted("random_forest")
    rows = records(frame.head(2))
    rows[0][NUMERIC[0]], rows[1] = 1e300, {**rows[0], NUMERIC[0]: 3.4e38}
    first, second = _load(model).score(rows)
    assert first == second


def test_extreme_sums_do_not_overflow():
    raw = export(fitted("logistic_regression")[0], family="any", threshold=0.5)
    document = decode(raw, digest(raw))
    rows = records(fitted("logistic_regression")[1].head(1))
    for intercept, expected in ((-2000.0, 0.0), (2000.0, 1.0)):
        document["model"]["intercept"] = intercept
        changed = encode(document)
        assert scorer.load(changed, digest(changed)).score(rows) == [expected]


def test_activities_are_scored_by_their_features():
    activity = {"activity_id": "A1", "start": "2024-03-01", "baseline_finish": "2024-05-01", "phase": "Scope"}
    model, _, _ = fitted("hist_gradient_boosting")
    loaded = _load(model, model_id="m1")
    assert loaded.features(activity) == feature_row(activity)
    assert loaded.predict_proba([activity]) == loaded.score([feature_row(activity)])
    assert loaded.predict_proba([]) == []
    assert loaded.threshold == 0.4
    assert loaded.metadata == {"model_id": "m1"}
    assert loaded.family == "any"


def test_a_model_for_other_features_is_refused():
    raw = export(fitted("decision_tree")[0], family="any", threshold=0.5)
    document = decode(raw, digest(raw))
    document["features"]["numeric"][0] = "moon_phase"
    changed = encode(document)
    with pytest.raises(ArtifactError, match="moon_phase"):
        scorer.load(changed, digest(changed))


def test_loading_checks_the_digest():
    raw = export(fitted("decision_tree")[0], family="any", threshold=0.5)
    with pytest.raises(ArtifactError, match="SHA-256"):
        scorer.load(raw, digest(raw + b" "))


def test_scoring_needs_the_standard_library_alone():
    script = (
        "import sys; before = set(sys.modules); import slipcast.model.scorer;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names) - {'slipcast'}))"
    )
    # -S leaves site-packages off the path.
    found = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(Path(slipcast.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"
