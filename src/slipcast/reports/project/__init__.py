"""One page about a project, to send: completion, what moved it, what drives it. And the mail about all of them."""

from slipcast.reports.project.mail import compose
from slipcast.reports.project.page import headline, render

__all__ = ["compose", "headline", "render"]
