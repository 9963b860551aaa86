"""``slipcast bench``: every method on the same landmarks, nothing of the future in any of them."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from slipcast.forecast.scores import CAP_DAYS
from slipcast_cli import bench
from slipcast_cli.main import cli
from support.forecast_portfolio import schedule

LANDMARK = pd.Timestamp("2024-06-30")
PERIOD = bench.Period(pd.Timestamp("2024-03-31"), LANDMARK, LANDMARK)
SMALL = {"n_estimators": 5}


@pytest.fixture(autouse=True)
def one_small_family(monkeypatch):
    monkeypatch.setattr(bench, "AT_START", ("decision_tree", {"max_depth": 3}))


@pytest.fixture(scope="module")
def table():
    # As a file says it: what has not started is not in it.
    return (
        schedule(400, begin="2020-01-01", days=2000)
        .drop(columns=["baseline_data_date"])
        .query("status != 'not_started'")
    )


def test_every_method_judges_the_same_open_activities(table):
    result = bench.run(table, (PERIOD,), **SMALL)
    open_then = (table["start"] <= LANDMARK) & ~(table["actual_finish"] <= LANDMARK)
    assert len(result.rows) == open_then.sum()
    late = (result.rows["stage"] == "already_late").to_numpy()
    for forecasts in result.methods.values():
        assert forecasts.p_late.shape == (len(result.rows),)
        assert (forecasts.p_late[late] == 1).all()
        if forecasts.cdf is not None:
            assert forecasts.cdf.shape == (len(result.rows), CAP_DAYS + 1)
            assert (np.diff(forecasts.cdf, axis=1) >= -1e-12).all()
    tables = result.tables()
    assert tables.keys() == {"open, not yet late", "in progress", "overdue", "already late", "all open"}
    assert tables["all open"]["method"].tolist() == list(result.methods)
    for item in result.differences():
        low, high = item["ci"]
        assert low <= item["difference"] <= high


def test_what_comes_after_a_landmark_changes_no_forecast(table):
    later = table.copy()
    moved = later["actual_finish"] > LANDMARK
    later.loc[moved, "actual_finish"] += pd.Timedelta(days=200)
    later["actual_finish"] = later["actual_finish"].where(later["actual_finish"] <= later["data_date"])
    results = [bench.run(rows, (PERIOD,), **SMALL) for rows in (table, later)]
    assert results[0].rows["remaining"].tolist() != results[1].rows["remaining"].tolist()
    for name, forecasts in results[0].methods.items():
        other = results[1].methods[name]
        assert np.array_equal(forecasts.p_late, other.p_late), name
        assert forecasts.cdf is None or np.array_equal(forecasts.cdf, other.cdf), name


def test_periods_are_judged_together(table):
    earlier = bench.Period(pd.Timestamp("2023-03-31"), pd.Timestamp("2023-06-30"), pd.Timestamp("2023-06-30"))
    single = [bench.run(table, (period,), **SMALL) for period in (earlier, PERIOD)]
    both = bench.run(table, (earlier, PERIOD), **SMALL)
    assert len(both.rows) == sum(len(result.rows) for result in single)
    expected = np.concatenate([result.methods[bench.FORECAST].p_late for result in single])
    assert np.array_equal(both.methods[bench.FORECAST].p_late, expected)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_tables_or_json(table, tmp_path, monkeypatch, as_json):
    path = tmp_path / "schedule.csv"
    table.to_csv(path, index=False)
    monkeypatch.setattr(bench, "NYC_SCA", (PERIOD,))
    answer = CliRunner().invoke(cli, ["bench", "nyc-sca", str(path), *(["--json"] if as_json else [])])
    assert answer.exit_code == 0, answer.output
    if as_json:
        content = json.loads(answer.stdout)
        assert content.keys() == {"tables", "differences"}
        assert [row["method"] for row in content["tables"]["all open"]][-1] == bench.FORECAST
    else:
        assert f"| {bench.FORECAST} |" in answer.stdout
        assert "brier, overdue: forecast less frozen at the start" in answer.stdout
