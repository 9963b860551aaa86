"""Error rates of the canary: good versions that it rolls back, bad ones that it lets through.

Traffic is drawn at random and the judge of :mod:`slipcast.release.canary` decides, step by step and look by look, as
the state machine asks it to. Durations and scores are drawn from what is asked of a small model: a median of 4 ms with
a long tail, scores with a standard deviation of 0.15 and up to five activities in a request.

    .venv/bin/python benchmarks/canary_errors.py [--runs 400] [--seed 1] [--only good]
"""

import argparse
from collections.abc import Callable

import numpy as np

from slipcast.release import canary

PLAN = canary.Plan(
    steps=(10, 50),
    min_requests=200,
    min_seconds=300,
    max_seconds=3600,
    max_error_rate=0.01,
    max_latency_ratio=1.5,
    max_score_shift=0.1,
    max_unpredicted_shift=0.25,
)
PREDICTED = canary.Predicted(0.0, 0.05)
# Requests in a second: the first is enough for every look, at the last a step ends by its time.
TRAFFIC = (10.0, 1.0, 0.05)


def version(
    random: np.random.Generator, n: int, *, errors: float = 0.001, ms: float = 4.0, tail: float = 0.0, mean: float = 0.4
) -> canary.Evidence:
    """Return what a version does with `n` requests.

    Parameters
    ----------
    errors : share that fails
    ms : median duration
    tail : share of the requests that take ten times as long
    mean : of the scores
    """
    failed = int(random.binomial(n, errors))
    answered = n - failed
    durations = random.lognormal(np.log(ms), 0.4, answered) * np.where(random.random(answered) < tail, 10, 1)
    sizes = random.integers(1, 6, answered)
    # The activities of a request are of one project: half of what differs, differs between requests.
    level = random.normal(mean, 0.15 / np.sqrt(2), answered)
    scores = [
        np.clip(random.normal(base, 0.15 / np.sqrt(2), size), 0, 1).tolist()
        for base, size in zip(level, sizes, strict=True)
    ]
    return canary.Evidence(durations.tolist(), scores, failed=failed)


def run(random: np.random.Generator, rate: float, new: Callable[..., canary.Evidence]) -> str:
    """Play one canary and return how it ended: ``promote``, ``promote (thin)`` or the name of the broken check."""
    thin = False
    for step, percent in enumerate(PLAN.steps):
        live_seen, new_seen, seconds = canary.Evidence(), canary.Evidence(), 0.0
        while True:
            pause = canary.pause(PLAN, seconds)
            seconds += pause
            total = int(random.poisson(rate * pause))
            ours = int(random.binomial(total, percent / 100))
            for seen, more in ((live_seen, version(random, total - ours)), (new_seen, new(random, ours))):
                seen.milliseconds += more.milliseconds
                seen.scores += more.scores
                seen.failed += more.failed
            verdict = canary.judge(PLAN, step=step, seconds=seconds, live=live_seen, new=new_seen, predicted=PREDICTED)
            if verdict.action != "wait":
                break
        if verdict.action == "roll_back":
            return next((check.name for check in verdict.checks if check.broken), "error among few")
        thin = thin or verdict.thin
    return "promote (thin)" if thin else "promote"


KINDS: dict[str, Callable[..., canary.Evidence]] = {
    "good": version,
    "0.5 % errors": lambda random, n: version(random, n, errors=0.005),
    "2 % errors": lambda random, n: version(random, n, errors=0.02),
    "5 % errors": lambda random, n: version(random, n, errors=0.05),
    "1.3 times as slow": lambda random, n: version(random, n, ms=5.2),
    "3 times as slow": lambda random, n: version(random, n, ms=12.0),
    "5 times as slow": lambda random, n: version(random, n, ms=20.0),
    "one in ten 10 times as slow": lambda random, n: version(random, n, tail=0.1),
    "scores 0.05 higher": lambda random, n: version(random, n, mean=0.45),
    "scores 0.15 higher": lambda random, n: version(random, n, mean=0.55),
}


def main() -> None:
    """Print, for each kind of version and each traffic, the share that is rolled back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="canaries of each kind and traffic (400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=KINDS, action="append", help="one kind of version; may be given again (all)")
    options = parser.parse_args()
    print(f"| new version | {' | '.join(f'{rate:g} requests/s' for rate in TRAFFIC)} |")
    print(f"|---|{'--:|' * len(TRAFFIC)}")
    for name in options.only or KINDS:
        shares = []
        for rate in TRAFFIC:
            random = np.random.default_rng([options.seed, int(rate * 1000), len(name)])
            ended = [run(random, rate, KINDS[name]) for _ in range(options.runs)]
            back = sum(not end.startswith("promote") for end in ended)
            shares.append(f"{back / options.runs:.1%}")
        print(f"| {name} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
