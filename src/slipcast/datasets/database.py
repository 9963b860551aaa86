"""Connections to DuckDB with a memory limit, and SQL string literals."""

from pathlib import Path
from typing import Any

import duckdb

MEMORY = "600MB"
# The same number everywhere: the row groups of the table, and so its digest, depend on it.
THREADS = 2


def connect(workdir: Path, memory: str = MEMORY) -> duckdb.DuckDBPyConnection:
    """Return a database in memory that spills to `workdir` and loads nothing from the network."""
    return duckdb.connect(
        config={
            "threads": THREADS,
            "memory_limit": memory,
            "temp_directory": str(workdir / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
            # It makes a join of each list of words: two thirds of the time of a file of 40 rows.
            "disabled_optimizers": "in_clause",
        }
    )


def one_row(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    """Return the row of a query that has one.

    Raises
    ------
    LookupError
        If there is none.
    """
    row = result.fetchone()
    if row is None:
        raise LookupError("the query returned no row")
    return row


def literal(text: str) -> str:
    """Return `text` as a SQL string."""
    return "'" + text.replace("'", "''") + "'"
