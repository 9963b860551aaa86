"""One page about a project, to send: completion, what moved it, what drives it."""

from slipcast.reports.project.page import render

__all__ = ["render"]
