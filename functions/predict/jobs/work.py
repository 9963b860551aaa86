"""Work on a batch job: from its input to its result, in as many invocations as it takes.

What is answered goes into the parts of a multipart upload, and each part that is stored is noted in the job with the
place in the input. An invocation whose time is nearly over invokes the function again; one that was stopped is invoked
again by Lambda and begins at the last part. The result appears when all of it is written, or never.
"""

import json
import zlib
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from aws_lambda_powertools import Logger

from predict.api import predictions, requests, tables
from predict.api.requests import Batch, InvalidRequest
from predict.api.schemas import FieldError
from predict.jobs import result, source, store
from predict.jobs.store import Changed, Job
from predict.serving import log_writer
from predict.serving.model_store import LoadedModel
from predict.transport import body
from slipcast.model.artifact import ArtifactError
from slipcast.model.scorer import ScoreError, Scorer
from slipcast_aws import storage, waiting
from slipcast_aws.serving import prediction_log

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from predict.api.forecasts import Forecasts
    from slipcast.forecast.evaluator import Forecaster

logger = Logger()
# S3 takes no smaller part but the last, and 10,000 of them; the job's item in DynamoDB holds the ETags of half as many.
PART_BYTES = 16 << 20
MOST_PARTS = 5_000
# Time that is left when an invocation hands over to the next one: more than a chunk and the writing of a part take.
REMAINING_MS = 90_000
# Invocations that may end without a part. Lambda tries an event three times: the third says that the job has failed.
ATTEMPTS = 2
# Bytes of input of which one more row is passed over before the next one goes into the prediction log.
LOGGED_BYTES = 5_000_000
LOG = "log/"
TOO_LARGE = f"the result would have more than {MOST_PARTS * PART_BYTES / 1e9:.0f} GB: send the file in several parts"
STOPPED = (
    "an invocation was stopped twice in the same place, by its memory or its time: write the table in smaller batches "
    "or row groups"
)


@cache
def client() -> "LambdaClient":
    """Return the Lambda client of this execution environment."""
    return boto3.client("lambda", config=waiting.QUICK)


class _Refused(Exception):
    """Job that cannot be done; the message may be shown to its caller."""


def work(identity: str, context: Any) -> str:
    """Work on a job as long as there is time, and return its state."""
    job = store.read(identity)
    if job is None or job.finished or job.state == store.WAITING:
        return "gone" if job is None else job.state
    try:
        try:
            _begin(job)
            more = job.state == store.RUNNING and not _answer(job, context)
            if not more:
                _complete(job)
        except (InvalidRequest, ArtifactError, ScoreError, _Refused) as error:
            fail(job, _why(job, error))
            more = False
    except Changed:
        # Cancelled, or another invocation works on it.
        found = store.read(identity)
        if found is None or found.state == store.CANCELLED:
            store.clean(job)
        return "gone" if found is None else found.state
    if more:
        again(identity, context)
    logger.info("batch job", job=job.id, state=job.state, rows=job.rows, refused=job.refused, why=job.why)
    return job.state


def again(identity: str, context: Any) -> None:
    """Have a job worked on by another invocation of this function."""
    client().invoke(
        FunctionName=context.function_name,
        InvocationType="Event",
        Payload=json.dumps({"job": identity}),
    )


def fail(job: Job, why: str) -> None:
    """Note that a job has failed, and delete what it has made.

    Raises
    ------
    Changed
        If it was cancelled before.
    """
    job.state, job.why = store.FAILED, why
    store.write(job)
    store.clean(job)


def _why(job: Job, error: Exception) -> str:
    if not isinstance(error, InvalidRequest):
        return str(error)
    found = "; ".join(f"{item.path}: {item.message}" for item in error.refused[:3])
    return f"{found} ({job.rows:,} rows before are right)" if job.rows else found


def _begin(job: Job) -> None:
    """Note that this invocation works on the job; begin its first upload."""
    if job.attempts == ATTEMPTS:
        raise _Refused(STOPPED)
    if job.state == store.RUNNING and job.upload is None:
        # The rows of a table by columns are a stream of Arrow, also where Parquet is wanted.
        name = f"rows.{store.KINDS[body.ARROW]}" if job.accept == body.PARQUET else _name(job)
        job.upload = store.begin(f"{job.folder}{name}", job.accept)
    job.attempts += 1
    store.write(job)


def _name(job: Job) -> str:
    return f"result.{store.KINDS[job.accept]}"


def _answer(job: Job, context: Any) -> bool:
    """Answer the rows of the input, and return whether all are; False says that the time is over."""
    if job.progress == 1.0 and job.result_bytes:
        return True
    model, names = _model(job), result.columns(forecasts=job.forecasts)
    found = source.Object(job.uri, job.version_id, job.size)
    every = 1 + job.size // LOGGED_BYTES
    waiting_rows, lines = bytearray(), list[str]()
    rows, refused = job.rows, job.refused
    for chunk in source.chunks(found, job.kind, job.offset, job.rows):
        batch, wrong = _batch(chunk.records, job.today)
        placed: list[Any] = [None] * len(chunk.records)
        if batch is not None:
            answers, logged = _scored(job, model, batch, rows)
            for place, answer in zip(batch.positions, answers, strict=True):
                placed[place] = answer
            # Of a large file every so many: the monitor reads the log of all requests in one invocation.
            lines += (line for place, line in zip(batch.positions, logged, strict=True) if (rows + place) % every == 0)
        waiting_rows += result.rows(placed, wrong, job.accept, names, first=rows == 0)
        rows, refused = rows + len(placed), refused + placed.count(None)
        position = chunk.offset or found.position
        job.progress = max(job.progress, min(position / job.size, 0.99))
        # Also tells that the job was cancelled.
        store.write(job)
        if len(waiting_rows) >= PART_BYTES:
            _add(job, bytes(waiting_rows), lines)
            job.offset, job.rows, job.refused, job.attempts = chunk.offset, rows, refused, 0
            waiting_rows.clear()
            lines.clear()
            store.write(job)
        if context.get_remaining_time_in_millis() < REMAINING_MS:
            return False
    if not rows:
        raise _Refused("the file has no activity: send a row for each")
    _add(job, bytes(waiting_rows) + result.end(job.accept), lines)
    job.rows, job.refused, job.attempts, job.progress = rows, refused, 0, 1.0
    job.result_bytes = job.writing.bytes
    store.write(job)
    return True


def _add(job: Job, raw: bytes, lines: list[str]) -> None:
    if len(job.writing.etags) == MOST_PARTS:
        raise _Refused(TOO_LARGE)
    store.add(job.writing, raw)
    if lines:
        # Logged once the job has succeeded: what a cancelled one has answered was given to nobody.
        key = prediction_log.key(store.now(), f"job-{job.id}-{len(job.writing.etags)}", LOG)
        packed = zlib.compress("\n".join(lines).encode(), wbits=31)
        storage.write_bytes(f"{job.folder}{key}", packed, "application/gzip")


def _batch(records: list[Any], today: str) -> tuple[Batch | None, dict[int, list[FieldError]]]:
    """Return the activities of a chunk, None if all are wrong, and what is wrong with the others by their place."""
    for record in records:
        if isinstance(record, dict) and record.get("data_date") in (None, ""):
            record["data_date"] = today
    try:
        batch = requests.from_records(records)
    except InvalidRequest as error:
        if any(item.position is None for item in error.refused):
            raise
        return None, tables.errors(error.refused)
    return batch, tables.reasons(batch)


def _scored(job: Job, model: LoadedModel, batch: Batch, first: int) -> tuple[list[Any], Iterator[str]]:
    """Return the answers for activities, and their lines of the prediction log."""
    if not job.forecasts:
        scored = predictions.score(job.id, model, batch, first=first)
        return scored.predictions, log_writer.rows(scored.logged(), "job")
    # Imported here, as by a request.
    from predict.api import forecasts

    found = forecasts.forecast(job.id, model, batch, first)
    return _with_probability(found), log_writer.rows(found.logged(), "job")


def _with_probability(found: "Forecasts") -> list[Any]:
    """Return forecasts with the probability judged at the start."""
    kind = _full_forecast()
    return [
        kind(*msgspec.structs.astuple(item), prediction.probability, prediction.at_risk, prediction.threshold)
        for item, prediction in zip(found.items, found.scored.predictions, strict=True)
    ]


@cache
def _full_forecast() -> type:
    from predict.api.forecasts import Forecast

    fields = [("probability", float), ("at_risk", bool), ("threshold", float)]
    return msgspec.defstruct("FullForecast", fields, bases=(Forecast,), gc=False)


class _Model(LoadedModel):
    """Model of a job: it comes from the bucket, and so does its forecast."""

    forecast_uri: str

    def forecaster(self) -> "Forecaster | None":
        """Return the forecast model of the release; None if it has none."""
        if not self.has_forecast:
            return None
        return _forecaster(self.forecast_uri, self.scorer.metadata["forecast"]["sha256"])


def _model(job: Job) -> LoadedModel:
    model = _Model(_scorer(job.model["uri"], job.model["sha256"]), job.model["version"])
    model.forecast_uri = job.model["forecast_uri"]
    return model


@lru_cache(maxsize=2)
def _forecaster(uri: str, sha256: str) -> "Forecaster":
    from slipcast.forecast.evaluator import Forecaster

    return Forecaster(msgspec.json.decode(storage.read_bytes(uri, sha256=sha256)))


# Jobs of two models may alternate.
@lru_cache(maxsize=2)
def _scorer(uri: str, sha256: str) -> Scorer:
    # Imported here: scikit-learn takes a second to load, and a question for a job's state needs none of it.
    from slipcast.model import bulk_scorer

    return bulk_scorer.load(storage.read_bytes(uri, sha256=sha256), sha256)


def _complete(job: Job) -> None:
    """Make the result of what was written, and log the predictions; all of it can be repeated."""
    if job.state == store.RUNNING:
        if job.accept == body.PARQUET:
            _to_parquet(job)
        # From here on the job cannot be cancelled.
        job.state = store.COMPLETING
        store.write(job)
    log = f"{job.folder}{LOG}"
    for uri in storage.list_uris(log):
        storage.copy({"uri": uri}, f"s3://{store.bucket()}/{prediction_log.PREFIX}{uri.removeprefix(log)}")
    store.complete(job.writing)
    job.state, job.result, job.result_bytes = store.SUCCEEDED, job.writing.uri, job.writing.bytes
    job.upload, job.attempts = None, 0
    store.clean(job, but=job.result)
    store.write(job)
    log_writer.count({"Predictions": job.rows - job.refused})


def _to_parquet(job: Job) -> None:
    """Make a file of Parquet of the rows: its directory stands at its end, so it is written in one invocation."""
    rows = f"{job.folder}rows.{store.KINDS[body.ARROW]}"
    if job.writing.uri == rows:
        store.complete(job.writing)
    else:
        # Of an invocation that was stopped.
        store.abort(job.writing)
    job.upload = store.begin(f"{job.folder}{_name(job)}", job.accept)
    store.write(job)
    upload = msgspec.structs.replace(job.upload, etags=[], bytes=0)

    def add(raw: bytes) -> None:
        if len(upload.etags) == MOST_PARTS:
            raise _Refused(TOO_LARGE)
        store.write(job)
        store.add(upload, raw)

    written = source.Object(rows, "", job.result_bytes)
    result.parquet(source.file(written), add, PART_BYTES)
    job.upload = upload
