"""Models of networks: learned from what had matured, evaluated by the standard library, judged next to the draws."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation import forecast, networks
from slipcast.forecast import completion, network_forecast, network_state, network_table, network_training, relative
from slipcast.forecast import training as forecast_training
from slipcast.forecast.network_model import NetworkModel
from slipcast.model.artifact import encode
from support.forecast_portfolio import landmarks
from support.network_portfolio import Portfolio

CUT, UNTIL = date(2018, 4, 1), date(2020, 12, 31)
COUNT = 22
TRAIN, HOLDOUT = ("projects-train", "activities-train"), ("projects-holdout", "activities-holdout")


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(completion, "ITERATIONS", 25)
        patched.setattr(completion, "FOLDS", 2)
        patched.setattr(network_training, "TREES", 6)
        patched.setattr(network_table, "MOST_UPDATES", 3)
        patched.setattr(network_table, "FEWEST_PROJECTS", 8)
        patched.setattr(network_table, "FEWEST_JUDGED", 4)
        patched.setattr(network_table, "JUDGED_DRAWS", 60)
        yield


@pytest.fixture(scope="module")
def found(small):
    return network_table.tables(network_table.Stored(Portfolio(COUNT), {}), CUT, UNTIL).parts


@pytest.fixture(scope="module")
def document(found):
    fitted = network_training.fit(found["projects-train"], found["activities-train"], 3)
    return json.loads(json.dumps(fitted))


@pytest.mark.usefixtures("small")
def test_nothing_known_from_the_cut_on_is_part_of_what_is_learned(found):
    other = network_table.tables(network_table.Stored(Portfolio(COUNT, changed=CUT), {}), CUT, UNTIL).parts

    for name in TRAIN:
        pd.testing.assert_frame_equal(found[name], other[name])
    assert not found["projects-holdout"].equals(other["projects-holdout"])


def test_a_project_counts_once_it_has_matured_and_then_however_late_it_is(found):
    portfolio = Portfolio(COUNT)
    rows = found["projects-train"]
    for name, table in portfolio.projects.items():
        begin, end = table["planned_start"].min(), table["planned_finish"].max()
        matured = end + (end - begin) / 2 < pd.Timestamp(CUT) - pd.Timedelta(days=4)
        own = rows[rows["project_id"] == f"portfolio/{name}"]
        if matured:
            assert len(own), name
        elif end + (end - begin) / 2 > pd.Timestamp(CUT) + pd.Timedelta(days=4):
            assert own.empty, name
        if len(own) and table["finish"].max() >= pd.Timestamp(CUT):
            # Open at the cut: it counts with the time that has passed.
            days = np.busday_count(own["data_date"].dt.date.tolist(), [CUT] * len(own))
            assert own["remaining"].to_numpy() == pytest.approx(days - 1, abs=1.5)


@pytest.mark.usefixtures("small")
def test_a_project_whose_relations_run_in_a_circle_is_left_out(found):
    class Circular(Portfolio):
        def rows(self, source, project_id, data_date):
            tables = super().rows(source, project_id, data_date)
            if project_id == "P01":
                back = tables["relations"][0]
                ends = {"predecessor_id": back["successor_id"], "successor_id": back["predecessor_id"]}
                return {**tables, "relations": [*tables["relations"], back | ends]}
            return tables

    other = network_table.tables(network_table.Stored(Circular(14), {}), date(2017, 4, 1), date(2018, 12, 31))

    assert other.why == ""
    names = {"portfolio/P00", "portfolio/P01", "portfolio/P02"}
    for part in TRAIN:
        assert names & set(other.parts[part]["project_id"]) == names - {"portfolio/P01"}
    assert names <= set(found["projects-train"]["project_id"])


def test_a_network_without_a_plan_is_left_to_the_draws(document):
    portfolio = Portfolio(1)
    (source, name, day, _) = portfolio.listed()[2]
    network = network_table.network_from(portfolio.rows(source, name, day))
    completion_, stated = network_forecast.said(NetworkModel(document), network, {})
    unplanned = {key: replace(item, planned_start=None) for key, item in network.activities.items()}

    assert len(completion_[name]) == 4
    assert {key.activity for key in stated} <= {f"A{number}" for number in range(8)}
    assert network_forecast.said(NetworkModel(document), replace(network, activities=unplanned), {}) == ({}, {})


def test_the_baseline_stands_for_planned_dates_that_moved():
    portfolio = Portfolio(1)
    (source, name, day, _) = portfolio.listed()[2]
    network = network_table.network_from(portfolio.rows(source, name, day))
    key = next(key for key in network.activities if key.activity == "A7")
    moved = network_state.alone(network, name, {key: (date(2015, 9, 1), date(2015, 9, 14))})
    plain = network_state.alone(network, name, {})

    later = [network_state.state(each).project["planned_duration"] for each in (plain, moved)]

    lasts = [item.planned_finish for item in network.activities.values()]
    assert later[1] > later[0] > 0
    assert moved.activities[key].planned_finish > max(lasts)
    assert plain.activities == network.activities


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("count", "cut", "words"), [(0, CUT, "no project"), (8, date(2015, 9, 1), "4 projects")])
def test_too_few_projects_teach_nothing(count, cut, words):
    found = network_table.tables(network_table.Stored(Portfolio(count), {}), cut, UNTIL)

    assert found.parts == {}
    assert found.why.startswith(f"{words} with a network before the cut")


def test_the_standard_library_says_what_the_fitted_models_say(found, document):
    projects, activities = (found[name] for name in TRAIN)
    model = NetworkModel(document)
    levels = [0.05, 0.1, 0.5, 0.8, 0.9, 0.95]

    fitted = completion.fit(projects, 3)
    ours = [model.completion(row) for row in projects.to_dict("records")]
    assert np.array(ours) == pytest.approx(fitted.quantiles(projects), rel=1e-9)

    forest = relative.fit(activities, 3, trees=network_training.TREES)
    base = activities["network_remaining"].to_numpy()
    theirs = relative.quantiles(forest.cdf(activities), base, levels)
    said = np.array([model.activity(row, levels) for row in activities.to_dict("records")])
    # Counts are rounded to whole numbers: levels next to a flat piece may move by some of it.
    assert np.median(np.abs(np.log(said / theirs))) < 1e-3
    assert (np.abs(np.log(said / theirs)) < 0.05).mean() > 0.98
    assert (np.diff(said, axis=1) >= 0).all()


def assessed(document, found, **changes):
    rows = [found[name].assign(**changes) for name in HOLDOUT]
    return networks.assess(document, *rows, "", 0.7, seed=1)


def test_the_part_is_released_where_it_is_better_than_the_draws(found, document):
    judged = assessed(document, found)

    assert judged["released"], judged["reasons"]
    for name in ("completion", "activities"):
        assert judged[name]["pinball"] < judged[name]["drawn"]
        assert judged[name]["less"] == pytest.approx(judged[name]["pinball"] - judged[name]["drawn"])
    assert judged["completion"]["projects"] >= 4


@pytest.mark.parametrize("holds", [True, False])
def test_a_release_has_the_part_if_it_holds_and_the_forecast_in_any_case(found, document, holds):
    train, holdout = landmarks(600, seed=1), landmarks(300, seed=2, follow_up=(30, 500))
    own = forecast_training.fit(train, 0, n_estimators=5, min_samples_leaf=40).document()
    projects = found["projects-holdout"]
    given = forecast.Found(
        train,
        holdout,
        encode(own | {"network": document}),
        projects=projects if holds else projects.assign(remaining=projects["remaining"] * 5),
        activities=found["activities-holdout"],
    )

    assessed = forecast.assess(
        given, lambda rows: np.full(len(rows), 0.5), None, forecast.Bounds(0.5, 1.0), seed=1, champion_live=False
    )

    assert assessed.record["networks"]["released"] is holds
    assert assessed.released == encode(own | ({"network": document} if holds else {}))


def test_the_part_is_left_out_where_the_draws_are_better(found, document):
    holdout = found["projects-holdout"]
    draws = dict.fromkeys(networks.DRAWN, holdout["remaining"])
    activities = found["activities-holdout"]
    judged = networks.assess(document, holdout.assign(**draws), activities, "", 0.7, seed=1)

    assert not judged["released"]
    assert "its pinball loss of completions is not below that of the draws" in judged["reasons"][0]


def test_the_part_is_left_out_where_its_p80_does_not_hold(found, document):
    late = found["projects-holdout"]["remaining"] * 5
    judged = networks.assess(
        document, found["projects-holdout"].assign(remaining=late), found["activities-holdout"], "", 0.7, seed=1
    )

    assert not judged["released"]
    assert "of completions came by its P80, 70% are asked for" in judged["reasons"][-1]
    assert networks.assess(None, pd.DataFrame(), pd.DataFrame(), "none", 0.7, seed=1)["why"] == "none"
