"""One local cloud for all e2e tests: the real template, a real MLflow server."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import LocalCloud
from local.demo import OLDER
from local.watch import Stack
from slipcast.training.candidates import load_candidates
from support.budgets import LARGE
from support.families import search_only

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FEW = ("prior", "logistic_regression", "random_forest")


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
def families(stack: Stack) -> set[str]:
    """Names of the families that the first search tries: all with large budgets, else one of each way of serving."""
    chosen = [candidate.name for candidate in load_candidates()] if LARGE else [*FEW]
    search_only(stack, *chosen)
    return set(chosen)


@pytest.fixture(scope="session")
def stack(cloud: LocalCloud) -> Stack:
    return Stack(cloud)


@pytest.fixture(scope="session")
def released(stack: Stack, families: set[str]) -> Stack:
    """The stack with a live model: that of the files before, or one that is trained now."""
    if stack.ask("/health", key=False)[0] != 200:
        before = stack.executions()
        stack.drop(OLDER, (EXAMPLES / OLDER).read_bytes())
        outcome = stack.finish(stack.new_execution(before))
        assert (outcome["output"] or {}).get("outcome") == "released", outcome
    return stack
