"""Dates of `slipcast.schedule` against those that Primavera P6 stored in the same file.

    python -m benchmarks.schedule_engine FOLDER_OR_FILE... [--worst 20] [--json out.json]

A file whose stored early starts and finishes contradict its own calendars in more than 1 % of the tasks that have not
started is left out: no engine can reproduce it. The table says for each file the share of activities within one day of
P6's early finish, late finish and total float.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from slipcast.ingest.files.formats import open_upload
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import SPANNING, CycleError, Key, Network, Status
from slipcast.schedule.tables import network_of, read_folder
from slipcast.schedule.working_time import minute_of

DAY = 1440
MEASURES = ("early_finish", "late_finish", "total_float")


def read(path: Path) -> tuple[dict[str, list[dict[str, str]]], Network]:
    with tempfile.TemporaryDirectory() as folder:
        text = open_upload(path, path.name, workdir=Path(folder))
        if text.network is None:
            raise ScheduleRefused(path.name, "no network", "")
        rows = read_folder(text.network)
    return rows, network_of(rows)


def stored(row: dict[str, str], name: str) -> int | None:
    try:
        return minute_of(datetime.fromisoformat(row[name])) if row[name] else None
    except ValueError:
        return None


def compared(rows: list[dict[str, str]], network: Network, dates: Dates) -> Iterator[dict[str, Any]]:
    """Yield for each open activity the differences in days; None where P6 stored nothing."""
    for row in rows:
        key = Key(row["project_id"], row["activity_id"])
        activity = network.activities[key]
        early = stored(row, "early_finish")
        if activity.status is Status.COMPLETE or activity.kind in SPANNING or early is None:
            continue
        found, node = dates.activities[key], dates.compiled.by_key[key]
        start, late, total = stored(row, "early_start"), stored(row, "late_finish"), row["total_float_minutes"]
        day = (network.calendars[activity.calendar].day_hours or 8) * 60 if activity.calendar in network.calendars else 480
        own = None
        if activity.status is Status.NOT_STARTED and start is not None and activity.remaining:
            own = abs(node.clock.finish(node.clock.worked(start) + activity.remaining) - early) / DAY
        yield {
            "key": key,
            "row": row,
            "early_finish": (found.early_finish - early) / DAY,
            "late_finish": None if late is None else (found.late_finish - late) / DAY,
            "total_float": None
            if not total or found.total_float is None
            else (found.total_float - float(total)) / day,
            "contradiction": own,
        }


def within(rows: list[dict[str, Any]], name: str, limit: float = 1) -> float | None:
    values = [abs(row[name]) <= limit for row in rows if row[name] is not None]
    return statistics.fmean(values) if values else None


def judged(path: Path) -> dict[str, Any]:
    began = perf_counter()
    try:
        rows, network = read(path)
    except (ScheduleRefused, ValueError) as error:
        return {"file": path.name, "error": str(error)[:90]}
    middle = perf_counter()
    try:
        dates = schedule(network)
    except CycleError as error:
        return {"file": path.name, "error": str(error)[:90]}
    end = perf_counter()
    found = list(compared(rows["activities"], network, dates))
    if not found:
        return {"file": path.name, "error": "no early dates of open activities"}
    own = [row["contradiction"] for row in found if row["contradiction"] is not None]
    return {
        "file": path.name,
        "activities": len(network.activities),
        "relations": len(network.relations),
        "compared": len(found),
        "started": any(item.status is not Status.NOT_STARTED for item in network.activities.values()),
        "contradictions": statistics.fmean(value > 0.05 for value in own) if own else 0.0,
        **{name: within(found, name) for name in MEASURES},
        "read_s": round(middle - began, 3),
        "schedule_s": round(end - middle, 3),
        "rows": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--worst", type=int, default=0, help="activities that differ most, by file")
    parser.add_argument("--json", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    files = [
        file for path in arguments.paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]
    results = [judged(file) for file in files if file.suffix.lower() in (".xer", ".xml")]
    for result in results:
        if "error" in result:
            print(f"{result['file'][:44]:44s} {result['error']}")
    for started in (False, True):
        print(f"\n{'progressed' if started else 'unprogressed'}")
        print(f"{'file':44s} {'n':>6s} {'links':>6s} {'contr.':>6s} {'EF':>6s} {'LF':>6s} {'TF':>6s} {'s':>6s}")
        group = [result for result in results if result.get("started") is started]
        for result in group:
            shares = (f"{result[name]:6.1%}" if result[name] is not None else "     -" for name in MEASURES)
            print(
                f"{result['file'][:44]:44s} {result['compared']:6d} {result['relations']:6d} "
                f"{result['contradictions']:6.1%} {' '.join(shares)} {result['schedule_s']:6.3f}"
            )
            worst = sorted(result["rows"], key=lambda row: -abs(row["early_finish"]))[: arguments.worst]
            for row in worst:
                if abs(row["early_finish"]) > 1:
                    print("     ", row["key"], {name: row[name] for name in MEASURES})
        kept = [result for result in group if result["contradictions"] <= 0.01]
        rows = [row for result in kept for row in result["rows"]]
        shares = (f"{value:7.2%}" if (value := within(rows, name)) is not None else "      -" for name in MEASURES)
        print(f"{len(kept)} self-consistent files, {len(rows)} activities: {' '.join(shares)}")
    if arguments.json:
        table = [{name: value for name, value in result.items() if name != "rows"} for result in results]
        arguments.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
