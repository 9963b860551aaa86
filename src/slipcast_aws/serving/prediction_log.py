"""The prediction log in the bucket: gzipped JSON lines under ``prediction-log/dt=<day>/hour=<hour>/``.

At least once: a prediction may stand there more than once, `distinct` keeps the first of each id. Unreadable lines are
quarantined under ``prediction-log/unreadable/``; the rest is read as usual.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from slipcast.monitoring.logged_prediction import NEEDED as NEEDED
from slipcast.monitoring.logged_prediction import flaw, is_moment
from slipcast_aws import storage

PREFIX = "prediction-log/"
FAILURES = "failed-requests/"
# A delivery is stored under the hour of its first line, and has lines of a few minutes at most.
LONGEST_DELIVERY = timedelta(hours=1)


def key(moment: datetime, name: str, prefix: str = PREFIX) -> str:
    """Return the key of an object whose first prediction was made at `moment` (UTC)."""
    return f"{prefix}{moment:dt=%Y-%m-%d/hour=%H}/{name}.jsonl.gz"


def pack(rows: Iterable[dict[str, Any]]) -> bytes:
    """Return predictions as an object's bytes, the same for the same predictions."""
    return gzip.compress("\n".join(json.dumps(row, sort_keys=True) for row in rows).encode(), mtime=0)


def uris(bucket: str, since: datetime, until: datetime) -> Iterator[str]:
    """Yield the objects that may hold predictions made between two moments, in the order of their hours."""
    day = (since - LONGEST_DELIVERY).date()
    while day <= until.date():
        yield from storage.list_uris(f"s3://{bucket}/{PREFIX}dt={day.isoformat()}/")
        day += timedelta(days=1)


def read(uri: str, raw: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the predictions in an object, and the number of unreadable lines.

    An object that is not gzip counts as one such line. An object with unreadable lines is quarantined unchanged, and
    its readable lines replace it; after a crash in between, this is repeated. If the download was damaged, the object
    is read again.
    """
    rows, bad = parse(raw)
    if bad:
        try:
            stored = storage.read_bytes(uri)
        except storage.client().exceptions.NoSuchKey:
            # Another run has just quarantined or merged it.
            return rows, 0
        if stored != raw:
            raw = stored
            rows, bad = parse(raw)
    if bad:
        bucket, name = storage.split_uri(uri)
        storage.write_bytes(f"s3://{bucket}/{PREFIX}unreadable/{name.removeprefix(PREFIX)}", raw, "application/gzip")
        if rows:
            storage.write_bytes(uri, pack(rows), "application/gzip")
        else:
            storage.delete(uri)
    return rows, bad


def parse(raw: bytes, needed: Sequence[str] | None = None) -> tuple[list[dict[str, Any]], int]:
    """Return the predictions in an object's bytes, and the number of other lines; nothing is changed.

    Parameters
    ----------
    needed
        fields that are enough, for lines about requests that got no prediction; None: each line is a prediction
    """
    try:
        lines = gzip.decompress(raw).splitlines()
    except (OSError, EOFError, zlib.error):
        return [], 1
    rows, bad = [], 0
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            bad += 1
            continue
        if not _flaw(row, needed):
            rows.append(row)
        else:
            bad += 1
    return rows, bad


def _flaw(row: Any, needed: Sequence[str] | None) -> bool:
    if needed is None or (isinstance(row, dict) and "features" in row):
        return flaw(row) is not None
    return not (isinstance(row, dict) and all(name in row for name in needed) and is_moment(row.get("at")))


def distinct(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each prediction once, however often and wherever it was logged."""
    # Stored as 64-bit numbers: the ids of a million predictions would take twice as much memory.
    seen: set[int] = set()
    for row in rows:
        identity = hash(row["prediction_id"])
        if identity not in seen:
            seen.add(identity)
            yield row
