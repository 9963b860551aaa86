"""Drift: quiet without it, loud with it, silent on too little data."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipcast.drift import compare, holm, psi, significance
from slipcast.features import CATEGORICAL, NUMERIC
from slipcast.profile import profile


def sample(n: int, seed: int, *, shift: float = 0.0, category: str = "") -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({name: rng.normal(shift, 1, n) for name in NUMERIC})
    features.iloc[rng.random(n) < 0.1, 0] = np.nan
    # An export that never fills a column: it has no bins at all.
    features[NUMERIC[-1]] = np.nan
    for name in CATEGORICAL:
        features[name] = rng.choice(["a", "b", "c", "rare"], n, p=[0.5, 0.3, 0.19, 0.01])
    if category:
        features[CATEGORICAL[0]] = category
    return features, np.clip(rng.normal(0.4 + 0.2 * shift, 0.1, n), 0, 1)


def reference() -> dict:
    features, scores = sample(2000, 0)
    return profile(features, scores, (scores > 0.4).astype(int))


@pytest.mark.parametrize("n", [200, 500, 2000])
def test_without_drift_the_monitor_is_quiet(n):
    known = reference()
    states = [compare(known, *sample(n, seed)).state for seed in range(1, 51)]

    assert states.count("drift") == 0


@pytest.mark.parametrize("n", [200, 2000])
def test_a_shift_of_one_deviation_is_found(n):
    report = compare(reference(), *sample(n, 1, shift=1.0))

    assert report.state == "drift"
    assert report.features["score"]["drifted"]
    assert report.features[NUMERIC[1]]["drifted"]
    assert not report.features[CATEGORICAL[0]]["drifted"]
    assert report.score_mean > report.score_reference_mean + 0.1
    assert 0 < report.drifted_share < 1


@pytest.mark.parametrize("category", ["a", "never seen"])
def test_a_change_of_categories_is_found(category):
    report = compare(reference(), *sample(300, 1, category=category))

    assert [name for name, item in report.features.items() if item["drifted"]] == [CATEGORICAL[0]]


def test_a_column_that_goes_missing_is_found():
    features, scores = sample(300, 1)
    report = compare(reference(), features.assign(**{NUMERIC[1]: np.nan}), scores)

    assert report.features[NUMERIC[1]]["drifted"]
    assert report.features[NUMERIC[1]]["missing_share"] == 1.0


@pytest.mark.parametrize("n", [0, 1, 199])
def test_too_few_predictions_give_no_verdict(n):
    report = compare(reference(), *sample(n, 1, shift=5.0))

    assert report.state == "insufficient_data"
    assert report.max_psi is None
    assert report.n == n


def test_significance_alone_is_no_drift():
    report = compare(reference(), *sample(100_000, 1, shift=0.2))

    assert report.features[NUMERIC[1]]["p_value"] < 1e-6
    assert report.state == "ok"


def test_profile_and_report_are_json():
    known = json.loads(json.dumps(reference(), allow_nan=False))
    report = compare(known, *sample(300, 1)).as_dict()

    assert json.loads(json.dumps(report, allow_nan=False))["n"] == 300


COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=10)


@given(COUNTS)
def test_equal_counts_have_no_effect(counts):
    array = np.array(counts, dtype=float)

    assert psi(array, array) == pytest.approx(0, abs=1e-12)
    assert significance(array, array) == pytest.approx(1)


@given(COUNTS, st.randoms())
def test_psi_is_symmetric_and_not_negative(counts, random):
    other = list(counts)
    random.shuffle(other)
    a, b = np.array(counts, dtype=float), np.array(other, dtype=float)

    assert psi(a, b) == pytest.approx(psi(b, a))
    assert psi(a, b) >= 0


def test_psi_of_a_known_case():
    # Shares .5/.5 against .9/.1: (.4 * ln 1.8) + (-.4 * ln .2) = .879
    assert psi(np.array([5e6, 5e6]), np.array([9e6, 1e6])) == pytest.approx(0.8789, abs=1e-3)


def test_holm_of_a_known_case():
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})

    assert corrected == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
