"""Model of this function version: read once from its layer, refused if its digest differs."""

import os
import sys
from functools import cache
from typing import Any, NamedTuple

import msgspec

from slipcast.model import scorer
from slipcast.model.artifact import ArtefactError

# Powertools and pydantic are imported where they are needed: most predictions do not need them (app.py).
RELATIVE = "slipcast_model/model.json"


class NoModelError(RuntimeError):
    """No model is available; the message may be shown to a client."""


class LoadedModel(NamedTuple):
    """Loaded model, ready to score."""

    scorer: scorer.Scorer
    version: str

    def names(self) -> dict[str, str]:
        """Return the names of the model that every answer contains."""
        metadata = self.scorer.metadata
        return {"version": self.version, "model_id": metadata["model_id"], "dataset_id": metadata["dataset_id"]}


class Serving(NamedTuple):
    """State of this version: its model, or the reason why there is none."""

    loaded: LoadedModel | None
    why_not: str = ""

    def model(self) -> LoadedModel:
        """Return the model.

        Raises
        ------
        NoModelError
            If there is none.
        """
        if self.loaded is None:
            raise NoModelError(self.why_not)
        return self.loaded


@cache
def load() -> Serving:
    """Read the model that ``MODEL_SHA256`` pins, once; serve none if the layer holds another one or none."""
    sha256 = os.environ.get("MODEL_SHA256")
    if not sha256:
        return Serving(None, "no model is released yet: drop a schedule into the bucket's incoming/ folder")
    try:
        loaded = scorer.load(_read(), sha256, _parse)
    except (OSError, ArtefactError) as error:
        from aws_lambda_powertools import Logger, Metrics
        from aws_lambda_powertools.metrics import MetricUnit

        Logger().error("the model was refused", error=str(error), model_sha256=sha256)
        metrics = Metrics()
        metrics.add_metric("ModelLoadFailed", MetricUnit.Count, 1)
        metrics.flush_metrics()
        return Serving(None, "the model of this version could not be read")
    return Serving(LoadedModel(loaded, os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")))


def _parse(raw: bytes) -> Any:
    # A forest is a megabyte of JSON, which the standard library takes three times as long to read.
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _read() -> bytes:
    """Read the model file: Lambda unpacks layers in /opt, the local cloud in folders that it puts on the path."""
    places = [os.environ.get("MODEL_PATH", f"/opt/{RELATIVE}"), *(f"{folder}/{RELATIVE}" for folder in sys.path)]
    place = next((place for place in places if os.path.isfile(place)), places[0])  # noqa: PTH113 - pathlib takes 10 ms
    with open(place, "rb") as file:  # noqa: PTH123
        return file.read()
