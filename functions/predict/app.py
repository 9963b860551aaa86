"""Predict: answers the API with the model of this version of the function. No AWS SDK, no scikit-learn on the way."""

import time
from typing import Annotated, Any

import explanations
import feature_lookup
import json_body
import model_store
import prediction_log
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from models import ExplainedResponse, Health, Model, PredictionRequest, PredictionResponse
from openapi_document import document
from problems import register, with_problems

app = APIGatewayRestResolver(enable_validation=True, json_body_deserializer=json_body.read)
register(app)
# Read once, in the init phase: a version of the function has one model for all its life.
serving = model_store.load()


@app.post(
    "/predictions",
    summary="Probability of delay of activities",
    responses=with_problems(PredictionResponse | ExplainedResponse),
)
def predict(
    request: Annotated[PredictionRequest, Body()],
    explain: Annotated[bool, Query(description="Give reasons, as explain in the body does")] = False,
) -> PredictionResponse | ExplainedResponse:
    """Return the probability that each activity finishes later than its baseline finish plus the tolerance.

    One activity may be sent without the list around it. Only what is known when an activity starts is used: status,
    progress, actual dates and unknown columns may be sent and are not read. Reasons are given where asked for.
    """
    explained = explain or request.explain
    if explained:
        explanations.check(len(request.activities))
    model = serving.model()
    activities = [activity.model_dump(exclude_none=True) for activity in request.activities]
    known = feature_lookup.with_history(activities, model.scorer.history)
    rows = [model.scorer.features(activity) for activity in known]
    scores = model.scorer.score(rows)
    answer = prediction_log.answer(_request_id(), model, activities, scores)
    prediction_log.note(answer, rows, [activity.get("project_id") for activity in activities])
    return explanations.add(answer, model.scorer, rows) if explained else answer


@app.get("/model", summary="The model that answers", responses=with_problems(Model))
def model() -> Model:
    """Return version, origin and holdout metrics of the model."""
    return serving.model().describe()


@app.get("/health", summary="Whether a model is ready", responses=with_problems(Health), security=[])
def health() -> Health:
    """Return ok, or 503 while no model is released."""
    return Health(status="ok", version=serving.model().version)


@app.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """Return the OpenAPI document of this API."""
    return Response(200, "application/json", document(app))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration), or a batch of updates from the queue."""
    if "Records" in event:
        # Not in the init phase: the API does not need it.
        import stream

        return stream.answer(event, context, serving.model)
    began = time.perf_counter()
    answered = app.resolve(json_body.announce(event), context)
    return prediction_log.finish(event, answered, (time.perf_counter() - began) * 1000)


def _request_id() -> str:
    return app.current_event.request_context.request_id or app.lambda_context.aws_request_id
