"""Benchmark on snapshots: columns and forms of NYC Open Data's file, nothing of a later snapshot in any feature."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from slipcast.forecast import relative
from slipcast_cli import bench_snapshots
from slipcast_cli.main import cli

PERIODS = {202305: "2023-06-01", 202309: "2023-10-01", 202401: "2024-02-01", 202405: "2024-06-01", 202409: "2024-10-01"}
PERIODS |= {
    202501: "2025-02-01",
    202505: "2025-06-01",
    202509: "2025-10-01",
    202601: "2026-02-01",
    202605: "2026-06-01",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Write projects whose dates slip; some are complete in the end, as the file has them."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(150):
        first = pd.Timestamp("2023-06-01") + pd.Timedelta(days=int(rng.integers(60, 1200)))
        finish = first + pd.Timedelta(days=int(rng.integers(0, 300)))
        for period, day in PERIODS.items():
            data_date = pd.Timestamp(day) + pd.Timedelta(days=int(number % 3))
            share = (data_date - pd.Timestamp("2023-06-01")).days / 1100
            done = finish <= data_date
            date = finish if done else max(first + share * (finish - first), data_date)
            rows.append(
                {
                    "Reporting Period": period,
                    "Managing Agency": ["DPR", "DDC", "DEP"][number % 3],
                    "PID": number,
                    "Agency Project Name": f"Project {number}",
                    "Current Phase": "Close-out" if done else ["Design", "Construction"][number % 2],
                    "Completion Date": "" if number == 7 and not done else date.strftime("%m/%d/%Y"),
                    "Completion Date Type": "Actual" if done else "Forecast",
                    "Variance (day)": "",
                    "Reason for Forecast Completion Change": "",
                    "Data Date": data_date.strftime("%m/%d/%Y"),
                }
            )
            if done:
                break
    file = tmp_path_factory.mktemp("snapshots") / "nyc.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(relative, "TREES", 3)


def test_what_later_snapshots_say_changes_no_forecast(path):
    table = bench_snapshots.read(path)
    later = table.copy()
    after = later["period"] > 202409
    later.loc[after, "date"] += pd.Timedelta(days=90)
    later.loc[after, "phase"] = "design"
    results = [bench_snapshots.run(one, [202409]) for one in (table, later)]
    one, other = (
        dict(zip(result.rows["project_id"], result.methods["forecast"].p_late, strict=True)) for result in results
    )
    both = one.keys() & other.keys()
    assert len(both) > 40
    assert [one[name] for name in both] == [other[name] for name in both]
    assert results[0].rows["remaining"].tolist() != results[1].rows["remaining"].tolist()


def test_outcomes_are_what_the_last_snapshot_knows(path):
    table = bench_snapshots.read(path)
    rows = bench_snapshots.run(table).rows
    assert set(rows["period"]) == set(bench_snapshots.JUDGED)
    finish = table[table["actual"]].set_index("project_id")["date"]
    known = rows[rows["remaining"].notna()]
    days = (known["project_id"].map(finish) - known["data_date"]).dt.days
    assert known["remaining"].tolist() == days.tolist()
    assert (rows[rows["remaining"].isna()]["follow_up"] >= 365).all()


def test_the_command_prints_the_tables(path):
    run = CliRunner().invoke(cli, ["bench", "nyc-snapshots", str(path)])
    assert run.exit_code == 0, run.output
    assert "**All open" in run.output
    assert "came by their P80" in run.output
    refused = CliRunner().invoke(cli, ["bench", "nyc-snapshots", str(path.parent)])
    assert "read from a file" in refused.output
