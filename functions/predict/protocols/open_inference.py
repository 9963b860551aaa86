"""The Open Inference Protocol, version 2, over HTTP, as KServe and Triton speak it.

https://github.com/kserve/open-inference-protocol: a column of activities is a tensor. It is converted to a request of
the API, so that model, checks and prediction log are the same.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from predict.api import forecasts, predictions, requests
from predict.api.routes import Answer, Call, Routes, answer
from predict.api.schemas import FieldError
from predict.contract import MAX_ACTIVITIES, VERSION
from predict.protocols.rows import COLUMNS, records, refused, request
from predict.refusal import Refusal
from predict.serving import log_writer
from predict.serving.model_store import LoadedModel
from predict.transport import body
from slipcast.features.activity import NUMBERS

NAME = "slipcast"
FLOATS = ("FP64", "FP32")
# Smallest and largest value of each type.
INTEGERS = {f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
INTEGERS |= {f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
Datatype = Literal["BYTES", "FP64", "FP32", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"]
Parameters = Annotated[dict[str, str | float | bool] | None, Meta(description="Not read")]
# Outputs for each activity, with their types. Those of a forecast need a model that was released with one.
JUDGED = {"probability": "FP64", "at_risk": "BOOL", "data_date": "BYTES", "stage": "BYTES", "days_late": "INT64"}
FORECAST = {"probability_late": "FP64", "expected_days_late": "FP64"} | dict.fromkeys(
    ("p10", "p50", "p80", "p90"), "BYTES"
)
NO_BINARY = "send the values as JSON (binary_data=False): there is no binary extension"


class InputTensor(Struct):
    """A column of activities."""

    name: Annotated[str, Meta(description=f"One of {', '.join(COLUMNS)}", max_length=200)]
    shape: Annotated[
        list[Annotated[int, Meta(ge=0)]],
        Meta(min_length=1, max_length=2, description="[n] or [n, 1] for n activities"),
    ]
    datatype: Datatype
    data: Annotated[
        list[Any],
        Meta(
            max_length=MAX_ACTIVITIES,
            extra_json_schema={"items": {}},
            description='Values; null, NaN and "" stand for what is missing. Days are texts such as 2025-12-31',
        ),
    ]
    parameters: Parameters = None


class RequestedOutput(Struct):
    """An output that is wanted."""

    name: Annotated[str, Meta(max_length=200)]
    parameters: Parameters = None


class InferRequest(Struct):
    """Activities by column."""

    inputs: Annotated[list[InputTensor], Meta(min_length=1, max_length=len(COLUMNS))]
    id: Annotated[str, Meta(max_length=200, description="Comes back in the answer")] | None = None
    parameters: Parameters = None
    outputs: Annotated[list[RequestedOutput], Meta(max_length=20, description="All, where absent")] | None = None


class OutputTensor(Struct):
    """An answer for each activity."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float | bool | str]


class InferResponse(Struct, omit_defaults=True):
    """The answers, in the order of the rows."""

    model_name: str
    model_version: str
    parameters: Annotated[
        dict[str, str | float], Meta(description="request_id (the log names row n request_id:n), model, threshold")
    ]
    outputs: list[OutputTensor]
    id: Annotated[str, Meta(description="That of the request, if it has one")] | msgspec.UnsetType = msgspec.UNSET


class TensorMetadata(Struct):
    """An input or output of the model; -1 stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Struct):
    """Inputs and outputs of the model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(Struct):
    """The server and the extensions of the protocol that it knows."""

    name: str
    version: str
    extensions: list[str]


class Live(Struct):
    """Liveness."""

    live: bool


class Ready(Struct):
    """Readiness."""

    ready: bool


class ModelReady(Struct):
    """Readiness of the model."""

    name: str
    ready: bool


EXAMPLE = {
    "inputs": [
        {"name": "activity_id", "datatype": "BYTES", "shape": [1], "data": ["A1010"]},
        {"name": "start", "datatype": "BYTES", "shape": [1], "data": ["2025-03-03"]},
        {"name": "baseline_duration_days", "datatype": "FP64", "shape": [1], "data": [211]},
    ]
}
_decoder = msgspec.json.Decoder(InferRequest)


def server(_: Call) -> Answer:
    """Return name and version of the server; it knows no extension of the protocol."""
    return answer(ServerMetadata(NAME, VERSION, []))


def live(_: Call) -> Answer:
    """Return true."""
    return answer(Live(True))


def ready(call: Call) -> Answer:
    """Return true, or 503 while no model is released."""
    call.serving.model()
    return answer(Ready(True))


def metadata(call: Call) -> Answer:
    """Return names, types and shapes of inputs and outputs; of a version, if it is the one that answers."""
    loaded = _found(call)
    inputs = [TensorMetadata(name, "FP64" if name in NUMBERS else "BYTES", [-1]) for name in COLUMNS]
    outputs = [TensorMetadata(name, kind, [-1]) for name, kind in _outputs(loaded).items()]
    return answer(ModelMetadata(NAME, [loaded.version], "slipcast_json", inputs, outputs))


def model_ready(call: Call) -> Answer:
    """Return true, or 503 while no model is released; of a version, if it is the one that answers."""
    _found(call)
    return answer(ModelReady(NAME, ready=True))


def infer(call: Call) -> Answer:
    """Return probability, stage and forecast of each row, or those that are asked for; one wrong value refuses all."""
    loaded = _found(call)
    sent = _read(call)
    kinds = _outputs(loaded)
    wanted = _wanted(sent, kinds)
    batch = request(records(dict(_columns(sent.inputs))))
    if FORECAST.keys().isdisjoint(wanted):
        scored = predictions.score(call.request_id, loaded, batch)
        log_writer.note(scored.logged())
        items: list[Any] = []
    else:
        found = forecasts.forecast(call.request_id, loaded, batch)
        log_writer.note(found.logged())
        scored, items = found.scored, found.items
    names = loaded.names()
    return answer(
        InferResponse(
            model_name=NAME,
            model_version=loaded.version,
            parameters={
                "request_id": call.request_id,
                "model_id": names["model_id"],
                "dataset_id": names["dataset_id"],
                "threshold": loaded.scorer.threshold,
            },
            outputs=[
                OutputTensor(
                    name,
                    [len(scored.predictions)],
                    kinds[name],
                    [getattr(item, name) for item in (items if name in FORECAST else scored.predictions)],
                )
                for name in wanted
            ],
            id=msgspec.UNSET if sent.id is None else sent.id,
        )
    )


def _read(call: Call) -> InferRequest:
    announced = call.headers.get("content-type", "").strip().lower()
    if "inference-header-content-length" in call.headers or announced.startswith("application/octet-stream"):
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, NO_BINARY, headers={"Accept-Post": body.JSON})
    body.media_type(call.headers)
    text = body.text(call.event)
    try:
        found: InferRequest = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        # NaN, which clients in Python write, is no JSON, but is read.
        document = requests.parse(text)
    else:
        return found
    if '"binary_data_size"' in text:
        raise _wrong("inputs", NO_BINARY)
    try:
        return msgspec.convert(document, InferRequest)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        field = place.rstrip("`").replace("[", ".").replace("]", "").strip(".")
        raise _wrong(field or "body", message) from error


def _found(call: Call) -> LoadedModel:
    loaded = call.serving.model()
    if call.parameters["model"] != NAME:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is one model here: {NAME}")
    if call.parameters.get("version") not in (None, loaded.version):
        raise Refusal(HTTPStatus.NOT_FOUND, f"the version that answers is {loaded.version}")
    return loaded


def _outputs(loaded: LoadedModel) -> dict[str, str]:
    return JUDGED | FORECAST if loaded.has_forecast else JUDGED


def _wanted(sent: InferRequest, kinds: Mapping[str, str]) -> list[str]:
    wanted = [item.name for item in sent.outputs or ()] or list(kinds)
    for number, name in enumerate(wanted):
        if name not in kinds or name in wanted[:number]:
            raise _wrong(f"outputs.{number}.name", f"the outputs are {', '.join(kinds)}, each once at most")
    return wanted


def _columns(inputs: list[InputTensor]) -> Iterator[tuple[str, list[Any]]]:
    rows = inputs[0].shape[0]
    seen: set[str] = set()
    for number, tensor in enumerate(inputs):
        at = f"inputs.{number}"
        if tensor.name not in COLUMNS or tensor.name in seen:
            raise _wrong(f"{at}.name", f"the inputs are {', '.join(COLUMNS)}, each once at most")
        seen.add(tensor.name)
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
        for place, value in enumerate(data):
            if not _is_of(tensor.datatype, value):
                raise _wrong(f"{at}.data.{place}", f"it is no {tensor.datatype}, which the tensor says to hold")
        yield tensor.name, data


def _is_of(datatype: str, value: Any) -> bool:
    # Missing values have no type.
    if value is None or value == "" or value != value:
        return True
    if datatype == "BYTES":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if datatype in FLOATS:
        return True
    low, high = INTEGERS[datatype]
    return isinstance(value, int) and low <= value <= high


def _wrong(field: str, message: str) -> Refusal:
    return refused([FieldError(field, "value_error", message)])


_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"
ROUTES: Routes = {
    "/v2": {"GET": server},
    "/v2/health/live": {"GET": live},
    "/v2/health/ready": {"GET": ready},
    _MODEL: {"GET": metadata},
    _VERSION: {"GET": metadata},
    f"{_MODEL}/ready": {"GET": model_ready},
    f"{_VERSION}/ready": {"GET": model_ready},
    f"{_MODEL}/infer": {"POST": infer},
    f"{_VERSION}/infer": {"POST": infer},
}
