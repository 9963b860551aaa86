"""Scorer of activities with a model artifact, with the standard library alone where possible.

The prediction function starts with this module: importing scikit-learn would take over a second. The arithmetic is
scikit-learn's own, in float64, except that forests, gradient boosting and AdaBoost compare inputs rounded to float32,
as scikit-learn does.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from slipcast.features import row as features
from slipcast.features.point_in_time import HISTORY
from slipcast.model import artifact, evaluators
from slipcast.model.artifact import ArtifactError
from slipcast.model.preprocessing import Preparation, Row


def load(raw: bytes, sha256: str, parse: Callable[[bytes], Any] = json.loads) -> "Scorer":
    """Return the scorer for the artifact `raw`, whose SHA-256 must be `sha256` (hexadecimal); `parse` reads JSON.

    Raises
    ------
    ArtifactError
        If the digest differs, the format is unknown, or the model needs a feature that this version does not compute.
    """
    return Scorer(artifact.decode(raw, sha256, parse))


class ScoreError(ArithmeticError):
    """The model gave a score that is no probability."""


class Scorer:
    """Model that is ready to score.

    Attributes
    ----------
    family
        candidate family of the model
    threshold
        probability from which an activity counts as at risk
    metadata
        metadata that the training recorded
    names
        features that it needs
    history
        those of them that are point-in-time features
    steps
        approximate number of tree nodes that a row visits, as the interpreter would take time for; 0 without trees
    document
        the artifact that it was made from (:mod:`slipcast.model.artifact`)
    prepare
        from a row of features to the prepared row
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.family: str = document["family"]
        self.threshold: float = document["threshold"]
        self.metadata: dict[str, Any] = document["metadata"]
        names = document["features"]
        unknown = {*names["numeric"], *names["categorical"]} - {*features.NUMERIC, *features.CATEGORICAL}
        if unknown:
            raise ArtifactError(f"the model needs features that are not computed here: {sorted(unknown)}")
        self.names: tuple[str, ...] = (*names["numeric"], *names["categorical"])
        self.history = tuple(name for name in names["numeric"] if name in HISTORY)
        self.document = document
        nodes = sum(1 + len(tree["feature"]).bit_length() for tree in document["model"].get("trees", ()))
        # Asked for trees alone: ctypes takes a tenth of a cold start.
        self.steps = nodes // evaluators.COMPILED_GAIN if nodes and evaluators.compiled() else nodes
        self.prepare = Preparation(names, document["preparation"])
        model, calibration = document["model"], document.get("calibration")
        if model["kind"] in evaluators.KINDS:
            score = evaluators.many_rows(model)
        else:
            # By name: scikit-learn takes seconds to import, only its own models need it, and the single file of the
            # edge bundle, which contains the modules imported here, must not include it.
            score = import_module("slipcast.model.sklearn_estimators").load(model)
        self._score: Callable[[list[Row]], list[float]] = (
            score if calibration is None else evaluators.calibrated(score, calibration)
        )

    def features(self, activity: Mapping[str, Any]) -> dict[str, float | str | None]:
        """Return the features of one activity given by canonical columns, as the model sees them."""
        return features.feature_row(activity)

    def score(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the probability of delay for each row of features (a missing number is None or NaN).

        Raises
        ------
        ScoreError
            As for `score_columns`.
        """
        return self.score_columns({name: [row[name] for row in rows] for name in self.names})

    def score_columns(self, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        """Return the probability of delay for activities, given by features by name, each of length n_activities.

        Raises
        ------
        ScoreError
            If a score is no probability: no door passes it on.
        """
        scores = self.scores(columns)
        # Every comparison with NaN is false.
        if not all(0.0 <= score <= 1.0 for score in scores):
            raise ScoreError(f"the model {self.metadata.get('model_id', '')} gave a score that is no probability")
        return scores

    def scores(self, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        """Return the scores as the model gives them; what `score_columns` checks."""
        return self._score(self.prepare.rows(columns))

    def predict_proba(self, activities: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the probability of delay for each activity given by canonical columns."""
        return self.score([features.feature_row(activity) for activity in activities])
