"""Reasons for the probability of being late from a data date, which add up to it. Standard library only.

The probability is that of the forest of late or timely, averaged with the one judged at the start where the model has a
weight for the stage. The former is divided among the features by exact Shapley values of its trees
(:mod:`slipcast.model.explain.tree_shap`), whose leaves are probabilities; the latter is one reason more.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.stage import Stage
from slipcast.model.evaluators import single
from slipcast.model.explain import phrases
from slipcast.model.explain.contributions import Contributions
from slipcast.model.explain.phrases import Described
from slipcast.model.explain.tree_shap import TreeShap

# The distribution says another probability than the forest where it leaves nothing to scale on one side of the limit.
SAME = 1e-9
# Name of the probability judged at the start among the reasons.
AT_START = "at_start"


class LateReasons(NamedTuple):
    """Parts of a probability of being late; base, features and `at_start` add up to it.

    Attributes
    ----------
    base
        mean of the forest over the landmarks that it was trained on
    features
        contribution of each feature, as a probability
    at_start
        contribution of the probability judged at the start; 0 where it does not count
    """

    base: float
    features: dict[str, float]
    at_start: float


def described(
    found: LateReasons,
    features: Mapping[str, Any],
    p_at_start: float,
    own_names: Mapping[str, str] | None = None,
    count: int = 5,
) -> list[Described]:
    """Return the largest parts of a probability in words, the probability judged at the start among them.

    Parameters
    ----------
    found
        parts as `Explainer.reasons` returns them
    features, p_at_start
        as they were explained
    own_names
        canonical column → name in the user's schedule
    count
        how many
    """
    parts = Contributions(found.base, {**found.features, AT_START: found.at_start})
    return phrases.described(parts, {**features, AT_START: p_at_start}, own_names, count)


class Explainer:
    """Explainer of an exported forecast model.

    Parameters
    ----------
    document
        as `export.document` returns it
    forecaster
        evaluator of the same document
    """

    def __init__(self, document: Mapping[str, Any], forecaster: Forecaster) -> None:
        self._forecaster = forecaster
        self._blend: Mapping[str, float] = document["blend"]
        late = document["late"]
        self._shap = None if late is None else TreeShap(late["trees"], 1 / len(late["trees"]))

    @property
    def explains(self) -> bool:
        """Return whether the model has a forest of late or timely, without which there are no reasons."""
        return self._shap is not None

    def reasons(
        self, features: Mapping[str, Any], stage: str, limit: float, p_at_start: float | None = None
    ) -> LateReasons | None:
        """Return the reasons of an open activity.

        Parameters
        ----------
        features, stage, limit, p_at_start
            as for `Forecaster.forecast`

        Returns
        -------
        LateReasons | None
            None where there are none: what is late already is a fact, and a model may have no forest of late or timely,
            or a distribution that leaves it no room
        """
        if self._shap is None or stage == Stage.ALREADY_LATE or limit <= 0:
            return None
        weight = self._blend.get(stage, 0.0) if p_at_start is not None else 0.0
        base = self._shap.expected
        found = self._shap(single(self._forecaster.row(features)))
        by_feature = {name: (1 - weight) * value for name, value in zip(self._forecaster.columns, found, strict=True)}
        at_start = weight * ((p_at_start or 0.0) - base)
        stated = self._forecaster.forecast(features, stage, limit, p_at_start).p_late(limit)
        if abs(base + sum(by_feature.values()) + at_start - stated) > SAME:
            return None
        return LateReasons(base, by_feature, at_start)
