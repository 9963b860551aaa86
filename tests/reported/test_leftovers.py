"""Leftovers: what a stopped run leaves on the disk fills it for the next ones."""

# Esri/OptimizeRasters#78: /tmp of a Lambda function keeps files of earlier invocations
# humanmade/linter-bot#158: "no space left on device" in an environment that serves again
# Sparticuz/chromium#231: /tmp fills up from invocation to invocation

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from slipcast_aws import scratch

STOPPED = """
import sys, time
from slipcast_aws import scratch
with scratch.folder() as folder:
    (folder / "table.parquet").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def disk(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_stopped_process_left_is_deleted(disk):
    environment = os.environ | {"TMPDIR": str(disk), "PYTHONPATH": "src"}
    process = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True, env=environment)
    left = Path(process.stdout.readline().strip())
    with scratch.folder():
        # Another function's, at work.
        assert (left / "table.parquet").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    with scratch.folder() as folder:
        assert list(disk.iterdir()) == [folder]

    assert list(disk.iterdir()) == []


def test_the_number_of_a_process_comes_again(disk):
    (disk / f"{scratch.PREFIX}{os.getpid()}-left" / "sub").mkdir(parents=True)
    (disk / "of somebody else").mkdir()

    with scratch.folder() as one, scratch.folder() as two:
        assert {path.name for path in disk.iterdir()} == {one.name, two.name, "of somebody else"}
