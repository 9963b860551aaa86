"""Writer of the prediction log: log lines that CloudWatch Logs delivers to the collect function.

A request only writes lines of text, which needs no permission.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from predict.logged import FORECAST, Features, Logged, LoggedForecast, encode, to_builtins

if TYPE_CHECKING:
    from slipcast.forecast.stage import Known
    from slipcast.redaction import Redaction

# A prediction with its features takes about 500 bytes, up to 20 kB if texts are long and not ASCII. A log event may
# have 256 KiB in every account; longer events would be cut.
PER_LINE = 100
LINE_BYTES = 180_000
# A release tests a new version before it serves anybody: such answers are not logged as predictions.
VERIFY_STAGE = "slipcast-verify"

# Duration of an answer, for requests of a release: https://www.w3.org/TR/server-timing/
TIMING = "Server-Timing"


class Columns(NamedTuple):
    """Predictions of a request, column by column.

    Attributes
    ----------
    request_id, model
        id of the request; names of the model (`LoadedModel.names`)
    prediction_ids, activity_ids, project_ids, scores
        a value for each prediction
    features
        what the model saw, by name
    facts
        what was known of each activity on its data date
    at_risk
        number of predictions from the threshold on
    forecasts
        forecast of each activity, with `LoggedForecast`'s fields, where forecasts were asked for
    """

    request_id: str
    model: dict[str, str]
    prediction_ids: Sequence[str]
    activity_ids: Sequence[str]
    project_ids: Sequence[str | None]
    scores: Sequence[float]
    features: Mapping[str, Sequence[Any]]
    facts: Sequence["Known"]
    at_risk: int
    forecasts: Sequence[Any] | None = None


class _Request:
    """State of the current request: an environment handles one at a time."""

    cold = True
    noted: Columns | None = None


def _redaction() -> "Redaction | None":
    """Return the redaction of the log; None if nothing is redacted, without any import."""
    if not os.environ.get("REDACT_COLUMNS"):
        return None
    from slipcast import redaction

    return redaction.from_text(os.environ["REDACT_COLUMNS"], os.environ["ID_SALT"])


kept = _redaction()


def note(columns: Columns) -> None:
    """Keep predictions until it is certain that the answer can be sent."""
    _Request.noted = columns


def finish(event: dict[str, Any], answered: dict[str, Any], milliseconds: float) -> dict[str, Any]:
    """Log the outcome of a request and return its answer.

    Predictions are logged with their features; failed requests are logged with their status, so that a release can be
    judged by them. Requests of a release are not logged; their answer says how long it took.

    Parameters
    ----------
    event
        request of API Gateway
    answered
        its answer, with ``statusCode``
    milliseconds
        duration of the answer, without logging
    """
    noted, _Request.noted = _Request.noted, None
    cold, _Request.cold = _Request.cold, False
    context = event.get("requestContext") or {}
    if context.get("stage") == VERIFY_STAGE:
        headers = {**(answered.get("multiValueHeaders") or {}), TIMING: [f"predict;dur={milliseconds:.3f}"]}
        return {**answered, "multiValueHeaders": headers}
    timing = {"ms": round(milliseconds, 3), **({"cold": True} if cold else {})}
    if answered["statusCode"] == 200 and noted is not None:
        write_lines(noted, timing=timing)
    elif answered["statusCode"] >= 500 or (answered["statusCode"] >= 400 and event.get("httpMethod") == "POST"):
        _write_failure(context.get("requestId") or "", answered["statusCode"], timing)
    return answered


def write_lines(columns: Columns, timing: dict[str, Any] | None = None, source: str | None = None) -> None:
    """Log predictions with the features the model saw, and count them.

    Redacted values are left out here: they never reach CloudWatch. Without `source`, the request came from the API.
    """
    start = _start(columns, source, timing)
    for line in _lines(map(_item, _items(columns))):
        sys.stdout.write(f'{start},"items":[{",".join(line)}]}}\n')
    count({"Predictions": len(columns.scores), "AtRisk": columns.at_risk})


def rows(columns: Columns, source: str) -> Iterator[str]:
    """Yield predictions as lines of an object of the prediction log (`slipcast_aws.serving.prediction_log`)."""
    start = _start(columns, source, None)
    yield from (f"{start},{_item(item)[1:]}" for item in _items(columns))


def _start(columns: Columns, source: str | None, more: dict[str, Any] | None) -> str:
    """Return what the predictions have in common, as the beginning of an object of JSON."""
    head = {
        "log": "prediction",
        "v": 1,
        "request_id": columns.request_id,
        "at": _now(),
        "model_version": columns.model["version"],
        "model_id": columns.model["model_id"],
        **({"source": source} if source else {}),
        **(more or {}),
        **(kept.head() if kept else {}),
    }
    return encode(head).decode().removesuffix("}")


def _items(columns: Columns) -> Iterator[Logged]:
    activity_ids, project_ids = columns.activity_ids, columns.project_ids
    rows: Iterable[Any] = map(Features, *columns.features.values())
    if kept:
        activity_ids = [kept.identity("activity_id", value) for value in activity_ids]
        project_ids = [kept.identity("project_id", value) for value in project_ids]
        rows = [kept.features(to_builtins(row)) for row in rows]
    dates, stages = ([getattr(item, name) for item in columns.facts] for name in ("data_date", "stage"))
    common = (columns.prediction_ids, activity_ids, project_ids, rows, columns.scores, dates, stages)
    if columns.forecasts is None:
        return map(Logged, *common)
    given = ([getattr(item, name) for item in columns.forecasts] for name in FORECAST)
    return map(LoggedForecast, *common, *given)


def _item(logged: Logged) -> str:
    """Return an item as JSON in ASCII: readers of lines take some other characters for the end of a line."""
    text = encode(logged).decode()
    return text if text.isascii() else json.dumps(to_builtins(logged), separators=(",", ":"))


def count(values: dict[str, float]) -> None:
    """Write counts as CloudWatch metrics, in the embedded metric format, as Powertools' ``Metrics`` does."""
    # Written by hand: importing Metrics takes longer than a cold start without it.
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "service_undefined")
    directive = {
        "Namespace": os.environ["POWERTOOLS_METRICS_NAMESPACE"],
        "Dimensions": [["service"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
    }
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    numbers = {name: [float(value)] for name, value in values.items()}
    line = encode({"_aws": metadata, "service": service, **numbers}).decode()
    sys.stdout.write(f"{line}\n")


def _write_failure(request_id: str, status: int, timing: dict[str, Any]) -> None:
    line = {
        "log": "prediction",
        "v": 1,
        "request_id": request_id,
        "at": _now(),
        "model_version": os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        "model_id": os.environ.get("MODEL_ID", ""),
        "status": status,
        **timing,
        "items": [],
    }
    sys.stdout.write(f"{encode(line).decode()}\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _lines(items: Iterator[str]) -> Iterator[list[str]]:
    """Yield the items, which are ASCII, in groups that fit into one log event each."""
    line: list[str] = []
    size = 0
    for item in items:
        if line and (len(line) == PER_LINE or size + len(item) > LINE_BYTES):
            yield line
            line, size = [], 0
        line.append(item)
        size += len(item)
    if line:
        yield line
