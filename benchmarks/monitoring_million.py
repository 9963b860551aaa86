"""Seconds and peak memory of monitoring 10^6 predictions with 25 features, next to Evidently on the same table.

``nice .venv/bin/python benchmarks/monitoring_million.py`` writes a reference of 100,000 rows and a window of 10^6 with
20 numbers and 5 categories to ``.cache/monitoring_million``, as a prediction log (gzipped JSON lines, 5,000 to an
object) and as a table, then measures each way in a process of its own:

log       what the monitor function does: read the log, know what comes again, count, judge
table     count and judge a table that is in memory already, in chunks of 5,000
evidently the default preset on that table (environment of benchmarks/monitoring.py --evidently)

Seconds are of the processor, all threads of the process together: with other work on the machine they are the fairer.
Peak memory is that of the process (VmHWM), and next to it what the process had before it began: interpreter, packages
and, for ``table`` and ``evidently``, the table itself. ``--rows`` and ``--ways`` are options.
"""

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".cache" / "monitoring_million"
NUMBERS = [f"n{number}" for number in range(20)]
CATEGORIES = [f"c{number}" for number in range(5)]
REFERENCE_ROWS = 100_000
PER_OBJECT = 5_000


def table(rows: int, seed: int) -> pd.DataFrame:
    """Return a table of lognormal, normal and whole numbers with gaps, and of categories, with a score."""
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for number, name in enumerate(NUMBERS):
        values = [rng.lognormal(3, 1, rows), rng.normal(0, 1, rows), rng.poisson(4, rows).astype("float64")][number % 3]
        made[name] = (
            np.where(rng.random(rows) < 0.05, np.nan, np.round(values, 4)) if number % 4 == 0 else values.round(4)
        )
    for number, name in enumerate(CATEGORIES):
        made[name] = rng.choice([f"value {at}" for at in range(4 * (number + 1))], rows)
    return pd.DataFrame({**made, "score": rng.beta(2, 3, rows).round(6)})


def write(rows: int) -> None:
    """Write reference and window, unless they are there."""
    mark = FOLDER / f"rows-{rows}"
    if mark.exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    table(REFERENCE_ROWS, 1).to_pickle(FOLDER / "reference.pickle")
    window = table(rows, 2)
    window.to_pickle(FOLDER / "window.pickle")
    for old in FOLDER.glob("log-*.jsonl.gz"):
        old.unlink()
    for begin in range(0, rows, PER_OBJECT):
        part = window.iloc[begin : begin + PER_OBJECT]
        records = part.astype(object).where(part.notna(), None).to_dict("records")
        lines = (
            json.dumps(
                {
                    **{
                        "prediction_id": f"{begin + at}:0",
                        "activity_id": f"A{begin + at}",
                        "project_id": f"P{at % 500}",
                    },
                    **{"model_version": "4", "at": "2026-11-24T07:00:00.000+00:00", "score": record.pop("score")},
                    "features": record,
                }
            )
            for at, record in enumerate(records)
        )
        (FOLDER / f"log-{begin:09}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode(), 1))
    for other in FOLDER.glob("rows-*"):
        other.unlink()
    mark.touch()


def peak() -> float:
    """Return the most memory that this process has had so far, in MB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def way(name: str) -> None:
    """Measure one way and print it as JSON."""
    if name == "evidently":
        before, seconds, said = _evidently()
    else:
        before, seconds, said = _ours(name)
    print(json.dumps({"way": name, "seconds": seconds, "peak_mb": peak(), "before_mb": before, "said": said}))


def _ours(name: str) -> tuple[float, float, str]:

    from slipcast.monitoring.drift import assess
    from slipcast.monitoring.reference_profile import profile
    from slipcast.monitoring.run import read
    from slipcast.monitoring.window import Sketch
    from slipcast_aws.serving import prediction_log

    known_file = FOLDER / "profile.json"
    if not known_file.exists():
        reference = pd.read_pickle(FOLDER / "reference.pickle")  # noqa: S301 - written by this script
        labels = np.arange(len(reference)) % 2
        scores = reference["score"].to_numpy()
        made = profile(reference, scores, labels, numeric=NUMBERS, categorical=CATEGORIES)
        known_file.write_text(json.dumps(made))
    known = json.loads(known_file.read_text())
    if name == "table":
        window = pd.read_pickle(FOLDER / "window.pickle")  # noqa: S301
        before, began = peak(), time.process_time()
        sketch = Sketch(known)
        for begin in range(0, len(window), 5_000):
            part = window.iloc[begin : begin + 5_000]
            sketch.add(part, part["score"].to_numpy())
    else:
        before, began = peak(), time.process_time()

        def rows() -> Iterator[dict[str, Any]]:
            for file in sorted(FOLDER.glob("log-*.jsonl.gz")):
                yield from prediction_log.parse(file.read_bytes())[0]

        sketch = read(prediction_log.distinct(rows()), known, model_version="4").sketch
    found = assess(known, sketch)
    return before, time.process_time() - began, f"{found.state}, {found.n} rows"


def _evidently() -> tuple[float, float, str]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    reference, window = (pd.read_pickle(FOLDER / f"{name}.pickle") for name in ("reference", "window"))  # noqa: S301
    definition = DataDefinition(numerical_columns=[*NUMBERS, "score"], categorical_columns=CATEGORIES)
    before, began = peak(), time.process_time()
    sets = [Dataset.from_pandas(part, data_definition=definition) for part in (window, reference)]
    result = Report([DataDriftPreset()]).run(*sets).dict()
    seconds = time.process_time() - began
    (counted,) = [item["value"] for item in result["metrics"] if "DriftedColumnsCount" in str(item["metric_name"])]
    return before, seconds, f"{counted['count']:g} columns drifted, {len(window)} rows"


def main() -> None:
    """Measure each way in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=["log", "table", "evidently"])
    parser.add_argument("--one", help="measure this way in this very process")
    arguments = parser.parse_args()
    if arguments.one:
        way(arguments.one)
        return
    write(arguments.rows)
    for _ in range(arguments.rounds):
        for name in arguments.ways:
            python = ROOT / ".cache" / "evidently" / "bin" / "python" if name == "evidently" else Path(sys.executable)
            if not python.exists():
                print(f"{name}: no environment; benchmarks/monitoring.py --evidently 1 makes it")
                continue
            done = subprocess.run(
                [str(python), "-W", "ignore", __file__, "--one", name], capture_output=True, text=True, check=False
            )
            print(done.stdout.strip() or done.stderr[-800:], flush=True)


if __name__ == "__main__":
    main()
