"""Routes: from a request to the function that answers it."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from predict.logged import encode
from predict.refusal import Refusal
from predict.serving.model_store import Serving
from predict.transport import envelope

# Routes without credentials, as in template.yaml. Monitors also ask them with HEAD.
OPEN = frozenset({"/health", "/ping", "/version", "/v2/health/live", "/v2/health/ready"})


class Call(NamedTuple):
    """A request that reached a route.

    Attributes
    ----------
    event, context
        what Lambda was called with
    serving
        what this version serves
    headers
        as `envelope.headers` returns them
    parameters
        variable parts of the path
    """

    event: dict[str, Any]
    context: Any
    serving: Serving
    headers: Mapping[str, str]
    parameters: Mapping[str, str] = {}

    @property
    def request_id(self) -> str:
        """Return the id of the request."""
        return envelope.request_id(self.event, self.context)


Answer = dict[str, Any]
Route = Callable[[Call], Answer]
# By path, then by method; a part of a path in braces is variable.
Routes = Mapping[str, Mapping[str, Route]]


def answer(body: Any, *, status: HTTPStatus = HTTPStatus.OK, kind: str = "application/json", **headers: str) -> Answer:
    """Return an answer of the Lambda proxy integration; `body` is text, or becomes JSON."""
    named = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "statusCode": status.value,
        "body": body if isinstance(body, str) else encode(body).decode(),
        "isBase64Encoded": False,
        "multiValueHeaders": {name: [value] for name, value in named.items()},
    }


def run(routes: Routes, call: Call) -> Answer:
    """Return the answer of the route for a request.

    Raises
    ------
    Refusal
        If no route has its path or its method.
    """
    path, method = call.event["path"], call.event.get("httpMethod", "")
    methods, parameters = find(routes, path)
    if methods is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this path")
    if method in methods:
        return methods[method](call._replace(parameters=parameters))
    if method == "HEAD" and path in OPEN:
        return {**methods["GET"](call), "body": ""}
    allowed = ", ".join(sorted({*methods, *(("HEAD",) if path in OPEN else ())}))
    raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {allowed}", headers={"Allow": allowed})


def find(routes: Routes, path: str) -> tuple[Mapping[str, Route] | None, dict[str, str]]:
    """Return the routes of a path by method and the variable parts of the path; None if there are none."""
    if path in routes:
        return routes[path], {}
    parts = path.split("/")
    for template, methods in routes.items():
        names = template.split("/")
        pairs = [*zip(names, parts, strict=False)]
        if len(names) == len(parts) and all(name == part or (name[:1] == "{" and part) for name, part in pairs):
            return methods, {name[1:-1]: part for name, part in pairs if name != part}
    return None, {}
