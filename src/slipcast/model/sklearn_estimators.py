"""Estimators that only scikit-learn can evaluate: stored in the artifact and loaded again.

A pickle is code. So three conditions must hold before one is opened: the artifact's SHA-256 is the released one
(`artifact.decode`), scikit-learn is the version that made it, and the pickle names only objects that are trusted here,
in code. Trusted are scikit-learn's estimators, which hold parameters, and a list of the objects that they consist of.
"""

import base64
import binascii
import importlib
import io
import pickle
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from slipcast.model.artifact import ArtefactError
from slipcast.model.preprocessing import Row

KIND = "estimator"
# Room left for the model layer under Lambda's 250 MB limit, next to the layers that such a model needs, on both
# architectures.
MAX_BYTES = 14 * 2**20
# Trusted besides scikit-learn's estimators: arrays, and the structures that hold trees, neighbours and losses.
TRUSTED = frozenset(
    {
        ("numpy", "dtype"),
        ("numpy", "float64"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.random._mt19937", "MT19937"),
        ("numpy.random._pcg64", "PCG64"),
        ("numpy.random._pickle", "__bit_generator_ctor"),
        ("numpy.random._pickle", "__generator_ctor"),
        ("numpy.random._pickle", "__randomstate_ctor"),
        ("numpy.random.bit_generator", "SeedSequence"),
        ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
        ("scipy.sparse._csr", "csr_matrix"),
        ("sklearn._loss.link", "Interval"),
        ("sklearn._loss.link", "HalfLogitLink"),
        ("sklearn._loss.link", "LogitLink"),
        ("sklearn._loss.loss", "ExponentialLoss"),
        ("sklearn._loss.loss", "HalfBinomialLoss"),
        ("sklearn._loss._loss", "CyExponentialLoss"),
        ("sklearn._loss._loss", "CyHalfBinomialLoss"),
        ("sklearn.calibration", "_CalibratedClassifier"),
        ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
        ("sklearn.metrics._dist_metrics", "EuclideanDistance64"),
        ("sklearn.metrics._dist_metrics", "ManhattanDistance64"),
        ("sklearn.metrics._dist_metrics", "MinkowskiDistance64"),
        ("sklearn.metrics._dist_metrics", "newObj"),
        ("sklearn.neighbors._ball_tree", "BallTree"),
        ("sklearn.neighbors._ball_tree", "BallTree64"),
        ("sklearn.neighbors._ball_tree", "newObj"),
        ("sklearn.neighbors._kd_tree", "KDTree"),
        ("sklearn.neighbors._kd_tree", "KDTree64"),
        ("sklearn.neighbors._kd_tree", "newObj"),
        ("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer"),
        ("sklearn.neural_network._stochastic_optimizers", "SGDOptimizer"),
        ("sklearn.tree._tree", "Tree"),
        ("sklearn.utils._bunch", "Bunch"),
    }
)

# Trees of scikit-learn compare float32 and refuse what does not fit; the largest one lies beyond all thresholds too.
LARGEST = float(np.finfo(np.float32).max)

Probabilities = Callable[[Sequence[Row]], list[float]]


def describe(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the artifact's entry for a fitted estimator.

    Raises
    ------
    ArtefactError
        If it contains an object that is not trusted, or is too large to be served.
    """
    raw = pickle.dumps(estimator, protocol=5)
    _open(raw)
    packed = base64.b64encode(zlib.compress(raw, 6)).decode("ascii")
    if len(packed) > MAX_BYTES:
        raise ArtefactError(f"the model has {len(packed) / 2**20:.1f} MiB, {MAX_BYTES / 2**20:.0f} can be served")
    return {
        "kind": KIND,
        "estimator": type(estimator).__name__,
        "scikit_learn": sklearn.__version__,
        "pickle": packed,
    }


def load(model: dict[str, Any]) -> Probabilities:
    """Return the function from prepared rows to probabilities of a model that `describe` described.

    Raises
    ------
    ArtefactError
        If another version of scikit-learn made it, or if it contains an object that is not trusted.
    """
    if model["scikit_learn"] != sklearn.__version__:
        raise ArtefactError(
            f"scikit-learn {model['scikit_learn']} made the model, this is {sklearn.__version__}: train again"
        )
    try:
        raw = zlib.decompress(base64.b64decode(model["pickle"], validate=True))
    except (binascii.Error, zlib.error, TypeError) as error:
        raise ArtefactError(f"the model is damaged: {error}") from error
    estimator = _open(raw)
    if not isinstance(estimator, BaseEstimator) or type(estimator).__name__ != model["estimator"]:
        raise ArtefactError(f"the model is a {type(estimator).__name__}, not the {model['estimator']} that it says")

    def probabilities(rows: Sequence[Row]) -> list[float]:
        if not rows:
            return []
        matrix = np.clip(np.array(rows, dtype=np.float64), -LARGEST, LARGEST)
        found: list[float] = estimator.predict_proba(matrix)[:, 1].tolist()
        return found

    return probabilities


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in TRUSTED:
            return getattr(importlib.import_module(module), name)
        # A dotted name could reach anything that the module of a class has imported.
        if module.startswith("sklearn.") and name.isidentifier():
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and issubclass(found, BaseEstimator) and found.__module__ == module:
                return found
        raise ArtefactError(f"the model is made of {module}.{name}, which is not trusted")


def _open(raw: bytes) -> Any:
    try:
        return _Unpickler(io.BytesIO(raw)).load()
    except ArtefactError:
        raise
    except Exception as error:
        raise ArtefactError(f"the model cannot be read: {type(error).__name__}: {error}") from error
