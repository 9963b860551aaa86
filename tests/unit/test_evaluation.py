"""Metrics and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from slipcast.evaluation import auc, brier, cost_threshold, evaluate

RNG = np.random.default_rng(5)
Y = (RNG.random(400) < 0.4).astype(int)
P = np.clip(0.4 + 0.25 * (Y - 0.4) + RNG.normal(0, 0.15, 400), 0.01, 0.99)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.5, 0.9])), min_size=2))
def test_auc_and_brier_are_scikit_learns(pairs):
    y, p = np.array([int(late) for late, _ in pairs]), np.array([value for _, value in pairs])

    assert brier(y, p) == pytest.approx(np.mean((p - y) ** 2))
    if 0 < y.sum() < len(y):
        assert auc(y, p) == pytest.approx(roc_auc_score(y, p))
        assert brier(y, p) == pytest.approx(brier_score_loss(y, p))
    else:
        assert auc(y, p) == 0.5


def test_the_figures_of_a_known_case():
    measured = evaluate(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]), seed=0, n_boot=50)

    assert measured["auc"] == 0.75
    assert measured["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert measured["accuracy"] == 0.5
    assert measured["majority_accuracy"] == 0.5
    assert measured["late_rate"] == 0.5
    assert measured["mean_score"] == 0.5
    assert (measured["n"], measured["n_late"]) == (4, 2)


def test_intervals_hold_their_estimate_and_are_repeatable():
    measured = evaluate(Y, P, seed=1, n_boot=300)

    for name in ("auc", "brier", "accuracy"):
        low, high = measured[f"{name}_ci"]
        assert low < measured[name] < high
    assert measured == evaluate(Y, P, seed=1, n_boot=300)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(8)
    covered = 0
    for repetition in range(60):
        p = rng.uniform(0.05, 0.95, 200)
        y = (rng.random(200) < p).astype(int)
        truth = np.mean(p * (1 - p))
        low, high = evaluate(y, p, seed=repetition, n_boot=200)["brier_ci"]
        covered += low <= truth <= high
    # 95 % of 60 is 57; fewer than 50 has a probability below one in a thousand.
    assert covered >= 50


def test_calibration_is_one_and_zero_for_calibrated_scores():
    p = np.random.default_rng(0).uniform(0.02, 0.98, 20_000)
    y = (np.random.default_rng(1).random(20_000) < p).astype(int)
    measured = evaluate(y, p, seed=0, n_boot=2)

    assert measured["calibration_slope"] == pytest.approx(1, abs=0.06)
    assert measured["calibration_intercept"] == pytest.approx(0, abs=0.06)


def test_constant_scores_have_no_calibration_slope():
    measured = evaluate(Y, np.full(400, 0.4), seed=0, n_boot=10)

    assert measured["calibration_slope"] is None
    assert measured["auc"] == 0.5


@pytest.mark.parametrize(("missed", "false", "threshold"), [(1, 1, 0.5), (2, 1, 1 / 3), (9, 1, 0.1)])
def test_the_threshold_follows_the_costs(missed, false, threshold):
    assert cost_threshold(missed, false) == pytest.approx(threshold)


@pytest.mark.parametrize("costs", [(0, 1), (1, -1)])
def test_costs_must_be_positive(costs):
    with pytest.raises(ValueError, match="positive"):
        cost_threshold(*costs)
