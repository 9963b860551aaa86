"""Requests about batch jobs: begin one, ask for it, cancel or delete it."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from predict.api import problems
from predict.api.routes import Answer, Call, Routes, answer
from predict.api.schemas import FieldError, ModelNames
from predict.contract import RETRY_AFTER_SECONDS
from predict.jobs import store, work
from predict.jobs.store import Changed, Job
from predict.jobs.types import INPUTS, BatchJob, BatchRequest, BatchResult, BatchUpload
from predict.refusal import Refusal
from predict.settings import settings
from predict.transport import body, envelope
from slipcast_aws import links, storage
from slipcast_aws.release import versions

# Within which an upload has to begin, and for which a link to a result holds.
SECONDS = 3600
# Of a form: S3 takes no more in one request. A larger file is put below `INPUTS` by its owner.
MOST_BYTES = 5 << 30
NOT_FOUND = "there is no such job, it is of another caller, or it has expired"


def create(call: Call) -> Answer:
    """Begin a job, and answer with a form for its file or have the work on an object of the bucket begin."""
    body.media_type(call.headers)
    request = _request(body.text(call.event))
    moment, identity = store.now(), uuid.uuid4().hex
    job = Job(
        id=identity,
        caller=_caller(call),
        state=store.WAITING,
        kind=request.content_type,
        accept=request.accept or request.content_type,
        forecasts=request.outputs == "forecasts",
        created=moment.isoformat(),
        expires=(moment + store.KEPT).isoformat(),
        uri=f"s3://{store.bucket()}/{request.key or INPUTS + identity}",
        uploaded=request.key is None,
    )
    # Before a file of gigabytes is sent.
    model = _model()
    form = None
    if request.key is None:
        form = _form(identity)
    else:
        _begin(job, model, *_object(request.key))
    store.write(job)
    if request.key is not None:
        work.again(identity, call.context)
    return answer(_document(job, form), status=HTTPStatus.CREATED, Location=f"/batch/{identity}")


def show(call: Call) -> Answer:
    """Return a job."""
    return answer(_document(_job(call)))


def delete(call: Call) -> Answer:
    """Cancel a job, or delete one that has ended."""
    job = _job(call)
    while not job.finished:
        if job.state == store.COMPLETING:
            detail = "the result is being completed: ask again, and delete it then"
            raise Refusal(HTTPStatus.CONFLICT, detail, headers={"Retry-After": "5"})
        job.state = store.CANCELLED
        try:
            store.write(job)
        except Changed:
            job = _job(call)
            continue
        store.clean(job)
        return _gone()
    store.clean(job)
    store.forget(job)
    return _gone()


ROUTES: Routes = {"/batch": {"POST": create}, "/batch/{id}": {"GET": show, "DELETE": delete}}


def arrived(key: str, version_id: str, size: int) -> str | None:
    """Note that a file has arrived, and return the job that it is for; None if it is for none."""
    identity = key.removeprefix(INPUTS)
    job = store.read(identity)
    if job is None or not job.uploaded or job.version_id not in ("", version_id):
        return None
    if job.state == store.CANCELLED:
        store.clean(job)
        return None
    if job.state != store.WAITING:
        # The event has come again.
        return identity
    try:
        _begin(job, _model(), version_id, size)
        store.write(job)
    except Refusal as refusal:
        work.fail(job, str(refusal))
        return None
    except Changed:
        # Cancelled in this moment, or the event has come twice: it is asked for again.
        return arrived(key, version_id, size)
    return identity


def _request(text: str) -> BatchRequest:
    try:
        found = msgspec.json.decode(text, type=BatchRequest)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or "body"
        raise problems.invalid([FieldError(field, "value_error", what)]) from error
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, problems.NOT_JSON) from error
    if found.key is not None and not found.key.isprintable():
        raise problems.invalid([FieldError("key", "value_error", "it has a character that is not printed")])
    return found


def _model() -> versions.LiveModel:
    model = versions.live_model(settings().predict_function)
    if model is None:
        detail = "no model is released yet: drop a schedule into the bucket's incoming/ folder"
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": RETRY_AFTER_SECONDS})
    return model


def _begin(job: Job, model: versions.LiveModel, version_id: str, size: int) -> None:
    job.state, job.version_id, job.size = store.RUNNING, version_id, size
    job.today = store.now().date().isoformat()
    job.model = {
        **{"uri": model.artefact_uri, "sha256": model.sha256, "version": model.version},
        **{"model_id": model.model_id, "dataset_id": model.dataset_id, "forecast_uri": model.forecast_uri},
    }


def _object(key: str) -> tuple[str, int]:
    """Return version and size of an object."""
    try:
        found = storage.client().head_object(Bucket=store.bucket(), Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "403", "NoSuchKey"):
            raise
        message = "there is no such object in the data bucket; put it there, or leave key out and upload it"
        raise problems.invalid([FieldError("key", "value_error", message)]) from error
    if not found["ContentLength"]:
        raise problems.invalid([FieldError("key", "value_error", "the object is empty; send a row for each activity")])
    return found.get("VersionId", ""), found["ContentLength"]


def _form(identity: str) -> BatchUpload:
    form = links.client().generate_presigned_post(
        store.bucket(),
        INPUTS + identity,
        Conditions=[["content-length-range", 1, MOST_BYTES]],
        ExpiresIn=SECONDS,
    )
    return BatchUpload(form["url"], form["fields"], _in(SECONDS))


def _in(seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def _caller(call: Call) -> str:
    return hashlib.sha256(envelope.caller(call.event).encode()).hexdigest()[:32]


def _job(call: Call) -> Job:
    job = store.read(call.parameters["id"])
    if job is None or job.caller != _caller(call):
        raise Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return job


def _gone() -> dict[str, Any]:
    return {**answer("", status=HTTPStatus.NO_CONTENT), "multiValueHeaders": {}}


def _document(job: Job, form: BatchUpload | None = None) -> BatchJob:
    names = {name: job.model[name] for name in ("version", "model_id", "dataset_id")} if job.model else None
    given = None
    if job.result is not None:
        given = BatchResult(links.signed(job.result, SECONDS), job.accept, job.result_bytes, _in(SECONDS))
    return BatchJob(
        id=job.id,
        state=job.state,  # type: ignore[arg-type]
        content_type=job.kind,
        accept=job.accept,
        outputs="forecasts" if job.forecasts else "predictions",
        created_at=job.created,
        expires_at=job.expires,
        progress=job.progress,
        rows=job.rows,
        refused=job.refused,
        model=None if names is None else ModelNames(**names),
        why=job.why,
        upload=form,
        result=given,
    )
