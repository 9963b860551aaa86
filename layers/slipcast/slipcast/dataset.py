"""Dataset versions: a table of activities as bytes whose digest is its name."""

import gzip
import hashlib
import io
from datetime import date
from typing import Any

import pandas as pd

DATE_COLUMNS = (
    "data_date",
    "start",
    "baseline_start",
    "baseline_finish",
    "actual_finish",
    "label_known_at",
)
TEXT_COLUMNS = ("activity_id", "activity_name", "phase", "work_type", "location", "project_id", "status")


def to_bytes(table: pd.DataFrame) -> bytes:
    """Return `table` as gzipped CSV, the same bytes for the same table.

    Dates are written as ISO 8601 days and numbers with all their digits.
    """
    buffer = io.BytesIO()
    # mtime and file name would make equal tables differ.
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="", compresslevel=6) as packed:
        packed.write(_csv(table))
    return buffer.getvalue()


def from_bytes(raw: bytes) -> pd.DataFrame:
    """Return the table that `to_bytes` wrote, with dates as ``datetime64``."""
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
        header = packed.readline().decode().rstrip("\n").split(",")
    dates = [name for name in DATE_COLUMNS if name in header]
    text = {name: str for name in TEXT_COLUMNS if name in header}
    return pd.read_csv(
        io.BytesIO(raw), compression="gzip", parse_dates=dates, dtype=text, keep_default_na=False, na_values=[""]
    )


def dataset_id(table: pd.DataFrame) -> str:
    """Return the content address of `table`: the first 16 hex digits of the SHA-256 of its uncompressed CSV."""
    return hashlib.sha256(_csv(table)).hexdigest()[:16]


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n").encode()


def manifest(
    table: pd.DataFrame,
    *,
    source: dict[str, Any],
    data_date: date,
    counts: dict[str, int],
    labels: dict[str, int],
) -> dict[str, Any]:
    """Return the JSON-able description that is stored beside a dataset version.

    Parameters
    ----------
    table : DataFrame of shape (n_activities, n_columns)
    source : bucket, key, version id and SHA-256 of the object the rows came from
    counts : rows read, accepted and rejected
    labels : matured, censored and late activities
    """
    return {
        "dataset_id": dataset_id(table),
        "data_date": data_date.isoformat(),
        "rows": len(table),
        "columns": {name: str(kind) for name, kind in table.dtypes.items()},
        "missing": {name: int(share) for name, share in table.isna().sum().items()},
        "sources": [source],
        "counts": counts,
        "labels": labels,
    }
