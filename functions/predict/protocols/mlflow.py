"""MLflow's scoring protocol, as ``mlflow models serve`` speaks it, so that its clients work here.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally: a data frame is sent as JSON in one of four forms, or
as CSV. It is converted to a request of the API, so that model, checks and prediction log are the same.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel

from predict.api import openapi
from predict.api.problems import Refusal, Responses, with_problems
from predict.api.schemas import Health, PredictionRequest, PredictionResponse
from predict.contract import MAX_ACTIVITIES, VERSION
from predict.protocols.tabular import NUMBERS, records, request
from predict.serving.model_store import Serving
from predict.transport import json_body

CSV = "text/csv"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class Scored(BaseModel):
    """The answer for one row."""

    activity_id: str
    probability: float
    at_risk: bool
    prediction_id: str


class Predictions(BaseModel):
    """The answers, in the order of the rows."""

    predictions: list[Scored]


_ROWS = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_ACTIVITIES}
_SPLIT = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "items": {"type": "string"}},
        "index": {"type": "array", "description": "Not read"},
        "data": {"type": "array", "items": {"type": "array"}, "minItems": 1, "maxItems": MAX_ACTIVITIES},
    },
}
_COLUMNS = {"type": "object", "additionalProperties": {"type": "array"}, "minProperties": 1}
_FORMS = {
    "dataframe_split": _SPLIT,
    "dataframe_records": _ROWS,
    "instances": _ROWS,
    "inputs": {"anyOf": [_COLUMNS, _ROWS]},
}
_EXAMPLE = {"activity_id": "A1010", "start": "2025-03-03", "baseline_duration_days": 211}
# Powertools describes JSON bodies only.
REQUEST_BODY = {
    "required": True,
    "content": {
        json_body.MEDIA_TYPE: {
            "schema": {
                "oneOf": [
                    {"type": "object", "required": [name], "properties": {name: form}} for name, form in _FORMS.items()
                ]
            },
            "example": {"dataframe_records": [_EXAMPLE]},
        },
        CSV: {
            "schema": {"type": "string"},
            "example": "activity_id,start,baseline_duration_days\nA1010,2025-03-03,211\n",
        },
    },
}


def router(serving: Serving, predict: Callable[[PredictionRequest], PredictionResponse]) -> APIGatewayRouter:
    """Return the routes of the protocol; parameters as in `open_inference.router`."""
    openapi.describe_body("/invocations", REQUEST_BODY)
    routes = APIGatewayRouter()

    @routes.get("/ping", summary="Whether a model is ready", responses=with_problems(Health), tags=["MLflow"])
    def ping() -> Health:
        """Return ok, or 503 while no model is released."""
        return Health(status="ok", version=serving.model().version)

    @routes.get(
        "/version",
        summary="The version of the server",
        responses={200: {"description": "Success", "content": {"text/plain": {"schema": {"type": "string"}}}}},
        tags=["MLflow"],
    )
    def version() -> Response[str]:
        """Return the version of this API."""
        return Response(200, "text/plain", VERSION)

    @routes.post(
        "/invocations",
        summary="Probability of delay of activities, as a data frame",
        responses=_answers(),
        tags=["MLflow"],
    )
    def invocations() -> Predictions:
        """Return a prediction for each row; one wrong value refuses all.

        One of dataframe_split, dataframe_records, instances and inputs is read, or CSV with a header. Columns that no
        activity has and params are not read.
        """
        event = routes.current_event
        text, headers = event.decoded_body or "", event.headers
        rows = _csv(text) if _media_type(headers) == CSV else _json(text)
        answer = predict(request(rows))
        return Predictions(
            predictions=[Scored(**item.model_dump(include=set(Scored.model_fields))) for item in answer.scored()]
        )

    return routes


def _answers() -> Responses:
    found = with_problems(Predictions, body=True)
    found[400] = found[400] | {"description": "The body is none of the forms, or a value is missing or wrong"}
    found[415] = found[415] | {"description": f"The body is announced neither as JSON nor as {CSV}"}
    found[422] = found[422] | {"description": "The Idempotency-Key came with another request before"}
    return found


def _media_type(headers: Mapping[str, str]) -> str:
    kind, _, rest = (headers.get("content-type") or json_body.MEDIA_TYPE).partition(";")
    parameters = dict(item.strip().lower().partition("=")[::2] for item in rest.split(";"))
    kind = kind.strip().lower()
    if kind not in (json_body.MEDIA_TYPE, CSV) or parameters.get("charset", "utf-8").strip('"') != "utf-8":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send {json_body.MEDIA_TYPE} or {CSV}, in UTF-8 where a charset is given",
        )
    return kind


def _json(text: str) -> Iterable[Mapping[str, Any]]:
    try:
        document = json_body.read(text)
    except json.JSONDecodeError as error:
        raise _wrong("the body is not JSON") from error
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
    return [dict(zip(columns, row, strict=True)) for row in data]


def _by_column(sent: dict[str, Any]) -> list[dict[str, Any]]:
    if not all(isinstance(values, list) for values in sent.values()):
        raise _wrong("inputs has to have a list of values for each column")
    if len({len(values) for values in sent.values()}) > 1:
        raise _wrong("inputs has columns of different lengths")
    return records({name: [_scalar(value) for value in values] for name, values in sent.items()})


def _csv(text: str) -> list[dict[str, Any]]:
    try:
        header, *rows = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    except (csv.Error, ValueError) as error:
        raise _wrong("the body is not CSV with a header") from error
    rows = [row for row in rows if row]
    if not all(len(row) == len(header) for row in rows):
        raise _wrong("each line of the CSV has to have as many values as the header")
    return [
        {name: _number(value) if name in NUMBERS else value for name, value in zip(header, row, strict=True)}
        for row in rows
    ]


def _scalar(value: Any) -> Any:
    # A tensor of shape [n, 1], as TensorFlow Serving's clients send it.
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _wrong(detail: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, detail)
