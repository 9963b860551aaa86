"""A steady load on a running stack: requests at a rate, every answer is kept for later checks."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from local.cloud import LocalCloud
from local.watch import Stack


def limit(cloud: LocalCloud, rate: int, burst: int) -> None:
    """Set what stage and usage plan accept, requests a second and at once, as the parameters of the template do."""
    gateway, api = cloud.client("apigateway"), cloud.env["SLIPCAST_API_URL"].split("/restapis/")[1].split("/")[0]
    every = "/*/*/throttling"
    for name, value in (("rateLimit", rate), ("burstLimit", burst)):
        change = {"op": "replace", "value": str(value)}
        gateway.update_stage(restApiId=api, stageName="v1", patchOperations=[change | {"path": f"{every}/{name}"}])
        for plan in gateway.get_usage_plans()["items"]:
            gateway.update_usage_plan(usagePlanId=plan["id"], patchOperations=[change | {"path": f"/throttle/{name}"}])


@dataclass(frozen=True)
class Answer:
    """Answer for an activity: seconds since the load began, status, parsed body, duration in seconds."""

    at: float
    activity: int
    status: int
    body: dict[str, Any]
    seconds: float

    @property
    def version(self) -> str | None:
        """Return the version named in the answer."""
        return self.body.get("model", {}).get("version")


@dataclass
class Load:
    """Asks for one activity after the other from several connections; use it as a context manager.

    Attributes
    ----------
    rate
        requests a second; a late connection continues without catching up
    connections
        at once
    answers
        answers received, unordered
    broken
        errors without an answer
    """

    stack: Stack
    activities: Sequence[dict[str, Any]]
    rate: float
    connections: int = 8
    answers: list[Answer] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._next = itertools.count()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Load":
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(self.connections)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=90)

    def now(self) -> float:
        """Return the seconds since the load began."""
        return time.monotonic() - self._began

    def _ask(self) -> None:
        url = urlsplit(self.stack.env["SLIPCAST_API_URL"])
        headers = {"Content-Type": "application/json", "x-api-key": self.stack.env["SLIPCAST_API_KEY"]}
        with closing(http.client.HTTPConnection(url.netloc, timeout=60)) as connection:
            self._ask_over(connection, f"{url.path}/predictions", headers)

    def _ask_over(self, connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> None:
        pause = self.connections / self.rate
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + pause, time.monotonic())
            number = next(self._next) % len(self.activities)
            body = json.dumps({"activities": [self.activities[number]]})
            began = time.monotonic()
            try:
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                found = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.broken.append(f"{type(error).__name__}: {error}")
                connection.close()
                continue
            self.answers.append(Answer(began - self._began, number, response.status, found, time.monotonic() - began))
