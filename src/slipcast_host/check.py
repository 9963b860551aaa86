"""Check of a bundle where it is used: its files against their digests, its answers against known ones."""

import hashlib
import json
import sys
from pathlib import Path

from slipcast_host.engine import BundleError, load

GOLDEN, SUMS = "golden.json", "SHA256SUMS"
# Known answers by their name in the file, whose they are, and the largest difference that is allowed: the function
# computes as the host does, scikit-learn in another order.
KNOWN = (("scores", "scikit-learn's", 1e-9), ("answers", "the prediction function's", 1e-12))


class CheckError(RuntimeError):
    """The folder differs from the published one, or this machine computes other results."""


def main(folder: Path) -> int:
    """Check `folder`, print the result and return the exit status."""
    try:
        print(check(folder))
    except (CheckError, BundleError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def check(folder: Path) -> str:
    """Return in words that all is well.

    Raises
    ------
    CheckError
        If a file or a known answer differs, probabilities by more than `KNOWN` allows.
    BundleError
        If there is no release.
    """
    lines = (folder / SUMS).read_text(encoding="ascii").splitlines()
    for line in lines:
        digest, _, name = line.partition("  ")
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != digest:
            raise CheckError(f"{name} has the SHA-256 {found}, published was {digest}; unpack the bundle again")
    golden = json.loads((folder / GOLDEN).read_bytes())
    scored = load(folder).answer(golden["activities"], "check")
    if scored.refused or not scored.answers:
        raise CheckError(f"{len(scored.refused)} of the known activities of {GOLDEN} are refused")
    computed = [item["probability"] for item in scored.answers if item is not None]
    equal = []
    for name, whose, limit in KNOWN:
        worst = max(abs(one - other) for one, other in zip(computed, golden[name], strict=True))
        # Not "worst > limit": every comparison with NaN is false.
        if not worst <= limit:
            raise CheckError(f"the known answers differ from {whose} by {worst:.2e}, allowed are {limit:g}")
        equal.append(f"{whose} to {worst:.1e} (allowed {limit:g})")
    return f"{len(computed)} known answers equal {' and '.join(equal)}; {len(lines)} files are as they were published"
