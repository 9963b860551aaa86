"""When the local cloud cannot start it says why, names the logs and leaves nothing running."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import processes
from local.cloud import ROOT, LocalCloud
from local.processes import Child, LocalCloudError

BROKEN = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: {Namespace: Site, MetricName: Load, ComparisonOperator: GreaterThanThreshold, EvaluationPeriods: 1}
"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(BROKEN)
    return path


class Watched(LocalCloud):
    """A local cloud that remembers every process it ever started."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.ever: list[Child] = []

    def _save(self):
        self.ever += [child for child in self.children if child not in self.ever]
        super()._save()

    def assert_nothing_left(self, *names):
        assert [child.name for child in self.ever] == list(names)
        assert not any(child.alive() or processes.listening(child.port) for child in self.ever)
        assert not (self.home / "run.json").exists()
        assert not (self.home / "env").exists()
        # Whoever runs anything from this cloud's folder: workers of functions, sam, MLflow's children.
        running = [folder for folder in Path("/proc").glob("[0-9]*") if str(self.home) in command(folder)]
        assert running == []


def command(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_a_taken_port_is_named(tmp_path, template, monkeypatch):
    cloud = Watched(tmp_path / "cloud", say=lambda _: None, template=template)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        monkeypatch.setenv("SLIPCAST_PORT", str(port))

        with pytest.raises(LocalCloudError, match=f"port {port} on 127.0.0.1 is taken"):
            cloud.up()

    cloud.assert_nothing_left()


def test_a_failed_deployment_tells_the_first_reason(tmp_path, template):
    cloud = Watched(tmp_path / "cloud", say=lambda _: None, template=template)

    with pytest.raises(LocalCloudError, match=r"sam deploy failed at Alarm: .*Threshold is required") as error:
        cloud.up()

    assert str(tmp_path / "cloud" / "logs" / "sam-deploy.log") in str(error.value)
    assert (tmp_path / "cloud" / "logs" / "sam-deploy.log").exists()
    cloud.assert_nothing_left("emulator", "mlflow", "sam-build", "sam-deploy")


def test_a_child_that_dies_meanwhile_ends_the_start(tmp_path, template):
    def say(line):
        if line.startswith("  sam build ..."):
            os.kill(cloud.children[0].pid, signal.SIGKILL)

    cloud = Watched(tmp_path / "cloud", say=say, template=template)

    with pytest.raises(LocalCloudError, match=r"emulator ended unasked; its log: .*emulator\.log"):
        cloud.up()

    cloud.assert_nothing_left("emulator", "mlflow", "sam-build")


def test_a_start_that_is_told_to_end_tidies_up(tmp_path, template):
    home = tmp_path / "cloud"
    arguments = [sys.executable, "-m", "local", "--home", str(home), "--template", str(template), "up"]
    up = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 180
    while "sam build ..." not in up.stdout.readline():
        assert time.monotonic() < deadline
    started = eventually_started(home, 3)

    up.terminate()
    _, errors = up.communicate(timeout=180)

    assert up.returncode == 130
    assert errors == "interrupted, nothing is left running\n"
    assert [child.name for child in started] == ["emulator", "mlflow", "sam-build"]
    assert not any(child.alive() or processes.listening(child.port) for child in started)


def eventually_started(home: Path, number: int) -> list[Child]:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        items = json.loads((home / "run.json").read_text())["children"]
        if len(items) == number:
            return [Child(**item) for item in items]
        time.sleep(0.02)
    raise AssertionError(f"no {number} processes")


def test_an_emulator_that_never_answers_is_ended(tmp_path, monkeypatch):
    def unanswered(*_, **__):
        raise LocalCloudError("emulator did not answer")

    monkeypatch.setattr(processes, "wait_until", unanswered)
    cloud = Watched(tmp_path / "cloud", say=lambda _: None)

    with pytest.raises(LocalCloudError, match="did not answer"):
        cloud.start_emulator()

    cloud.assert_nothing_left("emulator")


def test_what_a_killed_start_left_behind_is_ended_by_down(tmp_path):
    killed = LocalCloud(tmp_path / "cloud", say=lambda _: None)
    killed.start_emulator()
    (child,) = killed.children

    assert LocalCloud(tmp_path / "cloud").down() == ["emulator"]

    assert not child.alive()
    assert not processes.listening(child.port)
    processes.stop(child)
