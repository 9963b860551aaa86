"""Projects: what the web application reads and asks - projects, activities, forecasts, what-if, uploads."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from projects import (
    access,
    asking,
    exporting,
    lineage,
    mailing,
    monitoring,
    profiles,
    reading,
    releases,
    scenarios,
    uploading,
    web,
)
from projects.settings import Settings
from projects.web import Refusal, Request
from slipcast_aws import waiting

logger = Logger()
ROUTES: dict[str, Callable[[str, Request, access.Caller], dict[str, Any]]] = {
    "GET /projects": reading.list_projects,
    "GET /projects/{id}": reading.show,
    "GET /projects/{id}/activities": reading.activities,
    "GET /projects/{id}/activities/{activity_id}": reading.activity,
    "GET /projects/{id}/activities/{activity_id}/lineage": lineage.show,
    "GET /projects/{id}/forecast": reading.forecast,
    "GET /projects/{id}/updates": reading.updates,
    "GET /projects/{id}/compare": asking.compare,
    "POST /projects/{id}/what-if": asking.what_if,
    "GET /projects/{id}/scenarios": scenarios.saved,
    "POST /projects/{id}/scenarios": scenarios.save,
    "DELETE /projects/{id}/scenarios/{scenario_id}": scenarios.delete,
    "GET /projects/{id}/export": exporting.export,
    "POST /uploads": uploading.upload,
    "GET /executions": uploading.by_key,
    "GET /executions/{id}": uploading.by_name,
    "GET /releases": releases.waiting_releases,
    "POST /releases/{id}/decision": releases.decide,
    "GET /monitoring": monitoring.state,
    "POST /profiles": profiles.save,
    "POST /profiles/suggestions": profiles.suggest,
}
UNEXPECTED = "unexpected error; the request id helps to find it in the log"


# The event has tokens of callers: it is never logged, even if the environment enables event logging.
@logger.inject_lambda_context(log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration), or mail what a schedule asks for."""
    settings = Settings.from_environment()
    if event.get("task") == "mail":
        return waiting.retriable(mailing.mail)(settings)
    request = Request.of(event)
    request_id = request.request_id or context.aws_request_id
    try:
        route = ROUTES.get(request.route)
        if route is None:
            raise _no_route(event.get("resource"))
        found = route(settings.data_bucket, request, access.caller(event, settings.api_auth))
    except Refusal as refusal:
        found = web.problem(refusal, request_id)
    except Exception:
        logger.exception("unexpected error")
        found = web.problem(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, UNEXPECTED), request_id)
    found["multiValueHeaders"]["X-Request-Id"] = [request_id]
    logger.info("projects", route=request.route, status=found["statusCode"])
    return found


def _no_route(resource: str | None) -> Refusal:
    allowed = sorted(route.partition(" ")[0] for route in ROUTES if route.partition(" ")[2] == resource)
    if not allowed:
        return Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this path")
    listed = ", ".join(allowed)
    return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"this path takes {listed}", headers={"Allow": listed})
