"""Answer to a valid prediction request, with the standard library alone; the same bytes as the application's."""

import json
import time
from http import HTTPStatus
from typing import Any

from predict.fast_path import request
from predict.serving import feature_lookup, log_writer
from predict.serving.model_store import LoadedModel
from predict.transport import envelope

MEDIA_TYPE = "application/json"


def is_plain(event: dict[str, Any]) -> bool:
    """Return whether the event is a plain POST of JSON to ``/predictions``, without options."""
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


def answer(event: dict[str, Any], context: Any, model: LoadedModel) -> dict[str, Any]:
    """Return the answer to an event that `is_plain`, and log the predictions.

    Raises
    ------
    NotPlain
        If the body must be validated by the application.
    """
    began = time.perf_counter()
    activities = request.read(event["body"])
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
    document = {"request_id": request_id, "model": names, "predictions": predictions, "errors": []}
    answered = {
        "statusCode": 200,
        "body": json.dumps(document, separators=(",", ":")),
        "isBase64Encoded": False,
        "multiValueHeaders": {"Content-Type": [MEDIA_TYPE]},
    }
    answered = envelope.finish(answered, event, context, names, lambda *why: _refusal(event, context, *why))
    projects = activities.columns["project_id"]
    log_writer.note_columns(request_id, names, prediction_ids, activities.ids, projects, scores, rows, sum(at_risk))
    return log_writer.finish(event, answered, (time.perf_counter() - began) * 1000)


def _refusal(event: dict[str, Any], context: Any, status: HTTPStatus, detail: str) -> dict[str, Any]:
    # Imported here: it is the only part of an answer that needs more than the standard library.
    from predict.api.problems import Refusal
    from predict.api.problems import answer as problem

    return problem(event, context, Refusal(status, detail))
