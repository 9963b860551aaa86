"""Predict: where Lambda enters. A valid request for predictions is answered by the standard library alone.

Everything else, refusals, reasons, other paths, is answered by :mod:`app`, which is imported when it is first needed:
it takes ten times as long to start. Both give the same answer to the same request; a test compares them.
"""

import json
import sys
import time
from typing import Any

import envelope
import feature_lookup
import model_store
import plain_request
import prediction_log

MEDIA_TYPE = "application/json"
# Fields of `models.Prediction`.
PREDICTION = ("prediction_id", "activity_id", "probability", "at_risk", "threshold")
# Read once, in the init phase: a version of the function has one model for all its life.
serving = model_store.load()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a request of API Gateway (REST, Lambda proxy integration)."""
    if serving.loaded is not None and is_plain(event):
        try:
            return _predict(event, context, serving.loaded)
        except plain_request.NotPlain:
            pass
    import app

    return app.handler(event, context)


def is_plain(event: dict[str, Any]) -> bool:
    """Return whether the event is a POST of JSON to ``/predictions`` that asks for nothing special."""
    return (
        event.get("httpMethod") == "POST"
        and event.get("path") == "/predictions"
        and isinstance(event.get("body"), str)
        and not event.get("isBase64Encoded")
        and not envelope.too_large(event)
        and not event.get("queryStringParameters")
        and not event.get("multiValueQueryStringParameters")
        and all(_is_plain_header(name, [value]) for name, value in (event.get("headers") or {}).items())
        and all(_is_plain_header(name, values) for name, values in (event.get("multiValueHeaders") or {}).items())
    )


def _is_plain_header(name: str, values: list[str]) -> bool:
    name = name.lower()
    if name == "content-type":
        return all(value.partition(";")[0] == MEDIA_TYPE for value in values)
    return name != "idempotency-key"


def _predict(event: dict[str, Any], context: Any, model: model_store.LoadedModel) -> dict[str, Any]:
    began = time.perf_counter()
    activities = plain_request.read(event["body"])
    history = activities.history
    if model.scorer.history and None in history:
        known = feature_lookup.with_history(activities.records(), model.scorer.history)
        history = [activity.get("history") for activity in known]
    rows = activities.features(history)
    scores = model.scorer.score(rows)
    threshold = model.scorer.threshold
    request_id = envelope.request_id(event, context)
    prediction_ids = [f"{request_id}:{number}" for number in range(len(scores))]
    at_risk = [score >= threshold for score in scores]
    predictions = [
        {
            "prediction_id": prediction,
            "activity_id": activity,
            "probability": score,
            "at_risk": risk,
            "threshold": threshold,
        }
        for prediction, activity, score, risk in zip(prediction_ids, activities.ids, scores, at_risk, strict=True)
    ]
    names = model.names()
    answer = {"request_id": request_id, "model": names, "predictions": predictions, "errors": []}
    body = json.dumps(answer, separators=(",", ":"))
    answered = {
        "statusCode": 200,
        "body": body,
        "isBase64Encoded": False,
        "multiValueHeaders": {"Content-Type": [MEDIA_TYPE]},
    }
    answered = envelope.finish(answered, event, context, names)
    prediction_log.note_columns(
        request_id, names, prediction_ids, activities.ids, activities.columns["project_id"], scores, rows, sum(at_risk)
    )
    answered = prediction_log.finish(event, answered, (time.perf_counter() - began) * 1000)
    sys.stdout.flush()
    return answered
