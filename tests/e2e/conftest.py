"""One local cloud for all e2e tests: the real template, a real MLflow server."""

from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.watch import Stack


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory):
    """A running local cloud on which a new file waits for the next alarm, so that the alarm has something to learn."""
    home: Path = tmp_path_factory.mktemp("cloud")
    with LocalCloud(home, parameters={"TrainOnNewData": "false", "DriftMinRows": "200"}) as running:
        yield running


@pytest.fixture(scope="session")
def stack(cloud: LocalCloud) -> Stack:
    return Stack(cloud)
