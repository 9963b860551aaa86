"""Execution environments like Lambda's for the tests of this folder; the peaks of their memory at the end."""

from collections.abc import Callable, Iterator

import pytest

from lambda_sandbox import environment
from lambda_sandbox.account import PEAKS, number_of


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Print the memory that each function took."""
    if peaks := config.stash.get(PEAKS, {}):
        terminalreporter.section("memory of the functions in MB")
        terminalreporter.write_line(f"{'function':<24}{'peak':>8}{'MemorySize':>12}{'share':>8}")
        for name, peak in sorted(peaks.items(), key=lambda item: -item[1]):
            size = number_of(name, "MemorySize")
            terminalreporter.write_line(f"{name:<24}{peak:>8.0f}{size:>12}{peak / size:>8.0%}")


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    """Tests need user and mount namespaces and the packages of the Lambda runtime."""
    if reason := environment.why_not():
        pytest.skip(reason)


@pytest.fixture
def run(tmp_path) -> Iterator[Callable[..., environment.Environment]]:
    """Start a function of one module, given as source, in an environment of its own."""
    started = []

    def start(source: str, **settings) -> environment.Environment:
        folder = tmp_path / str(len(started))
        code = folder / "task"
        code.mkdir(parents=True)
        (code / "app.py").write_text(source, encoding="utf-8")
        defaults = {"name": "probe", "code": code, "handler": "app.handler", "layers": [], "memory": 256, "timeout": 20}
        function = environment.Function(**{**defaults, **settings})
        opt = environment.merged(function.layers, folder / "opt")
        started.append(environment.Environment(function, folder / "run", opt))
        return started[-1]

    yield start
    for each in started:
        each.close()
