"""The Open Inference Protocol, version 2, over HTTP, as KServe, Triton and their clients speak it.

https://github.com/kserve/open-inference-protocol: a tensor is a column of activities. The API reads the same protocol
with msgspec (``predict.protocols.open_inference``), which the host does without: it needs no package.
``tests/integration/test_host_beside_lambda.py`` holds both to the same answers.
"""

from collections.abc import Mapping
from typing import Any

from slipcast.features import activity
from slipcast_host.engine import FORECAST_OUTPUTS, Engine
from slipcast_host.exchange import JSON, Call, Protocol, Reply, reply
from slipcast_host.problem import Refusal, bad
from slipcast_host.protocols import rows

NAME = "slipcast"
FLOATS = ("FP64", "FP32")
INTEGERS = {f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
INTEGERS |= {f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
DATATYPES = ("BYTES", *FLOATS, *INTEGERS)
INPUTS = (*rows.COLUMNS, *activity.GIVEN)
NUMBERS = frozenset((*activity.NUMBERS, *activity.GIVEN))
# Types of a tensor whose values need no look at each; an integer has bounds.
_PLAIN = {"BYTES": frozenset({str, type(None)}), **dict.fromkeys(FLOATS, frozenset({float, int, type(None)}))}
NO_BINARY = "send the values as JSON (binary_data=False): there is no binary extension"
LONGEST = 200


def server(_: Call) -> Reply:
    """Return name and version of the server; it knows no extension of the protocol."""
    return reply({"name": NAME, "version": "1", "extensions": []})


def live(_: Call) -> Reply:
    """Return true."""
    return reply({"live": True})


def ready(call: Call) -> Reply:
    """Return true once the model can answer."""
    call.engine()
    return reply({"ready": True})


def metadata(call: Call) -> Reply:
    """Return names, types and shapes of inputs and outputs."""
    engine = _found(call)
    return reply(
        {
            "name": NAME,
            "versions": [engine.version],
            "platform": "slipcast_json",
            "inputs": [_tensor(name, "FP64" if name in NUMBERS else "BYTES") for name in INPUTS],
            "outputs": [_tensor(name, kind) for name, kind in _outputs(engine).items()],
        }
    )


def _tensor(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": [-1]}


def model_ready(call: Call) -> Reply:
    """Return true for the model, and for the version that answers."""
    _found(call)
    return reply({"name": NAME, "ready": True})


def infer(call: Call) -> Reply:
    """Return the outputs that are asked for, all where none is; one wrong value refuses all."""
    engine = _found(call)
    document = _read(call)
    kinds = _outputs(engine)
    wanted = _wanted(document.get("outputs"), kinds)
    sent = _columns(document.get("inputs"))
    forecasts = not FORECAST_OUTPUTS.keys().isdisjoint(wanted)
    found = rows.answers_of_columns(engine, sent, call.request_id, forecasts=forecasts)
    answer = {
        "model_name": NAME,
        "model_version": engine.version,
        "parameters": {
            "request_id": call.request_id,
            "model_id": engine.names["model_id"],
            "dataset_id": engine.names["dataset_id"],
            "threshold": engine.scorer.threshold,
        },
        "outputs": [
            {"name": name, "shape": [len(found)], "datatype": kinds[name], "data": [item[name] for item in found]}
            for name in wanted
        ],
    }
    if "id" in document:
        answer["id"] = document["id"]
    return reply(answer, scored=found)


def _read(call: Call) -> dict[str, Any]:
    if "inference-header-content-length" in call.headers:
        raise Refusal(415, NO_BINARY, headers={"Accept-Post": JSON})
    call.media_type(JSON)
    document = rows.parse(call.body)
    if not isinstance(document, dict):
        raise bad("body", "it has to be an object with inputs")
    if not isinstance(document.get("id", ""), str) or len(document.get("id", "")) > LONGEST:
        raise bad("id", f"it has to be a text of at most {LONGEST} characters")
    return document


def _found(call: Call) -> Engine:
    engine = call.engine()
    if call.parameters["model"] != NAME:
        raise Refusal(404, f"there is one model here: {NAME}")
    if call.parameters.get("version") not in (None, engine.version):
        raise Refusal(404, f"the version that answers is {engine.version}")
    return engine


def _outputs(engine: Engine) -> dict[str, str]:
    return {name: kind for name, kind in engine.outputs.items() if name not in ("activity_id", "prediction_id")}


def _wanted(sent: Any, kinds: Mapping[str, str]) -> list[str]:
    if sent is None or sent == []:
        return list(kinds)
    if not isinstance(sent, list):
        raise bad("outputs", "it has to be a list")
    names = [item.get("name") if isinstance(item, dict) else None for item in sent]
    for number, name in enumerate(names):
        if name not in kinds or name in names[:number]:
            raise bad(f"outputs.{number}.name", f"the outputs are {', '.join(kinds)}, each once at most")
    return [str(name) for name in names]


def _columns(inputs: Any) -> dict[str, list[Any]]:
    if not isinstance(inputs, list) or not inputs or not all(isinstance(item, dict) for item in inputs):
        raise bad("inputs", "it has to be a list with a tensor for each column")
    found: dict[str, list[Any]] = {}
    count: int | None = None
    for number, tensor in enumerate(inputs):
        at = f"inputs.{number}"
        name, shape, kind, data = (tensor.get(key) for key in ("name", "shape", "datatype", "data"))
        if name not in INPUTS or name in found:
            raise bad(f"{at}.name", f"the inputs are {', '.join(INPUTS)}, each once at most")
        if isinstance(tensor.get("parameters"), dict) and "binary_data_size" in tensor["parameters"]:
            raise bad(at, NO_BINARY)
        if kind not in DATATYPES:
            raise bad(f"{at}.datatype", f"it has to be one of {', '.join(DATATYPES)}")
        if not isinstance(data, list):
            raise bad(f"{at}.data", "it has to be a list of values")
        nested = list in map(type, data)
        values = [value for item in data for value in (item if isinstance(item, list) else [item])] if nested else data
        count = len(values) if count is None else count
        if shape not in ([count], [count, 1]) or len(values) != count:
            raise bad(
                f"{at}.shape",
                f"all inputs have the shape [n] or [n, 1] and n values: here n is {count}, as in the first",
            )
        if name in NUMBERS and kind == "BYTES":
            raise bad(f"{at}.datatype", f"{name} is a number: send FP64 or INT64")
        if name not in NUMBERS and kind in FLOATS:
            raise bad(f"{at}.datatype", f"{name} is a text: send BYTES")
        # Most tensors hold one type; the value that is wrong is looked for in the others.
        if not _PLAIN.get(kind, frozenset()).issuperset(map(type, values)):
            for place, value in enumerate(values):
                if not _is_of(kind, value):
                    raise bad(f"{at}.data.{place}", f"it is no {kind}, which the tensor says to hold")
        found[name] = values
    return found


def _is_of(kind: str, value: Any) -> bool:
    # Missing values have no type.
    if value is None or value == "" or value != value:
        return True
    if kind == "BYTES":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if kind in FLOATS:
        return True
    low, high = INTEGERS[kind]
    return isinstance(value, int) and low <= value <= high


def error(refused: Refusal, request_id: str) -> dict[str, Any]:
    """Return a refusal as the protocol words it."""
    return {"error": refused.detail, "errors": refused.listed(), "request_id": request_id}


_MODEL = "/v2/models/{model}"
_VERSION = f"{_MODEL}/versions/{{version}}"
PROTOCOL = Protocol(
    "v2",
    {
        "/v2": {"GET": server},
        "/v2/health/live": {"GET": live},
        "/v2/health/ready": {"GET": ready},
        _MODEL: {"GET": metadata},
        _VERSION: {"GET": metadata},
        f"{_MODEL}/ready": {"GET": model_ready},
        f"{_VERSION}/ready": {"GET": model_ready},
        f"{_MODEL}/infer": {"POST": infer},
        f"{_VERSION}/infer": {"POST": infer},
    },
    error,
)
