"""The page of a run of the monitor: what moved, how the scores did, what was concluded and what to do about it.

It needs jinja2 and matplotlib, which only the report function has beside it: nothing else imports this package.
"""

from slipcast.reports.monitoring.page import render

__all__ = ["render"]
