"""The commands of the local cloud, as far as the call of its own command line."""

import pytest
from click.testing import CliRunner

from local import __main__ as command
from slipcast_cli.main import cli


@pytest.mark.parametrize("name", ["up", "down", "status"])
def test_a_command_runs_its_part_of_the_local_cloud(name, monkeypatch):
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    monkeypatch.setattr(command, f"_{name}", lambda cloud: 7)
    result = CliRunner().invoke(cli, [name])
    assert result.exit_code == 7, result.exception
