"""Answers with static files.

The page, its script and its style come from the origin of the API, so that nothing else is allowed in the browser: no
inline script, no other host but the bucket (uploads and their pages) and the sign-in page.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from desk.settings import Settings

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# Script and style are named by their content.
FOREVER = "public, max-age=31536000, immutable"
CHECKED = "no-cache"
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def answer(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, as the Lambda proxy integration takes it."""
    settings = Settings.from_environment()
    name = (event.get("pathParameters") or {}).get("file")
    if name is None:
        # A relative address: the client may see this API below another path, and with or without a slash at the end.
        place = "index.html" if str(event.get("path") or "").endswith("/") else "desk/index.html"
        return _response(HTTPStatus.FOUND, b"", {"Location": place, "Cache-Control": CHECKED}, settings)
    body = config(settings) if name == "config.json" else files().get(name)
    if body is None:
        text = json.dumps({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such file"})
        headers = {"Content-Type": "application/problem+json", "Cache-Control": CHECKED}
        return _response(HTTPStatus.NOT_FOUND, text.encode(), headers, settings)
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    suffix = name[name.rindex(".") :]
    kept = FOREVER if suffix in (".js", ".css") else CHECKED
    headers = {"Content-Type": TYPES[suffix], "Cache-Control": kept, "ETag": tag}
    # API Gateway marks the tag of an answer that it compressed as weak.
    if tag in [item.strip().removeprefix("W/") for item in _header(event, "if-none-match").split(",")]:
        return _response(HTTPStatus.NOT_MODIFIED, b"", headers, settings)
    return _response(HTTPStatus.OK, body, headers, settings)


@cache
def files() -> dict[str, bytes]:
    """Return the built files by name."""
    return {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in TYPES}


def config(settings: Settings) -> bytes:
    """Return how the API asks who calls, as the page needs it; nothing in it is secret."""
    sign_in = {"domain": settings.sign_in_domain, "client_id": settings.sign_in_client_id, "scope": settings.scope}
    return json.dumps({"auth": settings.api_auth, "sign_in": sign_in if settings.sign_in_domain else None}).encode()


def policy(settings: Settings) -> str:
    """Return the content security policy."""
    bucket = " ".join(("'self'", *filter(None, [settings.bucket_origin])))
    asked = " ".join((bucket, *filter(None, [settings.sign_in_domain])))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {asked}; frame-src {bucket}; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )


def _response(status: HTTPStatus, body: bytes, headers: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    return {
        "statusCode": int(status),
        "headers": {**SECURITY, "Content-Security-Policy": policy(settings), **headers},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


def _header(event: Mapping[str, Any], name: str) -> str:
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    return ""
