"""The other protocols that the API speaks. Their routes are made when somebody first asks for one of them."""

from collections.abc import Callable
from importlib import import_module

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from model_store import Serving

# Paths by module; what is below a path belongs to it as well.
PATHS = {"v2_protocol": ("/v2",), "mlflow_protocol": ("/invocations", "/ping", "/version")}
DOCUMENT = "/openapi.json"
_registered: set[str] = set()


def register(app: APIGatewayRestResolver, path: str, serving: Serving, predict: Callable) -> None:
    """Give `app` the routes that `path` needs; the OpenAPI document needs all."""
    if path == "/predictions":
        return
    for module, paths in PATHS.items():
        asked = path == DOCUMENT or any(path == start or path.startswith(f"{start}/") for start in paths)
        if asked and module not in _registered:
            app.include_router(import_module(module).router(serving, predict))
            _registered.add(module)
