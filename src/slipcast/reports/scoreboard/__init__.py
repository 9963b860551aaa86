"""Page of the scoreboard: how often the forecasts that were given held.

It needs matplotlib and jinja2, as the training report does.
"""

from slipcast.reports.scoreboard.page import render

__all__ = ["render"]
