"""Reasons for a probability of being late: they add up to what the forecast states."""

import math

import pytest

from slipcast.forecast import training
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.reasons import Explainer
from support.forecast_portfolio import landmarks

SMALL = {"n_estimators": 10, "min_samples_leaf": 40, "max_features": 1.0}


@pytest.fixture(scope="module")
def document():
    return training.fit(landmarks(900, seed=1, follow_up=(30, 900)), 0, **SMALL).document()


@pytest.fixture(scope="module")
def explained(document):
    forecaster = Forecaster(document)
    return forecaster, Explainer(document, forecaster)


@pytest.mark.parametrize(("stage", "p_at_start"), [("in_progress", 0.9), ("in_progress", None), ("overdue", 0.9)])
def test_reasons_add_up_to_the_probability_that_the_distribution_states(explained, stage, p_at_start):
    forecaster, explainer = explained
    rows = landmarks(300, seed=5).query("stage == @stage and limit > 15").head(12).to_dict("records")
    for row in rows:
        found = explainer.reasons(row, stage, row["limit"], p_at_start)
        stated = forecaster.forecast(row, stage, row["limit"], p_at_start).p_late(row["limit"])
        assert found.base + math.fsum(found.features.values()) + found.at_start == pytest.approx(stated, abs=1e-9)
        assert (found.at_start > 0) == (stage == "in_progress" and p_at_start == 0.9)
    assert len(rows) > 8


def test_the_phase_that_makes_activities_slow_is_the_reason(explained):
    _, explainer = explained
    row = landmarks(300, seed=5).query("stage == 'in_progress' and limit > 60").iloc[0].to_dict()
    slow, quick = (
        explainer.reasons(row | {"phase": phase}, "in_progress", row["limit"]).features["phase"]
        for phase in ("Scope", "Design")
    )
    assert slow > quick
    # A feature that is always missing says nothing.
    assert explainer.reasons(row, "in_progress", row["limit"]).features["log_budget"] == 0


def test_a_fact_needs_no_reason(explained, document):
    forecaster, explainer = explained
    row = landmarks(5, seed=5).iloc[0].to_dict()
    assert explainer.reasons(row, "already_late", -5.0) is None
    assert Explainer(document | {"late": None}, forecaster).reasons(row, "in_progress", 60.0) is None


def test_where_the_distribution_leaves_no_room_there_is_no_reason_that_does_not_add_up(document):
    # All finishes lie within a week, so the forest's probability of a later one cannot be taken.
    certain = document | {"curves": {"all": [0.0] + [1.0] * (len(document["grid"]) - 1)}}
    row = landmarks(300, seed=5).query("stage == 'in_progress'").iloc[0].to_dict()
    forecaster = Forecaster(certain)
    assert forecaster.forecast(row, "in_progress", 300.0, 0.9).p_late(300.0) == 0
    assert Explainer(certain, forecaster).reasons(row, "in_progress", 300.0, 0.9) is None
