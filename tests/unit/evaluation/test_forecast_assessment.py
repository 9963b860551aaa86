"""Assessment of a forecast: figures by stage, its limits, and which forecast a release gets."""

import json

import numpy as np
import pytest

from slipcast.evaluation import forecast as assessment
from slipcast.evaluation.forecast import CHALLENGER, CHAMPION, DELAY, PLAN, SLIPS, Bounds, Found
from slipcast.forecast import scores, training
from slipcast.forecast.conformal import GRID
from support.forecast_portfolio import landmarks

SMALL = {"n_estimators": 10, "min_samples_leaf": 40, "max_features": 1.0}
OPEN = Bounds(0.0, 1.0)


@pytest.fixture(scope="module")
def case():
    """Landmarks to train on, later ones to judge, and the forecast of the former."""
    train, holdout = landmarks(900, seed=1, follow_up=(30, 900)), landmarks(500, seed=2, follow_up=(30, 500))
    holdout["landmark"] += np.timedelta64(800, "D")
    return train, holdout, json.dumps(training.fit(train, 0, **SMALL).document()).encode()


def changed(raw: bytes, curve: np.ndarray) -> bytes:
    """Return a forecast that states other probabilities."""
    return json.dumps(json.loads(raw) | {"curves": {"all": curve.tolist()}, "late": None}).encode()


TOO_SURE = np.where(GRID < 0.5, 0.0, 1.0)
TOO_LATE = GRID**6


KNOWN: dict = {}


def judged(case, raw=None, champion=None, bounds=OPEN, live=False):
    """Assess, once for equal arguments."""
    train, holdout, own = case
    key = (raw, champion, bounds, live)
    if key not in KNOWN:
        found = Found(train, holdout, raw or own, "", {"points": []}, champion)
        KNOWN[key] = assessment.assess(found, half, half, bounds, seed=1, champion_live=live or champion is not None)
    return KNOWN[key]


def half(rows):
    return np.full(len(rows), 0.5)


def test_every_stage_is_judged_beside_simpler_methods(case):
    found = judged(case)
    record, rows = found.record, case[1]
    json.dumps(record, allow_nan=False)

    assert found.released == case[2]
    assert record["released"] == CHALLENGER
    stages = {item["stage"]: item for item in record["stages"]}
    assert set(stages) == {"open, not yet late", "in_progress", "overdue", "already_late", "all open"}
    assert stages["all open"]["rows"] == len(rows)
    assert sum(stages[name]["rows"] for name in ("in_progress", "overdue", "already_late")) == len(rows)
    methods = {item["method"]: item for item in stages["all open"]["methods"]}
    assert set(methods) == {CHALLENGER, SLIPS, DELAY, PLAN}
    assert methods[CHALLENGER]["crps"] < methods[PLAN]["crps"]
    assert methods[PLAN]["cover_80"] is None
    low, high = stages["all open"]["coverage_ci"]["cover_80"]
    assert low <= methods[CHALLENGER]["cover_80"] <= high
    assert sum(record["histogram"]) == pytest.approx(1)
    assert record["landmarks"]["holdout"] == len(rows)
    late = {item["method"]: item for item in stages["already_late"]["methods"]}
    # What is late already is late for every method.
    assert {item["brier"] for item in late.values()} == {0.0}


def test_the_probability_judged_at_the_start_is_part_of_what_is_judged(case):
    train, holdout, raw = case
    found = Found(train, holdout, raw)
    brier = {}
    for p in (0.01, 0.5):
        given = assessment.assess(
            found, lambda rows, p=p: np.full(len(rows), p), None, OPEN, seed=1, champion_live=False
        )
        stage = next(item for item in given.record["stages"] if item["stage"] == "in_progress")
        brier[p] = stage["methods"][0]["brier"]
    assert brier[0.01] != pytest.approx(brier[0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("curve", "name"),
    [(TOO_SURE, "MinForecastCoverage"), (np.interp(GRID, [0, 0.02, 0.98, 1], [0, 0.3, 0.7, 1]), "Max")],
)
def test_an_interval_that_surely_does_not_hold_is_left_out_and_the_remedy_is_named(case, curve, name):
    found = judged(case, changed(case[2], curve), bounds=Bounds())

    assert found.released is None
    assert found.improved is None
    assert any(name in reason for reason in found.record["reasons"])
    assert "the release has no forecast" in found.record["reasons"][-1]
    # The owner's bounds decide.
    assert judged(case, changed(case[2], curve)).record["limits"][0]["broken"] is False


def test_a_forecast_surely_worse_than_the_slips_of_the_past_is_left_out(case):
    found = judged(case, changed(case[2], TOO_LATE))

    assert found.released is None
    assert "its pinball loss is higher than that of the slips of the past" in found.record["reasons"][0]


def test_the_live_forecast_stays_if_the_new_one_is_worse(case):
    found = judged(case, changed(case[2], TOO_LATE), champion=case[2])

    assert (found.record["released"], found.released) == (CHAMPION, case[2])
    assert found.record["pinball"][CHAMPION]["ci"][0] > 0
    assert "the live forecast stays" in found.record["reasons"][-1]
    # But not if it breaks the bounds itself.
    both = judged(case, changed(case[2], TOO_LATE), champion=changed(case[2], TOO_SURE), bounds=Bounds())
    assert both.released is None


def test_a_release_improves_on_a_worse_forecast_and_on_none(case):
    worse = judged(case, champion=changed(case[2], TOO_LATE))
    none = judged(case, live=True)
    same = judged(case, champion=case[2])

    assert worse.improved.startswith("its forecast is better: ")
    assert none.improved == "the live model has no forecast"
    assert same.improved is None
    assert judged(case).improved is None


def test_a_stage_whose_outcome_nobody_knows_yet_has_no_scores_of_it(case):
    train, holdout, raw = case
    # Last seen on the landmark itself: neither a finish nor whether it is late is known.
    rows = holdout.copy()
    overdue = rows["stage"] == "overdue"
    rows.loc[overdue, ["remaining", "follow_up"]] = [np.nan, 0.0]
    found = assessment.assess(Found(train, rows, raw), half, None, OPEN, seed=1, champion_live=False)
    stage = next(item for item in found.record["stages"] if item["stage"] == "overdue")

    assert (stage["finished"], stage["coverage_ci"]) == (0, {})
    own = stage["methods"][0]
    assert {own[name] for name in ("auc", "brier", "precision_top", "cover_80")} == {None}
    json.dumps(found.record, allow_nan=False)


def test_too_few_finishes_judge_nothing(case):
    train, holdout, raw = case
    few = Found(train, holdout[holdout["remaining"].notna()].head(20), raw)
    found = assessment.assess(few, half, None, OPEN, seed=1, champion_live=False)

    assert (found.released, found.record["released"]) == (None, None)
    assert found.record["reasons"] == ["no new forecast: fewer than 30 finishes could judge it"]
    # A live one stays: it takes more than a lost task to take the dates away.
    few = Found(train, holdout[holdout["remaining"].notna()].head(20), raw, champion=b"{}")
    kept = assessment.assess(few, half, None, OPEN, seed=1, champion_live=True)
    assert (kept.released, kept.record["released"], kept.improved) == (b"{}", CHAMPION, None)


def test_without_a_forecast_the_reason_is_the_searchs():
    found = assessment.assess(Found(why="the dataset has no dates"), half, None, OPEN, seed=1, champion_live=True)

    assert found.record["why"] == "the dataset has no dates"
    assert found.improved is None


def test_the_project_that_is_shown_is_the_one_with_most_finishes(case):
    holdout = case[1]
    shown = judged(case).record["backtest"]
    finished = holdout[holdout["remaining"].notna()].groupby(["project_id", "landmark"]).size()

    assert finished[shown["project_id"], shown["data_date"]] == finished.max()
    for item in shown["activities"]:
        assert shown["data_date"] < item["p10"] <= item["p50"] <= item["p80"] <= item["p90"]
        assert item["finish"] is None or item["finish"] <= item["last_seen"]


def test_losses_are_compared_on_the_same_landmarks(case):
    record = judged(case, champion=changed(case[2], TOO_LATE)).record
    numbers = record["pinball"][CHAMPION]
    means = {item["method"]: item["pinball"] for item in record["stages"][-1]["methods"]}

    assert (numbers["challenger"], numbers["other"]) == pytest.approx((means[CHALLENGER], means[CHAMPION]))
    assert numbers["ci"][0] < numbers["less"] < numbers["ci"][1]
    assert numbers["less"] == pytest.approx(numbers["challenger"] - numbers["other"])
    assert scores.CAP_DAYS > numbers["challenger"] > 0
