"""Routes that the API's own clients do not ask for: other protocols, and the contract."""

from predict.api.routes import Answer, Call, Routes, answer
from predict.protocols import mlflow, open_inference


def document(call: Call) -> Answer:
    """Return the OpenAPI document of this API."""
    from predict import openapi

    return answer(openapi.document(call), Cache_Control="public, max-age=300")


ROUTES: Routes = {**open_inference.ROUTES, **mlflow.ROUTES, "/openapi.json": {"GET": document}}
