"""Routing: the path as the API's definition names it, and the base path before it.

API Gateway gives ``path`` as the client sent it: behind a domain with a base path mapping it begins with the base path,
and a slash at the end stays (API Gateway Developer Guide, "Input format of a Lambda function for proxy integration").
``resource`` is the path of the definition that API Gateway chose by its own rules, with ``pathParameters`` for its
variable parts. These two decide, so that every domain gives the same answer.
"""

import re
from typing import Any

_PARAMETER = re.compile(r"\{([^{}+]+)\+?\}")
_SLASHES = re.compile(r"/{2,}")


def routed(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the path of the API's definition: no base path, single slashes, none at the end."""
    if "path" not in event:
        # Not an HTTP request: updates of the stream.
        return event
    path = _path(event)
    return event if path == event.get("path") else {**event, "path": path}


def server(event: dict[str, Any]) -> str:
    """Return the base path of a `routed` event, as its client sees it: ``/v1``, a base path, or ``/``."""
    asked, path = event.get("requestContext") or {}, event["path"]
    whole = _normal(asked.get("path") or "")
    if whole.endswith(path):
        return whole.removesuffix(path) or "/"
    return f"/{asked.get('stage') or ''}"


def _path(event: dict[str, Any]) -> str:
    resource, parameters = event.get("resource"), event.get("pathParameters") or {}
    if isinstance(resource, str) and resource.startswith("/"):
        if "{" not in resource:
            return _normal(resource)
        names = _PARAMETER.findall(resource)
        if all(isinstance(parameters.get(name), str) for name in names):
            return _normal(_PARAMETER.sub(lambda found: parameters[found[1]], resource))
    return _normal(event.get("path") or "")


def _normal(path: str) -> str:
    return (_SLASHES.sub("/", path) if "//" in path else path).rstrip("/") or "/"
