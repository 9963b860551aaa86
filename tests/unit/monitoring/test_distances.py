"""Effect sizes, what chance does to them, and the correction for many tests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from slipcast.monitoring.distances import holm, js_distance, psi, wasserstein
from slipcast.monitoring.null_distribution import Chance, moments, share_p_value, tail
from slipcast.monitoring.reference_profile import numeric_profile

COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(lambda counts: sum(counts) > 0)


@given(COUNTS)
def test_equal_counts_have_no_effect(counts):
    array = np.array(counts, dtype=float)

    assert psi(array, array) == pytest.approx(0, abs=1e-12)
    assert js_distance(array, array) == pytest.approx(0, abs=1e-7)


@given(COUNTS, st.randoms())
def test_effects_are_symmetric_and_within_their_range(counts, random):
    other = list(counts)
    random.shuffle(other)
    a, b = np.array(counts, dtype=float), np.array(other, dtype=float)

    assert psi(a, b) == pytest.approx(psi(b, a))
    assert psi(a, b) >= 0
    assert js_distance(a, b) == pytest.approx(js_distance(b, a))
    assert 0 <= js_distance(a, b) <= 1


def test_known_cases():
    # Shares .5/.5 against .9/.1: (.4 * ln 1.8) + (-.4 * ln .2) = .879
    a, b = np.array([5e6, 5e6]), np.array([9e6, 1e6])

    assert psi(a, b) == pytest.approx(0.8789, abs=1e-3)
    assert js_distance(a, b) == pytest.approx(jensenshannon(a, b, base=2), abs=1e-6)


def test_many_windows_at_once_are_one_by_one():
    reference, windows = np.array([10.0, 20, 30]), np.random.default_rng(0).integers(0, 40, (5, 3)).astype(float)

    assert psi(reference, windows) == pytest.approx([psi(reference, window) for window in windows])


@pytest.mark.parametrize(("shift", "width"), [(0.0, 1.0), (0.5, 1.0), (-3.0, 1.0), (0.0, 2.5)])
def test_the_distance_from_counts_is_near_that_of_the_values(shift, width):
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 20_000), rng.normal(shift, width, 20_000)
    edges = np.array(numeric_profile(a, 10)["fine"]["edges"])
    counts = [np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) for values in (a, b)]
    found = wasserstein(*counts, edges, (a.min(), a.max()), (b.min(), b.max()), (a.mean(), b.mean()))

    assert found == pytest.approx(wasserstein_distance(a, b), rel=0.1, abs=0.01)


def test_holm_of_a_known_case():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([[0.9, 0.8], [0.01, 0.6]])) == pytest.approx(np.array([[1.0, 1.0], [0.02, 0.6]]))


@pytest.mark.parametrize("n", [20, 70, 200, 3000])
@pytest.mark.parametrize("counts", [[200] * 10 + [0], [221] * 10 + [3], [1300, 600, 250, 50]])
def test_limits_by_chance_are_kept_at_sizes_between_those_in_the_profile(counts, n):
    counts = np.array(counts, dtype=float)
    rng, m = np.random.default_rng(n), int(counts.sum())
    found = psi(
        rng.multinomial(m, counts / m, size=20_000).astype(float),
        rng.multinomial(n, counts / m, size=20_000).astype(float),
    )
    chance = Chance(moments(counts), n, m)

    assert found.mean() == pytest.approx(chance.mean, rel=0.1)
    assert np.mean(found > chance.limit(0.01)) == pytest.approx(0.01, abs=0.008)
    assert np.mean(found > chance.limit(0.001)) < 0.004
    assert chance.p_value(np.array([chance.limit(0.01)])) == pytest.approx([0.01])


def test_a_column_of_one_value_has_no_chance_of_its_own():
    chance = Chance(moments(np.array([0.0, 500.0])), 100, 500)

    assert (chance.mean, chance.limit(0.001)) == (0.0, 0.0)
    assert chance.p_value(np.array([3.0])) == pytest.approx([1.0])


def test_tails_of_shares():
    # After 0 of 0 every rate is likely: the predictive distribution is the arcsine law's, symmetric.
    assert tail(1, 0, 0) == pytest.approx([1.0, 0.5])
    assert tail(50, 3, 1000).shape == (51,)
    assert share_p_value(np.array([0]), 100, 10, 1000) == pytest.approx([1.0])
    assert share_p_value(np.array([40]), 100, 10, 1000)[0] < 1e-12
    # A hundred thousand rows at the reference's own rate are nothing remarkable.
    assert share_p_value(np.array([1000]), 100_000, 10, 1000)[0] > 0.2


def test_tails_of_shares_bound_false_alarms():
    rng = np.random.default_rng(3)
    seen, found = rng.binomial(2000, 0.03, 4000), rng.binomial(100, 0.03, 4000)
    p_values = np.array([share_p_value(np.array(x), 100, a, 2000) for a, x in zip(seen, found, strict=True)])

    assert np.mean(p_values < 0.01) < 0.015
