"""Errors as problem documents (RFC 9457), without internal details.

Clients of other protocols read other members. RFC 9457 allows further members, so the same document serves all clients.
"""

from collections.abc import Iterable
from http import HTTPStatus
from types import UnionType
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from pydantic import BaseModel

from predict.api.schemas import FieldError, Problem, field_path
from predict.serving.model_store import NoModelError
from predict.transport import json_body
from predict.transport.envelope import request_id

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse

type Responses = dict[int, OpenAPIResponse]

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "30"
UNEXPECTED = "unexpected error; the request id helps to find it in the log"
MAX_ERRORS = 100
V2, INVOCATIONS = "/v2", "/invocations"
# MLflow's error codes.
ERROR_CODES = {
    HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
_PROBLEM: "OpenAPIResponse" = {"content": {CONTENT_TYPE: {"model": Problem}}}
_FAILED: Responses = {
    500: {"description": "Unexpected error", **_PROBLEM},
    503: {"description": "No model is ready; try again later", **_PROBLEM},
}
_REFUSED: Responses = {
    400: {"description": "The body is not JSON, or the Idempotency-Key is not a key", **_PROBLEM},
    409: {"description": "A request with this Idempotency-Key is in progress", **_PROBLEM},
    413: {"description": "The body or the answer is too large", **_PROBLEM},
    415: {"description": "The body is not announced as application/json", **_PROBLEM},
    422: {"description": "A field is missing or wrong; errors names it", **_PROBLEM},
}

logger = Logger()


class Refusal(Exception):
    """Refused request; `detail` may be shown to the client."""

    def __init__(self, status: HTTPStatus, detail: str, errors: Iterable[FieldError] = (), **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, [*errors], headers


def with_problems(model: type[BaseModel] | UnionType, *, body: bool = False) -> Responses:
    """Return the responses of a route for its OpenAPI entry: `model` on success, else a problem."""
    fine: Responses = {200: {"description": "Success", "content": {"application/json": {"model": model}}}}
    return {**fine, **(_REFUSED if body else {}), **_FAILED}


def document(path: str, request_id: str, status: HTTPStatus, detail: str, errors: Iterable[FieldError] = ()) -> str:
    """Return the problem document for a request of `path` as JSON."""
    problem = Problem(title=status.phrase, status=status, detail=detail, request_id=request_id, errors=[*errors])
    if path == V2 or path.startswith(f"{V2}/"):
        problem.error = detail
    elif path == INVOCATIONS:
        problem.error_code, problem.message = ERROR_CODES.get(status, "BAD_REQUEST"), detail
    return problem.model_dump_json(exclude_none=True)


def answer(event: dict[str, Any], context: Any, refusal: Refusal) -> dict[str, Any]:
    """Return a problem as the answer of a Lambda proxy integration."""
    body = document(event.get("path") or "", request_id(event, context), refusal.status, refusal.detail, refusal.errors)
    headers = {"Content-Type": CONTENT_TYPE, **refusal.headers}
    return {
        "statusCode": refusal.status.value,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": body,
        "isBase64Encoded": False,
    }


def register(app: APIGatewayRestResolver) -> None:
    """Let `app` answer every error with a problem document."""

    def problem(
        status: HTTPStatus, detail: str, errors: Iterable[FieldError] = (), headers: dict[str, str] | None = None
    ) -> Response[str]:
        event, path = app.current_event.raw_event, app.current_event.path
        # The other protocols know no 422.
        if status == HTTPStatus.UNPROCESSABLE_ENTITY and (path.startswith(f"{V2}/") or path == INVOCATIONS):
            status = HTTPStatus.BAD_REQUEST
        body = document(path, request_id(event, app.lambda_context), status, detail, errors)
        return Response(status, CONTENT_TYPE, body, headers=headers)

    @app.exception_handler(Refusal)
    def _refused(error: Refusal) -> Response[str]:
        return problem(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(RequestUnsupportedContentType)
    def _unsupported(_: Exception) -> Response[str]:
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send the body with Content-Type: {json_body.MEDIA_TYPE}")

    @app.exception_handler(RequestValidationError)
    def _invalid(error: RequestValidationError) -> Response[str]:
        # Powertools also reads multipart forms, which the API does not take.
        if not json_body.is_json(app.current_event.headers):
            result: Response[str] = _unsupported(error)
            return result
        found = error.errors()
        if any(item["type"] == "json_invalid" for item in found):
            return problem(HTTPStatus.BAD_REQUEST, "the body is not JSON")
        errors = field_errors(found)
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, summary(errors), errors)

    @app.exception_handler(NoModelError)
    def _no_model(error: NoModelError) -> Response[str]:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": RETRY_AFTER_SECONDS})

    @app.exception_handler(NotFoundError)
    def _not_found(_: NotFoundError) -> Response[str]:
        routes = app._static_routes + app._dynamic_routes
        allowed = sorted({route.method for route in routes if route.rule.match(app.current_event.path)})
        if allowed:
            headers = {"Allow": ", ".join(allowed)}
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {headers['Allow']}", headers=headers)
        return problem(HTTPStatus.NOT_FOUND, "there is nothing at this path")

    @app.exception_handler(Exception)
    def _unexpected(error: Exception) -> Response[str]:
        # A form that cannot be read is a ValueError.
        if isinstance(error, ValueError) and not json_body.is_json(app.current_event.headers):
            result: Response[str] = _unsupported(error)
            return result
        logger.exception("unexpected error")
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED)


def field_errors(found: Iterable[dict[str, Any]]) -> list[FieldError]:
    """Return the first of pydantic's errors as a client may see them."""
    return [
        FieldError(field=field_path(item["loc"]), message=item["msg"], type=str(item["type"]))
        for item in [*found][:MAX_ERRORS]
    ]


def summary(errors: list[FieldError]) -> str:
    """Return one line about the first errors."""
    return "; ".join(f"{item.field}: {item.message}" for item in errors[:3])
