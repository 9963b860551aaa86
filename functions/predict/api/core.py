"""The API's own routes: predictions, the model, readiness."""

from http import HTTPStatus
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from predict.api import predictions, requests
from predict.api.requests import Batch
from predict.api.routes import Answer, Call, Routes, answer
from predict.contract import MAX_EXPLAINED, RETRY_AFTER_SECONDS
from predict.refusal import Refusal
from predict.serving import log_writer
from predict.transport import body

if TYPE_CHECKING:
    from slipcast.forecast.relations import Relation


def predict(call: Call) -> Answer:
    """Return the probability that each activity finishes later than its baseline finish plus the tolerance.

    One activity may be sent without the list around it. In a list, an activity with a wrong field is answered by null
    and by an error that names the field, and the others are scored; if none can be scored the answer is 422.

    What is late already has the probability 1: status and dates say so, no model. All others are judged at their start,
    or on the day after the data date if they have not started: nothing that became known later is used. Progress and
    unknown columns may be sent and are not read. Reasons are given where asked for.

    Tables are taken and given too: CSV with a header, lines of JSON with an activity or an answer each, streams of
    Arrow IPC and Parquet. The answer has the form of the request unless Accept names another; Arrow and Parquet are
    given where Accept begins with them, JSON otherwise.
    """
    explain = _explain(call)
    wanted, batch = _read(call, body.BINARY)
    explain = explain or batch.explain
    _check_explained(batch, explain)
    scored = predictions.score(call.request_id, call.serving.model(), batch)
    if wanted in body.BINARY:
        from predict.api import tables

        written = _columnar().write(scored, scored.predictions, wanted, tables.PREDICTION)
        found = {**answer(written, kind=wanted), "isBase64Encoded": True}
    elif wanted != body.JSON:
        from predict.api import tables

        text = tables.write(scored, scored.predictions, wanted, tables.PREDICTION)
        found = answer(text, kind=f"{wanted}; charset=utf-8")
    elif explain:
        # Imported here: few requests ask for reasons.
        from predict.api import explanations

        found = answer(explanations.response(scored))
    else:
        found = answer(scored.response())
    log_writer.note(scored.logged())
    return found


def forecast(call: Call) -> Answer:
    """Return when each activity finishes, as far as it is known on its data date.

    The stage needs no model: what is late already has the probability 1, a complete activity its actual finish. For all
    others P10 to P90 are days by whose end the activity has finished with that probability. Activities are sent as to
    /predictions, alone, in a list or as a table, and answered likewise: a wrong one by null and an error that names the
    field. Point-in-time features as of the data date may be sent in history, under names that begin with now_.
    A model that was released without a forecast answers stage and days late alone, and note says so. Reasons are given
    where asked for, as parts of the probability of being late.

    With relations the activities are one network as of one data date: none finishes before its predecessors allow,
    driven_by names the one that sets the P80, and completion is the finish of the last activity. A wrong activity or
    relation then refuses the request.
    """
    # Imported here, as the forecast model is: a probability needs neither.
    from predict.api import forecasts

    explain = _explain(call)
    wanted, batch = _read(call)
    explain = explain or batch.explain
    _check_explained(batch, explain)
    links = _relations(call, batch, explain)
    found = forecasts.forecast(call.request_id, call.serving.model(), batch)
    network = None
    if links:
        from predict.api import relations

        network = relations.related(found, links)
        found = network.found
    if wanted == body.JSON and network is not None:
        given = answer(network.response())
    elif wanted == body.JSON and explain:
        from predict.api import forecast_explanations

        given = answer(forecast_explanations.response(found))
    elif wanted == body.JSON:
        given = answer(found.response())
    else:
        from predict.api import tables

        text = tables.write(found.scored, found.items, wanted, tables.FORECAST)
        given = answer(text, kind=f"{wanted}; charset=utf-8")
    log_writer.note(found.logged())
    return given


def _read(call: Call, binary: tuple[str, ...] = ()) -> tuple[str, Batch]:
    """Return the media type of the answer, and the activities of a request; `binary` is taken and given as well."""
    kind = body.media_type(call.headers, (body.JSON, body.CSV, body.LINES, *binary))
    first = body.first_accepted(call.headers)
    wanted = first if first in binary else _wanted(call, body.JSON if kind in binary else kind)
    if kind in binary:
        return wanted, _columnar().read(body.raw(call.event), kind)
    text = body.text(call.event)
    if kind == body.JSON:
        return wanted, requests.read(text)
    from predict.api import tables

    return wanted, tables.read(text, kind)


def _relations(call: Call, batch: Batch, explain: bool) -> "list[Relation]":
    """Return the relations of a request in JSON, as `relations.read` does; tables have none."""
    if body.media_type(call.headers, (body.JSON, body.CSV, body.LINES)) != body.JSON:
        return []
    text = body.text(call.event)
    # A name may be written with escapes; those of its letters begin so, those of a text that is not English do not.
    if '"relations"' not in text and "\\u006" not in text and "\\u007" not in text:
        return []
    # Imported here: few requests have relations.
    from predict.api import relations

    found = relations.read(text, batch)
    if found and explain:
        remedy = "ask without relations: reasons are those of each activity by itself"
        raise requests.invalid("explain", "value_error", "there are relations", remedy)
    return found


def _columnar() -> ModuleType:
    """Return the module for Arrow and Parquet, which only the function for large batches has the library for."""
    try:
        return import_module("predict.api.columnar")
    except ImportError as error:
        detail = "the function that reads Arrow and Parquet does not answer: try again, or send CSV"
        headers = {"Retry-After": RETRY_AFTER_SECONDS}
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from error


def _wanted(call: Call, kind: str) -> str:
    accepted = call.headers.get("accept", "").lower()
    named = [item for item in (body.JSON, body.CSV, body.LINES) if item in accepted]
    return kind if kind in named or not named else named[0]


def _check_explained(batch: Batch, explain: bool) -> None:
    if explain and len(batch.ids) > MAX_EXPLAINED:
        raise requests.invalid(
            "activities", "too_long", f"these are {len(batch.ids)}", f"with explain send at most {MAX_EXPLAINED}"
        )


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
    "/forecasts": {"POST": forecast},
    "/model": {"GET": model},
    "/health": {"GET": health},
}
