"""MLflow's scoring protocol, as ``mlflow models serve`` speaks it, so that its clients work here.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally: a data frame is sent as JSON in one of four forms, or
as CSV. It is converted to a request of the API, so that model, checks and prediction log are the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from http import HTTPStatus
from typing import Any

import msgspec

from predict.api import core, forecasts, requests, tables
from predict.api.requests import InvalidRequest
from predict.api.routes import Answer, Call, Routes, answer
from predict.contract import MAX_ACTIVITIES, VERSION
from predict.protocols.rows import records, request
from predict.refusal import Refusal
from predict.serving import log_writer
from predict.transport import body
from slipcast.features import activity
from slipcast.forecast.serving import Forecast
from slipcast.forecast.stage import Stage

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class Row(msgspec.Struct):
    """The answer for one row."""

    activity_id: str
    probability: float
    at_risk: bool
    prediction_id: str
    data_date: date
    stage: Stage
    days_late: int
    probability_late: float | None
    expected_days_late: float | None
    p10: date | None
    p50: date | None
    p80: date | None
    p90: date | None


class Predictions(msgspec.Struct):
    """The answers, in the order of the rows."""

    predictions: list[Row]


_ROWS = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_ACTIVITIES}
_SPLIT = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "index": {"type": "array", "items": {}, "description": "Not read"},
        "data": {
            "type": "array",
            "items": {"type": "array", "items": {}},
            "minItems": 1,
            "maxItems": MAX_ACTIVITIES,
        },
    },
}
_COLUMNS = {"type": "object", "additionalProperties": {"type": "array", "items": {}}, "minProperties": 1}
_FORMS = {
    "dataframe_split": _SPLIT,
    "dataframe_records": _ROWS,
    "instances": _ROWS,
    "inputs": {"anyOf": [_COLUMNS, _ROWS]},
}
_EXAMPLE = {"activity_id": "A1010", "start": "2025-03-03", "baseline_duration_days": 211}
CSV_EXAMPLE = "activity_id,start,baseline_duration_days\nA1010,2025-03-03,211\n"
CONTENT = {
    body.JSON: {
        "schema": {
            "oneOf": [
                {"type": "object", "required": [name], "properties": {name: form}} for name, form in _FORMS.items()
            ]
        },
        "example": {"dataframe_records": [_EXAMPLE]},
    },
    body.CSV: {
        "schema": {"type": "string"},
        "example": CSV_EXAMPLE,
    },
}


def version(_: Call) -> Answer:
    """Return the version of this API."""
    return answer(VERSION, kind="text/plain")


def invocations(call: Call) -> Answer:
    """Return probability, stage and forecast of each row; one wrong value refuses all.

    One of dataframe_split, dataframe_records, instances and inputs is read, or CSV with a header. Columns that no
    activity has and params are not read.
    """
    kind = body.media_type(call.headers, (body.JSON, body.CSV))
    text = body.text(call.event)
    rows = _csv(text) if kind == body.CSV else _json(text)
    found = forecasts.forecast(call.request_id, call.serving.model(), request(rows))
    log_writer.note(found.logged())
    return answer(
        Predictions(
            [
                Row(item.activity_id, item.probability, item.at_risk, item.prediction_id, *_forecast_of(forecast))
                for item, forecast in zip(found.scored.predictions, found.items, strict=True)
            ]
        )
    )


def _forecast_of(item: forecasts.Forecast) -> Iterator[Any]:
    return (getattr(item, name) for name in Forecast._fields)


def _json(text: str) -> Iterable[Mapping[str, Any]]:
    document = requests.parse(text)
    found = [name for name in FORMS if isinstance(document, dict) and name in document]
    if len(found) != 1:
        raise _wrong(f"send an object with one of {', '.join(FORMS)}")
    (form,) = found
    sent = document[form]
    if form == "dataframe_split":
        return _split(sent)
    if form == "inputs" and isinstance(sent, dict):
        return _by_column(sent)
    if isinstance(sent, list) and all(isinstance(row, dict) for row in sent):
        return [{name: _scalar(value) for name, value in row.items()} for row in sent]
    raise _wrong(f"{form} has to be a list of objects, one for each activity, with the columns as names")


def _split(sent: Any) -> list[dict[str, Any]]:
    columns, data = (sent.get("columns"), sent.get("data")) if isinstance(sent, dict) else (None, None)
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise _wrong("dataframe_split.columns has to be a list of column names")
    if not isinstance(data, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise _wrong("dataframe_split.data has to be a list of rows, each a list with a value for each column")
    try:
        tables.check_names(columns)
    except InvalidRequest as error:
        raise _wrong(error.refused[0].message) from error
    return [dict(zip(columns, row, strict=True)) for row in data]


def _by_column(sent: dict[str, Any]) -> list[dict[str, Any]]:
    if not all(isinstance(values, list) for values in sent.values()):
        raise _wrong("inputs has to have a list of values for each column")
    if len({len(values) for values in sent.values()}) > 1:
        raise _wrong("inputs has columns of different lengths")
    return records({name: [_scalar(value) for value in values] for name, values in sent.items()})


def _csv(text: str) -> list[dict[str, Any]]:
    try:
        header, rows = tables.cells(text)
    except InvalidRequest as error:
        raise _wrong(error.refused[0].message) from error
    if not header:
        raise _wrong("the body is not CSV with a header")
    return [activity.from_cells(dict(zip(header, row, strict=True))) for row in rows]


def _scalar(value: Any) -> Any:
    # A tensor of shape [n, 1], as TensorFlow Serving's clients send it.
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _wrong(detail: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, detail)


ROUTES: Routes = {
    "/ping": {"GET": core.health},
    "/version": {"GET": version},
    "/invocations": {"POST": invocations},
}
