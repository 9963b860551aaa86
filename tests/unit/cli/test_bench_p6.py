"""Benchmark on files of Primavera P6, with dates worked out by hand on a calendar of five days."""

import json

import pytest
from click.testing import CliRunner

from slipcast_cli import bench_p6
from slipcast_cli.main import cli
from support.p6_files import project, started, task, xer

RELATIONS = (
    "TASKPRED",
    ("task_pred_id", "task_id", "pred_task_id", "proj_id", "pred_proj_id", "pred_type", "lag_hr_cnt"),
    [("1", "A40", "A20", "100", "100", "PR_FS", "0")],
)


def hall(finish: str = "2025-07-28 17:00", name: str = "HALL", **values: str) -> bytes:
    """Return a project of which one of three activities is done; ten days of work each, one after the other."""
    done = started("A10", "2025-06-02", "2025-06-13", "2025-06-20", early_end_date="2025-06-20 17:00")
    # Started a week late.
    running = started(
        "A20", "2025-06-16", "2025-06-27", act_start_date="2025-06-23 08:00", early_end_date="2025-07-14 17:00"
    )
    ahead = task("A40", "2025-06-30", "2025-07-11", early_start_date="2025-07-15 08:00", early_end_date=finish)
    return xer([done, running, ahead | values], [project("2025-06-30", name)], more=[RELATIONS])


def test_dates_are_held_against_those_of_p6_and_files_that_contradict_themselves_are_left_out(tmp_path):
    (tmp_path / "right.xer").write_bytes(hall())
    # The same schedule under another name counts once.
    (tmp_path / "right_copy.xer").write_bytes(hall())
    # Ten days of work, and stored dates that are fifteen apart.
    (tmp_path / "wrong.xer").write_bytes(hall("2025-08-04 17:00", "YARD"))
    (tmp_path / "torn.xer").write_bytes(hall()[:500])

    run = CliRunner().invoke(cli, ["bench", "p6", str(tmp_path), "--json"])

    assert run.exit_code == 0, run.output
    content = json.loads(run.stdout)
    assert list(content["left_out"]) == ["torn.xer"]
    rows = {row["method"]: row for row in content["tables"]["progressed: open activities within a day of P6"]}
    assert [(row["open"], row["early_finish"]) for row in rows.values()] == [(2, 100), (2, 50), (2, 100), (2, 100)]
    assert list(rows)[:3] == ["right.xer", "wrong.xer", "files that agree with themselves: 1"]
    assert rows["wrong.xer"]["contradictions"] == 100


def test_a_project_in_progress_has_a_completion_by_each_baseline(tmp_path):
    path = tmp_path / "hall.xer"
    path.write_bytes(hall())

    (found,) = bench_p6.compare(path).completions

    # Nine working days are left of the plan after Monday evening, and twenty of the network.
    assert (found["plan"], found["critical_path"]) == (9, 20)
    # One activity began in time, the other five days late: half of them is the median delay.
    assert found["delayed"] == pytest.approx(11.5)
    assert found["critical_path"] <= found["monte_carlo_50"] < found["monte_carlo_80"] < 25
    assert "| HALL |" in bench_p6.text([bench_p6.compare(path)])


def test_a_project_that_has_not_begun_has_none(tmp_path):
    path = tmp_path / "hall.xer"
    path.write_bytes(xer([task("A40", "2025-07-01", "2025-07-14")], [project("2025-06-30")]))

    assert bench_p6.compare(path).completions == []
