"""The Open Inference Protocol, version 2, over HTTP, as KServe and Triton speak it.

https://github.com/kserve/open-inference-protocol: a column of activities is a tensor. It is converted to a request of
the API, so that model, checks and prediction log are the same.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field

from predict.api.problems import Refusal, Responses, with_problems
from predict.api.schemas import FieldError, PredictionRequest, PredictionResponse
from predict.contract import MAX_ACTIVITIES, VERSION
from predict.protocols.tabular import COLUMNS, NUMBERS, records, refused, request
from predict.serving.model_store import LoadedModel, Serving

type Route = Callable[[Callable[..., BaseModel]], Callable[..., BaseModel]]

NAME = "slipcast"
FLOATS, INTEGERS = ("FP64", "FP32"), ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
Datatype = Literal["BYTES", "FP64", "FP32", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"]
Name = Annotated[str, Path(description=f"The model: {NAME}")]
Version = Annotated[str, Path(description="Version of the serving function, as the answers of the API name it")]
Parameters = Annotated[dict[str, str | float | bool] | None, Field(description="Not read")]
# Outputs for each activity, with their types.
OUTPUTS = {"probability": "FP64", "at_risk": "BOOL"}


class InputTensor(BaseModel):
    """A column of activities."""

    name: Annotated[str, Field(description=f"One of {', '.join(COLUMNS)}", max_length=200)]
    shape: Annotated[list[int], Field(min_length=1, max_length=2, description="[n] or [n, 1] for n activities")]
    datatype: Datatype
    data: Annotated[
        list[Any],
        Field(
            max_length=MAX_ACTIVITIES,
            description='Values; null, NaN and "" stand for what is missing. Days are texts such as 2025-12-31',
        ),
    ]
    parameters: Parameters = None


class RequestedOutput(BaseModel):
    """An output that is wanted."""

    name: Annotated[str, Field(max_length=200)]
    parameters: Parameters = None


class InferRequest(BaseModel):
    """Activities by column."""

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "inputs": [
                        {"name": "activity_id", "datatype": "BYTES", "shape": [1], "data": ["A1010"]},
                        {"name": "start", "datatype": "BYTES", "shape": [1], "data": ["2025-03-03"]},
                        {"name": "baseline_duration_days", "datatype": "FP64", "shape": [1], "data": [211]},
                    ]
                }
            ]
        }
    }

    id: Annotated[str | None, Field(max_length=200, description="Comes back in the answer")] = None
    parameters: Parameters = None
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=len(COLUMNS))]
    outputs: Annotated[list[RequestedOutput] | None, Field(max_length=10, description="All, where absent")] = None


class OutputTensor(BaseModel):
    """An answer for each activity."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | bool]


class InferResponse(BaseModel):
    """The answers, in the order of the rows."""

    model_name: str
    model_version: str
    id: str | None
    parameters: Annotated[
        dict[str, str | float], Field(description="request_id (the log names row n request_id:n), model, threshold")
    ]
    outputs: list[OutputTensor]


class TensorMetadata(BaseModel):
    """An input or output of the model; -1 stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """Inputs and outputs of the model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(BaseModel):
    """The server and the extensions of the protocol that it knows."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """Liveness."""

    live: bool


class Ready(BaseModel):
    """Readiness."""

    ready: bool


class ModelReady(Ready):
    """Readiness of the model."""

    name: str


def router(serving: Serving, predict: Callable[[PredictionRequest], PredictionResponse]) -> APIGatewayRouter:
    """Return the routes of the protocol.

    Parameters
    ----------
    serving
        what this version serves
    predict
        answers and logs a request of the API
    """
    routes = APIGatewayRouter()

    def get(path: str, model: type[BaseModel], **options: Any) -> Route:
        return routes.get(path, responses=_answers(model, named="<model>" in path), tags=["Open Inference"], **options)

    @get("/v2", ServerMetadata, summary="The server")
    def server() -> ServerMetadata:
        """Return name and version of the server; it knows no extension of the protocol."""
        return ServerMetadata(name=NAME, version=VERSION, extensions=[])

    @get("/v2/health/live", Live, summary="Whether the server runs")
    def live() -> Live:
        """Return true."""
        return Live(live=True)

    @get("/v2/health/ready", Ready, summary="Whether a model is ready")
    def ready() -> Ready:
        """Return true, or 503 while no model is released."""
        serving.model()
        return Ready(ready=True)

    @get("/v2/models/<model>", ModelMetadata, summary="What the model takes and gives")
    def metadata(model: Name) -> ModelMetadata:
        """Return names, types and shapes of inputs and outputs."""
        return _metadata(_found(serving, model))

    @get("/v2/models/<model>/versions/<version>", ModelMetadata, summary="What a version of the model takes and gives")
    def version_metadata(model: Name, version: Version) -> ModelMetadata:
        """Return names, types and shapes of inputs and outputs, if the version is the one that answers."""
        return _metadata(_found(serving, model, version))

    @get("/v2/models/<model>/ready", ModelReady, summary="Whether the model is ready")
    def model_ready(model: Name) -> ModelReady:
        """Return true, or 503 while no model is released."""
        _found(serving, model)
        return ModelReady(name=NAME, ready=True)

    @get("/v2/models/<model>/versions/<version>/ready", ModelReady, summary="Whether a version of the model is ready")
    def version_ready(model: Name, version: Version) -> ModelReady:
        """Return true if the version is the one that answers."""
        _found(serving, model, version)
        return ModelReady(name=NAME, ready=True)

    def post(path: str, summary: str) -> Route:
        answers = _answers(InferResponse, body=True, named=True)
        return routes.post(path, summary=summary, responses=answers, tags=["Open Inference"])

    @post("/v2/models/<model>/infer", "Probability of delay of activities, by column")
    def infer(model: Name, body: Annotated[InferRequest, Body()]) -> InferResponse:
        """Return a probability and whether it reaches the threshold for each row; one wrong value refuses all."""
        return _infer(_found(serving, model), body, predict)

    @post("/v2/models/<model>/versions/<version>/infer", "Probability of delay by a version of the model")
    def version_infer(model: Name, version: Version, body: Annotated[InferRequest, Body()]) -> InferResponse:
        """Return the same, if the version is the one that answers."""
        return _infer(_found(serving, model, version), body, predict)

    return routes


def _metadata(loaded: LoadedModel) -> ModelMetadata:
    return ModelMetadata(
        name=NAME,
        versions=[loaded.version],
        platform="slipcast_json",
        inputs=[
            TensorMetadata(name=name, datatype="FP64" if name in NUMBERS else "BYTES", shape=[-1]) for name in COLUMNS
        ],
        outputs=[TensorMetadata(name=name, datatype=kind, shape=[-1]) for name, kind in OUTPUTS.items()],
    )


def _infer(
    loaded: LoadedModel, body: InferRequest, predict: Callable[[PredictionRequest], PredictionResponse]
) -> InferResponse:
    wanted = _wanted(body)
    answer = predict(request(records(dict(_columns(body.inputs)))))
    predictions = answer.scored()
    return InferResponse(
        model_name=NAME,
        model_version=answer.model.version,
        id=body.id,
        parameters={
            "request_id": answer.request_id,
            "model_id": answer.model.model_id,
            "dataset_id": answer.model.dataset_id,
            "threshold": loaded.scorer.threshold,
        },
        outputs=[
            OutputTensor(
                name=name,
                datatype=OUTPUTS[name],
                shape=[len(predictions)],
                data=[getattr(item, name) for item in predictions],
            )
            for name in wanted
        ],
    )


def _answers(model: type[BaseModel], *, body: bool = False, named: bool = False) -> Responses:
    found = with_problems(model, body=body)
    if named:
        found[404] = found[500] | {"description": "There is no such model or version"}
    # The protocol knows no 422: a wrong field is a 400.
    if body:
        found[422] = found[422] | {"description": "The Idempotency-Key came with another request before"}
        found[400] = found[400] | {"description": "A tensor is missing or wrong; errors names it"}
    return found


def _found(serving: Serving, model: str, version: str | None = None) -> LoadedModel:
    loaded = serving.model()
    if model != NAME:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is one model here: {NAME}")
    if version not in (None, loaded.version):
        raise Refusal(HTTPStatus.NOT_FOUND, f"the version that answers is {loaded.version}")
    return loaded


def _wanted(body: InferRequest) -> list[str]:
    wanted = list(OUTPUTS) if body.outputs is None else [item.name for item in body.outputs]
    for number, name in enumerate(wanted):
        if name not in OUTPUTS:
            raise _wrong(f"outputs.{number}.name", f"the outputs are {' and '.join(OUTPUTS)}")
    return wanted


def _columns(inputs: list[InputTensor]) -> Iterator[tuple[str, list[Any]]]:
    rows = inputs[0].shape[0]
    seen: set[str] = set()
    for number, tensor in enumerate(inputs):
        at = f"inputs.{number}"
        if tensor.name not in COLUMNS or tensor.name in seen:
            raise _wrong(f"{at}.name", f"the inputs are {', '.join(COLUMNS)}, each once at most")
        seen.add(tensor.name)
        if "binary_data_size" in (tensor.parameters or {}):
            raise _wrong(
                f"{at}.parameters", "send the values as JSON (binary_data=False): there is no binary extension"
            )
        data = [value for item in tensor.data for value in (item if isinstance(item, list) else [item])]
        if tensor.shape not in ([rows], [rows, 1]) or len(data) != rows:
            raise _wrong(
                f"{at}.shape",
                f"all inputs have the shape [n] or [n, 1] and n values: here n is {rows}, as in the first",
            )
        if tensor.name in NUMBERS and tensor.datatype == "BYTES":
            raise _wrong(f"{at}.datatype", f"{tensor.name} is a number: send FP64 or INT64")
        if tensor.name not in NUMBERS and tensor.datatype in FLOATS:
            raise _wrong(f"{at}.datatype", f"{tensor.name} is a text: send BYTES")
        yield tensor.name, data


def _wrong(field: str, message: str) -> Refusal:
    return refused([FieldError(field=field, message=message, type="value_error")])
