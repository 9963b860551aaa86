"""Reading the prediction log of a span of time, and keeping it small.

Each delivery of the log is an object of its own. Once an hour is over, its objects are put together into one, so that a
window of a week is a few hundred objects at any traffic. A crash between writing and deleting leaves predictions twice,
which readers allow for.
"""

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from slipcast_aws import storage

TOGETHER = "all.jsonl.gz"
# Reading small objects is waiting: the connection pool of the S3 client has as many places.
THREADS = 10
# Deliveries may be late; what comes later still is put together by the next run.
HOUR_IS_OVER_AFTER = timedelta(hours=1, minutes=15)


def predictions(bucket: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield the logged predictions between two moments; one may come more than once."""
    with ThreadPoolExecutor(THREADS) as pool:
        for raw in pool.map(storage.read_bytes, _objects(bucket, since, until)):
            for line in gzip.decompress(raw).decode().splitlines():
                item = json.loads(line)
                if since <= datetime.fromisoformat(item["at"]) <= until:
                    yield item


def put_together(bucket: str, since: datetime, now: datetime) -> int:
    """Make one object of each hour that is over; return how many objects that saved."""
    saved = 0
    for folder, group in groupby(_objects(bucket, since, now), key=lambda uri: uri.rpartition("/")[0]):
        uris = list(group)
        if len(uris) < 2 or _hour(folder) > now - HOUR_IS_OVER_AFTER:
            continue
        with ThreadPoolExecutor(THREADS) as pool:
            lines = {line for raw in pool.map(storage.read_bytes, uris) for line in gzip.decompress(raw).splitlines()}
        storage.write_bytes(f"{folder}/{TOGETHER}", gzip.compress(b"\n".join(sorted(lines)), mtime=0))
        for uri in uris:
            if not uri.endswith(f"/{TOGETHER}"):
                storage.delete(uri)
        saved += len(uris) - 1
    return saved


def _objects(bucket: str, since: datetime, until: datetime) -> Iterator[str]:
    day = since.date()
    while day <= until.date():
        yield from storage.list_uris(f"s3://{bucket}/prediction-log/dt={day.isoformat()}/")
        day += timedelta(days=1)


def _hour(folder: str) -> datetime:
    """Return when the hour of ``…/dt=2026-01-31/hour=07`` begins."""
    day, hour = folder.rsplit("/", 2)[-2:]
    return datetime.fromisoformat(f"{day.removeprefix('dt=')}T{hour.removeprefix('hour=')}:00:00+00:00")
