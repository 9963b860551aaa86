"""Outbox for MLflow: records wait in S3 until the tracking server has accepted them."""

from collections.abc import Iterator
from typing import Any

from slipcast_aws import storage

PREFIX = "tracking/pending/"


def put(bucket: str, name: str, record: dict[str, Any]) -> None:
    """Add `record` to the outbox; a record of the same name is replaced."""
    storage.write_json(f"s3://{bucket}/{PREFIX}{name}.json", record)


def waiting(bucket: str) -> list[str]:
    """Return the URIs of the waiting records, the oldest first; within one second in the order of their names."""
    pages = storage.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
    found = sorted((item["LastModified"], item["Key"]) for page in pages for item in page.get("Contents", []))
    return [f"s3://{bucket}/{key}" for _, key in found]


def pending(bucket: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield URIs and records in the order of `waiting`."""
    for uri in waiting(bucket):
        yield uri, storage.read_json(uri)
