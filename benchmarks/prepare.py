"""Reading and checking a schedule of 10⁵, 10⁶ and 10⁷ rows, next to pandas and counting the newlines.

``.venv/bin/python benchmarks/prepare.py`` makes the files in a temporary folder (1.7 GB for 10⁷ rows, with cells as
long as those of the open data), then runs each reader in a process of its own, one after the other in turns, and prints
medians of wall time, rows a second, peak memory, and the ratio to the floor: the time to read the bytes and count the
newlines. ``slipcast`` reads and checks, ``version`` goes on to a sorted dataset version with its digest and statistics.
``--rows 100000 1000000`` for less, ``--bad 0.01`` for files of which one row in a hundred is bad.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

READERS = ("floor", "slipcast", "version", "pandas")
REPEATS = {100_000: 7, 1_000_000: 5, 10_000_000: 3}
DATE_COLUMNS = ("data_date", "start", "baseline_finish", "actual_finish")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(REPEATS))
    parser.add_argument("--bad", type=float, default=0.0, help="share of rows with an unreadable budget (0)")
    parser.add_argument("--one", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(*options.one)
        return
    print(f"{'rows':>10} {'reader':<9} {'seconds':>8} {'rows/s':>12} {'peak MB':>8} {'x floor':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            compare(rows, make(rows, options.bad, Path(folder)))


def make(rows: int, bad: float, folder: Path) -> Path:
    """Write a canonical schedule with twelve columns."""
    import duckdb

    path = folder / f"made_{rows}.csv"
    step = round(1 / bad) if bad else 0
    budget = f"CASE WHEN i % {step} = 0 THEN 'unknown' ELSE b::VARCHAR END" if step else "b"
    duckdb.connect(config={"memory_limit": "2GB"}).execute(
        f"""
        COPY (
          SELECT 'A' || lpad(i::VARCHAR, 9, '0') AS activity_id,
            'Bathroom upgrades and climate control, building ' || (i % 5000) AS activity_name,
            'M' || lpad((i // 200 % 1000)::VARCHAR, 3, '0') || '-DSF000' || (1000000 + i // 200) AS project_id,
            ['Scope', 'Design', 'Construction', 'Closeout'][1 + i % 4] AS phase,
            'type ' || (hash(i) % 23) AS work_type, 'district ' || (hash(i + 1) % 32) AS location,
            '2025-06-30' AS data_date, s AS start, s + d AS baseline_finish,
            CASE WHEN s + d + slip <= DATE '2025-06-30' THEN s + d + slip END AS actual_finish,
            {budget} AS budget, (hash(i + 2) % 9)::INT AS predecessor_count
          FROM (
            SELECT i, DATE '2015-01-01' + (hash(i + 3) % 3800)::INT AS s, (35 + hash(i + 4) % 700)::INT AS d,
              (hash(i + 5) % 120)::INT - 30 AS slip, (hash(i + 6) % 10000000) / 100.0 AS b
            FROM range({rows}) t(i)
          )
        ) TO '{path}' (HEADER)
        """  # noqa: S608 - nothing here comes from outside
    )
    return path


def compare(rows: int, path: Path) -> None:
    """Run the readers in turns and print a line for each."""
    found: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
    # The first read brings the file into the page cache, for all alike.
    run("floor", path)
    for turn in range(REPEATS.get(rows, 3)):
        for reader in READERS:
            if reader != "pandas" or turn < 3:
                found[reader].append(run(reader, path))
    floor = statistics.median(item["seconds"] for item in found["floor"])
    for reader in READERS:
        seconds = statistics.median(item["seconds"] for item in found[reader])
        peak = max(item["peak_mb"] for item in found[reader])
        print(
            f"{rows:>10,} {reader:<9} {seconds:>8.2f} {rows / seconds:>12,.0f} {peak:>8.0f} {seconds / floor:>8.1f}",
            flush=True,
        )


def run(reader: str, path: Path) -> dict[str, float]:
    """Measure one reader in a process of its own."""
    command = [sys.executable, __file__, "--one", reader, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(reader: str, file: str) -> None:
    """Print seconds, without the imports, and peak memory of this process."""
    readers = {"floor": lambda: floor, "slipcast": slipcast_reader, "version": version_reader, "pandas": pandas_reader}
    work = readers[reader]()
    start = time.perf_counter()
    work(Path(file))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


def floor(path: Path) -> int:
    """Read the bytes and count the newlines."""
    lines = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 24):
            lines += block.count(b"\n")
    return lines


def slipcast_reader():
    """Return what prepare does with a file: every check, the table on disk as Parquet, quarantine."""

    from slipcast.ingest.schedule import read_schedule

    def read(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            schedule = read_schedule(path, path.name, workdir=Path(folder))
        assert schedule.counts["read"] == schedule.counts["accepted"] + schedule.counts["rejected"]

    return read


def version_reader():
    """Return the whole way to a dataset version: checked, sorted, digested, described."""
    from slipcast.datasets import versions
    from slipcast.ingest.schedule import read_schedule

    def read(path: Path) -> None:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            workdir = Path(folder)
            schedule = read_schedule(path, path.name, workdir=workdir)
            versions.merge(None, schedule.table, workdir / "version.parquet", workdir)
            versions.describe(workdir / "version.parquet", workdir, tolerance_days=30)

    return read


def pandas_reader():
    """Return the same checks in pandas, the table in memory and not on disk."""

    import pandas as pd

    def read(path: Path) -> None:
        table = pd.read_csv(path)
        bad = pd.Series(False, index=table.index)
        for name in DATE_COLUMNS:
            days = pd.to_datetime(table[name], format="%Y-%m-%d", errors="coerce")
            bad |= table[name].notna() & days.isna()
            bad |= (days < "1970-01-01") | (days > "2100-12-31")
            table[name] = days
        for name in ("budget", "predecessor_count"):
            amounts = pd.to_numeric(table[name], errors="coerce")
            bad |= table[name].notna() & amounts.isna()
            bad |= (amounts < 0) | (amounts.abs() >= 1e15)
            table[name] = amounts
        for name in ("activity_id", "activity_name", "project_id", "phase", "work_type", "location"):
            bad |= table[name].str.len() > 10_000
        for name in ("activity_id", "data_date", "start", "baseline_finish"):
            bad |= table[name].isna()
        days = (table["baseline_finish"] - table["start"]).dt.days
        bad |= (days <= 0) | (days > 36_525)
        bad |= (table["actual_finish"] < table["start"]) | (table["actual_finish"] > table["data_date"])
        bad |= table.duplicated(["project_id", "activity_id"])
        assert table.loc[~bad, "data_date"].nunique() == 1
        table["status"] = "in_progress"
        table.loc[table["actual_finish"].notna(), "status"] = "complete"
        table = table[~bad]
        assert table["status"].value_counts().sum() == len(table)

    return read


if __name__ == "__main__":
    main()
