"""Model of this function version: read once from its layer, refused if its digest differs."""

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from predict.settings import settings
from slipcast.model import artifact, scorer
from slipcast.model.artifact import ArtifactError

if TYPE_CHECKING:
    from slipcast.forecast.evaluator import Forecaster
    from slipcast.forecast.reasons import Explainer

# Powertools and pydantic are imported where they are needed: most predictions do not need them (app.py).
FOLDER, MODEL, FORECAST = "slipcast_model", "model.json", "forecast.json"


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

    @property
    def has_forecast(self) -> bool:
        """Return whether the release has a forecast model."""
        return "forecast" in self.scorer.metadata

    def forecaster(self) -> "Forecaster | None":
        """Return the forecast model of the release; None if it has none.

        Raises
        ------
        NoModelError
            If it cannot be read.
        """
        return forecaster(self.scorer.metadata["forecast"]["sha256"]) if self.has_forecast else None

    def explainer(self) -> "Explainer | None":
        """Return the explainer of the forecast model; None if the release has none.

        Raises
        ------
        NoModelError
            If it cannot be read.
        """
        return explainer(self.scorer.metadata["forecast"]["sha256"]) if self.has_forecast else None


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
    sha256 = settings().model_sha256
    if not sha256:
        return Serving(None, "no model is released yet: drop a schedule into the bucket's incoming/ folder")
    try:
        loaded = scorer.load(_read(MODEL), sha256, _parse)
    except (OSError, ArtifactError) as error:
        _count_refused(error, sha256)
        return Serving(None, "the model of this version could not be read")
    return Serving(LoadedModel(loaded, settings().aws_lambda_function_version))


@cache
def forecaster(sha256: str) -> "Forecaster":
    """Read the forecast model that the model pins by `sha256`, once, when the first forecast is asked for.

    Raises
    ------
    NoModelError
        If the layer holds another one or none.
    """
    # Imported here: a probability does not need it.
    from slipcast.forecast.evaluator import Forecaster

    return _with_forecast(sha256, Forecaster)


@cache
def explainer(sha256: str) -> "Explainer":
    """Read the forecast model again, once, when its first reason is asked for.

    Raises
    ------
    NoModelError
        As for `forecaster`.
    """
    from slipcast.forecast.reasons import Explainer

    evaluator = forecaster(sha256)
    return _with_forecast(sha256, lambda document: Explainer(document, evaluator))


def _with_forecast[T](sha256: str, make: Callable[[Any], T]) -> T:
    try:
        raw = _read(FORECAST)
        if artifact.digest(raw) != sha256:
            raise ArtifactError(f"the forecast model's SHA-256 is {artifact.digest(raw)}, not the released {sha256!r}")
        return make(_parse(raw))
    except (OSError, ValueError) as error:
        _count_refused(error, sha256)
        raise NoModelError("the forecast model of this version could not be read") from error


def _count_refused(error: Exception, sha256: str) -> None:
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    Logger().error("the model was refused", error=str(error), model_sha256=sha256)
    metrics = Metrics()
    metrics.add_metric("ModelLoadFailed", MetricUnit.Count, 1)
    metrics.flush_metrics()


def _parse(raw: bytes) -> Any:
    # A forest is a megabyte of JSON, which the standard library takes three times as long to read.
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def _read(name: str) -> bytes:
    """Read a file of the model: Lambda unpacks layers in /opt, the local cloud in folders that it puts on the path."""
    model = settings().model_path or f"/opt/{FOLDER}/{MODEL}"
    neighbor = model if name == MODEL else f"{os.path.dirname(model)}/{name}"  # noqa: PTH120 - as below
    places = [neighbor, *(f"{folder}/{FOLDER}/{name}" for folder in sys.path)]
    place = next((place for place in places if os.path.isfile(place)), places[0])  # noqa: PTH113 - pathlib takes 10 ms
    with open(place, "rb") as file:  # noqa: PTH123
        return file.read()
