"""One execution environment: the predict function in the Lambda runtime, a bare handler in another next to it."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.load import drive, figures
from benchmarks.serving import models, runtime
from support.malformed_requests import malformed

BARE = Path(__file__).with_name("bare")
ACTIVITIES = 500
URL = f"http://127.0.0.1:{{}}{runtime.INVOKE}"


def requests(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Return right and wrong requests for predictions as clients send them."""
    activities = [models.activity(row) for row in rows.head(ACTIVITIES).to_dict("records")]
    right = [
        {"name": "", "body": json.dumps(item), "headers": {"Content-Type": "application/json"}} for item in activities
    ]
    return {"requests": right, "malformed": malformed(activities[0])}


def _as_events(given: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return requests as the events that API Gateway makes of them."""

    def event(request: dict[str, Any]) -> dict[str, Any]:
        found = runtime.event(request["body"])
        headers = request["headers"]
        found |= {"headers": headers, "multiValueHeaders": {name: [value] for name, value in headers.items()}}
        return request | {"body": json.dumps(found), "headers": {}}

    return {name: [event(item) for item in items] for name, items in given.items()}


@contextlib.contextmanager
def targets(case: models.Case) -> Iterator[dict[str, dict[str, Any]]]:
    """Run the function and a bare handler, this one twice: how far those two are apart is chance."""
    nowhere = Path("/dev/null")
    code = runtime.code()
    with contextlib.ExitStack() as stack:
        found = {}
        for name in ("Slipcast", "bare", "bare again"):
            own = name == "Slipcast"
            handler, path = (
                ("predict.app.handler", [code, *runtime.layers(runtime.PREDICT)]) if own else ("bare.handler", [BARE])
            )
            variables = {"MODEL_PATH": str(case.model), "MODEL_SHA256": case.sha256} if own else {}
            port, emulator = stack.enter_context(runtime.running(handler, path, nowhere, **variables))
            # The function's process is there from the first request on.
            runtime.ask(port, runtime.INVOKE, json.dumps(runtime.event("{}")).encode())
            found[name] = {
                **{"url": URL.format(port), "headers": {"Content-Type": "application/json"}},
                **{"wrapped": True, "bare": not own, "process": _child(emulator)},
            }
        yield found


def _child(process: int) -> int:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if children := Path(f"/proc/{process}/task/{process}/children").read_text().split():
            return int(children[0])
        for thread in Path(f"/proc/{process}/task").iterdir():
            if children := (thread / "children").read_text().split():
                return int(children[0])
        time.sleep(0.05)
    raise TimeoutError(f"the emulator {process} has started no function")


def measure_speed(case: models.Case, rows: pd.DataFrame, seconds: int) -> dict[str, Any]:
    """Return speed and ratios of right requests for one activity each, one after the other."""
    with targets(case) as found:
        answers = drive.run("speed", targets=found, stages=[[seconds, 1]], **_as_events(requests(rows)))
    figures.check(answers)
    bare = answers["bare"]
    return {
        "requests": {name: len(item["ms"]) for name, item in answers.items()},
        "speed": {name: figures.speed(item) for name, item in answers.items()},
        "ratios": {name: figures.ratios(answers[name], bare) for name in ("Slipcast", "bare again")},
    }


def measure_memory(case: models.Case, rows: pd.DataFrame, count: int) -> dict[str, Any]:
    """Return what memory does over `count` requests, one in a hundred malformed, and how they were answered."""
    with targets(case) as found:
        del found["bare again"]
        answers = drive.run(
            "memory",
            targets=found,
            **{"order": ["Slipcast", "Slipcast", "Slipcast", "bare"], "stages": [[drive.LONGEST, 1]]},
            **{"count": count, "wrong_every": 100},
            **_as_events(requests(rows)),
        )
    figures.check(answers)
    return {
        "statuses": figures.statuses(answers["Slipcast"]),
        "memory": {name: figures.slope(item["memory"]) for name, item in answers.items()},
    }
