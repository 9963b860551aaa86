"""Jinja environment of all pages."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slipcast.reports import formatting

# By folder, not by package: to import one imports what its charts are drawn with, which not every function has.
HERE = Path(__file__).parent
# Style and macros of all pages are those of this one.
SHARED = "training"


def plain(value: Any) -> Any:
    """Return text that is valid XML: names from a file may contain other characters, wherever they are written."""
    return formatting.clean(value) if type(value) is str else value


@cache
def environment(page: str, write: Callable[[Any], Any] = plain) -> Environment:
    """Return the environment of a page's templates and of those that all pages share.

    Parameters
    ----------
    page
        folder of this package
    write
        what is written for a value
    """
    made = Environment(
        loader=FileSystemLoader([HERE / name / "templates" for name in dict.fromkeys((page, SHARED))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=write,
    )
    made.filters |= formatting.FILTERS
    return made
