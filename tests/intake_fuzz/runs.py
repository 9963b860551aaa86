"""Many cases, one after the other."""

import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from intake_fuzz.cases import case
from intake_fuzz.checks import check
from intake_fuzz.outcomes import demand

KEPT = Path(tempfile.gettempdir()) / "slipcast-fuzz"


@dataclass
class Tally:
    """How many cases ended.

    Attributes
    ----------
    outcomes : kind and reason → number of cases
    slowest : seconds and number of the slowest case
    failed : number of each case that did not end as it must, and the trace
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    failed: list[tuple[int, str]] = field(default_factory=list)


def run(seed: int, indices: range, *, thorough: int = 1, go_on: bool = False) -> Tally:
    """Check cases.

    Parameters
    ----------
    seed, indices : which cases
    thorough : every n-th is read three times
    go_on : after a violation too
    """
    tally = Tally()
    unraisable: list[str] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda found: unraisable.append(f"{found.exc_value!r} in {found.object!r}")
    try:
        for index in indices:
            begun = time.perf_counter()
            try:
                outcome = check(case(seed, index), thorough=index % thorough == 0)
                demand(not unraisable, f"{unraisable}")
                tally.outcomes[outcome.kind, outcome.reason] += 1
            except Exception:
                tally.failed.append((index, traceback.format_exc()))
                unraisable.clear()
                if not go_on:
                    break
            tally.slowest = max(tally.slowest, (time.perf_counter() - begun, index))
    finally:
        sys.unraisablehook = hook
    return tally


def merged(tallies: Iterable[Tally]) -> Tally:
    """Return several tallies as one."""
    total = Tally()
    for tally in tallies:
        total.outcomes += tally.outcomes
        total.slowest = max(total.slowest, tally.slowest)
        total.failed += tally.failed
    return total


def described(tally: Tally) -> str:
    """Return a tally as text: the kinds of outcome, below each its reasons, and a last line with the total."""
    kinds: Counter[str] = Counter()
    for (kind, _), count in tally.outcomes.items():
        kinds[kind] += count
    lines = []
    for kind, count in kinds.most_common():
        lines.append(f"{count:>7,} {kind}")
        reasons = tally.outcomes.most_common()
        lines += [f"{part:>15,} {reason}" for (owner, reason), part in reasons if owner == kind and reason]
    seconds, index = tally.slowest
    total = kinds.total() + len(tally.failed)
    lines.append(f"{total:,} cases, the slowest {seconds:.1f} s (case {index}); {len(tally.failed)} violations")
    return "\n".join(lines)


def keep(seed: int, index: int) -> Path:
    """Write the input of a case to a folder, and return that."""
    found, folder = case(seed, index), KEPT / f"{seed}-{index}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dropped").write_bytes(found.raw)
    if found.profile is not None:
        (folder / "profile.yaml").write_text(found.profile, encoding="utf-8", errors="surrogatepass")
    about = {"name": found.name, "steps": found.steps, "max_bad_share": found.max_bad_share}
    (folder / "case.json").write_text(json.dumps(about))
    return folder
