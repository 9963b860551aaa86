"""Schedules that tests read: the examples as the pipeline takes them in."""

import tempfile
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import pandas as pd

from slipcast.datasets import versions
from slipcast.ingest.schedule import read_schedule

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Example:
    """An example schedule: its dataset as Parquet and as a table."""

    parquet: bytes
    table: pd.DataFrame
    data_date: date
    counts: dict[str, int]


@cache
def _read(name: str) -> Example:
    with tempfile.TemporaryDirectory() as folder:
        schedule = read_schedule(EXAMPLES / name, name, workdir=Path(folder))
        table = versions.read_table(schedule.table)
        return Example(schedule.table.read_bytes(), table, schedule.data_date, schedule.counts)


def example(name: str) -> Example:
    """Return one of ``examples/*.csv``; its table is a copy."""
    found = _read(name)
    return Example(found.parquet, found.table.copy(), found.data_date, found.counts)
