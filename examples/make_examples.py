"""Make the example schedules from the raw NYC Open Data file: ``python examples/make_examples.py RAW.csv``."""

import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent

from examples.nyc_sca import as_of, canonical  # noqa: E402 - the path is set above

DATES = {"nyc_sca_2022-12.csv": "2022-12-31", "nyc_sca_2025-06.csv": "2025-06-30"}


def main(raw_file: str) -> None:
    """Write one file for each data date in `DATES` and print its size."""
    table = canonical(Path(raw_file))
    for name, day in DATES.items():
        snapshot = as_of(table, pd.Timestamp(day))
        snapshot.to_csv(HERE / name, index=False, date_format="%Y-%m-%d", lineterminator="\n")
        print(f"{name}: {len(snapshot)} activities, {(HERE / name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
