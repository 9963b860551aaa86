"""Predict, large batches: the same code and artifact, evaluated by scikit-learn's compiled trees.

Only the prediction function calls it. The call names the model: location and digest of the artifact in the layer of the
calling version.
"""

from functools import lru_cache
from typing import Any

from predict import answering
from predict.api import core, routes
from predict.serving.model_store import LoadedModel, Serving
from slipcast.model import bulk_scorer
from slipcast_aws import storage


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the answer that the calling version would give."""
    pinned = event["model"]
    scorer = _scorer(pinned["uri"], pinned["sha256"])
    serving = Serving(LoadedModel(scorer, pinned["version"]))
    return answering.answer(event, context, serving, lambda call: routes.run(core.ROUTES, call))


# During a release two versions call.
@lru_cache(maxsize=2)
def _scorer(uri: str, sha256: str) -> bulk_scorer.BulkScorer:
    return bulk_scorer.load(storage.read_bytes(uri, sha256=sha256), sha256)
