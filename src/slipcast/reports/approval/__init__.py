"""Page on which a person approves or rejects a release.

It needs jinja2 alone, and is shown with a policy that allows its own style sheet and its form, nothing else.
"""

from slipcast.reports.approval.page import render, style

__all__ = ["render", "style"]
