"""The outbox for MLflow: what is to be logged waits in S3 until a tracking server has taken it."""

from collections.abc import Iterator
from typing import Any

from slipcast_aws import storage

PREFIX = "tracking/pending/"


def put(bucket: str, name: str, record: dict[str, Any]) -> None:
    """Leave `record` to be logged; a record of the same name is replaced."""
    storage.write_json(f"s3://{bucket}/{PREFIX}{name}.json", record)


def waiting(bucket: str) -> list[str]:
    """Return the URIs of the records that wait, the oldest first; of one second, in the order of their names."""
    pages = storage.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
    found = sorted((item["LastModified"], item["Key"]) for page in pages for item in page.get("Contents", []))
    return [f"s3://{bucket}/{key}" for _, key in found]


def pending(bucket: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the URIs and records that wait, in the order of `waiting`."""
    for uri in waiting(bucket):
        yield uri, storage.read_json(uri)
