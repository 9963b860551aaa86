"""Predictions of the API for the open activities of a schedule file, as CSV."""

import csv
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import IO, Any

import urllib3

from slipcast.csv_safety import neutral
from slipcast.ingest.mapping.profile import Profile, built_in, load_profile
from slipcast.ingest.schedule import Schedule, read_schedule
from slipcast.schema import FEATURE_COLUMNS
from slipcast_cli.api import Answer, Api

FORECAST = (
    *("data_date", "stage", "days_late", "probability_late", "expected_days_late"),
    *("p10", "p50", "p80", "p90"),
)
COLUMNS = (
    *("project_id", "activity_id", "activity_name", "status", "start", "baseline_finish"),
    *("probability", "at_risk", "threshold", "model_version", "error"),
    *FORECAST,
)
# Small enough for the time limit of the function on any machine, large enough to need few requests.
BATCH = 1_000
# Number of activities from which a batch job predicts them: as many as one request may have.
LARGE = 10_000
POLL_SECONDS = 2.0
FINISHED = ("succeeded", "failed", "cancelled")


class PredictionError(Exception):
    """The API refused or did not answer; the message says why and what to do."""


def profile_of(text: str) -> Profile:
    """Return a built-in profile by its name, or one of the user's own by the path of its file.

    Raises
    ------
    ScheduleRefused
        If the file is no profile.
    ValueError
        If there is neither.
    """
    names = {profile.name: profile for profile in built_in()}
    if text in names:
        return names[text]
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"{text!r} is neither a file nor one of {', '.join(sorted(names))}")
    return load_profile(path.read_text(encoding="utf-8"), path.name)


def open_activities(file: Path, profile: Profile | None, workdir: Path) -> tuple[Schedule, list[dict[str, Any]]]:
    """Return a schedule and the rows of its activities that are not complete.

    Raises
    ------
    ScheduleRefused
        If the file cannot be used; the message names row, column and remedy.
    """
    schedule = read_schedule(file, file.name, profile=profile, workdir=workdir)
    return schedule, [row for row in schedule.rows() if row["status"] != "complete"]


def request_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return an activity as ``POST /predictions`` takes it: known values only, days as ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name in (*FEATURE_COLUMNS, "status", "data_date")
        if (value := row.get(name)) is not None
    }


def predict(api: Api, rows: Sequence[dict[str, Any]], asked: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Yield a row of `COLUMNS` for each activity, in their order.

    Parameters
    ----------
    api
        Client of the stack.
    rows
        Activities by canonical columns.
    asked
        Called after each batch with the number of answered activities.

    Raises
    ------
    PredictionError
        If the API refuses a whole batch or does not answer.
    """
    if len(rows) > LARGE:
        yield from _by_job(api, rows, asked)
        return
    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        body = {"activities": [request_of(row) for row in batch]}
        answer = api.post("/predictions", body)
        # 422 with a list of errors: every activity of this batch is invalid, those of other batches may be valid.
        if answer.status != 200 and not (answer.status == 422 and _errors(answer)):
            raise PredictionError(_refusal(answer, first, len(batch)))
        errors: dict[int, list[str]] = {}
        for item in _errors(answer):
            errors.setdefault(item["index"], []).append(f"{item['field'].rpartition('.')[2]}: {item['message']}")
        predictions = answer.body.get("predictions") or [None] * len(batch)
        forecasts = _forecasts(api, body, first) if any(predictions) else [None] * len(batch)
        for place, (row, prediction, forecast) in enumerate(zip(batch, predictions, forecasts, strict=True)):
            yield {
                **{name: row.get(name) for name in COLUMNS[:6]},
                **{name: (prediction or {}).get(name) for name in ("probability", "at_risk", "threshold")},
                "model_version": answer.body["model"]["version"] if prediction else None,
                "error": "; ".join(errors.get(place, [])),
                **{name: (forecast or {}).get(name) for name in FORECAST},
            }
        asked(len(batch))


def _by_job(api: Api, rows: Sequence[dict[str, Any]], asked: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Yield what `predict` does, by a batch job. A job that is interrupted here is cancelled."""
    answer = api.post("/batch", {"content_type": "application/x-ndjson", "outputs": "forecasts"})
    if answer.status != 201:
        raise PredictionError(_refusal(answer, 0, len(rows), "/batch"))
    job = answer.body
    path = f"/batch/{job['id']}"
    try:
        lines = "".join(f"{json.dumps(request_of(row))}\n" for row in rows).encode()
        form = {**job["upload"]["fields"], "file": ("activities.ndjson", lines)}
        sent = urllib3.request("POST", job["upload"]["url"], fields=form)
        if sent.status >= 300:
            raise PredictionError(f"the bucket answered {sent.status} to the upload: {sent.data[:300]!r}")
        done = 0
        while job["state"] not in FINISHED:
            time.sleep(POLL_SECONDS)
            answer = api.ask("GET", path)
            if answer.status != 200:
                raise PredictionError(_refusal(answer, 0, len(rows), path))
            job = answer.body
            now = round(job["progress"] * len(rows))
            asked(now - done)
            done = now
        if job["state"] != "succeeded":
            raise PredictionError(f"the job {job['id']} has {job['state']}: {job['why']}")
        result = urllib3.request("GET", job["result"]["url"], preload_content=False)
        # Only line feeds end a line of JSON.
        answers = map(json.loads, io.TextIOWrapper(io.BufferedReader(result), encoding="utf-8", newline="\n"))
        for row, found in zip(rows, answers, strict=True):
            errors = [f"{item['field']}: {item['message']}" for item in found.get("errors") or []]
            yield {
                **{name: row.get(name) for name in COLUMNS[:6]},
                **{name: found.get(name) for name in ("probability", "at_risk", "threshold")},
                "model_version": None if errors else job["model"]["version"],
                "error": "; ".join(errors),
                **{name: found.get(name) for name in FORECAST},
            }
    finally:
        # Done or given up: nothing of it stays.
        api.ask("DELETE", path)


def _forecasts(api: Api, body: dict[str, Any], first: int) -> list[dict[str, Any] | None]:
    answer = api.post("/forecasts", body)
    if answer.status != 200:
        raise PredictionError(_refusal(answer, first, len(body["activities"]), "/forecasts"))
    found: list[dict[str, Any] | None] = answer.body["forecasts"]
    return found


def write(rows: Iterator[dict[str, Any]], sink: IO[str]) -> int:
    """Write rows as CSV for a spreadsheet, no cell a formula, and return how many have no prediction."""
    writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    writer.writeheader()
    failed = 0
    for row in rows:
        failed += row["probability"] is None
        writer.writerow({name: neutral("" if value is None else value) for name, value in row.items()})
    return failed


def workdir() -> tempfile.TemporaryDirectory[str]:
    """Return an empty folder for reading a file, removed at the end of the context."""
    return tempfile.TemporaryDirectory(prefix="slipcast-")


def _errors(answer: Answer) -> list[dict[str, Any]]:
    """Return the errors of single activities; each names its ``index`` in the request."""
    found = answer.body.get("errors", []) if isinstance(answer.body, dict) else []
    return [item for item in found if isinstance(item.get("index"), int)]


def _refusal(answer: Answer, first: int, count: int, path: str = "/predictions") -> str:
    detail = answer.body.get("detail", answer.body) if isinstance(answer.body, dict) else answer.body
    where = f"activities {first + 1} to {first + count}"
    remedies = {
        0: "check the network, the proxy and the output ApiUrl of the stack",
        401: "export a token that has not expired",
        403: "is the API key in the usage plan, or may the caller invoke the API?",
        429: "wait a minute and run it again, or raise ApiRateLimit",
        503: "no model is live yet: slipcast drop a schedule first",
    }
    remedy = remedies.get(answer.status, "look at the log of the predict function")
    return f"{where}: POST {path} answered {answer.status or 'nothing'}: {str(detail)[:300]}. {remedy}"
