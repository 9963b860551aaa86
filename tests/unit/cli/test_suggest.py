"""``slipcast profile suggest``: a draft for people, and for programs."""

import json
from pathlib import Path

from click.testing import CliRunner

from slipcast.ingest.mapping.profile import load_profile
from slipcast_cli.main import REFUSED, cli

HOCHBAU = Path(__file__).parents[3] / "examples/exports/custom/hochbau_2025-06-30.csv"


def run(*arguments):
    return CliRunner().invoke(cli, ["profile", "suggest", *map(str, arguments)])


def test_a_draft_is_written_as_a_profile_that_loads(tmp_path):
    target = tmp_path / "hochbau.yaml"

    result = run(HOCHBAU, "--name", "hochbau", "--out", target, "--json")

    assert result.exit_code == 0, result.output
    assert load_profile(target.read_text(), "hochbau.yaml").name == "hochbau"
    found = json.loads(result.stdout)
    assert found["text"] == target.read_text()
    assert found["counts"]["read"] == 41
    assert all(0 < guess["confidence"] < 1 and guess["headers"] for guess in found["guesses"])


def test_a_file_without_dates_is_refused_with_what_it_needs(tmp_path):
    file = tmp_path / "trees.csv"
    file.write_text("Park,Trees,Benches\nNorth,12,3\n")

    result = run(file)

    assert result.exit_code == REFUSED
    assert "name the columns so" in result.output
