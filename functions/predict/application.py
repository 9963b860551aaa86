"""Predict: answers the API with the model of this function version, without the AWS SDK and scikit-learn."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from predict.api import answers, etag, explanations, idempotency, problems
from predict.api.openapi import document
from predict.api.problems import with_problems
from predict.api.schemas import ExplainedResponse, Health, Model, PredictionRequest, PredictionResponse
from predict.protocols import registry
from predict.serving import feature_lookup, log_writer, model_store
from predict.transport import envelope, gateway, json_body

app = APIGatewayRestResolver(
    enable_validation=True,
    json_body_deserializer=json_body.read,
    # Response validation errors are server errors (500), not 422.
    response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
)
problems.register(app)
# Read once, in the init phase: a version of the function always has the same model.
serving = model_store.load()


@app.post(
    "/predictions",
    summary="Probability of delay of activities",
    responses=with_problems(PredictionResponse | ExplainedResponse, body=True),
)
def predict(
    request: Annotated[PredictionRequest, Body()],
    explain: Annotated[bool, Query(description="Give reasons, as explain in the body does")] = False,
) -> PredictionResponse | ExplainedResponse:
    """Return the probability that each activity finishes later than its baseline finish plus the tolerance.

    One activity may be sent without the list around it. In a list, an activity with a wrong field is answered by null
    and by an error that names the field, and the others are scored; if none can be scored the answer is 422. Only what
    is known when an activity starts is used: status, progress, actual dates and unknown columns may be sent and are not
    read. Reasons are given where asked for.
    """
    explained = explain or request.explain
    if explained:
        explanations.check(len(request.activities))
    model = serving.model()
    activities = [activity.model_dump(exclude_none=True) for activity in request.activities]
    known = feature_lookup.with_history(activities, model.scorer.history)
    rows = [model.scorer.features(activity) for activity in known]
    scores = model.scorer.score(rows)
    answer = answers.answer(_request_id(), model, activities, scores, request.positions)
    answers.note(answer, rows, [activity.get("project_id") for activity in activities])
    if explained:
        answer = explanations.add(answer, model.scorer, rows)
    return answer.in_place(request)


@app.get("/model", summary="The model that answers", responses=etag.with_not_modified(with_problems(Model)))
def model() -> Response[str]:
    """Return version, origin and holdout metrics of the model; 304 if it is still the one of If-None-Match."""
    return etag.answer(app.current_event.headers, serving.model())


@app.get("/health", summary="Whether a model is ready", responses=with_problems(Health))
def health() -> Health:
    """Return ok, or 503 while no model is released."""
    return Health(status="ok", version=serving.model().version)


@app.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """Return the OpenAPI document of this API."""
    return Response(200, "application/json", document(app), headers={"Cache-Control": "public, max-age=300"})


def handler(event: dict[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration), or a batch of updates from the queue."""
    if "Records" in event:
        # Imported here, not in the init phase: the API does not need it.
        from predict.stream import consumer

        return consumer.answer(event, context, serving.model)
    began = time.perf_counter()
    event = gateway.routed(event)
    try:
        found = _answer(event, context)
    except problems.Refusal as refusal:
        found = problems.answer(event, context, refusal)
    except Exception:
        # Errors of a route are answered by the application; this handles errors around it.
        problems.logger.exception("unexpected error")
        unexpected = problems.Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, problems.UNEXPECTED)
        found = problems.answer(event, context, unexpected)
    found = _finish(found, event, context)
    return log_writer.finish(event, found, (time.perf_counter() - began) * 1000)


def _answer(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if envelope.too_large(event):
        raise problems.Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, envelope.TOO_LARGE)
    key = idempotency.key_of(event)
    if key is None:
        return _resolve(event, context)
    # The stored answer includes the headers, so a replay keeps the original model version.
    return idempotency.answer(event, context, key, lambda: _finish(_resolve(event, context), event, context))


def _resolve(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    registry.register(app, event.get("path") or "", serving, predict)
    return app.resolve(json_body.announce(event), context)


def _finish(found: dict[str, Any], event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def refuse(status: HTTPStatus, detail: str) -> dict[str, Any]:
        return problems.answer(event, context, problems.Refusal(status, detail))

    return envelope.finish(found, event, context, serving.loaded and serving.loaded.names(), refuse)


def _request_id() -> str:
    return envelope.request_id(app.current_event.raw_event, app.lambda_context)
