"""Many rows at once are scored as one by one."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.model import bulk_scorer, scorer
from slipcast.model.artifact import ArtifactError, decode, digest
from slipcast.model.export.pipeline import export
from support.budgets import examples
from tests.support.serving_cases import ESTIMATORS, feature_frame, fitted, late, pipeline, records

TREES = ("decision_tree", "random_forest", "extra_trees", "gradient_boosting", "ada_boost", "hist_gradient_boosting")
CALIBRATION = SimpleNamespace(slope=0.7, intercept=-0.4)


def _both(model, **options):
    raw = export(model, family="any", threshold=0.4, **options)
    return scorer.load(raw, digest(raw)), bulk_scorer.load(raw, digest(raw))


@settings(
    max_examples=examples(3, 8),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@pytest.mark.parametrize("family", ESTIMATORS)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3]), calibrated=st.booleans(), data=st.data())
def test_many_rows_are_scored_as_one_by_one_and_as_by_scikit_learn(family, seed, missing, calibrated, data):
    train = feature_frame(150, seed, missing=missing)
    model = pipeline(family, seed).fit(train, late(train, seed))
    single, many = _both(model, calibration=CALIBRATION if calibrated else None)
    unseen = feature_frame(40, seed + 1, missing=data.draw(st.sampled_from([0.0, 0.5, 1.0])))
    unseen.loc[:9, data.draw(st.sampled_from(CATEGORICAL))] = data.draw(st.text(max_size=8))
    wild = st.floats(-1e30, 1e30) | st.just(math.nan)
    unseen.loc[0, list(NUMERIC)] = data.draw(st.lists(wild, min_size=len(NUMERIC), max_size=len(NUMERIC)))
    rows = records(unseen)

    found = many.score(rows)

    assert found == pytest.approx(single.score(rows), abs=1e-12)
    assert (many._many is not None) == (family in (*TREES, "prior"))
    if not calibrated:
        assert found[1:] == pytest.approx(model.predict_proba(unseen)[1:, 1], abs=1e-9)


@pytest.mark.parametrize("family", TREES)
def test_at_and_beside_every_threshold(family):
    model, frame, _ = fitted(family)
    single, many = _both(model)
    cases = []
    for tree in many.document["model"]["trees"]:
        for column, number in zip(tree["feature"], tree["number"], strict=True):
            if 0 <= column < len(NUMERIC):
                half = abs(float(np.spacing(np.float32(number)))) / 2
                beside = (np.nextafter(number, -np.inf), np.nextafter(number, np.inf), number - half, number + half)
                cases += [(column, float(value)) for value in (number, np.float32(number), *beside)]
    table = frame.sample(len(cases), replace=True, random_state=0).reset_index(drop=True)
    for row, (column, value) in enumerate(cases):
        table.loc[row, NUMERIC[column]] = value
    rows = records(table)

    assert many.score(rows) == pytest.approx(single.score(rows), abs=1e-12)
    assert many._proven


def test_missing_values_go_where_training_sent_them():
    frame = feature_frame(400, seed=4, missing=0.3)
    estimator = ESTIMATORS["hist_gradient_boosting"](0)
    model = pipeline("any", estimator=estimator, numeric="passthrough").fit(frame, late(frame, 4))
    single, many = _both(model)
    rows = records(feature_frame(100, seed=9, missing=0.5))

    assert any(tree["missing_left"] for tree in many.document["model"]["trees"])
    assert many.score(rows) == pytest.approx(single.score(rows), abs=1e-12)


def test_kernels_that_answer_otherwise_are_not_used(monkeypatch):
    model, frame, _ = fitted("random_forest")
    single, many = _both(model)
    monkeypatch.setattr(many, "_many", lambda matrix: np.full(len(matrix), 0.5))
    rows = records(frame)

    assert many.score(rows) == single.score(rows)
    assert many._many is None


def test_the_digest_is_checked():
    raw = export(fitted("decision_tree")[0], family="any", threshold=0.5)
    with pytest.raises(ArtifactError, match="SHA-256"):
        bulk_scorer.load(raw, digest(raw + b" "))
    assert decode(raw, digest(raw))["model"]["kind"] == "forest"


def test_no_rows_no_scores():
    assert _both(fitted("logistic_regression")[0])[1].score([]) == []
