"""template.yaml, parsed once for all test modules: each parse takes half a second."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from slipcast_cli.settings import read_template

ROOT = Path(__file__).resolve().parents[2]


def template() -> dict[str, Any]:
    """Return the template; the caller may change it."""
    return deepcopy(_parsed())


@cache
def _parsed() -> dict[str, Any]:
    return read_template(ROOT / "template.yaml")
