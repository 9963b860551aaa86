"""Errors as problem documents (RFC 9457), without internal details.

Clients of other protocols read other members. RFC 9457 allows further members, so the same document serves all clients.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from predict.api.answers import Problem
from predict.api.requests import InvalidRequest, NotJsonError, Refused
from predict.api.schemas import FieldError
from predict.contract import MAX_ERRORS, RETRY_AFTER_SECONDS
from predict.logged import encode
from predict.refusal import Refusal
from predict.serving.model_store import NoModelError
from predict.transport.envelope import request_id

CONTENT_TYPE = "application/problem+json"
UNEXPECTED = "unexpected error; the request id helps to find it in the log"
NOT_JSON = "the body is not JSON"
V2, INVOCATIONS = "/v2", "/invocations"
# MLflow's error codes.
ERROR_CODES = {
    HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}


def refusal(error: Exception) -> Refusal:
    """Return what a client may know of an error; one that nobody foresaw is logged."""
    match error:
        case Refusal():
            return error
        case InvalidRequest():
            return invalid(field_errors(error.refused))
        case NotJsonError():
            return Refusal(HTTPStatus.BAD_REQUEST, error.detail)
        case NoModelError():
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": RETRY_AFTER_SECONDS})
    log_unexpected()
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED)


def log_unexpected() -> None:
    """Log the current exception."""
    # Imported here: Powertools takes several times as long to start as everything else together.
    from aws_lambda_powertools import Logger

    Logger().exception("unexpected error")


def invalid(errors: list[FieldError], status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> Refusal:
    """Return the refusal of a request for its fields."""
    return Refusal(status, "; ".join(f"{item.field}: {item.message}" for item in errors[:3]), errors)


def field_errors(refused: Iterable[Refused]) -> list[FieldError]:
    """Return the first errors of a request as a client sees them."""
    return [FieldError(item.path, item.error.type, item.message) for item in [*refused][:MAX_ERRORS]]


def answer(event: dict[str, Any], context: Any, refused: Refusal) -> dict[str, Any]:
    """Return a problem as the answer of a Lambda proxy integration."""
    path, status = event.get("path") or "", refused.status
    problem = Problem(
        "about:blank", status.phrase, status.value, refused.detail, request_id(event, context), refused.errors
    )
    if path == V2 or path.startswith(f"{V2}/"):
        problem.error = refused.detail
    elif path == INVOCATIONS:
        problem.error_code, problem.message = ERROR_CODES.get(status, "BAD_REQUEST"), refused.detail
    headers = {"Content-Type": CONTENT_TYPE, **refused.headers}
    return {
        "statusCode": status.value,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "body": encode(problem).decode(),
        "isBase64Encoded": False,
    }
