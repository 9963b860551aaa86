"""Batch jobs in the control table, and their objects in the bucket.

Of two writers that read the same job only one writes it. So a worker notices that its job was cancelled, and one of two
invocations of the same event stops. Objects: ``batch-input/<id>``, which the caller uploads, and what is made of it
below ``batch/<id>/``.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from predict.settings import settings
from predict.transport import body
from slipcast_aws import storage
from slipcast_aws.control import table as control

BATCH = "BATCH"
RESULTS = "batch/"
KINDS = {body.CSV: "csv", body.LINES: "ndjson", body.ARROW: "arrows", body.PARQUET: "parquet"}
WAITING, RUNNING, COMPLETING = "waiting", "running", "completing"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
# As the bucket's lifecycle rules for both prefixes say.
KEPT = timedelta(days=7)


class Changed(Exception):
    """Job that somebody else has changed or deleted since it was read."""


class Upload(msgspec.Struct):
    """Multipart upload.

    Attributes
    ----------
    uri
        object that it will be
    id
        id that S3 gave it
    etags
        of the parts so far
    bytes
        size of these
    """

    uri: str
    id: str
    etags: list[str] = []
    bytes: int = 0


class Job(msgspec.Struct):
    """Batch job.

    Attributes
    ----------
    id, caller
        name of the job; who may ask for it
    state
        one of the states above
    kind, accept
        media types of input and result
    forecasts
        whether the result has forecasts too
    created, expires
        moments, ISO 8601; the second is when job and result are deleted
    uri, version_id, size
        the input; None before it has arrived
    uploaded
        whether the input is deleted with the job
    today
        data date of activities without one: the day on which the job began
    model
        ``uri``, ``sha256``, ``version``, ``model_id`` and ``dataset_id`` of the model, the same for the whole job, and
        ``forecast_uri``
    upload
        what is being written
    offset, rows, refused
        input that has been answered and written: bytes of text, rows, and rows without a prediction
    progress
        share of the input that has been answered
    attempts
        invocations since the last part was written
    why
        why the job failed
    result, result_bytes
        the result
    number
        counts the changes
    """

    id: str
    caller: str
    state: str
    kind: str
    accept: str
    forecasts: bool
    created: str
    expires: str
    uri: str
    uploaded: bool
    today: str = ""
    version_id: str = ""
    size: int = 0
    model: dict[str, str] = {}
    upload: Upload | None = None
    offset: int = 0
    rows: int = 0
    refused: int = 0
    progress: float = 0.0
    attempts: int = 0
    why: str | None = None
    result: str | None = None
    result_bytes: int = 0
    number: int = 0

    @property
    def folder(self) -> str:
        """Return the URI below which everything is that the job makes."""
        return f"s3://{bucket()}/{RESULTS}{self.id}/"

    @property
    def writing(self) -> Upload:
        """Return the upload of a job that has one."""
        if self.upload is None:
            raise ValueError(f"job {self.id} writes nothing")
        return self.upload

    @property
    def finished(self) -> bool:
        """Return whether nothing is done for the job any more."""
        return self.state in (SUCCEEDED, FAILED, CANCELLED)


def bucket() -> str:
    """Return the data bucket."""
    return settings().data_bucket


def now() -> datetime:
    """Return the time, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def read(identity: str) -> Job | None:
    """Return a job; None if there is none, or none any more."""
    item = control.read_item(settings().control_table, (BATCH, identity))
    if item is None:
        return None
    job = msgspec.json.decode(item["job"]["S"], type=Job)
    # DynamoDB deletes what has expired some days later.
    return job if now().isoformat() < job.expires else None


def write(job: Job) -> None:
    """Store a job that is new or was read before.

    Raises
    ------
    Changed
        If it was changed or deleted since.
    """
    before, job.number = job.number, job.number + 1
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if before:
        condition = {
            "ConditionExpression": "#n = :n",
            "ExpressionAttributeNames": {"#n": "number"},
            "ExpressionAttributeValues": {":n": {"N": str(before)}},
        }
    item = {
        **control.item_key(BATCH, job.id),
        "number": {"N": str(job.number)},
        "expires": {"N": str(int(datetime.fromisoformat(job.expires).timestamp()))},
        "job": {"S": msgspec.json.encode(job).decode()},
    }
    if not control.conditionally(control.client().put_item, TableName=settings().control_table, Item=item, **condition):
        raise Changed(job.id)


def forget(job: Job) -> None:
    """Delete a finished job."""
    control.client().delete_item(TableName=settings().control_table, Key=control.item_key(BATCH, job.id))


def clean(job: Job, *, but: str | None = None) -> None:
    """Delete the objects of a job, and all their versions, but one; end its upload."""
    if job.upload is not None:
        abort(job.upload)
    storage.delete_versions(job.folder, but=but)
    if job.uploaded:
        storage.delete_versions(job.uri)


def begin(uri: str, kind: str) -> Upload:
    """Begin a multipart upload."""
    name, key = storage.split_uri(uri)
    found = storage.client().create_multipart_upload(Bucket=name, Key=key, ContentType=kind)
    return Upload(uri, found["UploadId"])


def add(upload: Upload, raw: bytes) -> None:
    """Add a part: of at least 5 MB, unless it is the last.

    Raises
    ------
    Changed
        If the upload was ended, as that of a cancelled job is.
    """
    name, key = storage.split_uri(upload.uri)
    number = len(upload.etags) + 1
    try:
        found = storage.client().upload_part(Bucket=name, Key=key, UploadId=upload.id, PartNumber=number, Body=raw)
    except storage.client().exceptions.NoSuchUpload as error:
        raise Changed(upload.uri) from error
    upload.etags.append(found["ETag"])
    upload.bytes += len(raw)


def complete(upload: Upload) -> None:
    """Make the object of the parts; do nothing if it was made before."""
    name, key = storage.split_uri(upload.uri)
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(upload.etags, 1)]
    try:
        storage.client().complete_multipart_upload(
            Bucket=name,
            Key=key,
            UploadId=upload.id,
            MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]
        )
    except storage.client().exceptions.NoSuchUpload:
        storage.modified(upload.uri)


def abort(upload: Upload) -> None:
    """End an upload without an object; do nothing if it has ended."""
    name, key = storage.split_uri(upload.uri)
    try:
        storage.client().abort_multipart_upload(Bucket=name, Key=key, UploadId=upload.id)
    except storage.client().exceptions.NoSuchUpload:
        pass
