"""Reader of the prediction log for a span of time; it also merges small objects.

Each delivery of the log is a separate object. When an hour has ended, its objects are merged into one, so that a window
of a week is a few hundred objects at any traffic. A crash between writing and deleting leaves predictions twice, which
readers allow for.
"""

import gzip
import hashlib
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any

from aws_lambda_powertools import Logger

from slipcast.forecast.stage import Stage
from slipcast_aws import storage
from slipcast_aws.serving import prediction_log

logger = Logger(child=True)

# Small reads are latency-bound; the connection pool of the S3 client has the same size.
THREADS = 10
# Deliveries may be late; the next run merges those that come even later.
HOUR_IS_OVER_AFTER = timedelta(hours=1, minutes=15)


class Unreadable:
    """Number of log lines that were quarantined because they could not be read."""

    def __init__(self) -> None:
        self.lines = 0


def predictions(
    bucket: str, since: datetime, until: datetime, unreadable: Unreadable | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the logged predictions between two moments, each once; count unreadable lines.

    Predictions for open activities that began before the model's data end are left out: they are not a sample of the
    activities that start. So are those of activities that were late already: no model gave them. At most one object for
    each thread is read ahead: a window may be larger than the memory.
    """
    return prediction_log.distinct(_within(bucket, since, until, unreadable or Unreadable()))


def _within(bucket: str, since: datetime, until: datetime, unreadable: Unreadable) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(THREADS) as pool:
        for uri, raw in _ahead(pool, prediction_log.uris(bucket, since, until)):
            rows, bad = prediction_log.read(uri, raw) if raw else ([], 0)
            if bad:
                logger.warning("quarantined", uri=uri, lines=bad)
                unreadable.lines += bad
            for row in rows:
                if since <= datetime.fromisoformat(row["at"]) <= until and not _left_out(row):
                    yield row


def _left_out(row: dict[str, Any]) -> bool:
    return bool(row.get("survivor")) or row.get("stage") == Stage.ALREADY_LATE


def _ahead(pool: ThreadPoolExecutor, uris: Iterator[str]) -> Iterator[tuple[str, bytes | None]]:
    waiting = deque((uri, pool.submit(_read, uri)) for uri in islice(uris, THREADS))
    while waiting:
        uri, reading = waiting.popleft()
        waiting.extend((uri, pool.submit(_read, uri)) for uri in islice(uris, 1))
        yield uri, reading.result()


def put_together(bucket: str, since: datetime, now: datetime) -> int:
    """Merge the objects of each ended hour into one; return the number of objects saved."""
    saved = 0
    found = prediction_log.uris(bucket, since, now)
    for folder, group in groupby(found, key=lambda uri: uri.rpartition("/")[0]):
        uris, hour = list(group), _hour(folder)
        if len(uris) < 2 or hour is None or hour > now - HOUR_IS_OVER_AFTER:
            continue
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(_read, uris))
        try:
            lines = sorted({line for raw in parts if raw for line in gzip.decompress(raw).splitlines()})
        except (OSError, EOFError, zlib.error):
            # Damaged since it was read: the next run quarantines it, and merges the others.
            continue
        together = gzip.compress(b"\n".join(lines), mtime=0)
        # Named by its content: two concurrent monitors never overwrite each other's merged object.
        name = f"{folder}/all-{hashlib.sha256(together).hexdigest()[:32]}.jsonl.gz"
        storage.write_bytes(name, together)
        for uri in uris:
            if uri != name:
                storage.delete(uri)
        saved += len(uris) - 1
    return saved


def _read(uri: str) -> bytes | None:
    """Return an object of the log; None if another run has just merged it."""
    try:
        return storage.read_bytes(uri)
    except storage.client().exceptions.NoSuchKey:
        return None


def _hour(folder: str) -> datetime | None:
    """Return the begin of the hour of ``…/dt=2026-01-31/hour=07``; None for a folder that no function has written."""
    day, hour = folder.rsplit("/", 2)[-2:]
    try:
        return datetime.fromisoformat(f"{day.removeprefix('dt=')}T{hour.removeprefix('hour=')}:00:00+00:00")
    except ValueError:
        return None
