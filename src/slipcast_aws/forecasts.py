"""Forecasts that were kept, and what is known of their activities: what the scoreboard is made from."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import batched

import pandas as pd

from slipcast.contracts import DatasetRef
from slipcast.forecast import scoreboard
from slipcast_aws import storage

# Small reads are latency-bound; the connection pool of the S3 client has the same size.
THREADS = 10
PREFIX, SUFFIX = "forecasts/", ".csv.gz"
TEXTS = ("source", "project_id", "activity_id", "model_id", "stage")
DATES = ("data_date", scoreboard.PLANNED, "baseline_finish", *scoreboard.LEVELS)
LAST_SEEN_DATES = ("data_date", "actual_finish")


def kept(bucket: str) -> dict[str, str]:
    """Return the ETag of each object with forecasts, by URI: ``forecasts/<source>/<data date>/<model>.csv.gz``."""
    found = storage.list_etags(f"s3://{bucket}/{PREFIX}")
    return {uri: etag for uri, etag in found if uri.endswith(SUFFIX)}


def inputs(objects: dict[str, str], dataset: DatasetRef) -> str:
    """Return a digest of what a scoreboard is made from: the same digest, the same scoreboard."""
    parts = json.dumps([sorted(objects.items()), dataset.get("last_seen_uri")])
    return hashlib.sha256(parts.encode()).hexdigest()


def judged(objects: dict[str, str], dataset: DatasetRef, unreadable: Callable[[str], None]) -> pd.DataFrame:
    """Return the kept forecasts with what the dataset version knows of them (`scoreboard.judged`).

    Parameters
    ----------
    objects
        as `kept` returns them
    dataset
        version with ``last_seen_uri``; versions of before the scoreboard have none, and nothing is judged
    unreadable
        called with the URI of an object that is no table of forecasts; it is left out
    """
    if not dataset.get("last_seen_uri"):
        return pd.DataFrame()
    last_seen = _table(storage.read_bytes(dataset["last_seen_uri"]), ("project_id", "activity_id"), LAST_SEEN_DATES)
    return scoreboard.judged_in_parts(_parts(objects, unreadable), last_seen)


def _parts(objects: dict[str, str], unreadable: Callable[[str], None]) -> Iterator[pd.DataFrame]:
    with ThreadPoolExecutor(THREADS) as pool:
        for uris in batched(objects, THREADS, strict=False):
            for uri, raw in zip(uris, pool.map(storage.read_bytes, uris), strict=True):
                try:
                    part = _table(raw, TEXTS, DATES)
                except (OSError, EOFError, zlib.error, ValueError):
                    # Not written by the score function, or damaged: the others are judged all the same.
                    unreadable(uri)
                    continue
                # A file may have no date of the planner's but the baseline.
                part[scoreboard.PLANNED] = part[scoreboard.PLANNED].fillna(part["baseline_finish"])
                # Where the model has no forecast, the columns are empty.
                yield part[part[[*scoreboard.LEVELS]].notna().all(axis=1)]


def _table(raw: bytes, texts: tuple[str, ...], dates: tuple[str, ...]) -> pd.DataFrame:
    """Return columns of a gzipped CSV; identifiers stay as they are, an activity may be called NA."""
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        table = pd.read_csv(file, usecols=[*texts, *dates], dtype=str, keep_default_na=False)
    for name in dates:
        table[name] = pd.to_datetime(table[name].where(table[name] != ""), format="%Y-%m-%d", errors="coerce")
    return table
