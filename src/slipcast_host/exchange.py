"""Request and answer as the protocols see them."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from slipcast_host.engine import Engine
from slipcast_host.problem import Refusal

JSON, CSV, LINES, TEXT = "application/json", "text/csv", "application/jsonlines", "text/plain; charset=utf-8"
_LINES = {LINES, "application/x-ndjson", "application/ndjson", "application/x-jsonlines"}


class Call(NamedTuple):
    """A request that reached a route.

    Attributes
    ----------
    engine
        what answers; raises `Refusal` (503) while nothing can
    request_id
        id of the request
    headers
        by name in lower case
    body
        bytes as they were sent
    parameters
        variable parts of the path
    """

    engine: Callable[[], Engine]
    request_id: str
    headers: Mapping[str, str]
    body: bytes
    parameters: Mapping[str, str]

    def media_type(self, *allowed: str) -> str:
        """Return the media type of the body, JSON where none is named.

        Raises
        ------
        Refusal
            If it is not one of `allowed`, or the body is encoded.
        """
        if self.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise Refusal(415, "send the body as it is, without Content-Encoding")
        kind = _media_type(self.headers.get("content-type", "")) or JSON
        if kind not in allowed:
            takes = ", ".join(allowed)
            raise Refusal(415, f"this path takes {takes}", headers={"Accept-Post": takes})
        return kind

    def accepted(self, *offered: str) -> str | None:
        """Return the first media type that the client accepts by name; None if it names none of those `offered`."""
        for part in self.headers.get("accept", "").split(","):
            if (kind := _media_type(part)) in offered:
                return kind
        return None


def _media_type(text: str) -> str:
    kind = text.partition(";")[0].strip().lower()
    return LINES if kind in _LINES else kind


class Reply(NamedTuple):
    """Answer to a request.

    Attributes
    ----------
    body
        bytes of the answer
    kind
        its media type
    status
        HTTP status
    headers
        further headers
    scored
        the predictions in it, for the metrics
    """

    body: bytes
    kind: str = JSON
    status: int = 200
    headers: Mapping[str, str] = {}
    scored: Sequence[Mapping[str, Any]] = ()


Route = Callable[[Call], Reply]
ErrorForm = Callable[[Refusal, str], Any]


class Protocol(NamedTuple):
    """A family of routes with one form of errors.

    Attributes
    ----------
    name
        its name in the metrics
    routes
        by path, then by method; a part of a path in braces is variable
    error
        from a refusal and the id of its request to the object that is sent
    """

    name: str
    routes: Mapping[str, Mapping[str, Route]]
    error: ErrorForm


def reply(document: Any, *, scored: Sequence[Mapping[str, Any]] = (), status: int = 200) -> Reply:
    """Return an answer in JSON."""
    return Reply(encode(document), scored=scored, status=status)


def encode(document: Any) -> bytes:
    """Return a document as JSON in UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
