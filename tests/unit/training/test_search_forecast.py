"""Search for the forecast: declared grid, folds in the order of time, choice of the point."""

import json

import numpy as np
import pytest

from slipcast.training.candidates import CandidateError
from slipcast.training.search import forecast
from support.forecast_portfolio import landmarks

PLAN = {"why": "", "points": [{"min_samples_leaf": 20}, {"min_samples_leaf": 40}], "tables": {"train": {"rows": 900}}}


@pytest.fixture(scope="module")
def table():
    return landmarks(900, seed=1, follow_up=(30, 2000))


def test_the_packaged_grid_is_small_and_its_points_are_whole():
    points = forecast.load_grid()
    assert 2 <= len(points) <= 8
    assert all(point.keys() == {"n_estimators", "min_samples_leaf", "max_features"} for point in points)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "an object with the fields params and grid"),
        ('{"grid": {"max_depth": []}}', "at least one"),
        ('{"family": "forest"}', "an object with the fields params and grid"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(text, why):
    with pytest.raises(CandidateError, match=why):
        forecast.load_grid(text)


def test_a_fold_knows_no_outcome_of_later_and_no_project_that_it_tests(table):
    found = list(forecast.folds(table))
    assert len(found) == forecast.FOLDS
    for train, test in found:
        begin = test["landmark"].min()
        assert train["landmark"].max() < begin
        assert not set(train["project_id"]) & set(test["project_id"])
        known = (begin - train["landmark"]).dt.days
        assert (train["follow_up"] <= known).all()
        assert (train["remaining"].dropna() <= known[train["remaining"].notna()]).all()
        # What finished later is open in the fold, and not left out.
        later = table["remaining"].loc[train.index] > known
        assert later.any()
        assert train["remaining"][later].isna().all()
    assert sum(len(test) for _, test in found) == pytest.approx(0.6 * len(table), rel=0.1)


def test_the_point_with_the_smallest_loss_is_the_best(table):
    # A leaf with nearly everything in it cannot tell fast phases from slow ones.
    plan = PLAN | {
        "points": [{"min_samples_leaf": 800, "n_estimators": 5}, {"min_samples_leaf": 20, "n_estimators": 5}]
    }
    many = table.assign(project_id=[f"P{number}" for number in range(len(table))])
    points = forecast.measure(many, plan, [0, 1], seed=0)
    assert points[1]["pinball"] < 0.95 * points[0]["pinball"]
    assert forecast.best(plan, points) == plan["points"][1]
    json.dumps(points, allow_nan=False)


def test_a_point_that_scikit_learn_refuses_is_an_error_and_never_the_best(table):
    plan = PLAN | {"points": [{"max_depth": -1}, {"min_samples_leaf": 40, "n_estimators": 3}]}
    refused, measured = forecast.measure(table, plan, [0, 1], seed=0)
    assert "max_depth" in refused["error"]
    assert forecast.best(plan, [refused, measured]) == plan["points"][1]
    assert forecast.best(plan, [refused]) == plan["points"][0]


@pytest.mark.parametrize(("rows", "tasks"), [(900, 1), (20_000, 2), (200_000, 4)])
def test_tasks_measure_every_point_once(rows, tasks):
    plan = PLAN | {"points": [{}] * 4, "tables": {"train": {"rows": rows}}}
    found = forecast.tasks(plan)
    assert len(found) == tasks
    assert [number for task in found for number in task["points"]] == [0, 1, 2, 3]


def test_one_point_needs_no_choice():
    assert forecast.tasks(PLAN | {"points": [{}]}) == []
    assert forecast.tasks(PLAN | {"tables": {}, "why": "the dataset has no dates"}) == []


@pytest.mark.parametrize(
    ("fitted", "why"),
    [(None, "its task did not finish"), ({"error": "ValueError: nothing to learn"}, "nothing to learn")],
)
def test_without_a_fit_the_record_says_why(fitted, why):
    record = forecast.conclude(PLAN, [], fitted)
    assert why in record["why"]
    assert "model" not in record


def test_the_loss_is_that_of_the_quantiles(table):
    """Held against a forecast that is known: with one leaf for all it is the product-limit estimate of the fold."""
    plan = PLAN | {"points": [{"min_samples_leaf": 800, "n_estimators": 1}]}
    (point,) = forecast.measure(table, plan, [0], seed=0)
    losses = []
    for _, test in forecast.folds(table):
        end = np.minimum(test["remaining"].fillna(np.inf), test["follow_up"].clip(upper=365))
        losses.append(np.mean([np.abs(end - end.median()) / 2]))
    # The median alone, known afterwards, loses about as much at the level of 50 % as the forecast does on average.
    assert point["pinball"] == pytest.approx(np.mean(losses), rel=0.5)
