"""Store of pending outcomes: one small object for each day, written when the day has ended.

The prediction log of a year is too large to read every hour; 44 bytes of each prediction are enough to join it with its
outcome.
"""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from aws_lambda_powertools import Logger

from monitor import log_reader
from slipcast.monitoring import pending_outcomes
from slipcast_aws import storage

logger = Logger(child=True)

THREADS = 10
# Deliveries may be late; predictions that come even later are missing from the realized performance, not from the log.
DAY_IS_OVER_AFTER = timedelta(hours=2)
# Days that a run may catch up on after the monitor was down: the log of a day may be large.
CATCH_UP = 3
# Labels that take longer come too late to be useful.
OLDEST = timedelta(days=800)


class Recent:
    """Predictions of the window, collected by the day on which they were made."""

    def __init__(self) -> None:
        self.days: dict[date, list[np.ndarray]] = {}

    def add(self, items: list[Mapping[str, Any]]) -> None:
        """Keep the compact form of logged predictions."""
        rows = pending_outcomes.asked_of(items)
        days = rows["at"].astype("datetime64[D]")
        for day in np.unique(days):
            parts = self.days.setdefault(day.astype(date), [])
            parts.append(rows[days == day])
            # Repeated requests for the same activity must not fill the memory.
            if len(parts) > 20:
                self.days[day.astype(date)] = [pending_outcomes.together(parts)]

    def of(self, day: date) -> np.ndarray:
        """Return the rows of a day."""
        return pending_outcomes.together(self.days.get(day, []))


def read(bucket: str, recent: Recent, *, since: datetime, now: datetime, begin: date | None) -> np.ndarray:
    """Return the pending outcomes since `begin`, and write the ended days that are not stored yet.

    Parameters
    ----------
    recent
        predictions of the window
    since
        begin of the window
    begin
        day from which predictions count; None: only those of the window are known
    """
    stored = {day: uri for uri in storage.list_uris(f"s3://{bucket}/asked/") if (day := _day(uri)) is not None}
    first_whole = (since + timedelta(days=1)).date()
    oldest = max(begin or first_whole, (now - OLDEST).date())
    # Only a part of the day on which the window begins is in the window.
    needed = [day for day in stored if day == since.date() or (day >= oldest and day not in recent.days)]
    with ThreadPoolExecutor(THREADS) as pool:
        read_days = dict(zip(needed, pool.map(lambda day: _unpack(stored[day]), needed), strict=True))
    written = {day for day in stored if read_days.get(day, True) is not None}
    over = [day for day in _days(oldest, now) if _ends(day) + DAY_IS_OVER_AFTER <= now and day not in written]
    for day in [day for day in over if day >= first_whole]:
        _write(bucket, day, recent.of(day))
    for day in [day for day in over if day < first_whole][:CATCH_UP]:
        caught = Recent()
        _in_chunks(log_reader.predictions(bucket, _begins(day), _ends(day)), caught.add)
        _write(bucket, day, caught.of(day))
        recent.days[day] = [caught.of(day)]
    parts = [rows for rows in read_days.values() if rows is not None]
    return pending_outcomes.together([*parts, *(recent.of(day) for day in recent.days)])


def _write(bucket: str, day: date, rows: np.ndarray) -> None:
    storage.write_bytes(f"s3://{bucket}/asked/dt={day.isoformat()}.npz", pending_outcomes.pack(rows))


def _in_chunks(items: Any, add: Callable[[list[Mapping[str, Any]]], None], size: int = 5_000) -> None:
    chunk: list[Mapping[str, Any]] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            add(chunk)
            chunk = []
    if chunk:
        add(chunk)


def _days(begin: date, now: datetime) -> list[date]:
    return [begin + timedelta(days=number) for number in range((now.date() - begin).days + 1)]


def _begins(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _ends(day: date) -> datetime:
    return _begins(day) + timedelta(days=1)


def _day(uri: str) -> date | None:
    """Return the day of ``asked/dt=2026-01-31.npz``; None for an object that no run has written."""
    try:
        return date.fromisoformat(uri.rpartition("dt=")[2].removesuffix(".npz"))
    except ValueError:
        return None


def _unpack(uri: str) -> np.ndarray | None:
    """Return the rows of a day; None if its object is damaged: the day is then written again from the log."""
    raw = storage.read_bytes(uri)
    try:
        return pending_outcomes.unpack(raw)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
        logger.warning("pending outcomes cannot be read: they are written again", uri=uri)
        return None
