"""Serialisation of the tables that the steps of an execution exchange."""

import gzip
import io

import pandas as pd

DATE_COLUMNS = (
    "data_date",
    "start",
    "baseline_start",
    "baseline_finish",
    "actual_finish",
    "planned_finish",
    "matured_at",
    "baseline_data_date",
    "landmark",
)
TEXT_COLUMNS = (
    "activity_id",
    "activity_name",
    "phase",
    "work_type",
    "location",
    "project_id",
    "status",
    "source",
    "source_sha256",
    "stage",
)


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


def _csv(table: pd.DataFrame) -> bytes:
    content: bytes = table.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n").encode()
    return content
