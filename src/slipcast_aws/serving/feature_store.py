"""Feature store in DynamoDB: the history of each project, phase, location, … by day.

Key ``pk`` is the key's text, or its digest if that is too long; ``series`` holds
`slipcast.features.series_codec.encode`. A series that is larger than an item may be is in several items: the first says
how many in ``parts``. The pipeline writes what changed, the prediction function and batch scoring read by key.
"""

import gzip
import hashlib
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from slipcast.features import point_in_time, series_codec
from slipcast.features.point_in_time import Series
from slipcast_aws.serving.dynamodb_http import DirectReadError, Reader

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Limits of BatchGetItem.
BATCH = 100
# DynamoDB takes keys of 2048 bytes.
LONGEST_KEY = 1024
# DynamoDB takes items of 409,600 bytes, key and names of attributes included.
LARGEST_PART = 400_000
ATTEMPTS = 8
# The pipeline refreshes the store when a file is dropped, so a delay of minutes is acceptable. Unpacking the
# portfolio's series alone takes longer than a prediction.
CACHE_SECONDS = 300
CACHE_KEYS = 20_000
_cache: dict[tuple[str, str], tuple[float, Series | None]] = {}


class FeatureStoreError(RuntimeError):
    """The store did not answer in full."""


@cache
def client() -> "DynamoDBClient":
    """Return the DynamoDB client of this execution environment."""
    # Imported here: readers mostly do not need the SDK, whose import takes longer than a cold start.
    import boto3
    from botocore.config import Config

    # All attempts together end before a prediction has to be answered, with or without these features.
    config = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.client("dynamodb", config=config)


@cache
def direct() -> Reader | None:
    """Return the reader that needs no SDK; None if it cannot be used."""
    return Reader.from_environment()


def item_key(text: str) -> str:
    """Return the item's key for a key's text."""
    return text if len(text.encode()) <= LONGEST_KEY else "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _part_key(key: str, number: int) -> str:
    """Return the key of a further part of an item; no text of a key begins so."""
    return f"part {number} of {key}"


def refresh(table: str, series: Mapping[str, Series], before: Mapping[str, str]) -> dict[str, str]:
    """Write the changed series and return the digests of all.

    Parameters
    ----------
    table
        name of the DynamoDB table
    series
        by key text
    before
        digests that the last refresh returned, by item key
    """
    items: list[dict[str, Any]] = []
    digests: dict[str, str] = {}
    for text, known in series.items():
        raw = series_codec.encode(known)
        key, digest = item_key(text), hashlib.sha256(raw).hexdigest()[:16]
        parts = [raw[start : start + LARGEST_PART] for start in range(0, len(raw), LARGEST_PART)]
        further = {_part_key(key, number): part for number, part in enumerate(parts[1:], 1)}
        digests |= dict.fromkeys((key, *further), digest)
        if before.get(key) != digest:
            count = {"parts": len(parts)} if further else {}
            items.append({"pk": key, "series": parts[0], **count})
            items += ({"pk": name, "series": part} for name, part in further.items())
    import boto3

    from slipcast_aws import waiting

    writer = boto3.resource("dynamodb", config=waiting.QUICK).Table(table)
    with writer.batch_writer() as batch:
        for item in items:
            batch.put_item(Item=item)
        # A merge may move a row to another project: keys without activities must be deleted.
        for key in before.keys() - digests.keys():
            batch.delete_item(Key={"pk": key})
    return digests


def pack(digests: Mapping[str, str]) -> bytes:
    """Return the digests of a refresh as gzipped JSON."""
    return gzip.compress(json.dumps(digests, sort_keys=True).encode(), mtime=0)


def unpack(raw: bytes) -> dict[str, str]:
    """Return what `pack` wrote."""
    document: dict[str, str] = json.loads(gzip.decompress(raw))
    return document


def fetch(table: str, texts: Iterable[str]) -> dict[str, Series]:
    """Return the series of the keys in the store; series are cached for `CACHE_SECONDS`.

    Raises
    ------
    FeatureStoreError
        If DynamoDB repeatedly leaves keys unread, or does not answer.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        The same errors, if the SDK reads.
    ValueError
        If an item does not hold a series.
    """
    now = time.monotonic()
    if len(_cache) > CACHE_KEYS:
        _cache.clear()
    wanted = list(texts)
    absent = [text for text in wanted if (table, text) not in _cache or _cache[table, text][0] < now]
    if absent:
        read = _read(table, absent)
        _cache.update({(table, text): (now + CACHE_SECONDS, read.get(text)) for text in absent})
    series = {text: _cache[table, text][1] for text in wanted}
    return {text: known for text, known in series.items() if known is not None}


def _read(table: str, texts: list[str]) -> dict[str, Series]:
    texts_by_key = {item_key(text): text for text in texts}
    items = _items(table, list(texts_by_key))
    further = {
        key: [_part_key(key, number) for number in range(1, int(item["parts"]["N"]))]
        for key, item in items.items()
        if "parts" in item
    }
    parts = _items(table, [key for keys in further.values() for key in keys])
    found = {}
    for key, item in items.items():
        raw = _raw(item, key) + b"".join(_raw(parts.get(part, {}), part) for part in further.get(key, ()))
        found[texts_by_key[key]] = series_codec.decode(raw)
    return found


def _items(table: str, keys: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(keys), BATCH):
        pending: dict[str, Any] = {table: {"Keys": [{"pk": {"S": key}} for key in keys[start : start + BATCH]]}}
        for attempt in range(ATTEMPTS):
            try:
                reader = direct()
                answer = (
                    reader.batch_get_item(RequestItems=pending)
                    if reader
                    else client().batch_get_item(RequestItems=pending)
                )
            except DirectReadError as error:
                raise FeatureStoreError(f"DynamoDB: {error}") from error
            found |= {item["pk"]["S"]: item for item in answer["Responses"].get(table, [])}
            pending = answer.get("UnprocessedKeys") or {}
            if not pending:
                break
            time.sleep(0.05 * 2**attempt)
        else:
            raise FeatureStoreError(f"DynamoDB left keys of {table} unread in {ATTEMPTS} attempts")
    return found


def _raw(item: dict[str, Any], key: str) -> bytes:
    try:
        content: bytes = item["series"]["B"]
        return content
    except KeyError:
        raise ValueError(f"the item {key!r} holds no series") from None


def with_history(
    table: str, activities: Sequence[Mapping[str, Any]], names: Collection[str]
) -> list[Mapping[str, Any]]:
    """Return the activities with their point-in-time features under ``history``; given ones are kept.

    Parameters
    ----------
    table
        name of the DynamoDB table
    activities
        canonical columns
    names
        features that the model needs
    """
    lacking = [activity for activity in activities if activity.get("history") is None]
    if not names or not lacking:
        return list(activities)
    series = fetch(
        table, dict.fromkeys(text for activity in lacking for text in point_in_time.keys_of(activity, names))
    )
    return [
        activity
        if activity.get("history") is not None
        else {**activity, "history": point_in_time.history_features(activity, series, names)}
        for activity in activities
    ]
