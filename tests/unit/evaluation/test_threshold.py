"""What warnings cost."""

import numpy as np
import pytest

from slipcast.evaluation.threshold import cost_threshold, threshold_report

Y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
P = np.array([0.1, 0.2, 0.4, 0.6, 0.2, 0.4, 0.8, 0.9])


def test_the_figures_of_a_known_case():
    found = threshold_report(Y, P, costs=(2, 1), seed=0, n_boot=100)

    assert found["value"] == pytest.approx(1 / 3)
    assert found["confusion"] == [[2, 2], [1, 3]]
    assert found["precision"] == pytest.approx(3 / 5)
    assert found["recall"] == pytest.approx(3 / 4)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["cost_per_activity"] == pytest.approx((1 * 2 + 2 * 1) / 8)
    assert found["cost_never_warn"] == pytest.approx(1)
    assert found["cost_always_warn"] == pytest.approx(0.5)
    low, high = found["cost_ci"]
    assert low < 0.5 < high


def test_the_ends_of_the_curve_are_always_and_never():
    found = threshold_report(Y, P, costs=(3, 1), seed=0, n_boot=10)

    assert found["curve"][0] == [0, found["cost_always_warn"]]
    assert found["curve"][-1] == [1, found["cost_never_warn"]]


def test_calibrated_scores_cost_least_near_the_threshold_of_the_costs():
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 40_000)
    found = threshold_report((rng.random(40_000) < p).astype(int), p, costs=(3, 1), seed=0, n_boot=2)

    cheapest = min(found["curve"], key=lambda point: point[1])[0]
    assert cheapest == pytest.approx(found["value"], abs=0.05)


def test_without_a_warning_there_is_no_precision():
    found = threshold_report(Y, np.zeros(8), costs=(1, 1), seed=0, n_boot=10)

    assert found["precision"] is None
    assert found["recall"] == 0
    assert threshold_report(np.zeros(8), np.zeros(8), costs=(1, 1), seed=0, n_boot=10)["f1"] is None


def test_a_score_that_equals_the_threshold_warns():
    found = threshold_report(np.array([1, 0]), np.array([0.5, 0.4]), costs=(1, 1), seed=0, n_boot=10)

    assert found["confusion"] == [[1, 0], [0, 1]]
    assert found["cost_per_activity"] == 0
    assert dict(found["curve"])[0.5] == 0


@pytest.mark.parametrize(
    ("y", "p", "precision", "recall", "f1"),
    [
        # As many hits as false alarms, as missed delays; no hit at all.
        ([1, 0], [0.9, 0.9], 1 / 2, 1, 2 / 3),
        ([1, 1], [0.9, 0.1], 1, 1 / 2, 2 / 3),
        ([1, 0], [0.1, 0.9], 0, 0, 0),
    ],
)
def test_shares_of_few_warnings(y, p, precision, recall, f1):
    found = threshold_report(np.array(y), np.array(p), costs=(1, 1), seed=0, n_boot=10)

    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((precision, recall, f1))


def test_the_curve_is_drawn_every_two_hundredths():
    found = threshold_report(Y, P, costs=(1, 1), seed=0, n_boot=10)

    assert [cut for cut, _ in found["curve"]] == pytest.approx([number / 50 for number in range(51)])


def test_the_interval_is_of_a_thousand_samples_unless_it_is_said():
    rng = np.random.default_rng(3)
    y, p = (rng.random(400) < 0.4).astype(int), rng.random(400)

    found = threshold_report(y, p, costs=(2.3, 1), seed=3)["cost_ci"]

    assert found == threshold_report(y, p, costs=(2.3, 1), seed=3, n_boot=1000)["cost_ci"]
    assert found != threshold_report(y, p, costs=(2.3, 1), seed=3, n_boot=1001)["cost_ci"]


@pytest.mark.parametrize("costs", [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_a_cost_that_is_not_positive_gives_no_threshold(costs):
    with pytest.raises(ValueError, match="both must be positive"):
        cost_threshold(*costs)
