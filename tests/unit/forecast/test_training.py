"""Forecast model: censored finishes, calibration by project, the same answer without scikit-learn."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from slipcast.features.row import CATEGORICAL
from slipcast.forecast import conformal, export, forest, training
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.landmarks import FEATURE_NAMES
from slipcast.forecast.survival import kaplan_meier
from support.forecast_portfolio import MEAN, landmarks

SMALL = {"n_estimators": 20, "min_samples_leaf": 40, "max_features": 1.0}


@pytest.fixture(scope="module")
def table():
    # Most are recent: of these, the slow ones are still open.
    recent, older = landmarks(1100, seed=1, follow_up=(10, 120)), landmarks(400, seed=9, follow_up=(365, 500))
    return pd.concat([recent, older], ignore_index=True).assign(row=range(1500))


@pytest.fixture(scope="module")
def grown(table):
    return forest.grow(table, seed=0, **SMALL)


def medians(grown, rows):
    return np.array([np.interp(0.5, cdf, forest.knots()) for cdf in grown.cdf(rows)])


def test_activities_that_are_still_open_count_as_long_as_they_were_seen(grown):
    fresh = landmarks(400, seed=2)
    for phase, mean in MEAN.items():
        found = np.mean(medians(grown, fresh[fresh["phase"] == phase]))
        assert found == pytest.approx(mean * math.log(2), rel=0.15), phase


def test_a_forest_of_finished_activities_alone_would_be_too_early(table, grown):
    finished = table[table["remaining"].notna()].assign(follow_up=10_000.0)
    assert len(finished) < 0.9 * len(table)
    slow = landmarks(400, seed=2).query("phase == 'Scope'")
    naive = np.mean(medians(forest.grow(finished, seed=0, **SMALL), slow))
    assert naive < 0.85 * np.mean(medians(grown, slow))


def test_pieces_count_a_row_until_its_finish_or_its_cut():
    rows = pd.DataFrame({"remaining": [20.0, np.nan, np.nan, 7.0], "follow_up": [400.0, 50.0, 5.0, 7.0]})
    finished, seen = forest.pieces(rows)
    assert seen.sum(axis=1).tolist() == [3, 4, 0, 1]
    assert finished.sum(axis=1).tolist() == [1, 0, 0, 1]
    assert np.argmax(finished[0]) == 2


def test_each_activity_counts_once_however_many_landmarks_it_has():
    rows = pd.DataFrame({"row": [0, 1, 1, 1], "landmark": pd.date_range("2024-01-31", periods=4, freq="ME")})
    weights = forest.activity_weights(rows)
    assert weights[0] == pytest.approx(weights[1:].sum())
    assert weights.mean() == pytest.approx(1)


def test_the_standard_library_gives_what_scikit_learn_gives(table, grown):
    curves = {conformal.ALL: (conformal.GRID**1.3).tolist(), "overdue": (conformal.GRID**0.7).tolist()}
    # What JSON does to numbers is part of it.
    forecaster = Forecaster(json.loads(json.dumps(export.document(grown, curves, None, {}))))
    fresh = landmarks(200, seed=3)
    fresh.loc[:20, ["elapsed", "phase"]] = [np.nan, "never seen"]
    expected = conformal.calibrated(grown.cdf(fresh), fresh["stage"].to_numpy(), curves)
    for row, cdf in zip(fresh.to_dict("records"), expected, strict=True):
        found = forecaster.forecast(row, row["stage"], row["limit"])
        assert np.abs(np.array(found.probability) - cdf).max() < 1e-12


def test_missing_values_may_be_none_nan_or_absent(grown):
    forecaster = Forecaster(export.document(grown, {}, None, {}))
    row = dict.fromkeys(FEATURE_NAMES, math.nan) | dict.fromkeys(CATEGORICAL, "(missing)")
    nones = {name: None if value != value else value for name, value in row.items()}
    absent = {name: value for name, value in row.items() if value == value}
    assert forecaster.forecast(row, "overdue", 9.0) == forecaster.forecast(nones, "overdue", 9.0)
    assert forecaster.forecast(row, "overdue", 9.0) == forecaster.forecast(absent, "overdue", 9.0)


def test_calibration_corrects_what_is_systematically_wrong():
    rows = landmarks(4000, seed=4)
    # Someone who believes that everything takes half as long: P80 holds in 55 %.
    wrong = 1 - np.exp(-forest.knots() / (rows["phase"].map(MEAN).to_numpy()[:, None] / 2))
    wrong[:, -1] = 1
    fit, rest = rows.iloc[:3000], rows.iloc[3000:]
    curves = conformal.calibration_curves(
        training.transforms(fit, wrong[:3000]),
        fit["remaining"].notna().to_numpy(),
        fit["project_id"].to_numpy(),
        fit["stage"].to_numpy(),
        np.ones(len(fit)),
    )
    corrected = conformal.calibrated(wrong[3000:], rest["stage"].to_numpy(), curves)
    for level in (0.5, 0.8, 0.9):
        before, after = (
            np.mean(
                [np.interp(day, forest.knots(), cdf) <= level for day, cdf in zip(rest["truth"], cdfs, strict=True)]
            )
            for cdfs in (wrong[3000:], corrected)
        )
        assert before < level - 0.1
        assert after == pytest.approx(level, abs=0.05), level


def test_calibration_leaves_the_forecast_alone_beyond_what_was_seen():
    transforms = np.linspace(0.001, 0.6, 200)
    curves = conformal.calibration_curves(
        transforms, transforms < 0.599, np.arange(200), np.full(200, "overdue"), np.ones(200)
    )
    curve = curves["overdue"]
    assert curve[0] == 0
    assert curve[-1] == 1
    assert curve == sorted(curve)
    # Nothing is known above .6: the rest of the probability is spread as the forecast spread it.
    assert np.diff(curve)[-1] > 0


def test_a_stage_of_few_projects_gets_the_calibration_of_all():
    rng = np.random.default_rng(5)
    projects = np.arange(100)
    stages = np.where(projects < conformal.MIN_PROJECTS - 1, "overdue", "in_progress")
    curves = conformal.calibration_curves(
        rng.random(100) ** 2, np.ones(100, dtype=bool), projects, stages, np.ones(100)
    )
    assert curves.keys() == {conformal.ALL, "in_progress"}
    cdf = np.array([[0.0, 0.3, 1.0]])
    of_all = np.interp(0.3, conformal.GRID, curves[conformal.ALL])
    assert conformal.calibrated(cdf, np.array(["overdue"]), curves)[0, 1] == pytest.approx(of_all)
    assert conformal.calibrated(cdf, np.array(["overdue"]), {}).tolist() == cdf.tolist()


def test_folds_never_part_a_project():
    projects = pd.Series([f"P{number % 17}" for number in range(100)] + [None, None])
    held = []
    for train, rest in training.project_folds(projects, 5, seed=0):
        assert not set(projects.iloc[train].dropna()) & set(projects.iloc[rest].dropna())
        held += rest.tolist()
    assert sorted(held) == list(range(102))


def test_the_distribution_takes_its_probability_of_being_late_from_the_late_forest(table):
    fitted = training.fit(table, 0, **SMALL)
    forecaster = fitted.forecaster()
    rows = table[table["stage"] == "in_progress"].iloc[:20]
    values = forest.matrix(rows, forest.COLUMNS, fitted.grown.categories)
    for row, p in zip(rows.to_dict("records"), fitted.late.predict_proba(values)[:, 1].tolist(), strict=True):
        plain = forecaster.forecast(row, "in_progress", row["limit"])
        assert plain.p_late(row["limit"]) == pytest.approx(p, abs=1e-9)
        mixed = forecaster.forecast(row, "in_progress", row["limit"], 0.9)
        assert mixed.p_late(row["limit"]) == pytest.approx((p + 0.9) / 2, abs=1e-9)
    # Past the baseline finish, what was judged at the start no longer counts; once late, nothing does.
    assert forecaster.forecast(row, "overdue", 9.0, 0.9) == forecaster.forecast(row, "overdue", 9.0)
    assert forecaster.forecast(row, "already_late", -5.0, 0.1).p_late(-5.0) == 1.0


def test_without_late_activities_the_distribution_stands_alone(table):
    timely = table.assign(remaining=1.0, limit=30.0, stage="in_progress")
    fitted = training.fit(timely, 0, **SMALL)
    assert fitted.late is None
    row = timely.iloc[0].to_dict()
    assert fitted.forecaster().forecast(row, "in_progress", 30.0, 0.9).p_late(30.0) < 0.05


def test_nothing_to_follow_is_said():
    young = landmarks(50, seed=7, follow_up=(10, 300))
    with pytest.raises(ValueError, match="there is nothing to learn from yet"):
        forest.grow(young, seed=0)


def test_the_product_limit_estimate_is_scipys():
    from scipy import stats

    rng = np.random.default_rng(8)
    times, observed = rng.integers(1, 20, 200), rng.random(200) < 0.6
    expected = stats.ecdf(stats.CensoredData(times[observed], right=times[~observed])).sf
    at, survival = kaplan_meier(times, observed)
    assert survival == pytest.approx(expected.evaluate(at))
    doubled = kaplan_meier(times, observed, np.full(200, 2.0))
    assert doubled[1] == pytest.approx(survival)
