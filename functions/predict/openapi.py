"""The OpenAPI document: generated from the routes, their docstrings and the types that they decode and encode."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from predict.api import answers, core, forecast_explanations, forecasts, relations, schemas, tables
from predict.api.routes import OPEN, Call
from predict.contract import VERSION
from predict.jobs import types as jobs
from predict.logged import encode
from predict.protocols import mlflow, open_inference
from predict.settings import settings
from predict.transport import body, gateway
from slipcast.forecast.projects import openapi as projects

PROBLEM = "application/problem+json"
# Security schemes by the template's parameter ApiAuth.
_CALLERS = {
    "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "iam": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "AWS Signature Version 4 for the service execute-api",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
    "jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of the user pool"},
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Who repeats the request within 24 hours gets the same answer, also from another model",
    # A string of RFC 8941, or the same without its quotes.
    "schema": {"type": "string", "maxLength": 255, "pattern": r'^("([ !#-\[\]-~]|\\["\\])+"|[!#-~][!-~]*)$'},
}
_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "required": False,
    "description": "Give reasons, as explain in the body does",
    "schema": {"type": "boolean", "default": False},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETag of an answer that the client has",
    "schema": {"type": "string"},
}
_PARAMETERS = {
    "model": {
        "name": "model",
        "in": "path",
        "required": True,
        "description": "The model",
        "schema": {"type": "string", "enum": [open_inference.NAME]},
    },
    "version": {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "Version of the serving function, as the answers of the API name it",
        "schema": {"type": "string", "minLength": 1},
    },
}
_ETAG = {"ETag": {"description": "Changes with the model", "schema": {"type": "string"}}}
_RETRY = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "string"}}}
_ALWAYS = {
    401: "API Gateway: the token is missing or not valid",
    403: "API Gateway: the key or the signature is missing, or the caller may not do this",
    429: "API Gateway: too many requests; try again later",
    500: "Unexpected error",
}
_POSTED = {
    400: "The body is not JSON in UTF-8, or the Idempotency-Key is not a key",
    409: "A request with this Idempotency-Key is in progress",
    413: "The body or the answer is too large",
    415: "The body is announced as something that is not read, or encoded",
    422: "A field is missing or wrong, errors names it; or the Idempotency-Key came with another request before",
}
_NO_MODEL = {503: "No model is ready; try again later"}
_KEY_REUSED = {422: "The Idempotency-Key came with another request before"}
_NOT_FOUND = {404: "There is no such model or version"}
_TABLE = {"type": "string"}
_BINARY = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in body.BINARY}


class Operation(NamedTuple):
    """Description of a route beyond its docstring.

    Attributes
    ----------
    summary, tag
        title and group
    answers
        types of the answer
    problems
        status and meaning of its errors, besides those of all
    content
        media types of the request
    parameters
        besides those of the path
    """

    summary: str
    tag: str
    answers: tuple[type, ...] = ()
    problems: Mapping[int, str] = _NO_MODEL
    content: Mapping[str, Any] | None = None
    parameters: tuple[Mapping[str, Any], ...] = ()


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


_ACTIVITY = {"$ref": "#/components/schemas/Activity"}
_CSV_EXAMPLE = mlflow.CSV_EXAMPLE
_INFER_CONTENT = {body.JSON: {"schema": _ref(open_inference.InferRequest), "example": open_inference.EXAMPLE}}
_INFER_PROBLEMS = {
    **_POSTED,
    400: "A tensor is missing or wrong, errors names it; or the Idempotency-Key is not a key",
    **_KEY_REUSED,
    **_NOT_FOUND,
    **_NO_MODEL,
}
_V2, _MLFLOW = "Open Inference", "MLflow"
_NAMED = {**_NOT_FOUND, **_NO_MODEL}
OPERATIONS = {
    "/predictions": Operation(
        "Probability of delay of activities",
        "Predictions",
        (schemas.PredictionResponse, answers.ExplainedResponse),
        {**_POSTED, **_NO_MODEL},
        {
            body.JSON: {"schema": {"anyOf": [_ref(schemas.Activities), _ACTIVITY]}, "example": schemas.EXAMPLE},
            body.CSV: {"schema": _TABLE, "example": _CSV_EXAMPLE},
            body.LINES: {"schema": _TABLE, "example": json.dumps(schemas.EXAMPLE) + "\n"},
            **_BINARY,
        },
        (_EXPLAIN,),
    ),
    "/forecasts": Operation(
        "When activities finish, from their data date",
        "Predictions",
        (
            forecasts.ForecastResponse,
            forecast_explanations.ExplainedForecastResponse,
            relations.RelatedForecastResponse,
        ),
        {**_POSTED, **_NO_MODEL},
        {
            body.JSON: {
                "schema": {"anyOf": [_ref(relations.RelatedActivities), _ACTIVITY]},
                "example": schemas.EXAMPLE,
            },
            body.CSV: {"schema": _TABLE, "example": _CSV_EXAMPLE},
            body.LINES: {"schema": _TABLE, "example": json.dumps(schemas.EXAMPLE) + "\n"},
        },
        (_EXPLAIN,),
    ),
    "/model": Operation("The model that answers", "Predictions", (answers.Model,), parameters=(_IF_NONE_MATCH,)),
    "/health": Operation("Whether a model is ready", "Predictions", (answers.Health,)),
    "/v2": Operation("The server", _V2, (open_inference.ServerMetadata,), {}),
    "/v2/health/live": Operation("Whether the server runs", _V2, (open_inference.Live,), {}),
    "/v2/health/ready": Operation("Whether a model is ready", _V2, (open_inference.Ready,)),
    "/v2/models/{model}": Operation("What the model takes and gives", _V2, (open_inference.ModelMetadata,), _NAMED),
    "/v2/models/{model}/versions/{version}": Operation(
        "What a version of the model takes and gives", _V2, (open_inference.ModelMetadata,), _NAMED
    ),
    "/v2/models/{model}/ready": Operation("Whether the model is ready", _V2, (open_inference.ModelReady,), _NAMED),
    "/v2/models/{model}/versions/{version}/ready": Operation(
        "Whether a version of the model is ready", _V2, (open_inference.ModelReady,), _NAMED
    ),
    "/v2/models/{model}/infer": Operation(
        "Probability of delay of activities, by column",
        _V2,
        (open_inference.InferResponse,),
        _INFER_PROBLEMS,
        _INFER_CONTENT,
    ),
    "/v2/models/{model}/versions/{version}/infer": Operation(
        "Probability of delay by a version of the model",
        _V2,
        (open_inference.InferResponse,),
        _INFER_PROBLEMS,
        _INFER_CONTENT,
    ),
    "/ping": Operation("Whether a model is ready", _MLFLOW, (answers.Health,)),
    "/version": Operation("The version of the server", _MLFLOW, (), {}),
    "/invocations": Operation(
        "Probability of delay of activities, as a data frame",
        _MLFLOW,
        (mlflow.Predictions,),
        {
            **_POSTED,
            400: "The body is none of the forms, a value is missing or wrong, or the Idempotency-Key is not a key",
            **_KEY_REUSED,
            **_NO_MODEL,
        },
        mlflow.CONTENT,
    ),
}
# Batch jobs, which another function answers: summary, description, status and type of the answer, further errors.
_JOB = "Batch jobs"
_JOBS: dict[str, dict[str, tuple[str, str, int, type | None, dict[int, str]]]] = {
    "/batch": {
        "post": (
            "Predict a file of any size",
            "Without a key the answer has a form by which the file is uploaded, and its arrival begins the work. A "
            "file that is in the data bucket already, below batch-input/, is named by its key. The result has the "
            "columns of a table of /predictions and a row for each row of the file, in its order; one model gives all "
            "of it. Ask for the job until it has ended.",
            201,
            jobs.BatchJob,
            {
                400: "The body is not JSON in UTF-8",
                415: "The body is announced as something that is not read, or encoded",
                422: "A field is missing or wrong, errors names it",
                **_NO_MODEL,
            },
        )
    },
    "/batch/{id}": {
        "get": (
            "A batch job",
            "How far it is, and a link to its result once it has succeeded.",
            200,
            jobs.BatchJob,
            {404: "There is no such job, it is of another caller, or it has expired"},
        ),
        "delete": (
            "Cancel or delete a batch job",
            "A job that is cancelled leaves nothing: what was uploaded and written is deleted. One that has ended is "
            "deleted with its result.",
            204,
            None,
            {
                404: "There is no such job, it is of another caller, or it has expired",
                409: "The result is being completed: ask again",
            },
        ),
    },
}
# Columns of an answer as CSV, and the schema of one as a line of JSON.
_TABLES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "/predictions": (tables.PREDICTION, _ref(answers.Line)),
    "/forecasts": (tables.FORECAST, {"anyOf": [_ref(forecasts.Forecast), _ref(answers.Line)]}),
}
ROUTES = {**core.ROUTES, **open_inference.ROUTES, **mlflow.ROUTES}


def document(call: Call) -> str:
    """Return the document as JSON; its server is the stage or base path of the request."""
    return _document(gateway.server(call.event))


# One document for each domain in front of the API.
@lru_cache(maxsize=8)
def _document(server: str) -> str:
    types = {kind for operation in OPERATIONS.values() for kind in operation.answers}
    types |= {
        schemas.Activities,
        relations.RelatedActivities,
        answers.Problem,
        answers.Line,
        open_inference.InferRequest,
    }
    types |= {jobs.BatchRequest, jobs.BatchJob}
    ordered = sorted(types, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    _allow_wrong_activities(components)
    paths = {
        path: {
            method.lower(): _operation(path, method.lower(), route)
            for method, route in [*methods.items(), *((("HEAD", methods["GET"]),) if path in OPEN else ())]
        }
        for path, methods in ROUTES.items()
        if path in OPERATIONS
    }
    paths |= {path: _jobs(path) for path in _JOBS}
    # The project API, which another function answers, is part of the same document.
    paths |= projects.paths(_ref(answers.Problem))
    components |= projects.SCHEMAS
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "Slipcast",
            "version": VERSION,
            "description": "When construction activities finish, and the probability that it is late.",
            "contact": {"name": "Slipcast"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [
            {"name": "Predictions", "description": "The API's own requests"},
            {"name": _JOB, "description": "Files of any size"},
            {"name": _V2, "description": "The Open Inference Protocol, version 2"},
            {"name": _MLFLOW, "description": "MLflow's scoring protocol"},
            projects.TAG,
        ],
        "security": [{"caller": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"caller": _CALLERS[settings().api_auth]},
        },
    }
    return encode(described).decode()


def _operation(path: str, method: str, route: Callable[[Call], Any]) -> dict[str, Any]:
    known = OPERATIONS[path]
    first, *more = (inspect.getdoc(route) or known.summary).split("\n\n")
    described: dict[str, Any] = {
        "operationId": "_".join([method, *re.findall(r"\w+", path)]),
        "summary": known.summary,
        "description": "\n\n".join(" ".join(part.split()) for part in [first, *more]),
        "tags": [known.tag],
        "responses": _responses(path, method),
    }
    parameters = [*(_PARAMETERS[name] for name in re.findall(r"\{(\w+)\}", path)), *known.parameters]
    if known.content is not None:
        parameters.append(_IDEMPOTENCY_KEY)
        described["requestBody"] = {"required": True, "content": known.content}
    if parameters:
        described["parameters"] = parameters
    if path in OPEN:
        described["security"] = []
    return described


def _responses(path: str, method: str) -> dict[str, Any]:
    known = OPERATIONS[path]
    success: dict[str, Any] = {"description": "Success"}
    if method != "head":
        kinds = [_ref(kind) for kind in known.answers]
        success["content"] = (
            {body.JSON: {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}}
            if kinds
            else {"text/plain": {"schema": {"type": "string"}}}
        )
    found: dict[str, Any] = {"200": success}
    if path in _TABLES:
        columns, line = _TABLES[path]
        lines = {"contentMediaType": body.JSON, "contentSchema": line, "description": "One in each line"}
        success["content"] |= {
            body.CSV: {"schema": {**_TABLE, "description": f"Columns: {', '.join(columns)}"}},
            body.LINES: {"schema": {**_TABLE, **lines}},
        }
    if path == "/predictions":
        success["content"] |= _BINARY
    if path == "/model":
        success["headers"] = _ETAG
        found["304"] = {"description": "Still the model of If-None-Match", "headers": _ETAG}
    always = {status: text for status, text in _ALWAYS.items() if path not in OPEN or status in (429, 500)}
    for status, text in sorted({**always, **known.problems}.items()):
        found[str(status)] = {"description": text}
        if method != "head":
            found[str(status)]["content"] = {PROBLEM: {"schema": _ref(answers.Problem)}}
        if status in (429, 503):
            found[str(status)]["headers"] = _RETRY
    return found


def _jobs(path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method, (summary, text, status, kind, problems) in _JOBS[path].items():
        success: dict[str, Any] = {"description": "Success"}
        if kind is not None:
            success["content"] = {body.JSON: {"schema": _ref(kind)}}
        if status == HTTPStatus.CREATED:
            success["headers"] = {"Location": {"description": "Path of the job", "schema": {"type": "string"}}}
        responses: dict[str, Any] = {str(status): success}
        for code, meaning in sorted({**_ALWAYS, **problems}.items()):
            responses[str(code)] = {"description": meaning, "content": {PROBLEM: {"schema": _ref(answers.Problem)}}}
            if code in (409, 429, 503):
                responses[str(code)]["headers"] = _RETRY
        found[method] = {
            "operationId": "_".join([method, *re.findall(r"\w+", path)]),
            **{"summary": summary, "description": text, "tags": [_JOB], "responses": responses},
        }
        if method == "post":
            example = {"content_type": body.CSV, "accept": body.PARQUET}
            content = {body.JSON: {"schema": _ref(jobs.BatchRequest), "example": example}}
            found[method]["requestBody"] = {"required": True, "content": content}
        else:
            described = {"description": "Id of the job", "schema": {"type": "string", "minLength": 1}}
            found[method]["parameters"] = [{"name": "id", "in": "path", "required": True, **described}]
    return found


def _allow_wrong_activities(components: dict[str, Any]) -> None:
    """Say that one valid activity is enough."""
    wrong = {"description": "Anything else is answered by null and an error, as long as there is one that is right"}
    for name in ("Activities", "RelatedActivities"):
        components[name]["properties"]["activities"]["items"] = {"anyOf": [_ACTIVITY, wrong]}
        components[name]["required"] = ["activities"]
