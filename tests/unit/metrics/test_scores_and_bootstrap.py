"""Metrics and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from slipcast.evaluation.threshold import cost_threshold
from slipcast.metrics.bootstrap import multiplicities, resamples
from slipcast.metrics.scores import MEASURED, auc, brier, evaluate, logistic, resampled_auc, weighted
from slipcast.probability_arrays import log_odds

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


def test_the_samples_of_an_auc_are_its_values_on_the_drawn_rows(monkeypatch):
    monkeypatch.setattr("slipcast.metrics.bootstrap.BLOCK", 7 * len(Y))
    ties = P.round(1)
    samples = np.vstack([resamples(len(Y), 20, 3), np.full((1, len(Y)), int(np.argmax(Y)))])

    assert resampled_auc(Y, ties, samples) == pytest.approx([auc(Y[rows], ties[rows]) for rows in samples], abs=1e-15)


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

    for name in MEASURED:
        low, high = measured[f"{name}_ci"]
        assert low < measured[name] < high
    assert measured == evaluate(Y, P, seed=1, n_boot=300)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.5, 0.9])), min_size=2))
def test_every_metric_is_scikit_learns(pairs):
    y, p = np.array([int(late) for late, _ in pairs]), np.array([value for _, value in pairs])
    measured = evaluate(y, p, seed=0, n_boot=2)

    assert measured["log_loss"] == pytest.approx(log_loss(y, p, labels=[0, 1]))
    if not y.any():
        assert measured["average_precision"] is None
    else:
        assert measured["average_precision"] == pytest.approx(average_precision_score(y, p))
    if 0 < y.sum() < len(y):
        assert measured["auc"] == pytest.approx(roc_auc_score(y, p))
        assert measured["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, p >= 0.5))
    else:
        assert measured["auc"] == 0.5
        assert measured["balanced_accuracy"] is None


def test_the_samples_are_measured_as_if_one_by_one():
    # Ties on purpose: rounding leaves some 50 distinct scores.
    p = np.round(P, 2)
    (weights,) = multiplicities(400, 5, seed=3)
    together = weighted(Y, p, weights)

    for sample, rows in enumerate(resamples(400, 5, seed=3)):
        y, scores = Y[rows], p[rows]
        assert together["auc"][sample] == pytest.approx(roc_auc_score(y, scores))
        assert together["average_precision"][sample] == pytest.approx(average_precision_score(y, scores))
        assert together["brier"][sample] == pytest.approx(brier_score_loss(y, scores))
        assert together["log_loss"][sample] == pytest.approx(log_loss(y, scores))
        assert together["balanced_accuracy"][sample] == pytest.approx(balanced_accuracy_score(y, scores >= 0.5))
        fitted = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-9).fit(log_odds(scores)[:, None], y)
        assert together["calibration_slope"][sample] == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
        assert together["calibration_intercept"][sample] == pytest.approx(fitted.intercept_[0], abs=1e-4)


def test_newtons_steps_come_back_from_a_start_that_is_far_off():
    intercept, slope = logistic(log_odds(P), Y, np.ones((1, 400)), np.array([-8.0, 30.0]))
    expected = logistic(log_odds(P), Y, np.ones((1, 400)))

    assert (intercept[0], slope[0]) == pytest.approx((expected[0][0], expected[1][0]))


@pytest.mark.parametrize("power", [0.01, 0.3, 4, 10])
@pytest.mark.parametrize("leaves", [2, 5, 24])
def test_newtons_steps_find_the_maximum_of_scores_that_are_far_too_sure(power, leaves):
    """A tree has few distinct scores; at slope 1 most of these have no curvature that a plain step could use."""
    rng = np.random.default_rng(leaves)
    odds = np.linspace(-3, 3, leaves)[np.arange(400) % leaves]
    y = (rng.random(400) < 1 / (1 + np.exp(-odds))).astype(int)
    intercept, slope = logistic(power * odds, y, np.ones((1, 400)))
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(odds[:, None], y)

    assert slope[0] * power == pytest.approx(fitted.coef_[0, 0], rel=1e-6)
    assert intercept[0] == pytest.approx(fitted.intercept_[0], abs=1e-6)


def test_separated_classes_have_no_calibration():
    measured = evaluate(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]), seed=0, n_boot=20)

    assert measured["auc"] == 1
    assert measured["calibration_slope"] is None
    assert measured["calibration_slope_ci"] is None


def test_a_metric_that_many_samples_leave_undefined_has_no_interval():
    y = np.zeros(40, dtype=int)
    y[0] = 1
    measured = evaluate(y, np.linspace(0.9, 0.1, 40), seed=0, n_boot=200)

    # A third of the samples does not draw the only late activity.
    assert measured["average_precision"] == 1
    assert measured["average_precision_ci"] is None
    assert measured["brier_ci"][0] < measured["brier"] < measured["brier_ci"][1]


def test_samples_in_blocks_are_the_samples(monkeypatch):
    whole = np.concatenate(list(multiplicities(50, 7, seed=2)))
    monkeypatch.setattr("slipcast.metrics.bootstrap.BLOCK", 100)

    blocks = list(multiplicities(50, 7, seed=2))

    assert [len(block) for block in blocks] == [2, 2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


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
