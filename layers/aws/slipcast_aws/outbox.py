"""The outbox for MLflow: what is to be logged waits in S3 until a tracking server has taken it."""

from collections.abc import Iterator
from typing import Any

from slipcast_aws import storage

PREFIX = "tracking/pending/"


def put(bucket: str, name: str, record: dict[str, Any]) -> None:
    """Leave `record` to be logged; a record of the same name is replaced."""
    storage.write_json(f"s3://{bucket}/{PREFIX}{name}.json", record)


def pending(bucket: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the URIs and records that wait, in the order of their names."""
    for uri in list(storage.list_uris(f"s3://{bucket}/{PREFIX}")):
        yield uri, storage.read_json(uri)
