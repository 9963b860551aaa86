"""Report on one execution of the pipeline: a single HTML page that needs only a browser.

It needs jinja2 and matplotlib, which only the report function has: no other function imports this package.
"""

from slipcast.reports.training.page import render

__all__ = ["render"]
