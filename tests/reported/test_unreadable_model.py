"""Unreadable model: a stored model that this environment cannot read stops the training that would replace it."""

# phoebe-project/phoebe2#1156: models that an older scikit-learn pickled
# astrolabsoftware/fink-science#495: a model of another version of scikit-learn does not work in production

import hashlib

import numpy as np
import pytest
import sklearn

from slipcast.evaluation.gate import decide
from unit.evaluation.test_assessment import Case, champion


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def test_a_champion_of_another_scikit_learn_is_replaced(case):
    best = case.scored(k_nearest_neighbours=0.05, logistic_regression=0.2)
    raw = case.verdict(best).artifact
    old = raw.replace(f'"scikit_learn":"{sklearn.__version__}"'.encode(), b'"scikit_learn":"1.6.1"')
    assert old != raw
    live = champion(case.verdict(best), artifact=old, sha256=hashlib.sha256(old).hexdigest())

    decision = case.verdict(champion=live).record["decision"]

    assert decision["release"] is True
    (reason,) = decision["reasons"]
    assert "version 3, cannot be read: scikit-learn 1.6.1 made the model" in reason
    assert "it is replaced by a model with signal" in reason


def test_a_champion_whose_artifact_is_gone_is_replaced(case):
    live = champion(case.verdict(), artifact=b"")

    decision = case.verdict(champion=live).record["decision"]

    assert decision["release"] is True
    assert "cannot be read" in decision["reasons"][0]


def test_only_a_model_with_signal_replaces_what_cannot_be_read():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)

    decision = decide(y, rng.uniform(size=300), None, 0.5, seed=0, unreadable="the champion cannot be read")

    assert decision.release is False
    assert decision.reasons[0].startswith("no signal")
