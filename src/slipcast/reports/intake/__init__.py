"""Page of a dropped file: what was understood of it, what was not, and what to change in the export.

It needs jinja2 alone: the function that takes files in draws it.
"""

from slipcast.reports.intake.page import render

__all__ = ["render"]
