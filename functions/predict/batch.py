"""Predict, large batches: the same code and the same artefact, evaluated by scikit-learn's compiled trees.

Only the prediction function calls it. Which model answers is in the call: location and digest of the artefact that the
calling version has in its layer.
"""

from functools import lru_cache
from typing import Any

from predict.fast_path import response
from predict.fast_path.request import NotPlain
from predict.serving.model_store import LoadedModel
from slipcast.model import bulk_scorer
from slipcast_aws import storage


def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Return what the calling version would answer; None if the body needs a closer look, which that version takes."""
    pinned = event["model"]
    scorer = _scorer(pinned["uri"], pinned["sha256"])
    try:
        return response.answer(event, context, LoadedModel(scorer, pinned["version"]))
    except NotPlain:
        return None


# During a release two versions ask.
@lru_cache(maxsize=2)
def _scorer(uri: str, sha256: str) -> bulk_scorer.BulkScorer:
    return bulk_scorer.load(storage.read_bytes(uri, sha256=sha256), sha256)
