"""SnapStart hooks: work before the memory snapshot, and in each environment that starts from it.

A snapshot is taken once and starts many environments. State that they must not share is created again in each: clients
of the AWS SDK with their connections and credentials, the cache of the feature store, and the state of random numbers.
"""

import random
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from predict.serving import log_writer
from predict.serving.model_store import LoadedModel, NoModelError

# Cached functions, in any module, that hold a client of the AWS SDK or a connection.
CACHED = ("client", "direct", "_store")


def register(model: LoadedModel | None) -> None:
    """Have the Lambda runtime call `before_snapshot` and `after_restore`; elsewhere there is no such runtime."""
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot
    except ImportError:
        return
    register_before_snapshot(before_snapshot, model)
    register_after_restore(after_restore)


def before_snapshot(model: LoadedModel | None) -> None:
    """Load what requests will need: memory that is filled now costs no environment any time."""
    import_module("predict.registry")
    import_module("predict.api.idempotency")
    if model is not None:
        model.scorer.predict_proba([{}])
        # Counted and answered with 503 where it is asked for; probabilities do not need it.
        with suppress(NoModelError):
            model.forecaster()


def after_restore() -> None:
    """Forget what belongs to the environment that the snapshot was taken in."""
    for forget in _caches(sys.modules.values()):
        forget()
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    # The first request after this is slower than the others.
    log_writer._Request.cold = True


def _caches(modules: Iterable[ModuleType]) -> list[Callable[[], None]]:
    found = []
    for module in list(modules):
        for name in CACHED:
            forget = getattr(getattr(module, name, None), "cache_clear", None)
            if forget is not None:
                found.append(forget)
    store = sys.modules.get("slipcast_aws.serving.feature_store")
    return found if store is None else [*found, store._cache.clear]
