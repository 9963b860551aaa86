"""The standard library's tests of two samples give what scipy gives."""

import math

import numpy as np
import pytest
from scipy import stats

from slipcast.metrics import hypothesis_tests


@pytest.mark.parametrize(
    ("events", "n", "other_events", "other_n"),
    [(3, 60, 0, 240), (10, 200, 20, 1800), (0, 50, 3, 50), (5, 5, 0, 5), (1, 1000, 900, 9000), (0, 10, 0, 10)],
)
def test_fishers_exact_test(events, n, other_events, other_n):
    table = [[events, n - events], [other_events, other_n - other_events]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue

    assert hypothesis_tests.fisher(events, n, other_events, other_n) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("events", "n", "share"),
    [(0, 10, 0.1), (10, 200, 0.01), (1, 5, 0.01), (30, 2000, 0.01), (150, 200, 0.5), (90, 200, 0.5), (5, 5, 1.0)],
)
def test_the_binomial_tail(events, n, share):
    expected = stats.binom.sf(events - 1, n, share)

    assert hypothesis_tests.binomial(events, n, share) == pytest.approx(expected, rel=1e-7)


def test_an_impossible_event_is_impossible():
    assert hypothesis_tests.binomial(1, 100, 0.0) == 0.0


@pytest.mark.parametrize("offset", [0.0, 0.3, 2.0])
def test_the_kolmogorov_smirnov_distance_and_its_significance(offset):
    random = np.random.default_rng(7)
    a, b = random.normal(size=300), random.normal(offset, size=400)
    distance, p = hypothesis_tests.kolmogorov_smirnov(list(a), list(b))

    assert distance == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    assert p == pytest.approx(stats.ks_2samp(a, b).pvalue, rel=0.15, abs=1e-9)


def test_equal_values_are_no_distance():
    assert hypothesis_tests.kolmogorov_smirnov([0.5] * 30, [0.5] * 40) == (0.0, 1.0)
    assert hypothesis_tests.kolmogorov_smirnov([0.1, 0.5, 0.5], [0.5, 0.5, 0.9])[0] == pytest.approx(1 / 3)


def test_the_shift_of_single_values_has_welchs_error():
    random = np.random.default_rng(3)
    a, b = random.normal(size=50), random.normal(0.4, 2, size=80)
    found, error = hypothesis_tests.shift([[x] for x in a], [[x] for x in b])

    assert found == pytest.approx(a.mean() - b.mean())
    assert error == pytest.approx(math.sqrt(a.var(ddof=1) / 50 + b.var(ddof=1) / 80))


def test_a_thousand_equal_scores_in_one_request_are_one_observation():
    """Counted one by one, four requests would pass for four thousand."""
    requests = [[value] * 1000 for value in (0.1, 0.2, 0.3, 0.4)]
    single = [[value] for value in (0.1, 0.2, 0.3, 0.4)]

    assert hypothesis_tests.shift(requests, single)[1] == pytest.approx(hypothesis_tests.shift(single, single)[1])


def test_one_request_says_nothing_of_its_error():
    assert math.isinf(hypothesis_tests.shift([[0.1, 0.2]], [[0.1], [0.2]])[1])


def test_quantiles_and_the_normal_tail():
    values = list(np.random.default_rng(1).normal(size=101))

    for share in (0.0, 0.5, 0.95, 1.0):
        assert hypothesis_tests.quantile(values, share) == pytest.approx(np.quantile(values, share))
    assert hypothesis_tests.normal(-1.96) == pytest.approx(2 * stats.norm.sf(1.96))
