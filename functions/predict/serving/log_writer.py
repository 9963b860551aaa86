"""Writer of the prediction log: log lines that CloudWatch Logs delivers to the collect function.

A request only writes lines of text, which needs no permission.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from predict.logged import FORECAST, Features, Logged, LoggedForecast, encode, to_builtins
from predict.settings import settings

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
    chosen = settings()
    if not chosen.redact_columns:
        return None
    from slipcast import redaction

    return redaction.from_text(chosen.redact_columns, chosen.id_salt)


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
    text = ""
    for items in _lines(_items(columns)):
        if text:
            sys.stdout.write(text)
        text = f'{start},"items":{items}}}\n'
    # With the last line: the runtime sends on whatever is written, each time.
    sys.stdout.write(text + _counted({"Predictions": len(columns.scores), "AtRisk": columns.at_risk}))


def rows(columns: Columns, source: str) -> Iterator[str]:
    """Yield predictions as lines of an object of the prediction log (`slipcast_aws.serving.prediction_log`)."""
    start = _start(columns, source, None)
    yield from (f"{start},{_text(item)[1:]}" for item in _items(columns))


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


def _text(logged: Logged | Sequence[Logged]) -> str:
    """Return items as JSON in ASCII: readers of lines take some other characters for the end of a line."""
    text = encode(logged).decode()
    return text if text.isascii() else json.dumps(to_builtins(logged), separators=(",", ":"))


def count(values: Mapping[str, float]) -> None:
    """Write counts as CloudWatch metrics, in the embedded metric format, as Powertools' ``Metrics`` does."""
    sys.stdout.write(_counted(values))


def _counted(values: Mapping[str, float]) -> str:
    """Return the line of `count`."""
    numbers = "".join(f',"{name}":[{float(value)}]' for name, value in values.items())
    begin, end = _metrics(tuple(values))
    return f"{begin}{int(time.time() * 1000)}{end}{numbers}}}\n"


@cache
def _metrics(names: tuple[str, ...]) -> tuple[str, str]:
    """Return what the lines with these metrics have in common, before the time and after it."""
    # Written by hand: importing Metrics takes longer than a cold start without it.
    chosen = settings()
    directive = {
        "Namespace": chosen.powertools_metrics_namespace,
        "Dimensions": [["service"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in names],
    }
    line = encode(
        {"_aws": {"Timestamp": 0, "CloudWatchMetrics": [directive]}, "service": chosen.powertools_service_name}
    ).decode()
    begin, _, end = line.removesuffix("}").partition('"Timestamp":0')
    return f'{begin}"Timestamp":', end


def _write_failure(request_id: str, status: int, timing: dict[str, Any]) -> None:
    line = {
        "log": "prediction",
        "v": 1,
        "request_id": request_id,
        "at": _now(),
        "model_version": settings().aws_lambda_function_version,
        "model_id": settings().model_id,
        "status": status,
        **timing,
        "items": [],
    }
    sys.stdout.write(f"{encode(line).decode()}\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _lines(items: Iterator[Logged]) -> Iterator[str]:
    """Yield the items as lists in JSON that fit into one log event each."""
    for part in batched(items, PER_LINE, strict=False):
        yield from _fitting(part)


def _fitting(items: Sequence[Logged]) -> Iterator[str]:
    text = _text(items)
    if len(text) <= LINE_BYTES or len(items) == 1:
        yield text
        return
    middle = len(items) // 2
    yield from _fitting(items[:middle])
    yield from _fitting(items[middle:])
