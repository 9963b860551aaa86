"""Bounds that hold however often one looks, against intervals that do not."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from slipcast.metrics.confidence_sequence import Mean, area, mean_of


def test_looking_often_does_not_break_the_bounds():
    rng = np.random.default_rng(0)
    looks, streams = range(50, 2001, 50), 200
    p = rng.uniform(0.1, 0.7, (streams, 2000))
    apart = p - (rng.random(p.shape) < p)
    outside = {"bounds": 0, "interval": 0}
    for stream in apart:
        total, squares = np.cumsum(stream), np.cumsum(stream**2)
        broken = dict.fromkeys(outside, False)
        for n in looks:
            mean = total[n - 1] / n
            found = Mean(mean, np.sqrt(squares[n - 1] / n - mean**2) / np.sqrt(n), n)
            for name in broken:
                low, high = getattr(found, name)()
                broken[name] |= not low <= 0 <= high
        outside = {name: count + broken[name] for name, count in outside.items()}

    assert outside["bounds"] / streams <= 0.08
    assert outside["interval"] / streams > 0.25


def test_the_error_of_groups_that_are_alike_is_larger():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(100), 10)
    values = rng.normal(size=100)[groups]

    assert mean_of(values, groups).error == pytest.approx(values.std() / 10, rel=0.05)
    assert mean_of(values).error == pytest.approx(values.std() / np.sqrt(1000), rel=1e-3)


def test_the_area_is_the_mean_of_its_placements():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 300)
    p = np.round(rng.normal(y * 0.7, 1), 1)
    found = mean_of(area(y, p))

    assert found.value == pytest.approx(roc_auc_score(y, p))
    draws = [roc_auc_score(y[rows], p[rows]) for rows in rng.integers(0, 300, (300, 300))]
    assert found.error == pytest.approx(np.std(draws), rel=0.15)
