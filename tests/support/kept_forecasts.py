"""Forecasts as the score function keeps them, and what became of their activities: a portfolio whose truth is known."""

import csv
import gzip
import io
from datetime import date, timedelta

import numpy as np

from slipcast_aws import storage

COLUMNS = (
    *("source", "project_id", "activity_id", "data_date", "model_id", "stage", "planned_finish", "baseline_finish"),
    *("probability_late", "p10", "p50", "p80", "p90"),
)
LAST_SEEN = "s3://data/datasets/new/last_seen.csv.gz"
DAY = date(2025, 1, 31)


def day(number: float) -> str:
    return (DAY + timedelta(days=round(number))).isoformat()


def forecast(activity: str, *, levels=(10, 20, 40, 60), planned="15", project="P1", model="m", given=0) -> dict:
    """Return a forecast of an activity; its dates are days after the first data date."""
    values = {"source": "towers", "project_id": project, "activity_id": activity, "data_date": day(given)}
    values |= {"model_id": model, "stage": "in_progress", "planned_finish": planned and day(float(planned))}
    values |= {"baseline_finish": day(12), "probability_late": "0.4212"}
    return values | {name: day(number) for name, number in zip(("p10", "p50", "p80", "p90"), levels, strict=True)}


def table(rows: list[dict], columns=COLUMNS) -> bytes:
    target = io.StringIO()
    writer = csv.DictWriter(target, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return gzip.compress(target.getvalue().encode(), mtime=0)


def keep(rows: list[dict], *, data_date: str = DAY.isoformat(), model: str = "0123456789abcdef") -> str:
    """Store forecasts as score does, and return the key."""
    key = f"forecasts/{rows[0]['source']}/{data_date}/{model}.csv.gz"
    storage.write_bytes(f"s3://data/{key}", table(rows), "application/gzip")
    return key


def see(finishes: dict[tuple[str, str], int | None], *, as_of: int = 400) -> None:
    """Store the finishes of activities, in days after the first data date, as prepare does."""
    columns = ("project_id", "activity_id", "data_date", "actual_finish")
    rows = [
        {"project_id": project, "activity_id": activity, "data_date": day(as_of),
         "actual_finish": "" if finish is None else day(finish)}
        for (project, activity), finish in finishes.items()
    ]  # fmt: skip
    storage.write_bytes(LAST_SEEN, table(rows, columns), "application/gzip")


def portfolio(factor: float, *, projects: int = 12, each: int = 20, model: str = "m") -> tuple[list[dict], dict]:
    """Return forecasts of exponential durations, which are true if `factor` is 1, and the finishes."""
    rng = np.random.default_rng(7)
    rows, finishes = [], {}
    for project in range(projects):
        for number in range(each):
            mean = float(rng.uniform(20, 90))
            levels = [max(1, round(-factor * mean * np.log(1 - level))) for level in (0.1, 0.5, 0.8, 0.9)]
            activity = f"A{number}"
            rows.append(forecast(activity, levels=levels, planned=str(mean), project=f"P{project}", model=model))
            finishes[f"P{project}", activity] = int(np.ceil(rng.exponential(mean)))
    return rows, finishes
