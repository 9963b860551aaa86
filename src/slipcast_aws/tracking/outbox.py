"""Outbox for MLflow: records wait in S3 until the tracking server has accepted them."""

from collections.abc import Iterator
from typing import Any

from slipcast_aws import storage

PREFIX = "tracking/pending/"
DELIVERIES = "tracking/deliveries/"


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


def first(bucket: str, delivery: str) -> bool:
    """Note a delivery of MLflow's webhook; return whether it was not noted before."""
    new = False

    def note(present: Any) -> Any:
        nonlocal new
        new = present is None
        return {"delivery": delivery} if present is None else None

    storage.change_json(_delivery(bucket, delivery), note)
    return new


def forget(bucket: str, delivery: str) -> None:
    """Forget a delivery, which may then come again."""
    storage.delete(_delivery(bucket, delivery))


def _delivery(bucket: str, delivery: str) -> str:
    return f"s3://{bucket}/{DELIVERIES}{delivery}.json"
