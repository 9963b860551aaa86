"""Estimators that only scikit-learn can evaluate: stored in the artifact by skops and loaded again.

Nothing is unpickled: a skops file is a table of types, parameters and arrays. Three conditions must hold before one is
opened: the artifact's SHA-256 is the released one (`artifact.decode`), scikit-learn is the version that made it, and
the file names only types that are trusted here, in code. Trusted are scikit-learn's estimators, which hold parameters,
and a list of the types that they consist of.
"""

import base64
import binascii
import io
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import sklearn
import sklearn.utils
from sklearn.base import BaseEstimator

from slipcast.model.artifact import ArtifactError
from slipcast.model.preprocessing import Row


def _import_skops() -> Any:
    """Return skops.io.

    At its import it loads all modules of scikit-learn for a list of their estimators, which takes more than half of the
    import's time. With no list it trusts none of them by itself: `_trusted` decides.
    """
    every = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = list
    try:
        return import_module("skops.io")
    finally:
        sklearn.utils.all_estimators = every


skops = _import_skops()

KIND = "estimator"
# Room left for the model layer under Lambda's 250 MB limit, next to the layers that such a model needs, on both
# architectures.
MAX_BYTES = 14 * 2**20
# Trusted next to scikit-learn's estimators and what skops always trusts (numbers, texts, arrays, losses): the
# structures that hold trees, neighbors and optimizers.
TRUSTED = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.metrics._dist_metrics.MinkowskiDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)

# Trees of scikit-learn compare float32 and refuse what does not fit; the largest one lies beyond all thresholds too.
LARGEST = float(np.finfo(np.float32).max)

Probabilities = Callable[[Sequence[Row]], list[float]]


def describe(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the artifact's entry for a fitted estimator.

    Raises
    ------
    ArtifactError
        If it contains an object that skops cannot store or that is not trusted, or is too large to be served.
    """
    try:
        raw = _reproducible(skops.dumps(estimator))
    except Exception as error:
        raise ArtifactError(f"the model cannot be stored: {type(error).__name__}: {error}") from error
    _open(raw)
    packed = base64.b64encode(raw).decode("ascii")
    if len(packed) > MAX_BYTES:
        raise ArtifactError(f"the model has {len(packed) / 2**20:.1f} MiB, {MAX_BYTES / 2**20:.0f} can be served")
    return {
        "kind": KIND,
        "estimator": type(estimator).__name__,
        "scikit_learn": sklearn.__version__,
        "skops": packed,
    }


def load(model: dict[str, Any]) -> Probabilities:
    """Return the function from prepared rows to probabilities of a model that `describe` described.

    Raises
    ------
    ArtifactError
        If another version of scikit-learn made it, if it is a pickle of an earlier release of Slipcast, or if it is
        damaged or contains an object that is not trusted.
    """
    if model["scikit_learn"] != sklearn.__version__:
        raise ArtifactError(
            f"scikit-learn {model['scikit_learn']} made the model, this is {sklearn.__version__}: train again"
        )
    if "skops" not in model:
        raise ArtifactError("the model is stored as a pickle, which is not opened any more: train again")
    try:
        raw = base64.b64decode(model["skops"], validate=True)
    except (binascii.Error, TypeError) as error:
        raise ArtifactError(f"the model is damaged: {error}") from error
    estimator = _open(raw)
    if not isinstance(estimator, BaseEstimator) or type(estimator).__name__ != model["estimator"]:
        raise ArtifactError(f"the model is a {type(estimator).__name__}, not the {model['estimator']} that it says")

    def probabilities(rows: Sequence[Row]) -> list[float]:
        if not rows:
            return []
        matrix = np.clip(np.array(rows, dtype=np.float64), -LARGEST, LARGEST)
        found: list[float] = estimator.predict_proba(matrix)[:, 1].tolist()
        return found

    return probabilities


def _reproducible(raw: bytes) -> bytes:
    """Return a skops file whose bytes depend on the estimator alone.

    skops names objects and files by their addresses in memory, and the archive has the time of day: here they are
    numbered in the order in which they appear.
    """
    with ZipFile(io.BytesIO(raw)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files.pop("schema.json"))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def number(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("__id__"), int):
                node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
            if (name := node.get("file")) in files:
                node["file"] = names.setdefault(name, f"{len(names)}.{name.rpartition('.')[2]}")
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            number(child)

    number(schema)
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for name, content in {names[name]: files[name] for name in names}.items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)
        archive.writestr(ZipInfo("schema.json"), json.dumps(schema), ZIP_DEFLATED)
    return made.getvalue()


def _trusted(name: str) -> bool:
    """Return whether a type is trusted by name, or is an estimator in the module of scikit-learn that defines it."""
    module, _, kind = name.rpartition(".")
    if name in TRUSTED:
        return True
    if not module.startswith("sklearn."):
        return False
    found = getattr(import_module(module), kind, None)
    return isinstance(found, type) and issubclass(found, BaseEstimator) and found.__module__ == module


def _open(raw: bytes) -> Any:
    try:
        names = skops.get_untrusted_types(data=raw)
        for name in names:
            if not _trusted(name):
                raise ArtifactError(f"the model is made of {name}, which is not trusted")
        return skops.loads(raw, trusted=names)
    except ArtifactError:
        raise
    except Exception as error:
        raise ArtifactError(f"the model cannot be read: {type(error).__name__}: {error}") from error
