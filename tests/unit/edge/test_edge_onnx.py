"""The ONNX file computes what the scorer computes, for every family, and no row crosses a split."""

import json
import math

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from slipcast.edge import onnx_graph, onnx_parity
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.model import scorer
from slipcast.model.artifact import decode, digest, encode
from slipcast.model.export.pipeline import export
from slipcast.training.calibration import Calibration
from tests.support.serving_cases import ESTIMATORS, feature_frame, fitted, late, pipeline, records


def load(model, calibration=None):
    raw = export(
        model, family="any", threshold=0.4, metadata={"model_id": "abc", "tolerance_days": 30}, calibration=calibration
    )
    return scorer.load(raw, digest(raw))


# Without shrinking: a smaller case tells no more here, and each attempt fits a model.
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@pytest.mark.parametrize("family", ESTIMATORS)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.05, 0.6]), category=st.text(max_size=8))
def test_equals_scikit_learn_at_every_split_and_everywhere_else(family, seed, missing, category):
    train = feature_frame(150, seed, missing=missing)
    model = pipeline(family, seed).fit(train, late(train, seed))
    unseen = feature_frame(30, seed + 1, missing=0.3)
    unseen.loc[:5, CATEGORICAL[0]] = category.replace("\x00", "") or "(missing)"
    loaded = load(model)
    raw = onnx_graph.build(loaded, "0" * 64)

    found, _ = onnx_parity.run(raw, loaded, records(unseen))
    assert np.abs(found - model.predict_proba(unseen)[:, 1]).max() <= 1e-9
    assert onnx_parity.compare(raw, loaded, onnx_parity.probes(loaded, records(unseen))) <= 1e-9


@pytest.mark.parametrize("family", ["random_forest", "logistic_regression"])
def test_the_calibration_is_part_of_it(family):
    model, frame, _ = fitted(family)
    loaded = load(model, Calibration(slope=0.7, intercept=-0.2))
    raw = onnx_graph.build(loaded, "0" * 64)

    assert loaded.document["calibration"] is not None
    assert onnx_parity.compare(raw, loaded, records(frame.head(100))) <= 1e-12


def test_a_tree_of_one_leaf_and_huge_numbers():
    model, frame, _ = fitted("hist_gradient_boosting")
    raw = export(model, family="any", threshold=0.4)
    document = decode(raw, digest(raw))
    document["model"]["trees"].append({"feature": [-1], "number": [0.25], "right": [0], "missing_left": []})
    loaded = scorer.Scorer(document)
    rows = records(frame.head(3))
    for row, value in zip(rows, (1e300, -math.inf, math.inf), strict=True):
        row[NUMERIC[0]] = value

    assert onnx_parity.compare(onnx_graph.build(loaded, "0" * 64), loaded, rows) <= 1e-9


def test_the_probes_lie_at_the_splits():
    """Compared in float32, as a converter that prepares in float32 does, rows cross a split: the probes show it."""
    model, frame, _ = fitted("hist_gradient_boosting")
    loaded = load(model)
    crossing = json.loads(json.dumps(loaded.document))
    crossing["model"]["single_precision"] = True
    raw = onnx_graph.build(scorer.Scorer(crossing), "0" * 64)

    known = records(frame.head(50))
    with pytest.raises(onnx_graph.OnnxError, match="differs by"):
        onnx_parity.compare(raw, loaded, onnx_parity.probes(loaded, known))


def test_a_decision_that_differs_is_found():
    model, frame, _ = fitted("decision_tree")
    loaded = load(model)
    other = scorer.Scorer({**loaded.document, "threshold": 0.99})

    with pytest.raises(onnx_graph.OnnxError, match="decides otherwise"):
        onnx_parity.compare(onnx_graph.build(other, "0" * 64), loaded, records(frame))


def test_a_kind_without_onnx_form_is_refused():
    model, _, _ = fitted("decision_tree")
    loaded = load(model)
    loaded.document["model"] = {"kind": "oracle"}

    with pytest.raises(onnx_graph.OnnxError, match="'oracle' have no ONNX form; these have: boosting, forest"):
        onnx_graph.build(loaded, "0" * 64)


def test_it_describes_itself_and_is_the_same_every_time():
    model, _, _ = fitted("random_forest")
    loaded = load(model)
    raw = onnx_graph.build(loaded, "1" * 64)
    props = {item.key: item.value for item in onnx.load_from_string(raw).metadata_props}

    assert props["model_sha256"] == "1" * 64
    assert json.loads(props["numeric"]) == loaded.document["features"]["numeric"]
    assert raw == onnx_graph.build(loaded, "1" * 64)
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    assert [(item.name, item.shape) for item in session.get_outputs()] == [("probability", ["n"]), ("at_risk", ["n"])]


def test_the_artifact_is_not_changed():
    model, _, _ = fitted("hist_gradient_boosting")
    loaded = load(model)
    before = encode(loaded.document)
    onnx_graph.build(loaded, "0" * 64)

    assert encode(loaded.document) == before
