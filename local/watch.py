"""Watching a running stack through AWS's own APIs, for the demo and the e2e tests."""

import gzip
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from local.cloud import DIRECT, LocalCloud


def until[Found](find: Callable[[], Found | None], *, seconds: float, what: str, every: float = 0.5) -> Found:
    """Poll `find` until it returns something and return that.

    Raises
    ------
    TimeoutError
        If `seconds` pass before.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := find()) is not None:
            return found
        time.sleep(every)
    raise TimeoutError(f"no {what} within {seconds:.0f} s")


class Stack:
    """A deployed stack on a local cloud, seen from outside."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.env = cloud.env
        self.s3 = cloud.client("s3")
        self.states = cloud.client("stepfunctions")
        self.lambdas = cloud.client("lambda")
        self.cloudwatch = cloud.client("cloudwatch")
        self.sns = cloud.client("sns")
        self.machine = cloud.env["SLIPCAST_STATE_MACHINE_ARN"]
        self.bucket = cloud.env["SLIPCAST_BUCKET"]

    # Files and executions

    def drop(self, name: str, raw: bytes) -> None:
        """Put a schedule under ``incoming/``, as a user does."""
        self.s3.put_object(Bucket=self.bucket, Key=f"incoming/{name}", Body=raw)

    def executions(self) -> dict[str, str]:
        """Return the status of every execution by its ARN."""
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return {item["executionArn"]: item["status"] for page in pages for item in page["executions"]}

    def new_execution(self, before: dict[str, str], *, seconds: float = 300) -> str:
        """Return the ARN of the execution that was not there `before`."""
        return until(
            lambda: next(iter(self.executions().keys() - before.keys()), None), seconds=seconds, what="new execution"
        )

    def states_passed(self, arn: str, *, seconds: float = 1800) -> Iterator[str]:
        """Yield the states of an execution as it enters them, until it ends."""
        deadline, seen = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            status = self.states.describe_execution(executionArn=arn)["status"]
            events = self._events_since(arn, seen)
            yield from (
                event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event
            )
            seen = events[-1]["id"] if events else seen
            if status != "RUNNING":
                return
            time.sleep(0.5)
        raise TimeoutError(f"{arn} still runs after {seconds:.0f} s")

    def _events_since(self, arn: str, seen: int) -> list[dict[str, Any]]:
        """Return the events of an execution after the one with the number `seen`, oldest first."""
        # From the newest on, without what they carry: to read the whole history at every look takes half a processor.
        pages = self.states.get_paginator("get_execution_history").paginate(
            executionArn=arn, reverseOrder=True, includeExecutionData=False, PaginationConfig={"PageSize": 25}
        )
        events = (event for page in pages for event in page["events"])
        return list(itertools.takewhile(lambda event: event["id"] > seen, events))[::-1]

    def seconds_per_state(self, arn: str) -> dict[str, float]:
        """Return how long an execution was in each state, the iterations of a Map added up."""
        entered: dict[str, list[datetime]] = {}
        spent: dict[str, float] = {}
        for event in self._events_since(arn, 0):
            if "stateEnteredEventDetails" in event:
                entered.setdefault(event["stateEnteredEventDetails"]["name"], []).append(event["timestamp"])
            elif "stateExitedEventDetails" in event:
                name = event["stateExitedEventDetails"]["name"]
                seconds = (event["timestamp"] - entered[name].pop(0)).total_seconds()
                spent[name] = round(spent.get(name, 0.0) + seconds, 3)
        return spent

    def finish(self, arn: str, *, seconds: float = 1800) -> dict[str, Any]:
        """Wait until an execution has ended and return its description, the output parsed."""
        # The status alone: looking at the history takes as much of a processor as a small function.
        until(
            lambda: self.states.describe_execution(executionArn=arn)["status"] != "RUNNING" or None,
            seconds=seconds,
            what=f"end of {arn}",
        )
        return self.outcome(arn)

    def outcome(self, arn: str) -> dict[str, Any]:
        """Return the description of an ended execution, the output parsed."""
        description = self.states.describe_execution(executionArn=arn)
        return {**description, "output": json.loads(description.get("output") or "null")}

    def document(self, key: str) -> Any:
        """Return a JSON document of the data bucket."""
        return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        """Return the keys in the data bucket that begin with `prefix`."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    # The API

    def ask(
        self, path: str, body: Any = None, *, key: bool = True, raw: bytes | None = None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Call the API and return status, parsed body and headers."""
        payload = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if key:
            headers["x-api-key"] = self.env["SLIPCAST_API_KEY"]
        request = urllib.request.Request(f"{self.env['SLIPCAST_API_URL']}{path}", payload, headers)  # noqa: S310
        try:
            with DIRECT.open(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read()), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}"), dict(error.headers)

    def predict(self, activities: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the API's probabilities for `activities`; anything but 200 is an error."""
        return self._post("/predictions", activities)

    def forecast(self, activities: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the API's forecasts for `activities`; anything but 200 is an error."""
        return self._post("/forecasts", activities)

    def _post(self, path: str, activities: list[dict[str, Any]]) -> dict[str, Any]:
        status, answer, _ = self.ask(path, {"activities": activities})
        if status != 200:
            raise RuntimeError(f"POST {path} answered {status}: {answer}")
        return answer

    def prediction_log(self, request_id: str) -> list[dict[str, Any]]:
        """Return what the log of predictions has of a request."""
        keys = self.keys("prediction-log/")
        raws = (self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys)
        rows = [json.loads(line) for raw in raws for line in gzip.decompress(raw).splitlines()]
        return [row for row in rows if row["request_id"] == request_id]

    def run(self, name: str, *arguments: str) -> str:
        """Run a command of ``slipcast`` on this stack, as a user does, and return what it printed."""
        command = [sys.executable, "-m", "slipcast_cli", name, "--stack", self.env["SLIPCAST_STACK"], *arguments]
        # Without a terminal a table has 80 columns, and cuts its words.
        env = os.environ | self.env | {"COLUMNS": "118"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"slipcast {name} failed: {done.stderr}")
        return done.stdout

    def live_version(self) -> str:
        """Return the Lambda version that the alias live points at."""
        return self.lambdas.get_alias(FunctionName=self.env["SLIPCAST_PREDICT_FUNCTION"], Name="live")[
            "FunctionVersion"
        ]

    # Monitoring

    def alarm_state(self) -> str:
        """Return the state of the drift alarm."""
        found = self.cloudwatch.describe_alarms(AlarmNames=[self.env["SLIPCAST_DRIFT_ALARM"]])["MetricAlarms"]
        return found[0]["StateValue"]

    def alarm_transitions(self) -> list[dict[str, str]]:
        """Return the changes of state of the drift alarm, oldest first."""
        history = self.cloudwatch.describe_alarm_history(
            AlarmName=self.env["SLIPCAST_DRIFT_ALARM"], HistoryItemType="StateUpdate"
        )["AlarmHistoryItems"]
        found = []
        for item in sorted(history, key=lambda item: item["Timestamp"]):
            data = json.loads(item["HistoryData"])
            old, new = data["oldState"]["stateValue"], data["newState"]["stateValue"]
            if old != new:
                found.append({"at": item["Timestamp"].isoformat(), "from": old, "to": new})
        return found

    def latest_monitoring(self) -> dict[str, Any] | None:
        """Return the newest report of the monitor; None before its first run."""
        keys = self.keys("monitoring/")
        return self.document(max(keys)) if keys else None
