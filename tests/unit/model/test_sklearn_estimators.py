"""Models that only scikit-learn can evaluate: exact, and nothing is opened that is not trusted."""

import base64
import json
import os
import pickle
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from slipcast.edge import bundle
from slipcast.model import artifact, scorer, sklearn_estimators
from slipcast.model.artifact import ArtefactError
from slipcast.model.explain import contributions
from slipcast.model.export.pipeline import ExportError, export, servable
from tests.support.serving_cases import feature_frame, late, pipeline, records

FALLBACK = {
    "k_nearest_neighbours": lambda: KNeighborsClassifier(15),
    "by_distance_in_a_tree": lambda: KNeighborsClassifier(7, weights="distance", algorithm="kd_tree"),
    "rbf_svc": lambda: CalibratedClassifierCV(SVC(), method="sigmoid", cv=3, ensemble=False),
}


def _fitted(name: str, seed: int = 3, rows: int = 150):
    frame = feature_frame(rows, seed)
    return pipeline("linear_svc", estimator=FALLBACK[name]()).fit(frame, late(frame, seed))


def _model(estimator) -> dict:
    """What an artefact would hold of any object, trusted or not."""
    raw = base64.b64encode(zlib.compress(pickle.dumps(estimator))).decode()
    known = sklearn_estimators.describe(KNeighborsClassifier(3).fit([[0.0], [1.0], [2.0]], [0, 1, 0]))
    return known | {"pickle": raw, "estimator": type(estimator).__name__}


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@pytest.mark.parametrize("name", FALLBACK)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3]), calibrated=st.booleans())
def test_probabilities_are_scikit_learns(name, seed, missing, calibrated):
    model = _fitted(name, seed)
    line = SimpleNamespace(slope=0.6, intercept=-0.3) if calibrated else None
    raw = export(model, family=name, threshold=0.4, calibration=line)
    unseen = feature_frame(30, seed + 1, missing=missing)
    unseen.loc[:3, "phase"] = "never seen"
    expected = model.predict_proba(unseen)[:, 1]
    if calibrated:
        held = np.clip(expected, 1e-6, 1 - 1e-6)
        expected = 1 / (1 + np.exp(-(0.6 * np.log(held / (1 - held)) - 0.3)))

    assert scorer.load(raw, artifact.digest(raw)).score(records(unseen)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", FALLBACK)
def test_the_same_fit_gives_the_same_bytes(name):
    first, second = (export(_fitted(name), family=name, threshold=0.4) for _ in range(2))
    assert first == second
    assert servable(_fitted(name)) is None


def test_no_rows_no_scores_and_no_reasons():
    raw = export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    model = scorer.load(raw, artifact.digest(raw))

    assert model.score([]) == []
    assert model.steps == 0
    assert "KNeighborsClassifier" in contributions.unavailable(model)
    assert contributions.contributions(model, {"start": "2022-01-01"}) is None


class Harm:
    def __reduce__(self):
        return os.system, ("touch /nowhere",)


@pytest.mark.parametrize(
    ("harmful", "named"),
    [
        (Harm(), "posix.system"),
        # A function of scikit-learn's own modules is no estimator.
        (FunctionTransformer(pickle.loads), "_pickle.loads"),
        (print, "builtins.print"),
    ],
)
def test_what_is_not_trusted_is_not_opened(harmful, named):
    with pytest.raises(ArtefactError, match=f"{named}, which is not trusted"):
        sklearn_estimators.load(_model(harmful))


@pytest.mark.parametrize(
    "name", ["sklearn.base\nBaseEstimator.__init__", "sklearn.utils\nos.system", "sklearn.base\nclone"]
)
def test_nothing_is_reached_through_scikit_learns_modules(name):
    raw = b"\x80\x04c" + name.encode() + b"\n."
    model = _model(1) | {"pickle": base64.b64encode(zlib.compress(raw)).decode()}
    with pytest.raises(ArtefactError, match="not trusted"):
        sklearn_estimators.load(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scikit_learn": "0.24.0"}, "0.24.0 made the model"),
        ({"pickle": "&"}, "damaged"),
        ({"pickle": base64.b64encode(b"no").decode()}, "damaged"),
        ({"pickle": base64.b64encode(zlib.compress(b"no")).decode()}, "cannot be read"),
        ({"pickle": base64.b64encode(zlib.compress(pickle.dumps([1]))).decode()}, "a list"),
        ({"estimator": "SVC"}, "not the SVC that it says"),
    ],
)
def test_what_cannot_be_what_was_released_is_refused(change, message):
    with pytest.raises(ArtefactError, match=message):
        sklearn_estimators.load(_model(KNeighborsClassifier(3)) | change)


def test_the_digest_is_checked_before_anything_is_opened(monkeypatch):
    raw = export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    monkeypatch.setattr(sklearn_estimators, "_open", lambda _: pytest.fail("opened"))
    with pytest.raises(ArtefactError, match="SHA-256"):
        scorer.load(raw.replace(b"KNeighbors", b"KNeighboRs"), artifact.digest(raw))


def test_what_is_too_large_to_be_served_is_said(monkeypatch):
    monkeypatch.setattr(sklearn_estimators, "MAX_BYTES", 1000)
    with pytest.raises(ExportError, match=r"cannot be exported.*as it is it cannot be served either: .* MiB"):
        export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    assert "MiB" in servable(_fitted("k_nearest_neighbours"))


def test_an_older_reader_refuses_the_kind():
    raw = export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    document = json.loads(raw)
    document["model"]["kind"] = "of the future"
    changed = artifact.encode(document)
    with pytest.raises(ArtefactError, match="unknown kind"):
        scorer.load(changed, artifact.digest(changed))


def test_there_is_no_edge_bundle_for_it():
    raw = export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    model = scorer.load(raw, artifact.digest(raw))
    with pytest.raises(bundle.EdgeError, match="only scikit-learn"):
        bundle.files(raw, model, {"activities": [{}], "scores": [0.5]}, None)
