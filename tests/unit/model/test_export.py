import json
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.model import artifact, scorer
from slipcast.model.export.pipeline import ExportError, compact, export, servable
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from tests.support.serving_cases import ESTIMATORS, feature_frame, fitted, late, pipeline, records


def _export(model, **options):
    return export(model, **{"family": "any", "threshold": 0.5, "metadata": {}} | options)


@pytest.mark.parametrize("family", ESTIMATORS)
def test_the_same_fit_gives_the_same_bytes(family):
    frame = feature_frame(300, seed=5)
    labels = late(frame, seed=5)
    first, second = (_export(pipeline(family, seed=5).fit(frame, labels)) for _ in range(2))
    assert first == second


def test_document_carries_family_threshold_metadata_and_feature_names():
    model, _, _ = fitted("decision_tree")
    document = json.loads(_export(model, family="decision_tree", threshold=0.25, metadata={"model_id": "m1"}))
    assert document["family"] == "decision_tree"
    assert document["threshold"] == 0.25
    assert document["metadata"] == {"model_id": "m1"}
    assert document["features"] == {"numeric": list(NUMERIC), "categorical": list(CATEGORICAL)}


def test_metadata_is_optional():
    assert json.loads(export(fitted("decision_tree")[0], family="f", threshold=0))["metadata"] == {}


def test_trees_are_in_depth_first_order():
    tree = json.loads(_export(fitted("decision_tree")[0]))["model"]["trees"][0]

    def walk(node):
        if tree["feature"][node] < 0:
            return [node]
        return [node, *walk(node + 1), *walk(tree["right"][node])]

    assert walk(0) == list(range(len(tree["feature"])))


def _fit(model, classes=(0, 1)):
    frame = feature_frame(200, seed=1)
    return model.fit(frame, np.array(classes)[late(frame, seed=1)])


def _numeric(*steps):
    return Pipeline(list(steps))


IMPUTE = ("impute", SimpleImputer(strategy="median", add_indicator=True))


def _with_encoder(encoder):
    model = pipeline("decision_tree")
    model.named_steps["prepare"].transformers[1] = ("categorical", encoder, list(CATEGORICAL))
    return model


def _of(estimator):
    return pipeline("linear_svc", estimator=estimator)


def _sigmoid(estimator, **options):
    return CalibratedClassifierCV(estimator, **{"method": "sigmoid", "cv": 3, "ensemble": False} | options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_of(DummyClassifier(strategy="stratified")), "only the prior"),
        (Pipeline([("model", LogisticRegression())]), "not prepare and model"),
        (pipeline("logistic_regression", numeric=_numeric(IMPUTE, ("scale", MinMaxScaler()))), "StandardScaler"),
        (
            pipeline("logistic_regression", numeric=_numeric(IMPUTE, ("scale", StandardScaler(with_mean=False)))),
            "StandardScaler with mean",
        ),
        (pipeline("decision_tree", numeric=_numeric(("scale", StandardScaler()))), r"\['scale'\]"),
        (_with_encoder(OneHotEncoder(drop="first", sparse_output=False)), "drops no column"),
        (_with_encoder(OneHotEncoder(sparse_output=False)), "handle_unknown='error'"),
    ],
)
def test_what_the_scorer_cannot_repeat_is_refused_with_its_reason(model, message):
    if "prepare" not in model.named_steps:
        model.fit(np.zeros((4, 1)), [0, 1, 0, 1])
    else:
        _fit(model)
    with pytest.raises(ExportError, match=message):
        _export(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_of(KNeighborsClassifier(5)), "KNeighborsClassifier cannot be exported; known"),
        (_of(_sigmoid(SVC())), "CalibratedClassifierCV of SVC cannot be exported"),
        (_of(_sigmoid(LinearSVC(dual=False), ensemble=True)), "ensemble=False"),
        (_of(_sigmoid(LinearSVC(dual=False), method="isotonic")), 'method="sigmoid"'),
        (_of(GradientBoostingClassifier(n_estimators=2, loss="exponential")), "only log_loss"),
        (_of(GradientBoostingClassifier(n_estimators=2, init=LogisticRegression(max_iter=9999))), "another init"),
        (_of(AdaBoostClassifier(LogisticRegression(max_iter=9999), n_estimators=2)), "anything but DecisionTree"),
        (pipeline("decision_tree", numeric="passthrough"), "needs imputed numbers"),
    ],
)
def test_what_only_scikit_learn_can_evaluate_is_stored_as_it_is(model, message):
    _fit(model)
    imputed = model.named_steps["prepare"].transformers[0][1] != "passthrough"
    with pytest.raises(ExportError, match=message):
        compact(model.named_steps["model"], imputed=imputed)
    raw = _export(model)

    assert json.loads(raw)["model"]["kind"] == "estimator"
    assert artifact.runtime(raw) == artifact.SCIKIT_LEARN
    frame = feature_frame(60, seed=11)
    expected = model.predict_proba(frame)[:, 1]
    assert scorer.load(raw, artifact.digest(raw)).score(records(frame)) == pytest.approx(expected, abs=1e-12)


def test_transformer_weights_remainders_and_other_blocks_are_refused():
    weighted = pipeline("decision_tree")
    weighted.named_steps["prepare"].transformer_weights = {"numeric": 2.0}
    with pytest.raises(ExportError, match="weights"):
        _export(_fit(weighted))
    other = Pipeline(
        [
            ("prepare", ColumnTransformer([("numeric", SimpleImputer(), list(NUMERIC))])),
            ("model", DecisionTreeClassifier()),
        ]
    )
    with pytest.raises(ExportError, match="numeric and a categorical block"):
        _export(_fit(other))


def test_a_feature_that_was_never_present_must_be_kept():
    frame = feature_frame(200, seed=1)
    frame[NUMERIC[-1]] = np.nan
    model = pipeline("decision_tree", numeric=_numeric(("impute", SimpleImputer(strategy="median"))))
    with pytest.warns(UserWarning, match="Skipping features without any observed values"):
        model.fit(frame, late(frame, seed=1))
    with pytest.raises(ExportError, match="no value at all"):
        _export(model)


@pytest.mark.parametrize("classes", [("on time", "late"), (1, 2)])
def test_other_classes_are_refused(classes):
    with pytest.raises(ExportError, match="not 0"):
        _export(_fit(pipeline("decision_tree"), classes))


def test_categories_that_are_not_text_are_refused():
    frame = feature_frame(200, seed=1)
    frame[CATEGORICAL[0]] = np.arange(200) % 3
    model = pipeline("decision_tree").fit(frame, late(feature_frame(200, seed=1), seed=1))
    with pytest.raises(ExportError, match="must be text"):
        _export(model)


def test_categorical_splits_of_boosting_are_refused():
    # The first prepared column takes few values, so it can be declared categorical.
    frame = feature_frame(300, seed=2)
    frame[NUMERIC[0]] = np.arange(300) % 4
    model = pipeline("any", estimator=HistGradientBoostingClassifier(max_iter=5, categorical_features=[0]))
    model.fit(frame, (np.arange(300) % 4 == 2).astype(int))
    # Nor can it be handed over as it is: it holds a partial function.
    with pytest.raises(ExportError, match=r"categorical splits.*functools\.partial, which is not trusted"):
        _export(model)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_must_be_a_probability(threshold):
    with pytest.raises(ExportError, match="not a probability"):
        _export(fitted("decision_tree")[0], threshold=threshold)


@pytest.mark.parametrize("candidate", load_candidates(), ids=lambda candidate: candidate.name)
def test_every_family_is_servable(candidate):
    options = {name: 5 for name in ("n_estimators", "max_iter") if name in candidate.grid | candidate.params}
    if candidate.name in ("logistic_regression", "linear_svc", "mlp"):
        options = {"tol": 1.0}
    estimator = candidate.build(0, **options)
    assert servable(_fit(pipeline("linear_svc" if candidate.scale else "any", estimator=estimator))) is None


def test_only_a_fitted_model_can_be_asked_whether_it_is_servable():
    with pytest.raises(NotFittedError):
        servable(pipeline("decision_tree"))


def _line(slope, intercept, **other):
    return SimpleNamespace(slope=slope, intercept=intercept, **other)


@pytest.mark.parametrize(
    ("calibration", "stored"),
    [
        (None, None),
        (_line(1.0, 0.0), None),
        (_line(0.5, -0.25), {"slope": 0.5, "intercept": -0.25, "clip": 1e-6}),
        (_line(np.float64(1), 1, clip=1e-3), {"slope": 1.0, "intercept": 1.0, "clip": 1e-3}),
    ],
)
def test_a_calibration_is_stored_unless_it_changes_nothing(calibration, stored):
    assert json.loads(_export(fitted("decision_tree")[0], calibration=calibration))["calibration"] == stored


@pytest.mark.parametrize("calibration", [_line(float("nan"), 0.0), _line(1.0, float("inf"))])
def test_a_calibration_must_be_finite(calibration):
    with pytest.raises(ExportError, match="not finite"):
        _export(fitted("decision_tree")[0], calibration=calibration)


@pytest.mark.parametrize("family", ["logistic_regression", "linear_svc"])
def test_linear_models_refer_to_the_means_of_their_training_rows(family):
    model, frame, _ = fitted(family)
    described = json.loads(_export(model, training=frame))["model"]
    prepared = model.named_steps["prepare"].transform(frame)
    terms = prepared * described["coefficients"]
    assert described["reference"] == pytest.approx(terms.mean(axis=0), abs=1e-12)
    assert json.loads(_export(model))["model"]["reference"] is None


def test_naive_bayes_knows_the_means_of_its_terms():
    model, frame, _ = fitted("naive_bayes")
    bayes = model.named_steps["model"]
    prepared = model.named_steps["prepare"].transform(frame)
    squares = [(prepared - bayes.theta_[one]) ** 2 / bayes.var_[one] for one in (0, 1)]
    terms = 0.5 * (np.log(bayes.var_[0]) - np.log(bayes.var_[1]) + squares[0] - squares[1])
    assert json.loads(_export(model))["model"]["reference"] == pytest.approx(terms.mean(axis=0), rel=1e-9)


@pytest.mark.parametrize("family", ["random_forest", "hist_gradient_boosting", "ada_boost"])
def test_leaves_keep_their_training_weights(family):
    model = fitted(family)[0]
    trees = json.loads(_export(model))["model"]["trees"]
    estimator = model.named_steps["model"]
    for number, tree in enumerate(trees):
        if family == "hist_gradient_boosting":
            root = estimator._predictors[number][0].nodes["count"][0]
        else:
            root = estimator.estimators_[number].tree_.weighted_n_node_samples[0]
        assert len(tree["cover"]) == tree["feature"].count(-1)
        assert sum(tree["cover"]) == pytest.approx(root, rel=1e-7)


def test_a_model_without_categories_can_be_served():
    numbers = feature_frame(200, seed=0)[[*NUMERIC[:2]]]
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    model = build_pipeline(candidate, 1, columns=numbers).fit(numbers, late(feature_frame(200, seed=0), seed=0))

    document = json.loads(_export(model))

    assert servable(model) is None
    assert document["features"] == {"numeric": list(NUMERIC[:2]), "categorical": []}
    assert document["preparation"]["categorical"] == []
