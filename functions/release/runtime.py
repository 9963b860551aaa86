"""Runtime of a version of the predict function, chosen by the needs of its model."""

from slipcast.contracts import ModelRef
from slipcast.model import artifact
from slipcast_aws.release.versions import Runtime
from slipcast_aws.settings import number, setting


def of(model: ModelRef) -> Runtime:
    """Return the runtime for a model; a model without ``runtime`` needs the standard library alone."""
    needed = model.get("runtime") == artifact.SCIKIT_LEARN
    choice = setting("SNAP_START")
    return Runtime(
        memory_mb=int(number("SCIKIT_LEARN_MEMORY_MB" if needed else "PREDICT_MEMORY_MB")),
        library=setting("SCIKIT_LEARN_LAYER"),
        needed=needed,
        # SnapStart is billed per second as long as the version exists: use it only for slow starts.
        snap_start=choice == "on" or (choice == "auto" and needed),
    )
