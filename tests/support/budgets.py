"""Numbers of examples: small with each change, large with ``make verify``, which sets ``SLIPCAST_BUDGET=large``."""

import os

LARGE = os.environ.get("SLIPCAST_BUDGET") == "large"


def examples(few: int, many: int) -> int:
    """Return the number of examples of this run."""
    return many if LARGE else few
