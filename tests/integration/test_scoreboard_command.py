"""``slipcast scoreboard``: kept forecasts of a stack, judged by its latest dataset version."""

import csv
import json

import pytest
from click.testing import CliRunner

from slipcast_aws.control import datasets
from slipcast_cli import main, stack
from support import kept_forecasts


@pytest.fixture
def scoreboard(s3, control_table, monkeypatch):
    outputs = {"DataBucketName": "data", "ControlTableName": control_table}
    monkeypatch.setattr(stack, "find", lambda name: stack.DeployedStack(name, "UPDATE_COMPLETE", outputs))
    return lambda *arguments: CliRunner().invoke(main.cli, ["scoreboard", "--stack", "s", *arguments])


def known(finishes) -> None:
    kept_forecasts.see(finishes)
    reference = {"dataset_id": "new", "last_seen_uri": kept_forecasts.LAST_SEEN}
    datasets.move_latest("control", reference, previous=None)


def test_it_judges_the_first_updates_forecasts_by_what_the_third_says(scoreboard, tmp_path):
    early = [kept_forecasts.forecast("A"), kept_forecasts.forecast("=B", project="P2")]
    kept_forecasts.keep(early)
    kept_forecasts.keep([kept_forecasts.forecast("A", given=28, levels=(5, 9, 20, 200))], data_date="2025-02-28")
    known({("P1", "A"): 30, ("P2", "=B"): None})

    assert "Of the finishes we called 80 % sure, 33% held." in scoreboard().output
    rows = json.loads(scoreboard("--by", "data_date", "--json").output)
    assert [(row["data_date"], row["p80_judged"], row["p80_held"]) for row in rows] == [
        ("2025-01-31", 2, 0.5),
        ("2025-02-28", 1, 0.0),
    ]
    target = tmp_path / "board.csv"
    done = scoreboard("--by", "project_id", "--by", "horizon", "--csv", str(target))
    assert (done.exit_code, "P2" in done.output) == (0, True)
    with target.open(newline="") as file:
        assert [(row["project_id"], row["horizon"], row["forecasts"]) for row in csv.DictReader(file)] == [
            ("P1", "up to 30 days", "2"),
            ("P2", "up to 30 days", "1"),
        ]


def test_without_anything_to_judge_it_says_what_is_missing(scoreboard):
    assert "no forecast has been kept yet" in scoreboard().output
    kept_forecasts.keep([kept_forecasts.forecast("A")])
    assert "drop the next schedule" in scoreboard().output
    known({("P9", "A"): 30})
    answer = scoreboard()
    assert (answer.exit_code, "none of the activities" in answer.output) == (1, True)
