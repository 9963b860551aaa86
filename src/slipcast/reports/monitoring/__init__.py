"""Page of a monitor run: drift, performance, conclusion and advice.

It needs jinja2 and matplotlib, which only the report function has: no other function imports this package.
"""

from slipcast.reports.monitoring.page import render

__all__ = ["render"]
