"""``/ping`` and ``/invocations``, which SageMaker's container contract and MLflow's scoring protocol share.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html and
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally. A body of JSON or CSV is answered as MLflow does, for
all rows or for none; JSON Lines, the form of SageMaker's batch transform, line by line: a wrong line costs no other.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from slipcast.csv_safety import neutral
from slipcast_host.engine import NAMES
from slipcast_host.exchange import CSV, JSON, LINES, TEXT, Call, Protocol, Reply, encode, reply
from slipcast_host.problem import Refusal, bad
from slipcast_host.protocols import rows

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs", "activities")
# MLflow's error codes, by status.
CODES = {404: "ENDPOINT_NOT_FOUND", 500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE"}


def ping(call: Call) -> Reply:
    """Return 200 with an empty body once the model can answer."""
    call.engine()
    return Reply(b"\n", TEXT)


def version(call: Call) -> Reply:
    """Return the version of the release."""
    return Reply(call.engine().version.encode(), TEXT)


def invocations(call: Call) -> Reply:
    """Return the answers for activities."""
    kind = call.media_type(JSON, LINES, CSV)
    engine = call.engine()
    if kind == LINES:
        return _by_line(call)
    sent = rows.csv_rows(call.body) if kind == CSV else read(rows.parse(call.body))
    found = rows.answers(engine, sent, call.request_id)
    return _written(call, found, [*engine.outputs], call.accepted(JSON, CSV, LINES) or JSON)


def read(document: Any) -> list[dict[str, Any]]:
    """Return the rows of a document in one of MLflow's forms, or of one activity by itself.

    Raises
    ------
    Refusal
        If it has none of these forms, or more than one.
    """
    if not isinstance(document, dict):
        raise Refusal(400, f"send an object with one of {', '.join(FORMS)}")
    found = [name for name in FORMS if name in document]
    if not found and document.keys() & {*NAMES}:
        return [document]
    if len(found) != 1:
        raise Refusal(400, f"send an object with one of {', '.join(FORMS)}")
    (form,) = found
    sent = document[form]
    if form == "dataframe_split":
        frame = sent if isinstance(sent, dict) else {}
        return rows.split(frame.get("columns"), frame.get("data"), form)
    if form == "inputs" and isinstance(sent, dict):
        if not all(isinstance(values, list) for values in sent.values()):
            raise bad("inputs", "it has to have a list of values for each column")
        if len({len(values) for values in sent.values()}) > 1:
            raise bad("inputs", "its columns have different lengths")
        return rows.by_column({name: [rows.scalar(value) for value in values] for name, values in sent.items()})
    return rows.objects(sent, form)


def _by_line(call: Call) -> Reply:
    """Return a line for each line; one that cannot be scored holds ``errors`` instead of a prediction."""
    try:
        lines = [line for line in call.body.decode("utf-8-sig").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise Refusal(400, "the body is not UTF-8; send one JSON object on each line") from error
    engine = call.engine()
    sent = [_line(text) for text in lines]
    found = engine.answer(rows.checked([line if isinstance(line, dict) else {} for line in sent]), call.request_id)
    errors: dict[int, list[dict[str, str]]] = {}
    for number, line in enumerate(sent):
        if not isinstance(line, dict):
            errors[number] = [{"field": "", "type": "json", "message": "the line is no JSON object"}]
    for item in found.refused:
        named = {"field": item.error.field, "type": item.error.type, "message": item.message}
        if isinstance(sent[item.position], dict):
            errors.setdefault(item.position, []).append(named)
    scored = [item for number, item in enumerate(found.answers) if item is not None and number not in errors]
    written = b"".join(
        encode({"errors": errors[number]} if number in errors else answer) + b"\n"
        for number, answer in enumerate(found.answers)
    )
    return Reply(written, LINES, scored=scored)


def _line(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _written(call: Call, found: Sequence[Mapping[str, Any]], names: Sequence[str], kind: str) -> Reply:
    if kind == JSON:
        return reply({"predictions": found}, scored=found)
    if kind == LINES:
        return Reply(b"".join(encode(item) + b"\n" for item in found), LINES, scored=found)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    if "header=absent" not in call.headers.get("accept", "").replace(" ", ""):
        writer.writerow(names)
    writer.writerows([_cell(item.get(name)) for name in names] for item in found)
    return Reply(buffer.getvalue().encode(), CSV, scored=found)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else repr(value) if isinstance(value, float) else neutral(value)


def error(refused: Refusal, request_id: str) -> dict[str, Any]:
    """Return a refusal as MLflow's scoring server words it; SageMaker hands it on as ``OriginalMessage``."""
    code = CODES.get(refused.status, "BAD_REQUEST")
    return {
        "error_code": code,
        "message": refused.detail,
        "errors": refused.listed(),
        "request_id": request_id,
    }


PROTOCOL = Protocol(
    "invocations",
    {
        "/ping": {"GET": ping},
        "/health": {"GET": ping},
        "/version": {"GET": version},
        "/invocations": {"POST": invocations},
    },
    error,
)
