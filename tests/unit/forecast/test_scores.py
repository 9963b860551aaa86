"""Scores of forecasts and the baselines that they are compared with."""

import numpy as np
import pandas as pd
import pytest

from slipcast.forecast import baselines, scores
from slipcast.forecast.scores import DAYS, Forecasts
from support.forecast_portfolio import MEAN, landmarks


def exponential(rows, factor=1.0):
    """Return what one knows who knows the truth (`factor` 1), or believes in another speed."""
    means = rows["phase"].map(MEAN).to_numpy() * factor
    # Times are whole days, rounded up.
    cdf = 1 - np.exp(-DAYS / means[:, None])
    seen = rows["remaining"].sub(0.5).fillna(rows["follow_up"]).to_numpy()
    return Forecasts(np.exp(-rows["limit"].clip(lower=0).to_numpy() / means), cdf, 1 - np.exp(-seen / means))


@pytest.fixture(scope="module")
def rows():
    return landmarks(3000, seed=11, follow_up=(1500, 2500))


def every(rows):
    return rows["stage"].notna()


def test_the_crps_of_a_date_is_its_error():
    cdf = (np.array([[30.0], [30.0], [400.0]]) <= DAYS).astype(float)
    assert scores.crps(cdf, np.array([50.0, 10.0, np.inf])).tolist() == [20, 20, 0]


def test_the_crps_is_twice_the_mean_pinball_loss_over_all_levels(rows):
    some = rows.head(50)
    cdf, finish = exponential(some).cdf, some["remaining"].fillna(np.inf).to_numpy()
    levels = (np.arange(400) + 0.5) / 400
    losses = []
    for level in levels:
        error = np.minimum(finish, scores.CAP_DAYS) - scores.quantiles(cdf, level)
        losses.append(np.maximum(level * error, (level - 1) * error))
    assert scores.crps(cdf, finish) == pytest.approx(2 * np.mean(losses, axis=0), rel=0.02, abs=0.2)


def test_who_knows_the_truth_scores_best_and_covers_what_is_said(rows):
    methods = {"truth": exponential(rows), "fast": exponential(rows, 0.5), "slow": exponential(rows, 2.0)}
    methods = {name: scores.with_facts(rows, said) for name, said in methods.items()}
    table = scores.table(rows, methods, every).set_index("method")
    for score in ("brier", "crps", "pinball"):
        assert table[score].idxmin() == "truth"
    assert table.loc["truth", "cover_80"] == pytest.approx(0.8, abs=0.03)
    assert table.loc["truth", "cover_90"] == pytest.approx(0.9, abs=0.03)
    assert table.loc["truth", "held_80"] == pytest.approx(0.8, abs=0.03)
    assert table.loc["fast", "held_80"] < 0.65


def test_coverage_counts_open_activities_for_as_long_as_they_were_seen():
    young = landmarks(3000, seed=12, follow_up=(20, 400))
    observed = young["remaining"].notna().to_numpy()
    assert observed.mean() < 0.8
    truth = exponential(young).transform
    found = scores.coverage(truth, observed)
    assert found["held_80"] == pytest.approx(0.8, abs=0.03)
    assert found["cover_90"] == pytest.approx(0.9, abs=0.03)
    # Of the finished alone, more seem to hold.
    assert scores.coverage(truth[observed], observed[observed])["held_80"] > 0.84


def test_a_difference_comes_with_its_interval_from_whole_projects(rows):
    better, worse = exponential(rows), exponential(rows, 0.5)
    mean, (low, high), (down, up) = scores.difference(rows, better, worse, "crps", every, n_boot=200)
    assert low < mean < high < 0
    assert down < up < 0
    # The same activities again in the same projects are no more evidence.
    again = pd.concat([rows, rows], ignore_index=True)
    twice = [Forecasts(np.tile(item.p_late, 2), np.tile(item.cdf, (2, 1))) for item in (better, worse)]
    _, doubled, _ = scores.difference(again, *twice, "crps", every, n_boot=200)
    assert np.diff(doubled)[0] == pytest.approx(np.diff([low, high])[0], rel=0.05)


def test_what_is_late_already_is_late_whatever_a_method_says(rows):
    said = scores.with_facts(rows, Forecasts(np.zeros(len(rows)), None))
    assert said.p_late[rows["stage"] == "already_late"].min() == 1
    assert said.p_late[rows["stage"] != "already_late"].max() == 0
    assert scores.with_facts(rows, Forecasts(None, said.cdf)).p_late is None


def test_slips_of_the_past_are_given_that_the_activity_is_open(rows):
    few = rows.iloc[:5].assign(to_finish=[50.0, 0.0, -20.0, -100.0, -9999.0])
    train = pd.DataFrame(
        {"row": range(5), "to_finish": 0.0, "remaining": [10.0, 30, 60, 120, np.nan], "follow_up": 200.0}
    )
    cdf = baselines.slips_of_the_past(few, train, np.array([0, 15, 65, 200]))
    # 20 days over: four of five are still possible; one finishes within 15 days, two within 65.
    assert cdf[2] == pytest.approx([0, 0.25, 0.5, 0.75])
    # 50 days ahead: 15 days from now nothing has ever finished, 65 days from now one of five.
    assert cdf[0] == pytest.approx([0, 0, 0.2, 0.8])
    assert cdf[3] == pytest.approx([0, 0, 0.5, 0.5])
    assert ((cdf >= 0) & (cdf <= 1)).all()


def test_the_plan_is_tomorrow_once_it_has_passed(rows):
    few = rows.iloc[:3].assign(to_finish=[50.0, 0.0, -20.0], now_project_slip_days=[np.nan, 100.0, -30.0])
    assert baselines.plan(few).tolist() == [50, 1, 1]
    train = pd.DataFrame({"row": [0, 0, 1, 2], "remaining": [20.0, 5, 40, 60], "to_finish": [10.0, -5, 10, 10]})
    # The usual slip is 30 days: of 10, 30 and 50, each activity once.
    assert baselines.plan_and_delay(few, train).tolist() == [80, 100, 10]
    said = scores.point(few.assign(limit=[80.0, 30.0, 30.0]), np.array([80.0, 100.0, 10.0]))
    assert said.p_late.tolist() == [0, 1, 0]
    assert said.cdf[0, 79:81].tolist() == [0, 1]


def test_days_count_as_long_as_an_activity_was_seen():
    """Of an activity that was last seen open after 40 days nothing is known beyond: no method gains or loses by it."""
    rows = pd.DataFrame({"remaining": [np.nan, 20.0], "follow_up": [40.0, 40.0], "limit": [10.0, 90.0]})
    soon, late = (scores.point(rows, np.array([day, day])) for day in (30.0, 300.0))
    near = scores.row_scores(rows, soon)
    far = scores.row_scores(rows, late)
    assert near["crps"].tolist() == [10, 10]
    assert far["crps"].tolist() == [0, 20]
    assert far["pinball_50"].tolist() == [0, 10]
    # Whether the second is late was not known by then.
    assert np.isnan(near["brier"]).tolist() == [False, True]


def test_the_histogram_is_flat_for_who_knows_the_truth(rows):
    shares = scores.histogram(exponential(rows).transform, rows["remaining"].notna().to_numpy())
    assert sum(shares) == pytest.approx(1)
    assert max(abs(share - 0.1) for share in shares) < 0.03
    slow = scores.histogram(exponential(rows, 3.0).transform, rows["remaining"].notna().to_numpy())
    assert slow[0] > 0.2


def test_intervals_of_coverage_hold_it_and_are_narrower_with_more_projects(rows):
    forecasts, observed = exponential(rows), rows["remaining"].notna().to_numpy()
    widths = []
    for projects in (np.arange(len(rows)) % 20, np.arange(len(rows))):
        found = scores.coverage_intervals(forecasts.transform, observed, projects, seed=0, n_boot=50)
        low, high = found["cover_80"]
        assert low < scores.coverage(forecasts.transform, observed)["cover_80"] < high
        widths.append(high - low)
    few = scores.coverage_intervals(forecasts.transform[:60], observed[:60], np.arange(60), seed=0, n_boot=50)
    assert few["cover_80"][1] - few["cover_80"][0] > 3 * max(widths)


def test_the_precision_at_the_top_shares_the_last_place():
    late = np.array([1, 0, 0, 0, 1, 1, 0, 0, 0, 0] * 2)
    assert scores.precision_top(late, np.full(20, 0.5)) == pytest.approx(late.mean())
    assert scores.precision_top(late, late / 2) == 1.0
    assert scores.precision_top(late, 1.0 - late) == 0.0
