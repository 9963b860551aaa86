"""Reasons add up to the log-odds, and are those of the shap library and of the definition."""

import math
import subprocess
import sys
from itertools import chain, combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

import slipcast
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.model import scorer
from slipcast.model.artifact import decode, digest, encode
from slipcast.model.explain import contributions, tree_shap
from slipcast.model.export.pipeline import export
from tests.support.serving_cases import ESTIMATORS, feature_frame, fitted, late, pipeline, records

EXPLAINED = [family for family in ESTIMATORS if family != "mlp"]
CALIBRATIONS = [None, SimpleNamespace(slope=0.6, intercept=-0.3)]


def load(model, frame=None, calibration=None) -> scorer.Scorer:
    raw = export(model, family="any", threshold=0.5, calibration=calibration, training=frame)
    return scorer.load(raw, digest(raw))


def logit(p: float) -> float:
    held = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(held / (1 - held))


def unseen(frame, rows: int, seed: int):
    """Return rows of values that each occur in `frame`, though not together, and some that are missing."""
    rng = np.random.default_rng(seed)
    mixed = frame.apply(lambda column: rng.permutation(column.to_numpy())).head(rows)
    mixed[list(NUMERIC)] = mixed[list(NUMERIC)].mask(rng.random((rows, len(NUMERIC))) < 0.2)
    mixed.loc[0, CATEGORICAL[0]] = "never seen"
    return mixed


def per_feature(loaded: scorer.Scorer, by_column) -> dict[str, float]:
    found = dict.fromkeys(loaded.prepare.columns, 0.0)
    for name, value in zip(loaded.prepare.columns, by_column, strict=True):
        found[name] += value
    return found


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("family", EXPLAINED)
def test_base_and_contributions_are_the_log_odds(family, calibration):
    model, frame, _ = fitted(family)
    loaded = load(model, frame, calibration)
    rows = records(unseen(frame, 25, seed=11))
    scores = loaded.score(rows)
    assert family == "prior" or max(scores) - min(scores) > 0.3
    for row, p in zip(rows, scores, strict=True):
        base, features = contributions.contributions_of(loaded, row)
        assert features.keys() == {*NUMERIC, *CATEGORICAL}
        assert base + math.fsum(features.values()) == pytest.approx(logit(p), abs=1e-6)


def by_shap(model, frame, rows, **options):
    import shap  # three seconds, which only the process that runs this file has to spend

    explainer = shap.TreeExplainer(model.named_steps["model"], feature_perturbation="tree_path_dependent", **options)
    prepared = model.named_steps["prepare"].transform(rows)
    return np.asarray(explainer.shap_values(np.asarray(prepared))), np.ravel(explainer.expected_value)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(12, min_samples_leaf=3, max_features=0.4, random_state=1),
        RandomForestClassifier(5, min_samples_leaf=1, max_features=0.2, random_state=2),
        DecisionTreeClassifier(min_samples_leaf=2, random_state=3),
    ],
)
def test_forests_agree_with_the_shap_library(estimator):
    frame = feature_frame(500, seed=21)
    model = pipeline("any", estimator=estimator).fit(frame, late(frame, 21))
    rows = unseen(frame, 20, seed=22)
    expected, (_, base) = by_shap(model, frame, rows)
    loaded = load(model)
    for row, values in zip(records(rows), expected[:, :, 1], strict=True):
        found = contributions.contributions_of(loaded, row)
        p = base + values.sum()
        scale = (logit(p) - logit(base)) / (p - base)
        assert found.base == pytest.approx(logit(base), abs=1e-6)
        assert found.features == pytest.approx(per_feature(loaded, values * scale), abs=1e-6)


@pytest.mark.parametrize("family", ["hist_gradient_boosting", "gradient_boosting"])
@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_boosting_agrees_with_the_shap_library(family, calibration):
    model, frame, _ = fitted(family)
    rows = unseen(frame, 20, seed=23)
    expected, (base,) = by_shap(model, frame, rows)
    loaded = load(model, calibration=calibration)
    slope, intercept = (1.0, 0.0) if calibration is None else (calibration.slope, calibration.intercept)
    for row, values in zip(records(rows), expected, strict=True):
        found = contributions.contributions_of(loaded, row)
        assert found.base == pytest.approx(slope * base + intercept, abs=1e-6)
        assert found.features == pytest.approx(per_feature(loaded, slope * values), abs=1e-6)


def test_missing_values_go_where_boosting_sends_them():
    frame = feature_frame(400, seed=4, missing=0.3)
    frame[NUMERIC[1]] = np.where(np.arange(400) % 2, np.nan, 3.0)
    labels = np.where(np.arange(400) % 2, 1, late(frame, 4))
    estimator = HistGradientBoostingClassifier(max_iter=20)
    model = pipeline("any", estimator=estimator, numeric="passthrough").fit(frame, labels)
    rows = unseen(frame, 30, seed=9)
    expected, (base,) = by_shap(model, frame, rows)
    loaded = load(model)
    for row, values in zip(records(rows), expected, strict=True):
        found = contributions.contributions_of(loaded, row)
        assert found.base == pytest.approx(base, abs=1e-6)
        assert found.features == pytest.approx(per_feature(loaded, values), abs=1e-6)


@pytest.mark.parametrize("family", ["logistic_regression", "linear_svc"])
def test_linear_models_agree_with_the_shap_library(family):
    import shap

    model, frame, _ = fitted(family)
    prepare, loaded = model.named_steps["prepare"], load(model, frame)
    described = loaded.document["model"]
    coefficients = np.array(described["coefficients"])
    background = shap.maskers.Independent(prepare.transform(frame), max_samples=len(frame))
    explainer = shap.LinearExplainer((coefficients, described["intercept"]), background)
    rows = unseen(frame, 20, seed=23)
    for row, values in zip(records(rows), explainer.shap_values(prepare.transform(rows)), strict=True):
        found = contributions.contributions_of(loaded, row)
        assert found.base == pytest.approx(explainer.expected_value, abs=1e-9)
        assert found.features == pytest.approx(per_feature(loaded, values), abs=1e-9)


@pytest.mark.parametrize("family", ["logistic_regression", "linear_svc"])
def test_contributions_average_to_nothing_over_the_training_rows(family):
    model, frame, _ = fitted(family)
    loaded = load(model, frame)
    found = [contributions.contributions_of(loaded, row).features for row in records(frame)]
    for name in (*NUMERIC, *CATEGORICAL):
        assert np.mean([item[name] for item in found]) == pytest.approx(0, abs=1e-9)


def subsets(items):
    items = list(items)
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


def by_definition(tree: dict, row: list[float]) -> dict[int, float]:
    """Shapley values of one tree by all subsets of its columns, the unknown ones averaged by training weight."""
    covers = iter(tree["cover"])
    cover = [next(covers) if column < 0 else 0.0 for column in tree["feature"]]
    for node in reversed(range(len(cover))):
        if tree["feature"][node] >= 0:
            cover[node] = cover[node + 1] + cover[tree["right"][node]]

    def value(node: int, known: frozenset) -> float:
        column = tree["feature"][node]
        if column < 0:
            return tree["number"][node]
        left, right = node + 1, tree["right"][node]
        if column in known:
            return value(left if row[column] <= tree["number"][node] else right, known)
        shares = cover[left] / cover[node], cover[right] / cover[node]
        return shares[0] * value(left, known) + shares[1] * value(right, known)

    players = {column for column in tree["feature"] if column >= 0}
    result = {}
    for player in players:
        others = players - {player}
        result[player] = sum(
            (value(0, frozenset({*chosen, player})) - value(0, frozenset(chosen)))
            / (len(players) * math.comb(len(others), len(chosen)))
            for chosen in subsets(others)
        )
    return result


@pytest.mark.parametrize("family", ["ada_boost", "gradient_boosting", "extra_trees", "hist_gradient_boosting"])
def test_trees_agree_with_the_definition_of_shapley_values(family):
    _, frame, labels = fitted(family)
    estimator = ESTIMATORS[family](0)
    if family == "extra_trees":
        estimator.set_params(max_depth=3)
    loaded = load(pipeline("any", estimator=estimator).fit(frame, labels))
    rows = [loaded.prepare(row) for row in records(unseen(frame, 3, seed=31))]
    trees = [tree for tree in loaded.document["model"]["trees"] if len(set(tree["feature"])) <= 9]
    assert len(trees) >= 3
    for tree in trees[:6]:
        explain = tree_shap.TreeShap([tree])
        for row in rows:
            found, expected = explain(row), by_definition(tree, row)
            assert found == pytest.approx([expected.get(column, 0.0) for column in range(len(row))], abs=1e-9)


def comb(columns: int) -> dict:
    """A tree that splits each of `columns` columns once, one after the other."""
    feature, number, right, cover = [], [], [], []
    for column in range(columns):
        feature += [column, -1]
        number += [0.5, float(column % 3)]
        right += [len(feature), 0]
        cover.append(1 + column)
    return {"feature": [*feature, -1], "number": [*number, 7.0], "right": [*right, 0], "cover": [*cover, 3]}


@pytest.mark.parametrize("columns", [1, 10, 11, 12])
def test_paths_of_any_length_are_exact(columns):
    tree, rng = comb(columns), np.random.default_rng(columns)
    explain = tree_shap.TreeShap([tree])
    for _ in range(3):
        row = rng.integers(0, 2, columns).astype(float).tolist()
        expected = by_definition(tree, row)
        assert explain(row) == pytest.approx([expected[column] for column in range(columns)], abs=1e-12)


def test_paths_of_more_columns_than_subsets_can_be_counted_still_add_up():
    tree = comb(45)
    explain = tree_shap.TreeShap([tree], 2.0)
    assert explain.expected + sum(explain([1.0] * 45)) == pytest.approx(14.0, abs=1e-9)


def test_a_tree_without_splits_explains_nothing():
    explain = tree_shap.TreeShap([{"feature": [-1], "number": [0.25], "right": [0], "cover": [5]}], 2.0)
    assert explain.expected == 0.5
    assert explain([1.0, 2.0]) == [0.0, 0.0]


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_numbers_beyond_float32_fall_into_the_outermost_interval(value):
    # 0.0 splits the interval that 1.0 has left on either side.
    tree = {
        **{"feature": [0, 0, -1, -1, 0, -1, -1], "number": [1.0, 0.0, 1.0, 2.0, 2.0, 3.0, 4.0]},
        **{"right": [4, 3, 0, 0, 6, 0, 0], "cover": [1, 2, 3, 4]},
    }
    explain = tree_shap.TreeShap([tree])
    assert explain.expected + explain([value])[0] == pytest.approx(4.0 if value > 0 else 1.0)


@pytest.mark.parametrize(("missing_left", "leaf"), [([0], 1.0), ([2], 2.0), ([4], 3.0), ([], 4.0), ([0, 4], 1.0)])
def test_a_missing_value_stays_where_the_first_split_of_its_column_sends_it(missing_left, leaf):
    tree = {
        **{"feature": [0, -1, 0, -1, 0, -1, -1], "number": [0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]},
        **{"right": [2, 0, 4, 0, 6, 0, 0], "cover": [1, 2, 3, 4], "missing_left": missing_left},
    }
    explain = tree_shap.TreeShap([tree])
    assert explain.expected + explain([math.nan])[0] == pytest.approx(leaf, abs=1e-13)
    assert explain.expected + explain([2.5])[0] == pytest.approx(3.0)


def test_the_rule_integrates_every_polynomial_that_it_must():
    for columns in (1, 10, 11, 30):
        blocks = tree_shap._rules(columns)
        assert all(len(part) == tree_shap.WIDTH for block in blocks for part in block)
        points = [point for t, weights in blocks for point in zip(t, weights, strict=True)]
        for degree in range(columns):
            assert sum(w * t**degree for t, w in points) == pytest.approx(1 / (degree + 1), rel=1e-12)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_forest_that_is_certain_is_held_at_the_clip(p):
    frame = feature_frame(200, seed=3, missing=0.0)
    labels = (frame[NUMERIC[0]] > 0).astype(int)
    model = pipeline("any", estimator=DecisionTreeClassifier(random_state=0)).fit(frame, labels)
    loaded = load(model)
    row = records(frame[labels == p].head(1))[0]
    assert loaded.score([row]) == [p]
    base, features = contributions.contributions_of(loaded, row)
    assert base + sum(features.values()) == pytest.approx(logit(p), abs=1e-9)
    # All is said by the column that decides.
    assert features[NUMERIC[0]] == pytest.approx(logit(p) - base, abs=1e-9)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
@pytest.mark.parametrize("family", ["logistic_regression", "naive_bayes"])
def test_an_additive_model_that_is_certain_is_held_there_too(family, calibration):
    model, frame, _ = fitted(family)
    row = {**records(frame.head(1))[0], NUMERIC[0]: 1e30}
    assert load(model).score([row])[0] in (0.0, 1.0)
    loaded = load(model, frame, calibration)
    base, features = contributions.contributions_of(loaded, row)
    assert base + math.fsum(features.values()) == pytest.approx(logit(loaded.score([row])[0]), abs=1e-6)
    assert max(features, key=lambda name: abs(features[name])) == NUMERIC[0]


def test_where_contributions_cancel_they_keep_their_scale():
    # p is the base itself: the secant through both is the derivative there.
    tree = {
        **{"feature": [0, 1, -1, -1, 1, -1, -1], "number": [0.5, 0.5, 0.2, 0.4, 0.5, 0.4, 0.6]},
        **{"right": [4, 3, 0, 0, 6, 0, 0], "cover": [1, 1, 1, 1]},
    }
    document = decode(raw := export(fitted("decision_tree")[0], family="f", threshold=0.5), digest(raw))
    document["model"]["trees"] = [tree]
    changed = encode(document)
    loaded = scorer.load(changed, digest(changed))
    row = {**dict.fromkeys(NUMERIC, 0.0), **dict.fromkeys(CATEGORICAL, "x"), NUMERIC[1]: 1.0}
    base, features = contributions.contributions_of(loaded, row)
    assert base == pytest.approx(logit(0.4))
    assert features[NUMERIC[0]] == pytest.approx(-0.1 / (0.4 * 0.6), rel=1e-6)
    assert features[NUMERIC[1]] == pytest.approx(0.1 / (0.4 * 0.6), rel=1e-6)


def test_indicators_and_categories_count_for_their_feature():
    model, frame, _ = fitted("logistic_regression")
    loaded = load(model, frame)
    row = {**records(frame.head(1))[0], NUMERIC[0]: None, CATEGORICAL[0]: "never seen"}
    prepared = loaded.prepare(row)
    described = loaded.document["model"]
    columns = [place for place, name in enumerate(loaded.prepare.columns) if name == NUMERIC[0]]
    assert len(columns) == 2
    found = contributions.contributions_of(loaded, row).features
    terms = [described["coefficients"][place] * prepared[place] - described["reference"][place] for place in columns]
    assert found[NUMERIC[0]] == pytest.approx(sum(terms), abs=1e-12)
    assert min(abs(term) for term in terms) > 0
    assert loaded.prepare.columns.count(CATEGORICAL[0]) > 2


def test_activities_are_explained_by_their_features():
    activity = {"activity_id": "A1", "start": "2024-03-01", "baseline_finish": "2024-05-01", "phase": "Scope"}
    loaded = load(fitted("hist_gradient_boosting")[0])
    found = contributions.contributions(loaded, activity)
    assert found == contributions.contributions_of(loaded, loaded.features(activity))
    (p,) = loaded.predict_proba([activity])
    assert found.base + math.fsum(found.features.values()) == pytest.approx(logit(p), abs=1e-9)


def older(model) -> scorer.Scorer:
    document = decode(raw := export(model, family="any", threshold=0.5), digest(raw))
    for tree in document["model"]["trees"]:
        del tree["cover"]
    return scorer.Scorer(document)


@pytest.mark.parametrize(
    ("loaded", "why"),
    [
        (load(fitted("mlp")[0]), "a neural network has no exact reasons"),
        (load(fitted("logistic_regression")[0]), "without the means of its training rows"),
        (older(fitted("random_forest")[0]), "without the training weights"),
    ],
)
def test_a_model_without_reasons_says_why(loaded, why):
    assert why in contributions.unavailable(loaded)
    assert contributions.contributions_of(loaded, records(feature_frame(1, seed=0))[0]) is None


def test_the_prior_has_a_base_and_no_reasons():
    model, frame, labels = fitted("prior")
    row = records(frame.head(1))[0]
    loaded = load(model)
    found = contributions.contributions_of(loaded, row)
    assert found.base == pytest.approx(logit(labels.mean()))
    assert set(found.features.values()) == {0.0}
    assert contributions.top(found, row) == []
    assert contributions.unavailable(loaded) is None


def test_the_largest_come_first_whatever_their_sign_and_none_is_nothing():
    found = contributions.Contributions(0.0, {"a": 0.1, "b": -0.5, "c": 0.0, "d": 0.5, "e": 0.2})
    values = {"a": 1.0, "b": None, "c": 3.0, "d": "x", "e": 5.0}
    assert contributions.top(found, values) == [("b", None, -0.5), ("d", "x", 0.5), ("e", 5.0, 0.2)]
    assert [item.feature for item in contributions.top(found, values, count=9)] == ["b", "d", "e", "a"]


def test_reasons_need_the_standard_library_alone():
    script = (
        "import sys; before = set(sys.modules); import slipcast.model.explain.contributions;"
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
