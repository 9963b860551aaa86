"""A release, its canary and a rollback under a steady load, and three bad canaries, on the local cloud.

Every answer is compared with what the model that it names gives for that activity, so an answer of half a model or of
two would be seen. Uses the local cloud that is up (``make up``), else starts one. What is measured is the emulator's
rate, not Lambda's; no request lost and no answer mixed hold at any rate.

    .venv/bin/python benchmarks/swap.py [--rate 200] [--connections 16] [--requests 500]
"""

import argparse
import math
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in (".", "tests")]

from local.cloud import LocalCloud  # noqa: E402
from local.demo import OLDER, read_example, requests  # noqa: E402
from local.load import Load, limit  # noqa: E402
from local.watch import Stack  # noqa: E402
from slipcast.metrics import hypothesis_tests  # noqa: E402
from support.release_trials import Trials  # noqa: E402 - the path is set above

BAD = {"failing 5 %": {"harm": "failing"}, "slow": {"harm": "slow"}, "scores shifted": {"shift": 3.0}}


class Swap:
    """Plays the releases and checks every answer."""

    def __init__(self, stack: Stack, rate: float, connections: int) -> None:
        self.stack, self.rate, self.connections = stack, rate, connections
        self.activities = [item | {"history": {}} for item in requests(read_example(OLDER).head(200))]
        self.trials = Trials(stack)
        self.known: dict[str, tuple[str, list[float]]] = {}

    @contextmanager
    def load(self, what: str):
        """Ask at the rate meanwhile, then print what came back."""
        with Load(self.stack, self.activities, self.rate, self.connections) as load:
            began = time.monotonic()
            yield load
            seconds = time.monotonic() - began
        statuses = Counter(answer.status for answer in load.answers)
        answered = [answer for answer in load.answers if answer.status == 200]
        mixed = sum(not self._whole(answer) for answer in answered)
        took = [answer.seconds * 1000 for answer in answered]
        failed = {status: count for status, count in statuses.items() if status != 200}
        print(
            f"| {what} | {len(load.answers)} | {len(load.answers) / seconds:.0f} | {len(load.broken)} | "
            f"{failed or 0} | {mixed} | {dict(sorted(Counter(a.version for a in answered).items()))} | "
            f"{hypothesis_tests.quantile(took, 0.5):.0f} / {hypothesis_tests.quantile(took, 0.99):.0f} |",
            flush=True,
        )

    def _whole(self, answer) -> bool:
        if answer.version not in self.known:
            pinned = self.trials.pinned(answer.version)
            self.known[answer.version] = pinned["MODEL_ID"], self.trials.scores(answer.version, self.activities)
        model_id, scores = self.known[answer.version]
        return (
            answer.body["model"]["model_id"] == model_id
            and answer.body["predictions"][0]["probability"] == scores[answer.activity]
        )

    def weights(self, execution: str) -> None:
        """Print the weights that were observed next to those that were set."""
        record = self.stack.document(f"reports/{execution}/release.json")
        for step in record["steps"].values():
            found = step["numbers"]
            ours, theirs = found["new"]["requests"], found["live"]["requests"]
            share, n = found["weight"] / 100, ours + theirs
            half = 2.576 * math.sqrt(share * (1 - share) / n)
            print(
                f"  weight {share:.0%}: {ours} of {n} requests, {ours / n:.1%} "
                f"(99 % interval {share - half:.1%} to {share + half:.1%})"
            )

    def same(self) -> list:
        """Return the API's answers without their ids."""
        _, body, _ = self.stack.ask("/predictions", {"activities": self.activities})
        return [body["model"], [item | {"prediction_id": ""} for item in body["predictions"]]]


def play(swap: Swap, requests_a_step: int) -> None:
    """Run everything."""
    trials, stack = swap.trials, swap.stack
    before = trials.settings(
        CANARY_STEPS="10,50", CANARY_MIN_REQUESTS=str(requests_a_step), CANARY_MAX_MINUTES="4", SHADOW_REQUESTS="50"
    )
    print("| | requests | a second | broken | not 200 | mixed | by version | ms p50 / p99 |")
    print("|---|--:|--:|--:|--:|--:|---|--:|")
    try:
        with swap.load("no release"):
            time.sleep(10)
        with swap.load("release: replay, 10 %, 50 %, 100 %"):
            outcome = stack.finish(trials.release(trials.model("better", shift=-0.2)))
            assert outcome["output"]["outcome"] == "released", outcome
        execution = trials.pinned(stack.live_version())["MODEL_EXECUTION"]
        swap.weights(execution)
        with swap.load("rollback by hand"):
            time.sleep(3)
            said = stack.run("rollback")
            time.sleep(3)
        print(f"  {said.strip()}")
        trials.settings(CANARY_STEPS="50", CANARY_MIN_REQUESTS="400", SHADOW_REQUESTS="0")
        for name, how in BAD.items():
            old = swap.same()
            with swap.load(f"bad canary: {name}"):
                outcome = stack.finish(trials.release(trials.model(name.split()[0], **how)))
            assert outcome["output"]["outcome"] == "rolled_back", outcome
            assert swap.same() == old
            print(f"  {outcome['output']['why']}; afterwards the old answers, byte by byte")
    finally:
        trials.settings(**before)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200, help="requests a second that are asked for (200)")
    parser.add_argument("--connections", type=int, default=16, help="at once (16)")
    parser.add_argument("--requests", type=int, default=500, help="answers of the new version in each step (500)")
    options = parser.parse_args()
    up = LocalCloud(ROOT / ".local")
    if up.running():
        limit(up, *_beyond(options.rate))
        play(Swap(_released(up), options.rate, options.connections), options.requests)
        return
    with tempfile.TemporaryDirectory() as folder, LocalCloud(Path(folder)) as cloud:
        limit(cloud, *_beyond(options.rate))
        play(Swap(_released(cloud), options.rate, options.connections), options.requests)


def _beyond(rate: float) -> tuple[int, int]:
    """Return limits of the API that this load does not meet: what it refuses says nothing of a swap."""
    return round(10 * rate), round(10 * rate)


def _released(cloud: LocalCloud) -> Stack:
    stack = Stack(cloud)
    if stack.ask("/health", key=False)[0] != 200:
        before = stack.executions()
        stack.drop(OLDER, (ROOT / "examples" / OLDER).read_bytes())
        stack.finish(stack.new_execution(before))
    return stack


if __name__ == "__main__":
    main()
