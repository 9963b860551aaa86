"""Errors as problem documents (RFC 9457): what a client may know, and nothing of the inside."""

from http import HTTPStatus

import json_body
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from model_store import NoModelError
from models import FieldError, Problem, field_path
from pydantic import BaseModel

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "30"
_PROBLEM = {"content": {CONTENT_TYPE: {"model": Problem}}}
_RESPONSES = {
    400: {"description": "The body is not JSON", **_PROBLEM},
    415: {"description": "The body is not announced as application/json", **_PROBLEM},
    422: {"description": "A field is missing or wrong; errors names it", **_PROBLEM},
    500: {"description": "Unexpected error", **_PROBLEM},
    503: {"description": "No model is ready; try again later", **_PROBLEM},
}

logger = Logger()


def with_problems(model: type[BaseModel]) -> dict[int, dict]:
    """Return the responses of a route for its OpenAPI entry: `model` when all is well, else a problem."""
    return {200: {"description": "Success", "content": {"application/json": {"model": model}}}, **_RESPONSES}


def register(app: APIGatewayRestResolver) -> None:
    """Let `app` answer every error with a problem document."""

    def problem(status: HTTPStatus, detail: str, errors: list[FieldError] | None = None, **headers: str) -> Response:
        body = Problem(
            title=status.phrase,
            status=status,
            detail=detail,
            request_id=app.current_event.request_context.request_id or app.lambda_context.aws_request_id,
            errors=errors or [],
        )
        return Response(status, CONTENT_TYPE, body.model_dump_json(), headers=headers or None)

    @app.exception_handler(RequestUnsupportedContentType)
    def _unsupported(_: Exception) -> Response:
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the body with Content-Type: {json_body.MEDIA_TYPE}")

    @app.exception_handler(RequestValidationError)
    def _invalid(error: RequestValidationError) -> Response:
        # Powertools reads multipart forms too, in which no field of ours can be.
        if not json_body.is_json(app.current_event.headers):
            return _unsupported(error)
        found = error.errors()
        if any(item["type"] == "json_invalid" for item in found):
            return problem(HTTPStatus.BAD_REQUEST, "the body is not JSON")
        errors = [
            FieldError(field=field_path(item["loc"]), message=item["msg"], type=str(item["type"]))
            for item in found[:100]
        ]
        detail = "; ".join(f"{item.field}: {item.message}" for item in errors[:3])
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors)

    @app.exception_handler(NoModelError)
    def _no_model(error: NoModelError) -> Response:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), **{"Retry-After": RETRY_AFTER_SECONDS})

    @app.exception_handler(NotFoundError)
    def _not_found(_: NotFoundError) -> Response:
        return problem(HTTPStatus.NOT_FOUND, "there is nothing at this path")

    @app.exception_handler(Exception)
    def _unexpected(error: Exception) -> Response:
        # A form that cannot be read is a ValueError.
        if isinstance(error, ValueError) and not json_body.is_json(app.current_event.headers):
            return _unsupported(error)
        logger.exception("unexpected error")
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected error; the request id helps to find it in the log")
