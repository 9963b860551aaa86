"""Reading requests: msgspec's types, field by field, and JSON alone, in turn; and what importing them costs.

    python -m benchmarks.contract

prints medians of processor time in ms, and ratios, for one activity and for batches.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "functions"))
from predict.api import requests  # noqa: E402 - with the above

ACTIVITY = {
    **{"activity_id": "A1010", "phase": "Design", "work_type": "SCA CIP", "location": "district 01"},
    **{"start": "2025-03-03", "baseline_finish": "2025-09-30", "budget": 343300},
}
# Calls for each number of activities.
CALLS = {1: 1000, 1000: 21, 10_000: 7}
IMPORTS = {
    "nothing": "pass",
    "msgspec": "import msgspec",
    "msgspec, as predict does": "import predict",
    "pydantic": "import pydantic",
    "Powertools' resolver": "from aws_lambda_powertools.event_handler import APIGatewayRestResolver",
}


def by_field(body: str) -> requests.Batch:
    """Return the activities of a body, read as those of a refused request are."""
    return requests._read_by_field(*requests._activities(requests.parse(body)))


def in_turn(ways: dict[str, Callable[[], Any]], calls: int) -> dict[str, float]:
    """Return the median processor time of each way in ms."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    for _ in range(calls):
        for name, call in ways.items():
            began = time.process_time()
            call()
            times[name].append((time.process_time() - began) * 1000)
    return {name: statistics.median(each) for name, each in times.items()}


def imports(starts: int = 9) -> dict[str, float]:
    """Return the median processor time of importing each in a new interpreter, in ms; starting it is not counted."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(starts):
        for name, code in IMPORTS.items():
            script = (
                f"import sys, json, re, time; sys.path.insert(0, {str(ROOT / 'functions')!r})\n"
                "began = time.process_time()\n"
                f"{code}\nprint((time.process_time() - began) * 1000)"
            )
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
            times[name].append(float(done.stdout))
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    """Print the tables."""
    print("| activities | read | field by field | json.loads alone | field by field / read |\n|--:|--:|--:|--:|--:|")
    for count, calls in CALLS.items():
        several = [ACTIVITY | {"activity_id": f"A{number}", "budget": number * 1.5} for number in range(count)]
        body = json.dumps(several[0] if count == 1 else {"activities": several})
        assert requests.read(body)[:3] == by_field(body)[:3]
        found = in_turn(
            {
                "read": lambda body=body: requests.read(body),
                "by field": lambda body=body: by_field(body),
                "json": lambda body=body: json.loads(body),
            },
            calls,
        )
        row = [f"{value:.3g}" for value in found.values()]
        print(f"| {count:,} | {' | '.join(row)} | {found['by field'] / found['read']:.1f} |")
    print("\n| import | ms |\n|---|--:|")
    for name, value in imports().items():
        print(f"| {name} | {value:.1f} |")


if __name__ == "__main__":
    main()
