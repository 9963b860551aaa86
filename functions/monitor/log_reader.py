"""Reading the prediction log of a span of time, and keeping it small.

Each delivery of the log is an object of its own. Once an hour is over, its objects are put together into one, so that a
window of a week is a few hundred objects at any traffic. A crash between writing and deleting leaves predictions twice,
which readers allow for.
"""

import gzip
import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any

from slipcast_aws import storage
from slipcast_aws.serving import prediction_log

# Reading small objects is waiting: the connection pool of the S3 client has as many places.
THREADS = 10
# Deliveries may be late; what comes later still is put together by the next run.
HOUR_IS_OVER_AFTER = timedelta(hours=1, minutes=15)


class Unreadable:
    """How many lines of the log were put aside because they could not be read."""

    def __init__(self) -> None:
        self.lines = 0


def predictions(
    bucket: str, since: datetime, until: datetime, unreadable: Unreadable | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the logged predictions between two moments, each once; count what could not be read.

    Those of open activities that began before the model's data end are left out: they are no sample of what starts.
    So many objects as there are threads are read ahead, no more: a window may be larger than the memory.
    """
    return prediction_log.distinct(_within(bucket, since, until, unreadable or Unreadable()))


def _within(bucket: str, since: datetime, until: datetime, unreadable: Unreadable) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(THREADS) as pool:
        for uri, raw in _ahead(pool, prediction_log.uris(bucket, since, until)):
            rows, bad = prediction_log.read(uri, raw) if raw else ([], 0)
            unreadable.lines += bad
            for row in rows:
                if since <= datetime.fromisoformat(row["at"]) <= until and not row.get("survivor"):
                    yield row


def _ahead(pool: ThreadPoolExecutor, uris: Iterator[str]) -> Iterator[tuple[str, bytes | None]]:
    waiting = deque((uri, pool.submit(_read, uri)) for uri in islice(uris, THREADS))
    while waiting:
        uri, reading = waiting.popleft()
        waiting.extend((uri, pool.submit(_read, uri)) for uri in islice(uris, 1))
        yield uri, reading.result()


def put_together(bucket: str, since: datetime, now: datetime) -> int:
    """Make one object of each hour that is over; return how many objects that saved."""
    saved = 0
    found = prediction_log.uris(bucket, since, now)
    for folder, group in groupby(found, key=lambda uri: uri.rpartition("/")[0]):
        uris = list(group)
        if len(uris) < 2 or _hour(folder) > now - HOUR_IS_OVER_AFTER:
            continue
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(_read, uris))
        lines = sorted({line for raw in parts if raw for line in gzip.decompress(raw).splitlines()})
        together = gzip.compress(b"\n".join(lines), mtime=0)
        # Named by its content: two monitors at once never write over what the other has put together.
        name = f"{folder}/all-{hashlib.sha256(together).hexdigest()[:32]}.jsonl.gz"
        storage.write_bytes(name, together)
        for uri in uris:
            if uri != name:
                storage.delete(uri)
        saved += len(uris) - 1
    return saved


def _read(uri: str) -> bytes | None:
    """Return an object of the log; None if another run has just put it together with others."""
    try:
        return storage.read_bytes(uri)
    except storage.client().exceptions.NoSuchKey:
        return None


def _hour(folder: str) -> datetime:
    """Return when the hour of ``…/dt=2026-01-31/hour=07`` begins."""
    day, hour = folder.rsplit("/", 2)[-2:]
    return datetime.fromisoformat(f"{day.removeprefix('dt=')}T{hour.removeprefix('hour=')}:00:00+00:00")
