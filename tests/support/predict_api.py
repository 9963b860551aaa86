"""The predict function as its clients see it: requests of API Gateway in process, or HTTP on the loopback interface."""

import base64
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

from conftest import LambdaContext
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from support.serving_cases import fitted

STAGE = "v1"
ACTIVITY = {
    "activity_id": "A1",
    "phase": "Design",
    "work_type": "SCA CIP",
    "location": "district 01",
    "start": "2022-03-01",
    "baseline_finish": "2022-09-30",
    "budget": 250000,
}
METADATA = {
    **{"model_id": "abc123", "dataset_id": "0123456789abcdef", "data_date": "2022-12-31"},
    **{"family": "logistic_regression", "params": {"C": 1.0}, "training_cut": "2021-07-01"},
    **{"training_rows": 400, "tolerance_days": 30, "metrics": {"auc": 0.7, "auc_ci": [0.6, 0.8]}},
}


@cache
def artifact(seed: int = 0) -> bytes:
    """Return a logistic regression as a release stores it; another seed is another model."""
    return export(
        fitted("logistic_regression", seed)[0], family="logistic_regression", threshold=1 / 3, metadata=METADATA
    )


def environment(folder: Path, *, seed: int = 0, version: str = "4") -> dict[str, str]:
    """Return the environment of a version of the function that holds `artifact`, written to `folder`."""
    path = folder / f"model-{seed}.json"
    path.write_bytes(artifact(seed))
    return {
        "MODEL_PATH": str(path),
        "MODEL_SHA256": digest(artifact(seed)),
        "MODEL_TRAINED_AT": "2026-01-01T00:00:00+00:00",
        "MODEL_EXECUTION": "new-data-1",
        "AWS_LAMBDA_FUNCTION_VERSION": version,
    }


@dataclass(frozen=True)
class Answer:
    """An answer of the API; header names are in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.text)


# x-amazon-apigateway-binary-media-types of api/openapi.yaml.
BINARY = ("application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
GREEDY = "/v2/models/"


def proxy_event(
    method: str,
    target: str,
    *,
    headers: dict[str, str] | None = None,
    body: str | bytes | None = None,
    key_id: str = "key-1",
    base_path: str | None = None,
) -> dict[str, Any]:
    """Return the event that API Gateway's REST proxy integration makes of a request.

    Parameters
    ----------
    target : path and query below the stage or the base path, as the client wrote them
    body : bytes are what API Gateway knows as binary
    base_path : of the custom domain that the request comes through, such as ``/slipcast``; "" has none, None is the
        API's own domain, whose paths begin with the stage
    """
    # Not urlsplit: two slashes at the beginning are a host to it.
    path, _, query_text = target.partition("?")
    # How API Gateway finds its resource: slashes more than needed do not count.
    resource, parameters = "/" + "/".join(filter(None, path.split("/"))), None
    if resource.startswith(GREEDY):
        resource, parameters = f"{GREEDY}{{proxy+}}", {"proxy": resource.removeprefix(GREEDY)}
    query = parse_qs(query_text, keep_blank_values=True) or None
    return {
        "httpMethod": method,
        "path": f"{base_path or ''}{path}",
        "resource": resource,
        "headers": headers or {},
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "queryStringParameters": query and {name: values[-1] for name, values in query.items()},
        "multiValueQueryStringParameters": query,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "stage": STAGE,
            "requestId": str(uuid.uuid4()),
            "path": f"{f'/{STAGE}' if base_path is None else base_path}{path}",
            "resourcePath": resource,
            "httpMethod": method,
            "identity": {"apiKeyId": key_id},
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }


def call(
    app: ModuleType,
    method: str,
    target: str,
    body: Any = None,
    *,
    raw: str | bytes | None = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Answer:
    """Send a request through the function's handler; `body` is announced as JSON unless `headers` say otherwise."""
    text = raw if raw is not None else None if body is None else json.dumps(body)
    announced = {"Content-Type": "application/json"} if text is not None else {}
    event = proxy_event(method, target, headers=announced | (headers or {}), body=text, **options)
    found = app.handler(event, LambdaContext())
    # What Lambda cannot turn into JSON it cannot answer.
    found = json.loads(json.dumps(found))
    return Answer(
        found["statusCode"],
        {name.lower(): ", ".join(values) for name, values in found["multiValueHeaders"].items()},
        found["body"] or "",
    )


def _binary(announced: str | None) -> bool:
    """Return whether API Gateway takes a body or an Accept for binary: by its first media type alone."""
    return re.split("[,;]", announced or "")[0].strip().lower() in BINARY


@contextmanager
def served(app: ModuleType, *, prefix: str = "") -> Iterator[str]:
    """Serve the function's handler over HTTP on a free port of the loopback interface and yield its base URL."""

    # A function's environment has one request at a time.
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            event = proxy_event(
                self.command,
                self.path.removeprefix(prefix),
                headers=dict(self.headers.items()),
                body=(raw if _binary(self.headers["Content-Type"]) else raw.decode("utf-8", "replace"))
                if raw
                else None,
            )
            with one_at_a_time:
                found = app.handler(event, LambdaContext())
            payload = (found["body"] or "").encode()
            if found["isBase64Encoded"] and _binary(self.headers["Accept"]):
                payload = base64.b64decode(payload)
            self.send_response(found["statusCode"])
            for name, values in found["multiValueHeaders"].items():
                for value in values:
                    self.send_header(name, value)
            if found["statusCode"] != 304:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            if self.command != "HEAD" and found["statusCode"] != 304:
                self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = do_QUERY = _answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
