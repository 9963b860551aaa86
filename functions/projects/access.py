"""Access: roles, and the projects that a group may see.

With an API key or an AWS signature the caller may do everything: key and policy decide. A token of the user pool
(``ApiAuth=jwt``) says by the groups of its user what is allowed:

- ``viewer``, ``planner`` and ``approver`` are roles; a planner may also ask what-if questions and upload, an approver
  sees what a viewer sees and decides on releases;
- ``projects:<prefix>`` names the projects whose id begins so; ``projects:`` names all.

A token without a role, or without projects, sees nothing.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from projects.web import Refusal

VIEWER, PLANNER, APPROVER = "viewer", "planner", "approver"
# Prefix of the groups that name projects.
PROJECTS = "projects:"


@dataclass(frozen=True)
class Caller:
    """A caller.

    Attributes
    ----------
    roles
        roles that it has
    prefixes
        beginnings of the ids of projects that it may see
    """

    roles: frozenset[str]
    prefixes: tuple[str, ...]

    def sees(self, project_id: str) -> bool:
        """Return whether the caller may see a project."""
        return project_id.startswith(self.prefixes)

    @property
    def sees_all(self) -> bool:
        """Return whether no project is kept from the caller."""
        return "" in self.prefixes

    def require(self, *roles: str) -> None:
        """Refuse a caller that has none of these roles.

        Raises
        ------
        Refusal
            403, which names the role.
        """
        if not self.roles & {*roles}:
            raise Refusal(HTTPStatus.FORBIDDEN, f"this takes the role {' or '.join(roles)}: ask for the group of it")


EVERYTHING = Caller(frozenset({VIEWER, PLANNER, APPROVER}), ("",))


def caller(event: Any, api_auth: str) -> Caller:
    """Return the caller of a request; `api_auth` is the template's parameter ApiAuth."""
    if api_auth != "jwt":
        return EVERYTHING
    claims = ((event.get("requestContext") or {}).get("authorizer") or {}).get("claims") or {}
    groups = _groups(claims.get("cognito:groups"))
    prefixes = tuple(name.removeprefix(PROJECTS) for name in groups if name.startswith(PROJECTS))
    return Caller(frozenset(groups) & EVERYTHING.roles, prefixes)


def _groups(claim: Any) -> list[str]:
    """Return the groups of a claim: API Gateway passes a list on as text, with commas or as ``[a b]``."""
    if isinstance(claim, list):
        return [str(name) for name in claim]
    text = str(claim or "").strip()
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1].replace(",", " ").split()
    return [name.strip() for name in text.split(",") if name.strip()]
