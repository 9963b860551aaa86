"""The gate lets through what is better, and only that."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from slipcast.evaluation.gate import Limit, decide, need

RNG = np.random.default_rng(11)
TRUTH = RNG.uniform(0.05, 0.95, 600)
Y = (RNG.random(600) < TRUTH).astype(int)
RATE = float(Y.mean())
BLURRED = np.clip(RATE + 0.35 * (TRUTH - RATE) + RNG.normal(0, 0.08, 600), 0.01, 0.99)


def test_a_first_model_with_signal_is_released():
    decision = decide(Y, TRUTH, None, RATE, seed=1)

    assert decision.release
    assert "first model" in decision.reasons[0]
    assert decision.numbers["challenger_auc"] > 0.7


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_released(seed):
    rng = np.random.default_rng(seed)
    y, p = (rng.random(300) < 0.4).astype(int), rng.uniform(0.2, 0.6, 300)
    decision = decide(y, p, None, 0.4, seed=seed)

    assert not decision.release
    assert "no signal" in decision.reasons[0]


def test_noise_is_released_no_more_often_than_the_limits_allow():
    released = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        y, p = (rng.random(150) < 0.4).astype(int), np.clip(rng.normal(0.4, 0.03, 150), 0.01, 0.99)
        released += decide(y, p, None, 0.4, seed=seed, n_boot=200).release

    assert released <= 5


def test_a_clearly_better_challenger_replaces_the_champion():
    decision = decide(Y, TRUTH, BLURRED, RATE, seed=1)

    assert decision.release
    assert decision.numbers["brier_gain"] > 0
    assert decision.numbers["brier_gain_ci"][0] > 0


@pytest.mark.parametrize("challenger", [BLURRED, TRUTH])
def test_a_challenger_that_is_not_better_is_kept_out(challenger):
    decision = decide(Y, challenger, TRUTH, RATE, seed=1)

    assert not decision.release
    assert any("not better than the champion" in reason for reason in decision.reasons)


def test_better_calibration_does_not_buy_a_worse_ranking():
    overconfident = np.where(TRUTH > 0.5, 0.999 - 1e-4 * (1 - TRUTH), 0.001 + 1e-4 * TRUTH)
    coarse = np.where(TRUTH > 0.5, 0.72, 0.28)
    decision = decide(Y, coarse, overconfident, RATE, seed=1)

    assert decision.numbers["brier_gain"] > 0
    assert not decision.release
    assert any("ranks worse" in reason for reason in decision.reasons)


def test_a_broken_limit_keeps_out_the_best_model():
    kept = Limit("leakage", 0.8, 0.95, False, "not said")
    broken = Limit("fairness", 0.3, 0.2, True, "unfair: by location")
    decision = decide(Y, TRUTH, BLURRED, RATE, seed=1, limits=[kept, broken])

    assert not decision.release
    assert decision.reasons == ["unfair: by location"]
    assert decision.limits[:2] == [
        {"name": "leakage", "value": 0.8, "limit": 0.95, "broken": False},
        {"name": "fairness", "value": 0.3, "limit": 0.2, "broken": True},
    ]
    assert decide(Y, TRUTH, BLURRED, RATE, seed=1, limits=[kept]).release


def nearly(amount: float) -> np.ndarray:
    """Return the champion's probabilities with so much noise."""
    return np.clip(TRUTH + np.random.default_rng(4).normal(0, amount, len(Y)), 0.01, 0.99)


def test_a_needed_challenger_that_is_not_worse_is_released():
    assert not decide(Y, nearly(0.02), TRUTH, RATE, seed=1).release

    decision = decide(Y, nearly(0.02), TRUTH, RATE, seed=1, needed="drift alarm")

    assert decision.release
    assert decision.reasons[0].startswith("needed (drift alarm) and not worse than the champion: Brier 0.")
    assert decision.numbers["probability_better_than_champion"] < 0.95
    assert decision.numbers["brier_loss_upper_bound"] < decision.numbers["non_inferiority_margin"] == 0.005


def test_need_does_not_release_what_may_be_worse_by_more_than_the_margin():
    decision = decide(Y, nearly(0.25), TRUTH, RATE, seed=1, needed="drift alarm")

    assert not decision.release
    assert decision.numbers["brier_loss_upper_bound"] > 0.005
    assert any("perhaps worse than the champion" in reason for reason in decision.reasons)


def test_the_margin_decides():
    bound = decide(Y, nearly(0.02), TRUTH, RATE, seed=1).numbers["brier_loss_upper_bound"]

    assert decide(Y, nearly(0.02), TRUTH, RATE, seed=1, needed="age", margin=bound * 1.01).release
    assert not decide(Y, nearly(0.02), TRUTH, RATE, seed=1, needed="age", margin=bound * 0.99).release


def test_need_does_not_excuse_a_worse_ranking_a_lost_signal_or_a_limit():
    coarse = np.where(TRUTH > 0.5, 0.72, 0.28)
    flat = np.full(len(Y), RATE)
    limit = Limit("protocol", None, None, True, "no time order")

    assert not decide(Y, coarse, TRUTH, RATE, seed=1, needed="drift alarm", margin=1).release
    assert not decide(Y, flat, TRUTH, RATE, seed=1, needed="drift alarm", margin=1).release
    assert not decide(Y, nearly(0.02), TRUTH, RATE, seed=1, needed="drift alarm", limits=[limit]).release


def test_a_needed_copy_of_the_champion_changes_nothing_and_is_not_released():
    decision = decide(Y, TRUTH, TRUTH + 1e-15, RATE, seed=1, needed="drift alarm")

    assert not decision.release
    assert "the same probabilities" in decision.reasons[0]


@pytest.mark.parametrize(
    ("reason", "age", "expected"),
    [
        ("alarm", None, "drift alarm"),
        ("alarm", 10, "drift alarm"),
        ("schedule", 366, "the champion is 366 days old, more than 365"),
        ("schedule", 365, None),
        ("new_data", None, None),
        ("manual", 3, None),
    ],
)
def test_a_model_is_needed_after_drift_and_for_an_old_champion(reason, age, expected):
    assert need(reason, age, 365) == expected


def test_the_decision_is_repeatable_and_json():
    first, second = (decide(Y, TRUTH, BLURRED, RATE, seed=1).as_dict() for _ in range(2))

    assert first == second
    assert json.loads(json.dumps(first))["numbers"]["n"] == 600


def test_the_same_model_in_other_arithmetic_is_not_better():
    decision = decide(Y, TRUTH, TRUTH + np.where(TRUTH > Y, 1e-15, -1e-15), RATE, seed=1)

    assert not decision.release
    assert decision.numbers["probability_better_than_champion"] == 0


def test_the_usual_rule():
    usual = decide(Y, TRUTH, BLURRED, RATE, seed=1)

    assert usual == decide(
        Y, TRUTH, BLURRED, RATE, seed=1, margin=0.005, n_boot=2000, min_probability=0.95, max_auc_loss=0.01
    )
    assert "by more than 0.01." in usual.rule
    assert usual.numbers["brier_gain"] == usual.numbers["champion_brier"] - usual.numbers["challenger_brier"]
    with pytest.raises(FrozenInstanceError):
        usual.release = False
    with pytest.raises(FrozenInstanceError):
        Limit("a", None, None, False, "").broken = True


def test_the_signal_is_the_lower_bound_of_the_auc_above_one_half():
    weak = np.clip(RATE + 0.15 * (TRUTH - RATE) + np.random.default_rng(0).normal(0, 0.1, 600), 0.01, 0.99)
    for p, broken in ((weak, False), (np.full(600, RATE), True)):
        decision = decide(Y, p, None, RATE, seed=1)
        limit = decision.limits[0]

        assert (limit["value"], limit["limit"]) == (decision.numbers["challenger_auc_ci"][0], 0.5)
        assert limit["broken"] is broken
    # Exactly one half, and less than a tenth above it.
    assert limit["value"] == 0.5
    assert 0.5 < decide(Y, weak, None, RATE, seed=1).limits[0]["value"] < 0.55


def test_a_probability_that_equals_the_least_is_enough():
    p = np.clip(TRUTH + np.random.default_rng(3).normal(0, 0.28, 600), 0.01, 0.99)
    found = decide(Y, p, None, RATE, seed=1).numbers["probability_better_than_prior"]
    beside = np.clip(TRUTH + np.random.default_rng(4).normal(0, 0.3, 600), 0.01, 0.99)
    better = decide(Y, p, beside, RATE, seed=1).numbers["probability_better_than_champion"]

    assert 0 < found < 1
    assert 0 < better < 1
    assert decide(Y, p, None, RATE, seed=1, min_probability=found).limits[1]["broken"] is False
    assert decide(Y, p, beside, RATE, seed=1, min_probability=better).reasons[0].startswith("better than the champion")


def test_a_bound_that_equals_the_margin_is_not_below_it():
    def reason(margin: float) -> str:
        found = decide(Y, BLURRED, TRUTH, RATE, seed=1, needed="a", margin=margin, max_auc_loss=1)
        return found.reasons[-1]

    bound = decide(Y, BLURRED, TRUTH, RATE, seed=1).numbers["brier_loss_upper_bound"]

    assert "perhaps worse" in reason(bound)
    assert "not worse" in reason(bound + 1e-6)


def test_an_auc_lower_by_as_much_as_is_allowed_is_allowed():
    numbers = decide(Y, BLURRED, TRUTH, RATE, seed=1).numbers
    loss = numbers["champion_auc"] - numbers["challenger_auc"]

    for allowed, ranked_worse in ((loss, False), (loss - 1e-6, True)):
        reasons = decide(Y, BLURRED, TRUTH, RATE, seed=1, max_auc_loss=allowed).reasons
        assert any(why.startswith("ranks worse") for why in reasons) is ranked_worse


@pytest.mark.parametrize(("difference", "same"), [(1e-9, True), (1.05e-9, False)])
def test_the_same_probabilities_up_to_the_last_bits(difference, same):
    ours, theirs = TRUTH.copy(), TRUTH.copy()
    ours[0], theirs[0] = 0.0, difference

    assert ("the same probabilities" in decide(Y, ours, theirs, RATE, seed=1).reasons[0]) is same


def test_the_same_probabilities_with_a_better_forecast_are_not_worse():
    why = "its forecast is better: 18.0 days against 20.0"
    decision = decide(Y, TRUTH, TRUTH, RATE, seed=1, needed=need("schedule", 20, 180, why), better_forecast=True)

    assert decision.release
    assert f"needed ({why}) and not worse" in decision.reasons[0]
    assert not decide(Y, TRUTH, TRUTH, RATE, seed=1, needed="drift alarm").release
    # A worse classifier is not bought with better dates.
    assert not decide(Y, BLURRED, TRUTH, RATE, seed=1, needed=why, better_forecast=True).release
