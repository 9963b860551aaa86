"""Objects in S3, named by their ``s3://bucket/key`` URI."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef, GetObjectOutputTypeDef

BLOCK = 1 << 20
# S3 may take some seconds to answer for a copy or a large object; connections that hang for longer are closed.
_CONFIG = Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "max_attempts": 5})


class DigestMismatchError(RuntimeError):
    """An object's bytes are not the ones that were recorded."""


class ObjectTooLargeError(RuntimeError):
    """An object has more bytes than the caller allows; `size` is its size."""

    def __init__(self, uri: str, size: int) -> None:
        super().__init__(f"{uri} has {size} bytes")
        self.size = size


@cache
def client() -> "S3Client":
    """Return the S3 client of this execution environment."""
    return boto3.client("s3", config=_CONFIG)


def split_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key.

    Raises
    ------
    ValueError
        If `uri` is not of that form.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise ValueError(f"{uri!r} is not an s3://bucket/key URI")
    return bucket, key


def read_bytes(uri: str, *, version_id: str | None = None, sha256: str | None = None) -> bytes:
    """Return an object's bytes; with `sha256`, only if they have that digest.

    Raises
    ------
    DigestMismatchError
        If the bytes do not have the digest `sha256` (hex).
    """
    bucket, key = split_uri(uri)
    raw = _get(bucket, key, version_id)["Body"].read()
    if sha256 is not None and (found := hashlib.sha256(raw).hexdigest()) != sha256:
        raise DigestMismatchError(f"{uri} has SHA-256 {found}, {sha256} was recorded: it is not used")
    return raw


def read_range(uri: str, begin: int, length: int, *, version_id: str | None = None) -> bytes:
    """Return `length` bytes of an object from `begin` on; fewer if it ends before."""
    bucket, key = split_uri(uri)
    span = f"bytes={begin}-{begin + length - 1}"
    if version_id:
        found = client().get_object(Bucket=bucket, Key=key, VersionId=version_id, Range=span)
    else:
        found = client().get_object(Bucket=bucket, Key=key, Range=span)
    raw = found["Body"].read()
    # A server may ignore the range (RFC 9110, 14.2), as the local cloud's does for versions: it sends all then.
    return raw if "ContentRange" in found else raw[begin : begin + length]


def _get(bucket: str, key: str, version_id: str | None) -> "GetObjectOutputTypeDef":
    if version_id:
        return client().get_object(Bucket=bucket, Key=key, VersionId=version_id)
    return client().get_object(Bucket=bucket, Key=key)


def download(
    uri: str, target: Path, *, version_id: str | None = None, sha256: str | None = None, max_bytes: int | None = None
) -> str:
    """Write an object to a file, block by block, and return the SHA-256 (hex) of its bytes.

    Raises
    ------
    DigestMismatchError
        If `sha256` is given and the bytes do not have it.
    ObjectTooLargeError
        If the object has more than `max_bytes`; nothing is read then.
    """
    bucket, key = split_uri(uri)
    digest = hashlib.sha256()
    found = _get(bucket, key, version_id)
    if max_bytes is not None and found["ContentLength"] > max_bytes:
        found["Body"].close()
        raise ObjectTooLargeError(uri, found["ContentLength"])
    with target.open("wb") as file:
        for block in found["Body"].iter_chunks(BLOCK):
            digest.update(block)
            file.write(block)
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DigestMismatchError(f"{uri} has SHA-256 {digest.hexdigest()}, {sha256} was recorded: it is not used")
    return digest.hexdigest()


def upload(path: Path, uri: str, content_type: str = "application/octet-stream") -> None:
    """Write a file to an object, in parts if it is large."""
    bucket, key = split_uri(uri)
    client().upload_file(str(path), bucket, key, ExtraArgs={"ContentType": content_type})


def read_json(uri: str, *, sha256: str | None = None) -> Any:
    """Return the JSON document at `uri`."""
    return json.loads(read_bytes(uri, sha256=sha256))


def exists(uri: str) -> bool:
    """Return whether there is an object at `uri`."""
    bucket, key = split_uri(uri)
    # HEAD answers 403 for a missing object unless the whole bucket may be listed; listing can be allowed by prefix.
    found = client().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents", [])
    return any(item["Key"] == key for item in found)


def copy(origin: dict[str, str], uri: str) -> None:
    """Copy an object, of `origin` with ``uri`` and perhaps ``version_id``, within S3."""
    from_bucket, from_key = split_uri(origin["uri"])
    bucket, key = split_uri(uri)
    source: CopySourceTypeDef = {"Bucket": from_bucket, "Key": from_key}
    if origin.get("version_id"):
        source["VersionId"] = origin["version_id"]
    # Without the tags: permissions to read and write them would also be required.
    client().copy(source, bucket, key, ExtraArgs={"TaggingDirective": "REPLACE"})


def write_bytes(uri: str, raw: bytes, content_type: str = "application/octet-stream") -> str:
    """Write an object and return the SHA-256 (hex) of its bytes."""
    bucket, key = split_uri(uri)
    client().put_object(Bucket=bucket, Key=key, Body=raw, ContentType=content_type)
    return hashlib.sha256(raw).hexdigest()


def write_json(uri: str, document: Any) -> str:
    """Write `document` as JSON with sorted keys and return the SHA-256 (hex) of its bytes."""
    raw = json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode()
    return write_bytes(uri, raw, "application/json")


def change_json(uri: str, change: Callable[[Any], Any]) -> None:
    """Change a JSON document, so that of changes at the same time none is lost.

    Parameters
    ----------
    change
        returns the new document for the present one, or for None if there is none; it returns None to leave it as it
        is, and may be called several times
    """
    bucket, key = split_uri(uri)
    while True:
        condition: dict[str, str] = {"IfNoneMatch": "*"}
        present = None
        if exists(uri):
            found = _get(bucket, key, None)
            condition, present = {"IfMatch": found["ETag"]}, json.loads(found["Body"].read())
        document = change(present)
        if document is None:
            return
        raw = json.dumps(document, sort_keys=True, indent=1, allow_nan=False).encode()
        try:
            client().put_object(Bucket=bucket, Key=key, Body=raw, ContentType="application/json", **condition)  # type: ignore[arg-type]
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise
        else:
            return


def modified(uri: str, *, version_id: str | None = None) -> datetime:
    """Return when an object was written, to the second: of a multipart upload when it began, as S3 orders versions.

    Raises
    ------
    NoSuchKey
        If there is no such object, as for a download: the answer to HEAD has no body that could name the error.
    """
    bucket, key = split_uri(uri)
    try:
        if version_id:
            return client().head_object(Bucket=bucket, Key=key, VersionId=version_id)["LastModified"]
        return client().head_object(Bucket=bucket, Key=key)["LastModified"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        missing = error.response | {"Error": {"Code": "NoSuchKey", "Message": f"there is no object {uri}"}}
        raise client().exceptions.NoSuchKey(missing, "HeadObject") from error


def delete(uri: str) -> None:
    """Delete the object at `uri`; in a versioned bucket its older versions stay."""
    bucket, key = split_uri(uri)
    client().delete_object(Bucket=bucket, Key=key)


def delete_versions(prefix_uri: str, *, but: str | None = None) -> None:
    """Delete the objects whose URI begins with `prefix_uri`, and all their versions, but the object `but`."""
    bucket, prefix = split_uri(prefix_uri)
    for page in client().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            if f"s3://{bucket}/{item['Key']}" != but:
                client().delete_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])


def list_uris(prefix_uri: str, *, modified_since: datetime | None = None) -> Iterator[str]:
    """Yield the URIs of the objects whose URI begins with `prefix_uri`, in key order.

    Parameters
    ----------
    modified_since
        leaves out objects that were written before it; S3 stores the time in seconds
    """
    bucket, prefix = split_uri(prefix_uri)
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if modified_since is not None and item["LastModified"] < modified_since.replace(microsecond=0):
                continue
            yield f"s3://{bucket}/{item['Key']}"


def list_etags(prefix_uri: str) -> Iterator[tuple[str, str]]:
    """Yield URI and ETag of the objects whose URI begins with `prefix_uri`: another ETag, other bytes."""
    bucket, prefix = split_uri(prefix_uri)
    for page in client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield f"s3://{bucket}/{item['Key']}", item["ETag"]
