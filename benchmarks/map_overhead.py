"""Overhead of the state machine for each task of a search, on the local cloud.

``.venv/bin/python benchmarks/map_overhead.py`` asks the local cloud that is up (``make up``, ``make demo``) for its
executions that trained, drops the end-2022 example first if there is none, and compares how long the tasks of each Map
were under way with the seconds that they measured inside the function. The difference is what the local cloud adds:
scheduling, the invocation, and in the first round the start of the functions. Lambda's own overhead is another; the
local cloud shares its processors with the tasks.
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from local.cloud import LocalCloud  # noqa: E402 - the path is set above
from local.demo import OLDER  # noqa: E402
from local.watch import Stack  # noqa: E402


def main() -> None:
    """Measure and print."""
    cloud = LocalCloud(ROOT / ".local")
    if not cloud.running():
        sys.exit("error: no local cloud is up: make up")
    stack = Stack(cloud)
    if not _trained(stack):
        before = stack.executions()
        stack.drop(OLDER, (ROOT / "examples" / OLDER).read_bytes())
        stack.finish(stack.new_execution(before))
    print("| round | tasks | under way s | of that computing s | added to each ms |")
    print("|--:|--:|--:|--:|--:|")
    for arn in _trained(stack):
        for number, spent in enumerate(_rounds(stack._history(arn))):
            keys = stack.keys(f"runs/{arn.rsplit(':', 1)[1]}/search/r{number}/")
            names = [key for key in keys if key.endswith(".json") and not key.endswith("/round.json")]
            measured = [stack.document(key)["seconds"] for key in names]
            added = (sum(spent) - sum(measured)) / len(measured)
            print(f"| {number} | {len(measured)} | {sum(spent):.1f} | {sum(measured):.1f} | {added * 1000:.0f} |")


def _trained(stack: Stack) -> list[str]:
    return [arn for arn, status in stack.executions().items() if status == "SUCCEEDED" and _rounds(stack._history(arn))]


def _rounds(history: list[dict[str, Any]]) -> list[list[float]]:
    """Return the seconds from scheduling to success, in no order, of the tasks of each Map."""
    found: list[list[float]] = []
    within, begun = False, []
    for event in history:
        if event["type"] == "MapStateEntered":
            within, begun = True, []
            found.append([])
        elif event["type"] == "MapStateExited":
            within = False
        elif within and event["type"] == "TaskScheduled":
            begun.append(event["timestamp"])
        elif within and event["type"] == "TaskSucceeded":
            # Which began when does not matter: their sum is what is wanted.
            found[-1].append((event["timestamp"] - begun.pop(0)).total_seconds())
    return found


if __name__ == "__main__":
    main()
