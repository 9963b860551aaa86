"""Desk: the static files of the planner's web application, and how it signs people in."""

from typing import Any

from desk import site


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration) for ``/desk`` or a file below it."""
    return site.answer(event)
