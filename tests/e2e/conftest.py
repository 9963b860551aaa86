"""One local cloud for all e2e tests: the real template, a real MLflow server."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.watch import Stack


@pytest.fixture(scope="session", autouse=True)
def interrupted_when_ended() -> Iterator[None]:
    """A run that is told to end, as by a CI that gives up, stops its clouds as after Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory):
    """A running local cloud on which a new file waits for the next alarm, so that the alarm has something to learn."""
    home: Path = tmp_path_factory.mktemp("cloud")
    with LocalCloud(home, parameters={"TrainOnNewData": "false", "DriftMinRows": "200"}) as running:
        yield running


@pytest.fixture(scope="session")
def stack(cloud: LocalCloud) -> Stack:
    return Stack(cloud)
