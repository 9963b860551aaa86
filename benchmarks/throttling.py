"""Search on an account where few instances of the train function are free: how long it takes, whether a task is lost.

    .venv/bin/python benchmarks/throttling.py [--runs 20] [--concurrency 40] [--attempts 6]

A model, not a measurement: Lambda has so many free concurrent executions and refuses what comes above them
(``Lambda.TooManyRequestsException``). Step Functions tries again as the retrier in statemachine/pipeline.asl.yaml says,
which is read from there: after ``IntervalSeconds * BackoffRate ** n`` seconds, ``MaxDelaySeconds`` at most; with
``FULL`` jitter after any time between 0 and that. A Map hands on the next task when one ends, and that one asks at
once: it takes the place before those that wait. Early in each round a short task of another execution asks for an
instance too. The same seed gives the same table.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

import argparse
import heapq
import random
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
THROTTLED = "Lambda.TooManyRequestsException"
# Of one execution; more ends it as failed: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_EVENTS = 25_000
# Scheduled, started, failed or succeeded.
EVENTS_OF_A_TRY = 3
# Of an iteration of an inline Map: started, state entered, state exited, succeeded.
EVENTS_OF_AN_ITERATION = 4
# Halving has three shares of the rows (slipcast.training.search.halving), then come the fits.
ROUNDS = 4
# A step of another execution that comes in between.
VISIT_SECONDS = 5.0
SLOTS, TASKS, SECONDS = (9, 50, 1_000), (20, 100, 1_000), (33.0, 60.0)


@dataclass(frozen=True)
class Retrier:
    """A retrier of a state machine, with the defaults of the Amazon States Language."""

    interval: float = 1.0
    attempts: int = 3
    rate: float = 2.0
    longest: float = float("inf")
    jitter: bool = False

    def delay(self, retries: int, chance: random.Random) -> float:
        """Return the seconds before another try, after so many tries before this one."""
        # Above 2 ** 60 nothing changes any more, but the power would overflow.
        longest = min(self.interval * self.rate ** min(retries, 60), self.longest)
        return chance.uniform(0.0, longest) if self.jitter else longest


@dataclass(frozen=True)
class Outcome:
    """Result of a round.

    ``seconds`` until its last task ended, ``retries`` of each task, the number of tasks ``lost``, and whether the other
    execution's task was ``refused`` for good.
    """

    seconds: float
    retries: tuple[int, ...]
    lost: int
    refused: bool

    @property
    def events(self) -> int:
        """Return the events of the round in the history of an execution with an inline Map."""
        return (sum(self.retries) + len(self.retries)) * EVENTS_OF_A_TRY + len(self.retries) * EVENTS_OF_AN_ITERATION


def retrier_of(state: dict) -> Retrier:
    """Return the retrier of a task that answers throttling: the first that names it."""
    found = next(item for item in state["Retry"] if {THROTTLED, "States.ALL"} & set(item["ErrorEquals"]))
    return Retrier(
        interval=found.get("IntervalSeconds", 1),
        attempts=found.get("MaxAttempts", 3),
        rate=found.get("BackoffRate", 2.0),
        longest=found.get("MaxDelaySeconds", float("inf")),
        jitter=found.get("JitterStrategy", "NONE") == "FULL",
    )


def retriers() -> dict[str, Retrier]:
    """Return the retrier for throttling of every task of the pipeline that calls a function."""

    def tasks(machine: dict) -> dict[str, dict]:
        found = {}
        for name, state in machine["States"].items():
            if ":lambda:" in state.get("Resource", ""):
                found[name] = state
            if "ItemProcessor" in state:
                found |= tasks(state["ItemProcessor"])
        return found

    text = (ROOT / "statemachine" / "pipeline.asl.yaml").read_text(encoding="utf-8")
    return {name: retrier_of(state) for name, state in tasks(yaml.safe_load(text)).items()}


def parameter(name: str) -> int:
    """Return the default of a number among the template's parameters."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    return int(re.search(rf"^  {name}:\n(?:    .*\n)*?    Default: (\d+)$", text, re.MULTILINE)[1])


def inline_tasks() -> int:
    """Return up to how many tasks of a round run in an inline Map."""
    return int(re.search(r"INLINE_TASKS: \"(\d+)\"", (ROOT / "template.yaml").read_text(encoding="utf-8"))[1])


def simulate(
    retrier: Retrier,
    visitor: Retrier,
    *,
    slots: int,
    tasks: int,
    seconds: float,
    concurrency: int,
    chance: random.Random,
) -> Outcome:
    """Run one round of a search.

    Parameters
    ----------
    retrier, visitor : of the tasks of the search, and of the task of another execution
    slots : concurrent executions that are free
    seconds : duration of a task
    concurrency : tasks that the Map has under way at a time, waiting ones included
    """
    visit = tasks
    retries, lost = [0] * (tasks + 1), set[int]()
    waiting, running, ended = list(range(tasks))[::-1], 0, 0.0
    # (time, order, task, whether it ends; else it is tried)
    events: list[tuple[float, int, int, bool]] = []
    order = 0

    def at(time: float, task: int, *, ends: bool) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (time, order, task, ends))

    for _ in range(min(concurrency, tasks)):
        at(0.0, waiting.pop(), ends=False)
    at(seconds / 2, visit, ends=False)
    while events:
        now, _, task, ends = heapq.heappop(events)
        policy, duration = (visitor, VISIT_SECONDS) if task == visit else (retrier, seconds)
        if ends:
            running -= 1
        elif running < slots:
            running += 1
            at(now + duration, task, ends=True)
            continue
        elif retries[task] < policy.attempts:
            at(now + policy.delay(retries[task], chance), task, ends=False)
            retries[task] += 1
            continue
        else:
            lost.add(task)
        if task != visit:
            ended = now
            if waiting:
                at(now, waiting.pop(), ends=False)
    return Outcome(ended, tuple(retries[:tasks]), len(lost - {visit}), visit in lost)


def rounds(
    retrier: Retrier,
    visitor: Retrier,
    *,
    slots: int,
    tasks: int,
    seconds: float,
    concurrency: int,
    runs: int,
    seed: int = 20240101,
) -> list[Outcome]:
    """Run the same round several times, each with its own chance."""
    size = {"slots": slots, "tasks": tasks, "seconds": seconds, "concurrency": concurrency}
    return [
        simulate(retrier, visitor, **size, chance=random.Random(f"{seed} {run} {sorted(size.items())}"))
        for run in range(runs)
    ]


def table(slots: Sequence[int], runs: int, concurrency: int, search: Retrier, step: Retrier) -> str:
    """Return the table of docs/training.md for the retriers of a task of a search and of another step."""
    lines = [
        "| free | tasks | each | without waiting | median | longest | retries of one task | lost | events |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for free in slots:
        for tasks in TASKS:
            for seconds in SECONDS:
                size = {"slots": free, "tasks": tasks, "seconds": seconds, "concurrency": concurrency}
                found = rounds(search, step, **size, runs=runs)
                ideal = -(-tasks // min(free, concurrency)) * seconds
                events = max(item.events for item in found) * ROUNDS if tasks <= inline_tasks() else None
                lines.append(
                    f"| {free:,} | {tasks:,} | {seconds:.0f} s | {ideal:,.0f} s | "
                    f"{statistics.median(item.seconds for item in found):,.0f} s | "
                    f"{max(item.seconds for item in found):,.0f} s | "
                    f"{max(max(item.retries) for item in found)} | {sum(item.lost + item.refused for item in found)} | "
                    f"{f'{events:,}' if events else 'children'} |"
                )
    return "\n".join(lines)


def main() -> None:
    """Print the retrier and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="rounds of each kind")
    parser.add_argument("--concurrency", type=int, default=parameter("SearchConcurrency"))
    parser.add_argument("--slots", type=int, nargs="+", default=SLOTS, help="free concurrent executions")
    parser.add_argument("--attempts", type=int, help="tries after the first, in place of those of the definition")
    given = parser.parse_args()
    search, step = retriers()["Train"], retriers()["Prepare"]
    if given.attempts is not None:
        search, step = replace(search, attempts=given.attempts), replace(step, attempts=given.attempts)
    print(f"{given.concurrency} tasks at a time, {given.runs} rounds each; {search}\n")
    print(table(given.slots, given.runs, given.concurrency, search, step))


if __name__ == "__main__":
    main()
