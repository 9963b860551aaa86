"""The API's own routes: predictions, the model, readiness."""

from predict.api import predictions, requests
from predict.api.routes import Answer, Call, Routes, answer
from predict.contract import MAX_EXPLAINED
from predict.serving import log_writer
from predict.transport import body


def predict(call: Call) -> Answer:
    """Return the probability that each activity finishes later than its baseline finish plus the tolerance.

    One activity may be sent without the list around it. In a list, an activity with a wrong field is answered by null
    and by an error that names the field, and the others are scored; if none can be scored the answer is 422. Only what
    is known when an activity starts is used: status, progress, actual dates and unknown columns may be sent and are not
    read. Reasons are given where asked for.

    Tables are taken and given too: CSV with a header, and lines of JSON with an activity or an answer each. The answer
    has the form of the request unless Accept names another.
    """
    kind = body.media_type(call.headers, (body.JSON, body.CSV, body.LINES))
    wanted = _wanted(call, kind)
    text = body.text(call.event)
    explain = _explain(call)
    if kind == body.JSON:
        batch = requests.read(text)
    else:
        from predict.api import tables

        batch = tables.read(text, kind)
    explain = explain or batch.explain
    if explain and len(batch.ids) > MAX_EXPLAINED:
        raise requests.invalid(
            "activities", "too_long", f"these are {len(batch.ids)}", f"with explain send at most {MAX_EXPLAINED}"
        )
    scored = predictions.score(call.request_id, call.serving.model(), batch)
    if wanted != body.JSON:
        from predict.api import tables

        found = answer(tables.write(scored, wanted), kind=f"{wanted}; charset=utf-8")
    elif explain:
        # Imported here: few requests ask for reasons.
        from predict.api import explanations

        found = answer(explanations.response(scored))
    else:
        found = answer(scored.response())
    log_writer.note(scored.logged())
    return found


def _wanted(call: Call, kind: str) -> str:
    accepted = call.headers.get("accept", "").lower()
    named = [item for item in (body.JSON, body.CSV, body.LINES) if item in accepted]
    return kind if kind in named or not named else named[0]


def _explain(call: Call) -> bool:
    query = call.event.get("queryStringParameters") or {}
    sent = str(query.get("explain") or "false").strip().lower()
    if sent not in ("true", "false", "1", "0"):
        raise requests.invalid(
            "query.explain", "bool_type", "it is neither true nor false", "send one of them, or leave it out"
        )
    return sent in ("true", "1")


def model(call: Call) -> Answer:
    """Return version, origin and holdout metrics of the model; 304 if it is still the one of If-None-Match."""
    from predict.api import etag

    return etag.model(call)


def health(call: Call) -> Answer:
    """Return ok, or 503 while no model is released."""
    from predict.api.answers import Health

    return answer(Health("ok", call.serving.model().version))


ROUTES: Routes = {
    "/predictions": {"POST": predict},
    "/model": {"GET": model},
    "/health": {"GET": health},
}
