"""Tools of audit/pyproject.toml, each in an environment of its own. `make audit` makes these and runs these tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def tool() -> Callable[[str], Path]:
    """Return the interpreter of a group of audit/pyproject.toml; a test is skipped where it was not installed."""

    def interpreter(group: str) -> Path:
        folder = ROOT / ".cache" / "audit" / group
        if not (folder / "made").exists():
            pytest.skip(f"the tools of group {group} are not installed: make .cache/audit/{group}/made")
        return folder / "bin" / "python"

    return interpreter
