"""Models that only scikit-learn can evaluate: exact, and nothing is opened that is not trusted."""

import base64
import io
import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from slipcast.edge import bundle
from slipcast.model import artifact, scorer, sklearn_estimators
from slipcast.model.artifact import ArtifactError
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
    """What an artifact would hold of any object, trusted or not."""
    known = sklearn_estimators.describe(KNeighborsClassifier(3).fit([[0.0], [1.0], [2.0]], [0, 1, 0]))
    return known | {"skops": _packed(sklearn_estimators.skops.dumps(estimator)), "estimator": type(estimator).__name__}


def _packed(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _forged(raw: bytes, module: str, name: str) -> bytes:
    """A skops file that names another type in the place of the estimator's."""
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(forged, "w") as changed:
        for member in archive.namelist():
            content = archive.read(member)
            if member == "schema.json":
                schema = json.loads(content)
                schema.update(__module__=module, __class__=name)
                content = json.dumps(schema).encode()
            changed.writestr(member, content)
    return forged.getvalue()


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


@pytest.mark.parametrize(
    ("harmful", "named"),
    [
        # A function of scikit-learn's own modules is no estimator.
        (FunctionTransformer(pickle.loads), "_pickle.loads"),
        (FunctionTransformer(clone), "sklearn.base.clone"),
        (print, "builtins.print"),
        (Path("/"), "pathlib._local.PosixPath"),
    ],
)
def test_what_is_not_trusted_is_not_opened(harmful, named):
    with pytest.raises(ArtifactError, match=f"{named}, which is not trusted"):
        sklearn_estimators.load(_model(harmful))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("sklearn.base", "clone"),
        ("sklearn.base", "sys"),
        ("sklearn.utils", "os.system"),
        # Not the module that defines it: what else a module has imported is not reached.
        ("sklearn.pipeline", "BaseEstimator"),
        ("sklearn.nowhere", "Estimator"),
    ],
)
def test_nothing_is_reached_through_the_name_of_a_type(module, name, monkeypatch):
    raw = sklearn_estimators.skops.dumps(KNeighborsClassifier(3))
    model = _model(KNeighborsClassifier(3)) | {"skops": _packed(_forged(raw, module, name))}
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("called"))

    with pytest.raises(ArtifactError, match=r"not trusted|cannot be read"):
        sklearn_estimators.load(model)


def test_a_pickle_of_an_earlier_release_is_refused_unopened(monkeypatch):
    model = _model(KNeighborsClassifier(3))
    del model["skops"]
    monkeypatch.setattr(pickle, "loads", lambda _: pytest.fail("opened"))

    with pytest.raises(ArtifactError, match="pickle, which is not opened any more: train again"):
        sklearn_estimators.load(model | {"pickle": _packed(zlib.compress(pickle.dumps(KNeighborsClassifier(3))))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scikit_learn": "0.24.0"}, "0.24.0 made the model"),
        ({"skops": "&"}, "damaged"),
        ({"skops": _packed(b"no")}, "cannot be read"),
        ({"skops": _packed(sklearn_estimators.skops.dumps(KNeighborsClassifier(3))[:-40])}, "cannot be read"),
        ({"skops": _packed(sklearn_estimators.skops.dumps([1]))}, "a list"),
        ({"estimator": "SVC"}, "not the SVC that it says"),
    ],
)
def test_what_cannot_be_what_was_released_is_refused(change, message):
    with pytest.raises(ArtifactError, match=message):
        sklearn_estimators.load(_model(KNeighborsClassifier(3)) | change)


def test_the_bytes_do_not_depend_on_addresses_and_time(monkeypatch):
    fitted = _fitted("by_distance_in_a_tree")
    first = sklearn_estimators.describe(fitted["model"])
    monkeypatch.setattr(zipfile.time, "localtime", lambda *_: time.gmtime(1_900_000_000))
    padding = [object() for _ in range(1000)]
    again = sklearn_estimators.describe(pickle.loads(pickle.dumps(fitted["model"])))  # noqa: S301

    assert padding
    assert first == again


def test_scikit_learn_is_not_loaded_whole():
    """skops would, for a list of estimators: a third more of the cold start of a model that needs scikit-learn."""
    code = "import sys; from slipcast.model import sklearn_estimators; sys.exit('sklearn.mixture' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


# Structures that own candidates may consist of.
COMPOSED = {
    "boosting": HistGradientBoostingClassifier(max_iter=3),
    "bagging": BaggingClassifier(n_estimators=3, random_state=1),
    "neighbors": KNeighborsClassifier(3, algorithm="ball_tree", metric="manhattan"),
    "network": MLPClassifier(max_iter=300, tol=0.5, random_state=1),
    "voting": VotingClassifier([("bayes", GaussianNB()), ("logistic", LogisticRegression())], voting="soft"),
    "isotonic": CalibratedClassifierCV(SVC(), method="isotonic", cv=3),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_an_own_candidate_of_scikit_learn_is_stored_bit_for_bit(name):
    random = np.random.default_rng(1)
    rows, outcomes = random.random((60, 3)), random.integers(0, 2, 60)
    fitted = clone(COMPOSED[name]).fit(rows, outcomes)

    assert sklearn_estimators.load(sklearn_estimators.describe(fitted))(rows.tolist()) == (
        fitted.predict_proba(rows)[:, 1].tolist()
    )


def test_the_digest_is_checked_before_anything_is_opened(monkeypatch):
    raw = export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    monkeypatch.setattr(sklearn_estimators, "_open", lambda _: pytest.fail("opened"))
    with pytest.raises(ArtifactError, match="SHA-256"):
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
    with pytest.raises(ArtifactError, match="unknown kind"):
        scorer.load(changed, artifact.digest(changed))


def test_there_is_no_edge_bundle_for_it():
    raw = export(_fitted("k_nearest_neighbours"), family="any", threshold=0.4)
    model = scorer.load(raw, artifact.digest(raw))
    with pytest.raises(bundle.EdgeError, match="only scikit-learn"):
        bundle.files(raw, model, {"activities": [{}], "scores": [0.5]}, None)
