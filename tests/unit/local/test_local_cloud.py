"""What the launcher hands to the shell, to sam and to its children."""

import json
import subprocess

import pytest

from local import cloud
from local.cloud import LocalCloud, env_file
from local.processes import LocalCloudError


def test_the_env_file_can_be_sourced_whatever_the_values(tmp_path):
    env = {"SLIPCAST_API_KEY": "a b'c$HOME\"`x`", "SLIPCAST_STACK": "slipcast"}
    (tmp_path / "env").write_text(env_file(env))

    command = ["bash", "-c", 'source "$1"; exec env', "bash", tmp_path / "env"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)

    assert {f"{name}={value}" for name, value in env.items()} <= set(told.stdout.splitlines())


def test_a_parameter_with_a_space_stays_in_one_piece():
    assert cloud._override(("MonitorSchedule", "rate(1 minute)")) == (
        'ParameterKey=MonitorSchedule,ParameterValue="rate(1 minute)"'
    )


def test_a_parameter_that_sam_would_mangle_is_refused():
    with pytest.raises(LocalCloudError, match="parameter Name"):
        cloud._override(("Name", 'a"b'))


def test_children_do_not_see_a_real_account(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("NO_PROXY", "intranet.example")

    environment = LocalCloud(tmp_path)._environment()

    assert not {"AWS_PROFILE", "MLFLOW_TRACKING_URI", "PYTHONPATH"} & environment.keys()
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert environment["AWS_SESSION_TOKEN"] == "local"
    assert environment["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"


def test_what_was_never_started_is_not_up_and_can_be_stopped(tmp_path):
    local = LocalCloud(tmp_path / "none")

    assert not local.running()
    assert local.down() == []
    assert not (tmp_path / "none").exists()
    with pytest.raises(LocalCloudError, match="not up"):
        local.redeploy()


def test_a_record_of_processes_that_are_gone_is_cleared(tmp_path):
    child = {"name": "emulator", "pid": 2**22 + 1, "started": "1", "port": 1, "log": "log"}
    (tmp_path / "run.json").write_text(json.dumps({"children": [child], "env": {"SLIPCAST_STACK": "x"}}))
    local = LocalCloud(tmp_path)

    assert not local.running()
    assert local.down() == []
    assert not (tmp_path / "run.json").exists()


def test_two_commands_do_not_work_on_one_cloud_at_once(tmp_path):
    with (
        cloud._locked(tmp_path / "lock", "first"),
        pytest.raises(LocalCloudError, match="another command is at work"),
    ):
        LocalCloud(tmp_path).up()
