"""From a request to its answer: routes, errors in the form of their protocol, metrics, one line of log."""

import json
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

from slipcast.model.scorer import ScoreError
from slipcast_host.engine import BundleError, Engine
from slipcast_host.exchange import Call, Protocol, Reply, Route, encode
from slipcast_host.metrics import KIND, Metrics
from slipcast_host.problem import Refusal
from slipcast_host.protocols import azure, instances, invocations, open_inference

UNEXPECTED = "unexpected error; the request id helps to find it in the log"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class Application:
    """The host's answers, whatever carries them.

    Parameters
    ----------
    engine
        returns what answers
    environment
        ``AIP_HEALTH_ROUTE`` and ``AIP_PREDICT_ROUTE`` name the paths of Vertex AI
    log
        takes a line for each request that is no question for health or metrics
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        environment: Mapping[str, str],
        log: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        self._load, self._log = engine, log
        self.metrics = Metrics()
        vertex = instances.vertex(
            environment.get("AIP_HEALTH_ROUTE") or "/isalive", environment.get("AIP_PREDICT_ROUTE") or "/predict"
        )
        protocols = (vertex, invocations.PROTOCOL, open_inference.PROTOCOL, instances.KSERVE, azure.PROTOCOL)
        self._exact: dict[str, tuple[Protocol, Mapping[str, Route]]] = {}
        self._patterns: list[tuple[re.Pattern[str], Protocol, Mapping[str, Route]]] = []
        for protocol in protocols:
            for path, methods in protocol.routes.items():
                if "{" in path:
                    self._patterns.append((_pattern(path), protocol, methods))
                else:
                    self._exact.setdefault(path, (protocol, methods))

    def engine(self) -> Engine:
        """Return what answers.

        Raises
        ------
        Refusal
            If the release cannot be read.
        """
        try:
            return self._load()
        except BundleError as error:
            # The message names folders of this machine.
            self._log(json.dumps({"log": "no model", "error": str(error)}))
            raise Refusal(503, "there is no model that can answer", headers={"Retry-After": "5"}) from None

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer to a request; header names are in lower case."""
        began = time.perf_counter()
        path = unquote(target.partition("?")[0])
        if path == "/metrics" and method == "GET":
            return self._metrics()
        request_id = headers.get("x-request-id", "")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = uuid.uuid4().hex
        protocol, methods, parameters = self._find(path)
        call = Call(self.engine, request_id, headers, body, parameters)
        try:
            found = self._run(methods, method, call)
        except Exception as error:
            found = self._refused(protocol, error, request_id)
        seconds = time.perf_counter() - began
        if method == "POST" or found.status >= 400:
            self._note(method, path, found, seconds, request_id)
        self.metrics.count(protocol.name, found.status, seconds, found.scored)
        return found._replace(headers={**found.headers, "X-Request-Id": request_id})

    def refuse(self, target: str, refused: Refusal) -> Reply:
        """Return the answer to a request that is not read, such as one that is too large."""
        protocol, _, _ = self._find(unquote(target.partition("?")[0]))
        found = self._refused(protocol, refused, uuid.uuid4().hex)
        self.metrics.count(protocol.name, found.status, 0.0, ())
        return found

    def _metrics(self) -> Reply:
        try:
            names = self._load().names
        except BundleError:
            names = {}
        return Reply(self.metrics.text(names).encode(), KIND)

    def _find(self, path: str) -> tuple[Protocol, Mapping[str, Route] | None, dict[str, str]]:
        path = path.rstrip("/") or "/"
        if path in self._exact:
            return (*self._exact[path], {})
        for pattern, protocol, methods in self._patterns:
            if match := pattern.fullmatch(path):
                return protocol, methods, match.groupdict()
        kind = next((item for start, item in _ELSEWHERE if path.startswith(start)), invocations.PROTOCOL)
        return kind, None, {}

    def _run(self, methods: Mapping[str, Route] | None, method: str, call: Call) -> Reply:
        if methods is None:
            raise Refusal(404, "there is nothing at this path")
        if method == "HEAD" and "GET" in methods:
            return methods["GET"](call)
        if method not in methods:
            allowed = ", ".join(sorted({*methods, *(("HEAD",) if "GET" in methods else ())}))
            raise Refusal(405, f"this path takes {allowed}", headers={"Allow": allowed})
        return methods[method](call)

    def _refused(self, protocol: Protocol, error: Exception, request_id: str) -> Reply:
        if not isinstance(error, Refusal):
            # Values of the request may stand in the message of an error: the log gets places in the code alone.
            places = [f"{item.filename}:{item.lineno}" for item in traceback.extract_tb(error.__traceback__)[-3:]]
            kind = "score" if isinstance(error, ScoreError) else type(error).__name__
            self._log(json.dumps({"log": "unexpected", "request_id": request_id, "error": kind, "at": places}))
            error = Refusal(500, UNEXPECTED)
        body = encode(protocol.error(error, request_id))
        return Reply(body, status=error.status, headers=error.headers)

    def _note(self, method: str, path: str, found: Reply, seconds: float, request_id: str) -> None:
        line = {
            "log": "request",
            "request_id": request_id,
            "method": method,
            "path": path[:200],
            "status": found.status,
            "ms": round(seconds * 1000, 3),
            "activities": len(found.scored),
        }
        self._log(json.dumps(line))


_ELSEWHERE: Sequence[tuple[str, Protocol]] = (
    ("/v2/", open_inference.PROTOCOL),
    ("/v1/", instances.KSERVE),
    ("/score", azure.PROTOCOL),
)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{part}>[^/:]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    )
