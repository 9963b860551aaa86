"""The line on the log-odds: learned where it helps, the identity elsewhere, the same in the artifact."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from slipcast.features.table import feature_table
from slipcast.model import artifact, scorer
from slipcast.model.export.pipeline import export
from slipcast.probability_arrays import log_odds
from slipcast.training.calibration import IDENTITY, CalibratedPipeline, Calibration, fit, recalibrate
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from support.search_records import labelled_rows

RNG = np.random.default_rng(3)
TRUTH = RNG.uniform(0.03, 0.97, 3000)
Y = (RNG.random(3000) < TRUTH).astype(int)
FOLD = np.arange(3000) // 600


def test_scores_that_are_too_extreme_are_drawn_back():
    extreme = Calibration(2.5, 0.8).apply(TRUTH)
    found, record = recalibrate(Y, extreme, FOLD)

    assert record["used"]
    assert record["kind"] == "slope and intercept"
    # The inverse of the distortion is slope 1 / 2.5 and intercept -.8 / 2.5; 3,000 rows shrink it by a sixteenth.
    assert found.slope == pytest.approx(0.4 + 0.6 / 16, abs=0.03)
    assert found.intercept == pytest.approx(-0.32 * 15 / 16, abs=0.08)
    assert record["after"]["log_loss"] < record["before"]["log_loss"]
    assert record["after"]["brier"] < record["before"]["brier"]
    assert record["before"]["slope"] == pytest.approx(0.4, abs=0.03)
    # What was fitted to one fold of 600 is shrunk by a quarter.
    assert 0.75 < record["after"]["slope"] < 1
    assert roc_auc_score(Y, found.apply(extreme)) == pytest.approx(roc_auc_score(Y, extreme))


def test_what_is_calibrated_is_mostly_left_alone():
    p = np.tile([0.3, 0.7], 300)
    used = []
    for seed in range(40):
        y = (np.random.default_rng(seed).random(600) < p).astype(int)
        used.append(recalibrate(y, p, np.arange(600) // 100)[1]["used"])

    # What fits noise raises the log loss of the next fold more often than it lowers it.
    assert np.mean(used) < 0.1


def test_a_level_that_is_wrong_all_along_is_shifted_and_nothing_else():
    found, record = recalibrate(Y, Calibration(1.0, 0.7).apply(TRUTH), FOLD)

    assert record["kind"] == "intercept"
    assert found.slope == 1
    assert found.intercept == pytest.approx(-0.7 * 15 / 16, abs=0.1)
    assert record["after"]["brier"] < record["before"]["brier"]


def test_what_helped_only_the_folds_that_it_was_fitted_to_is_not_used():
    """A level that wanders: each fold seems to call for a shift, and the next one for another."""
    used, lost = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        shift = np.repeat(rng.normal(0, 0.5, 7), 200)
        truth = Calibration(1.0, 1.0).apply(rng.uniform(0.05, 0.95, 1400))
        y = (rng.random(1400) < (1 + np.tanh((log_odds(truth) + shift) / 2)) / 2).astype(int)
        past, fold = slice(0, 1200), np.arange(1200) // 200
        found, record = recalibrate(y[past], truth[past], fold)
        used.append(record["used"])
        lost.append(np.mean((found.apply(truth[1200:]) - y[1200:]) ** 2 - (truth[1200:] - y[1200:]) ** 2))

    assert np.mean(used) < 0.2
    assert np.mean(lost) < 0.001


def test_a_line_that_serves_some_folds_and_harms_others_is_not_used():
    """As on schedules whose late rate changes from year to year: here it rises in the last fold alone."""
    p = Calibration(1.0, 1.5).apply(TRUTH)
    last = FOLD == 4
    y = np.where(last, RNG.random(3000) < Calibration(1.0, 3.5).apply(TRUTH), Y).astype(int)

    found, record = recalibrate(y, p, FOLD)
    without_the_last = recalibrate(y[~last], p[~last], FOLD[~last])[1]

    assert found == IDENTITY
    assert not record["used"]
    assert without_the_last["used"]


def test_the_identity_changes_no_bit():
    assert IDENTITY.apply(TRUTH) is TRUTH
    assert not IDENTITY.used


@pytest.mark.parametrize(
    ("y", "p"),
    [([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]), ([0, 1, 0, 1], [0.5] * 4), ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])],
    ids=["one class", "constant", "separated"],
)
def test_what_has_no_maximum_is_left_alone(y, p):
    assert fit(np.array(y), np.array(p)) == IDENTITY


def test_a_line_never_turns_the_order_round():
    assert fit(1 - Y, TRUTH) == IDENTITY


def test_without_folds_the_rows_are_cut_in_their_order():
    extreme = Calibration(2.0, 0.0).apply(TRUTH)

    assert recalibrate(Y, extreme, np.zeros(3000))[1] == recalibrate(Y, extreme, np.arange(3000) * 5 // 3000)[1]


def test_the_artifact_and_the_estimator_give_the_same_probabilities():
    train = labelled_rows(300, seed=0)
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    features = feature_table(train)
    pipeline = build_pipeline(candidate, 1, max_depth=4, min_samples_leaf=5).fit(features, train["is_late"])
    found = Calibration(0.7, -0.2)
    raw = export(pipeline, family="decision_tree", threshold=0.5, calibration=found)
    rows = features.astype(object).where(features.notna(), None).to_dict("records")

    served = scorer.load(raw, artifact.digest(raw)).score(rows)
    estimator = CalibratedPipeline(pipeline, found.slope, found.intercept, found.clip)

    np.testing.assert_allclose(served, estimator.predict_proba(features)[:, 1], atol=1e-12)
    np.testing.assert_allclose(
        log_odds(np.array(served)), 0.7 * log_odds(pipeline.predict_proba(features)[:, 1]) - 0.2, atol=1e-9
    )
    assert set(estimator.predict(features)) == {0, 1}
