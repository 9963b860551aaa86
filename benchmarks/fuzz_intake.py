"""Files that nobody would write on purpose, read one after the other.

``.venv/bin/python benchmarks/fuzz_intake.py --cases 10000 --seed 7 --thorough 5 --go-on`` damages the examples: cells,
columns, quotes, line ends, encodings, bytes, XML, archives, profiles (`tests/intake_fuzz`). Each case must end in a
dataset, with a quarantine that adds up, or in a refusal with file, place and remedy. Prints how they ended; without
``--go-on`` it stops at the first that did not. The input of such a case is kept, and ``--only`` runs it alone. A long
run may be done in parts: ``--from 0 --cases 2500``, ``--from 2500 --cases 2500`` and so on are the same cases.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from intake_fuzz.cases import case  # noqa: E402 - the path is set above
from intake_fuzz.checks import check  # noqa: E402
from intake_fuzz.runs import Tally, described, keep, merged, run  # noqa: E402

CHUNK = 50


def main() -> int:
    """Run the cases and print how they ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="number of the one case to run")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--thorough", type=int, default=1, help="read every n-th case three times and compare")
    parser.add_argument("--go-on", action="store_true", help="do not stop at a violation")
    options = parser.parse_args()
    if options.only is not None:
        print(keep(options.seed, options.only), case(options.seed, options.only).steps)
        print(check(case(options.seed, options.only)))
        return 0
    begun, total = time.perf_counter(), Tally()
    with ProcessPoolExecutor(options.processes) as pool:
        jobs = [
            pool.submit(run, options.seed, chunk, thorough=options.thorough, go_on=options.go_on)
            for chunk in _chunks(options.first, options.cases)
        ]
        for job in jobs:
            tally = job.result()
            total = merged([total, tally])
            for index, trace in tally.failed:
                print(f"{trace}\nseed {options.seed}, case {index}: kept in {keep(options.seed, index)}", flush=True)
            if tally.failed and not options.go_on:
                pool.shutdown(cancel_futures=True)
                break
            print(f"{total.outcomes.total():,} cases as they must", end="\r", file=sys.stderr, flush=True)
    print(f"{described(total)}, seed {options.seed}, {time.perf_counter() - begun:.0f} s")
    return bool(total.failed)


def _chunks(first: int, cases: int) -> Iterator[range]:
    for begin in range(first, first + cases, CHUNK):
        yield range(begin, min(begin + CHUNK, first + cases))


if __name__ == "__main__":
    sys.exit(main())
