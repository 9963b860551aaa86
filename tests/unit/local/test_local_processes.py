"""Ports and child processes of the local cloud."""

import os
import socket
import subprocess
import sys
import time

import pytest

from local import processes
from local.processes import Child, LocalCloudError

# A process with a child of its own that, unlike itself, ignores the polite request to end.
FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(
    [sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"], stdout=subprocess.PIPE
)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def wait_for(find, seconds=180):
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture
def started(tmp_path):
    children = []

    def start(code: str) -> Child:
        child = processes.start(
            "child", [sys.executable, "-c", code], env=dict(os.environ), port=1, log=tmp_path / "log", cwd=tmp_path
        )
        children.append(child)
        return child

    yield start
    for child in children:
        processes.stop(child, seconds=1)


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_free_port_is_free():
    port = processes.free_port()

    assert not processes.listening(port)
    assert processes.free_port(str(port)) == port


def test_a_taken_port_is_named(taken_port):
    assert processes.listening(taken_port)
    with pytest.raises(LocalCloudError, match=f"port {taken_port} on 127.0.0.1 is taken"):
        processes.free_port(str(taken_port))


@pytest.mark.parametrize("wanted", ["http", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(wanted):
    with pytest.raises(LocalCloudError, match="is not a port"):
        processes.free_port(wanted)


def test_stop_ends_the_whole_family(started, tmp_path):
    child = started(FAMILY)
    grandchild = int(wait_for((tmp_path / "log").read_text))

    assert child.alive()
    processes.stop(child, seconds=2)

    assert not child.alive()
    wait_for(lambda: not processes.start_time(grandchild))


def test_stop_ends_a_family_that_lost_its_head(started, tmp_path):
    child = started(FAMILY)
    grandchild = int(wait_for((tmp_path / "log").read_text))
    os.kill(child.pid, 9)
    wait_for(lambda: not child.alive())

    processes.stop(child)

    wait_for(lambda: not processes.start_time(grandchild))


def test_a_process_that_got_the_id_of_another_is_left_alone(started):
    child = started("import time; time.sleep(600)")
    namesake = Child("older", child.pid, "1", 1, "log")

    assert not namesake.alive()
    processes.stop(namesake)

    assert child.alive()


def test_a_zombie_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    child = Child("zombie", process.pid, processes.start_time(process.pid), 1, "log")
    wait_for(lambda: not processes.start_time(process.pid))

    assert not child.alive()
    process.wait()


def test_waiting_for_a_process_that_ends_shows_its_last_words(started):
    child = started("raise SystemExit('out of luck')")

    with pytest.raises(LocalCloudError, match="out of luck"):
        processes.wait_until(lambda: False, child, seconds=180)


def test_waiting_has_an_end(started):
    child = started("import time; time.sleep(600)")

    with pytest.raises(LocalCloudError, match="did not answer on port 1"):
        processes.wait_until(lambda: False, child, seconds=0.2)


def test_finish_returns_the_exit_code_and_keeps_the_output(started, tmp_path):
    child = started("print('hello'); raise SystemExit(3)")

    assert processes.finish(child, needs=[]) == 3
    assert (tmp_path / "log").read_text() == "hello\n"


def test_finish_ends_a_process_when_another_one_dies(started):
    dead, child = started("raise SystemExit('gone')"), started("import time; time.sleep(600)")

    with pytest.raises(LocalCloudError, match="child ended unasked"):
        processes.finish(child, needs=[dead])

    assert not child.alive()
