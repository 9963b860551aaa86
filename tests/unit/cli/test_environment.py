"""Which AWS a command talks to."""

import pytest

from slipcast_cli import environment

FILE = "export AWS_ENDPOINT_URL=http://127.0.0.1:4566\nexport SLIPCAST_STACK='my stack'\n# a comment\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in (*environment.CHOSEN, "SLIPCAST_STACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    (tmp_path / "env").write_text(FILE)
    return tmp_path


def test_the_local_cloud_is_used_where_the_shell_names_no_account(home, monkeypatch, capsys):
    assert environment.use_local_cloud(home)
    assert environment.os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert environment.os.environ["SLIPCAST_STACK"] == "my stack"
    assert "local cloud" in capsys.readouterr().err


@pytest.mark.parametrize("name", environment.CHOSEN)
def test_a_shell_that_points_at_an_account_is_left_alone(home, monkeypatch, name):
    monkeypatch.setenv(name, "x")

    assert not environment.use_local_cloud(home)
    assert "SLIPCAST_STACK" not in environment.os.environ


def test_without_a_local_cloud_nothing_changes(home):
    assert not environment.use_local_cloud(home / "elsewhere")


def test_it_is_chosen_once(home):
    assert environment.use_local_cloud(home)
    assert not environment.use_local_cloud(home)
