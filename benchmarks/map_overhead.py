"""What the state machine adds to each task of a search, on the local cloud.

``.venv/bin/python benchmarks/map_overhead.py`` asks the local cloud that is up (``make up``, ``make demo``) for its
executions that trained, drops the end-2022 example first if there is none, and compares how long the Map's `Train`
states were entered with the seconds that their tasks measured inside the function. The difference is what the local
cloud adds: scheduling, the start of the function, the invocation. Lambda's own overhead is another; the local cloud
shares its processors with the tasks.
"""

import statistics
import sys
from pathlib import Path

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
    print("| tasks | in the Map s | of that computing s | added by item ms | Map from its first to its last event s |")
    print("|--:|--:|--:|--:|--:|")
    added = []
    for arn in _trained(stack):
        spent = stack.seconds_per_state(arn)
        keys = stack.keys(f"runs/{arn.rsplit(':', 1)[1]}/search/")
        measured = [stack.document(key)["seconds"] for key in keys if _is_result(key)]
        each = (spent["Train"] - sum(measured)) / len(measured)
        added.append(each)
        print(
            f"| {len(measured)} | {spent['Train']:.1f} | {sum(measured):.1f} | {each * 1000:.0f} "
            f"| {spent['SearchInline']:.1f} |",
            flush=True,
        )
    print(f"median: {statistics.median(added) * 1000:.0f} ms an item")


def _trained(stack: Stack) -> list[str]:
    ended = [arn for arn, status in stack.executions().items() if status == "SUCCEEDED"]
    return [arn for arn in ended if "Train" in stack.seconds_per_state(arn)]


def _is_result(key: str) -> bool:
    name = key.rsplit("/", 1)[1]
    return key.count("/") == 4 and name.endswith(".json") and name not in ("round.json", "plan.json")


if __name__ == "__main__":
    main()
