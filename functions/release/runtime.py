"""What a version of the predict function runs with, by what its model needs."""

from typing import Any

from slipcast.model import artifact
from slipcast_aws.release.versions import Runtime
from slipcast_aws.settings import number, setting


def of(model: dict[str, Any]) -> Runtime:
    """Return what the version for a model runs with; a model without ``runtime`` needs the standard library alone."""
    needed = model.get("runtime") == artifact.SCIKIT_LEARN
    choice = setting("SNAP_START")
    return Runtime(
        memory_mb=int(number("SCIKIT_LEARN_MEMORY_MB" if needed else "PREDICT_MEMORY_MB")),
        library=setting("SCIKIT_LEARN_LAYER"),
        needed=needed,
        # A snapshot costs by the second for as long as there is the version: only a start of seconds is worth it.
        snap_start=choice == "on" or (choice == "auto" and needed),
    )
