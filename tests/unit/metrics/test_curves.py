"""Points of the curves."""

import numpy as np
import pytest
from sklearn.metrics import auc as area_under

from slipcast.metrics.curves import curves, wilson
from slipcast.metrics.scores import auc

RNG = np.random.default_rng(2)
P = RNG.uniform(0.02, 0.98, 3000)
Y = (RNG.random(3000) < P).astype(int)


def test_the_area_under_the_points_is_the_auc():
    found = curves(Y, P)["roc"]

    assert len(found) <= 200
    assert found[0] == [0, 0]
    assert found[-1] == [1, 1]
    x, y = zip(*found, strict=True)
    assert area_under(x, y) == pytest.approx(auc(Y, P), abs=0.002)


def test_precision_at_full_recall_is_the_late_rate():
    found = curves(Y, P)["pr"]

    assert found[0] == [1, pytest.approx(Y.mean(), abs=1e-3)]
    assert found[-1] == [0, 1]


def test_calibrated_scores_lie_on_the_diagonal():
    found = curves(Y, P)["reliability"]

    assert len(found) == 10
    assert sum(item["n"] for item in found) == 3000
    inside = [item["late_rate_ci"][0] <= item["mean_score"] <= item["late_rate_ci"][1] for item in found]
    assert sum(inside) >= 8


def test_equal_scores_share_a_bin():
    (found,) = curves(Y, np.full(3000, 0.3))["reliability"]

    assert (found["mean_score"], found["late_rate"], found["n"]) == (pytest.approx(0.3), Y.mean(), 3000)


def test_one_class_has_no_ranking():
    found = curves(np.zeros(50, dtype=int), P[:50])

    assert (found["roc"], found["pr"]) == ([], [])
    assert all(item["late_rate"] == 0 for item in found["reliability"])


@pytest.mark.parametrize(
    ("successes", "n", "interval"),
    [
        (81, 263, [0.2553, 0.3662]),
        (15, 148, [0.0624, 0.1605]),
        (0, 20, [0.0, 0.1611]),
        (1, 29, [0.0061, 0.1718]),
    ],
)
def test_the_interval_of_a_share_is_wilsons(successes, n, interval):
    """Method 3 in table I of Newcombe, Two-sided confidence intervals for the single proportion, 1998."""
    assert wilson(successes, n) == pytest.approx(interval, abs=5e-5)
