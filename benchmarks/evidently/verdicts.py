"""Evidently's default preset on windows that benchmarks/monitoring.py wrote; runs in an environment of its own.

``verdicts.py FOLDER`` reads ``reference.csv`` and ``windows.csv`` (column ``window``) and writes ``verdicts.json``: for
each window how many columns drifted, of how many, and the seconds of the report.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

warnings.simplefilter("ignore")

from evidently import DataDefinition, Dataset, Report  # noqa: E402 - warnings are off first
from evidently.presets import DataDriftPreset  # noqa: E402


def main() -> None:
    """Judge each window."""
    folder = Path(sys.argv[1])
    reference = pd.read_csv(folder / "reference.csv")
    windows = pd.read_csv(folder / "windows.csv")
    numeric = [name for name in reference if reference[name].dtype.kind == "f"]
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in reference if name not in numeric]
    )
    base = Dataset.from_pandas(reference, data_definition=definition)
    found = []
    for _, window in windows.groupby("window"):
        rows = window.drop(columns="window").reset_index(drop=True)
        began = time.perf_counter()
        result = Report([DataDriftPreset()]).run(Dataset.from_pandas(rows, data_definition=definition), base).dict()
        seconds = time.perf_counter() - began
        (counted,) = [item for item in result["metrics"] if "DriftedColumnsCount" in str(item["metric_name"])]
        found.append({**counted["value"], "seconds": seconds})
    (folder / "verdicts.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
