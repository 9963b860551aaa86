"""The report of one execution of the pipeline: a single HTML page that needs nothing but a browser.

It needs jinja2 and matplotlib, which only the report function has beside it: nothing else imports this package.
"""

from slipcast.reports.training.page import render

__all__ = ["render"]
