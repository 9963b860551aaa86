"""A server with the real function of the web application and the project API's documents, for browser tests.

    PYTHONPATH=src:functions:tests python -m support.desk_site [PORT]

serves the example schedules for work on the pages, built again as their sources change; the API key is ``example``.
"""

import gzip
import json
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ENVIRONMENT = {
    "API_AUTH": "api_key",
    "SIGN_IN_DOMAIN": "",
    "SIGN_IN_CLIENT_ID": "",
    "SCOPE": "",
    "BUCKET_ORIGIN": "",
}
KEY = "example"
STAGE = "/v1"
type Answer = tuple[int, Any]
# Method, parts of the path below the stage, query → status and document; None if this API has no such path.
type Api = Callable[[str, list[str], dict[str, str], Any], Answer | None]


class Site:
    """The web application under a URL of this machine.

    Parameters
    ----------
    api
        answers below the stage
    """

    def __init__(self, api: Api, port: int = 0) -> None:
        self.api = api
        self.keys = {KEY}
        self.asked: list[str] = []
        handler = type("Handler", (_Handler,), {"site": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.origin}{STAGE}/desk/index.html"

    def __enter__(self) -> "Site":
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        from desk import app

        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = [unquote(part) for part in address.path.removeprefix(STAGE).split("/") if part]
        self.site.asked.append(f"{method} {address.path.removeprefix(STAGE)}")
        if parts[:1] == ["desk"] and len(parts) <= 2:
            if parts[1:] == ["index.html"]:
                # Built again if a source changed.
                static()
            event = {"path": address.path.removeprefix(STAGE), "headers": dict(self.headers)}
            found = app.handler(event | {"pathParameters": {"file": parts[1]} if parts[1:] else None}, None)
            self._send(found["statusCode"], found["headers"], found["body"].encode())
            return
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        answer: Answer | None
        by_token = os.environ["API_AUTH"] == "jwt"
        known = self.headers.get("Authorization" if by_token else "x-api-key") in self.site.keys
        if parts[0] != "bucket" and not known and by_token:
            answer = 401, {"title": "Unauthorized", "detail": "send a valid token in the header Authorization"}
        elif parts[0] != "bucket" and not known:
            answer = 403, {"title": "Forbidden", "detail": "send a valid API key in the header x-api-key"}
        else:
            sent = json.loads(body) if body and "json" in (self.headers.get("Content-Type") or "") else body
            try:
                answer = self.site.api(method, parts, query, sent)
            except ConnectionAbortedError:
                # As when the network goes away: no answer.
                self.close_connection = True
                return
        status, document = answer or (404, {"title": "Not Found", "detail": "there is nothing at this path"})
        kind = "application/json" if status < 400 else "application/problem+json"
        self._send(status, {"Content-Type": kind, "Cache-Control": "no-store"}, json.dumps(document).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        # As API Gateway does, from the size in api/openapi.yaml on.
        if len(body) >= 1024 and "gzip" in (self.headers.get("Accept-Encoding") or ""):
            headers, body = {**headers, "Content-Encoding": "gzip"}, gzip.compress(body, 6)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the output of tests to themselves."""


def static() -> None:
    """Make the function serve the files that are built now."""
    from desk import site
    from slipcast_desk.build import built

    site.STATIC = built()
    site.files.cache_clear()


if __name__ == "__main__":
    from support.desk_data import FILES, Portfolio

    os.environ.update(ENVIRONMENT)
    static()
    with Portfolio(FILES) as portfolio, Site(portfolio.api, int(sys.argv[1]) if sys.argv[1:] else 8100) as running:
        print(running.url, flush=True)
        threading.Event().wait()
