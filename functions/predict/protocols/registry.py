"""Registry of the other protocols of the API. Their routes are made at the first request for one of them."""

from collections.abc import Callable

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from predict.api.schemas import PredictionRequest, PredictionResponse
from predict.serving.model_store import Serving

# Paths below one of these belong to its protocol as well.
V2, MLFLOW = ("/v2",), ("/invocations", "/ping", "/version")
DOCUMENT = "/openapi.json"
_registered: set[tuple[str, ...]] = set()


def register(
    app: APIGatewayRestResolver, path: str, serving: Serving, predict: Callable[[PredictionRequest], PredictionResponse]
) -> None:
    """Give `app` the routes that `path` needs; the OpenAPI document needs all."""
    if _is_first(V2, path):
        from predict.protocols import open_inference

        app.include_router(open_inference.router(serving, predict))
    if _is_first(MLFLOW, path):
        from predict.protocols import mlflow

        app.include_router(mlflow.router(serving, predict))


def _is_first(paths: tuple[str, ...], path: str) -> bool:
    asked = path == DOCUMENT or any(path == start or path.startswith(f"{start}/") for start in paths)
    first = asked and paths not in _registered
    if first:
        _registered.add(paths)
    return first
