"""Requests of API Gateway and answers to them: JSON, problem documents (RFC 9457), ETags."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from slipcast.forecast.projects import sections

JSON, PROBLEM = "application/json", "application/problem+json"
# Browsers must not guess a type, show an answer as a page, or give it without asking again.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
}
# Lambda passes on 6 MB, in which the body is a string of JSON.
MAX_ANSWER_BYTES = 6_000_000
MAX_BODY_BYTES = 1_000_000
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Refusal(Exception):
    """Request that is not answered.

    Parameters
    ----------
    status
        status of the answer
    detail
        what is wrong and what to do about it
    errors
        ``field``, ``type`` and ``message`` of each wrong field
    headers
        further headers of the answer
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, list(errors), headers or {}


def invalid(name: str, message: str) -> Refusal:
    """Return the refusal of a request for one field."""
    return Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{name}: {message}",
        [{"field": name, "type": "value_error", "message": message}],
    )


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes
    ----------
    route
        method and path of the API's definition, such as ``GET /projects/{id}``
    parameters
        variable parts of the path
    query
        parameters of the query
    headers
        by their names in lower case
    event
        what Lambda was called with
    """

    route: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    event: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> "Request":
        """Return the request that API Gateway (REST, Lambda proxy integration) passes on."""
        headers = {name.lower(): value or "" for name, value in (event.get("headers") or {}).items()}
        return cls(
            f"{event.get('httpMethod')} {event.get('resource')}",
            event.get("pathParameters") or {},
            event.get("queryStringParameters") or {},
            headers,
            event,
        )

    @property
    def request_id(self) -> str:
        """Return the id of the request; empty if API Gateway gave none."""
        return (self.event.get("requestContext") or {}).get("requestId") or ""

    @property
    def user(self) -> str:
        """Return who asks, for the audit trail: the user of a token, the caller that signed, or the id of a key."""
        context = self.event.get("requestContext") or {}
        claims = (context.get("authorizer") or {}).get("claims") or {}
        identity = context.get("identity") or {}
        return str(claims.get("sub") or identity.get("userArn") or identity.get("apiKeyId") or "unknown")

    @property
    def person(self) -> str:
        """Return who asks, for people: the mail address or name of a token's user if it has one."""
        claims = ((self.event.get("requestContext") or {}).get("authorizer") or {}).get("claims") or {}
        return str(claims.get("email") or claims.get("cognito:username") or claims.get("username") or self.user)[:100]

    @property
    def source_ip(self) -> str:
        """Return the address that the request came from; empty if API Gateway gave none."""
        return ((self.event.get("requestContext") or {}).get("identity") or {}).get("sourceIp") or ""

    def known(self, *names: str) -> Mapping[str, str]:
        """Return the parameters of the query, which must have these names.

        Raises
        ------
        Refusal
            If there is another one.
        """
        for name in self.query:
            if name not in names:
                raise invalid(
                    f"query.{name[:40]}", f"there is no such parameter; there are {', '.join(names) or 'none'}"
                )
        return self.query

    def number(self, name: str, default: int, most: int) -> int:
        """Return a parameter of the query that is a whole number from 1 to `most`."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= most or len(text) > 9:
            raise invalid(f"query.{name}", f"send a whole number from 1 to {most}")
        return int(text)

    def flag(self, name: str) -> bool | None:
        """Return a parameter of the query that is ``true`` or ``false``; None without it."""
        text = self.query.get(name)
        if text not in (None, "true", "false"):
            raise invalid(f"query.{name}", "send true or false")
        return None if text is None else text == "true"

    def body(self) -> dict[str, Any]:
        """Return the body, an object of JSON.

        Raises
        ------
        Refusal
            If it is none, too large, or announced as something else.
        """
        kind = self.headers.get("content-type", JSON).split(";")[0].strip().lower()
        if kind not in (JSON, "application/x-www-form-urlencoded", ""):
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the body with Content-Type: {JSON}")
        text = self.event.get("body") or ""
        if len(text) > MAX_BODY_BYTES:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MAX_BODY_BYTES:,} characters")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
        if not isinstance(found, dict):
            raise invalid("body", "send an object")
        return found

    def tag(self, *identity: str) -> str:
        """Return the ETag of the answer to this request, as long as what it is made from has this identity."""
        parts = [self.route, *sorted(f"{name}={value}" for name, value in self.query.items()), *identity]
        parts += [f"{name}={value}" for name, value in sorted(self.parameters.items())]
        return f'"{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"'

    def has(self, tag: str) -> bool:
        """Return whether the client has the answer of this ETag already."""
        sent = self.headers.get("if-none-match", "")
        return sent.strip() == "*" or tag in _TAG.findall(sent)


def answer(document: Any, *, status: HTTPStatus = HTTPStatus.OK, tag: str | None = None) -> dict[str, Any]:
    """Return an answer; with an ETag the client may keep it, and asks each time whether it still holds."""
    body = sections.encode(document).decode()
    if len(body) > MAX_ANSWER_BYTES // 2 and len(json.dumps(body)) > MAX_ANSWER_BYTES:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the answer has more than the 6 MB that can be passed on: send a limit"
        )
    return _response(status, body, JSON, tag)


def not_modified(tag: str) -> dict[str, Any]:
    """Return the answer to a client that has the document already."""
    return _response(HTTPStatus.NOT_MODIFIED, "", "", tag)


def problem(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """Return a refusal as a problem document."""
    document = {
        "type": "about:blank",
        "title": refusal.status.phrase,
        "status": refusal.status.value,
        "detail": refusal.detail,
        "request_id": request_id,
        "errors": refusal.errors,
    }
    found = _response(refusal.status, sections.encode(document).decode(), PROBLEM, None)
    found["multiValueHeaders"] |= {name: [value] for name, value in refusal.headers.items()}
    return found


def _response(status: HTTPStatus, body: str, kind: str, tag: str | None) -> dict[str, Any]:
    headers = {**HEADERS, "Cache-Control": "private, no-cache" if tag else "no-store"}
    if kind:
        headers["Content-Type"] = kind
    if tag:
        headers["ETag"] = tag
    return {
        "statusCode": status.value,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": body,
        "isBase64Encoded": False,
    }
