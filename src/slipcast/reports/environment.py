"""Jinja environment of the pages of training, monitoring and scoreboard."""

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from slipcast.reports import formatting

# Style and macros of all pages are those of this one.
SHARED = "slipcast.reports.training"


@cache
def environment(package: str) -> Environment:
    """Return the environment of the templates of a package, and of those that all pages share."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, SHARED))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Names from a file may contain characters that XML does not allow, wherever the name is written.
        finalize=lambda value: formatting.clean(value) if type(value) is str else value,
    )
    made.filters |= formatting.FILTERS
    return made
