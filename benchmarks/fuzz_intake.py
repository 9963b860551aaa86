"""Damage real exports ten thousand times: ``.venv/bin/python benchmarks/fuzz_intake.py [--cases 10000] [--seed 0]``.

Each case is read, read in part, or refused with file, reason and remedy, and the rows add up; else the case is written
to a file and the command fails. Prints how many became what.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "layers" / "slipcast"), str(ROOT / "tests")]

from intake_mutations import check, mutate, seeds  # noqa: E402 - the path is set above


def main() -> int:
    """Run the cases and print the tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files, tally, begun = seeds(), Counter(), time.monotonic()
    for number in range(options.seed, options.seed + options.cases):
        dice = random.Random(number)
        name, raw = files[number % len(files)]
        damaged = mutate(raw, dice)
        try:
            tally[check(name, damaged, max_bad_share=dice.choice([0.2, 1.0]))] += 1
        except Exception:
            kept = Path(f"fuzz-{number}-{name}")
            kept.write_bytes(damaged)
            print(f"case {number} ({name}) failed; the file is {kept}", file=sys.stderr)
            raise
    print(f"{options.cases} cases in {time.monotonic() - begun:.0f} s: {dict(tally)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
