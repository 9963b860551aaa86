"""A made-up portfolio of projects with networks, updated every month: what is known of it at every date is known."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slipcast.datasets.database import connect
from slipcast.datasets.network_columns import TABLES

OFFICE = json.dumps([[[480, 720], [780, 1020]]] * 5 + [[], []])
SOURCE = "portfolio"
# Planned working days of the activities, and what each waits for: two branches that meet.
LENGTHS = (10, 20, 15, 25, 10, 20, 15, 10)
BEFORE: Mapping[int, tuple[int, ...]] = {1: (0,), 2: (0,), 3: (1,), 4: (2,), 5: (3, 4), 6: (5,), 7: (6,)}
DAY_MINUTES = 480


class Portfolio:
    """Projects whose activities all take longer than planned, by a factor that a project has in common.

    Parameters
    ----------
    count
        number of projects
    begin, every
        month in which the first one starts, and months between the updates of a project
    apart
        months between the starts of two projects
    changed
        day after which every duration is three times as long; None for never
    """

    def __init__(
        self,
        count: int = 40,
        seed: int = 5,
        changed: date | None = None,
        begin: str = "2015-01",
        every: int = 1,
        apart: int = 2,
    ) -> None:
        self.changed = changed
        rng = np.random.default_rng(seed)
        self._factors = 2.0 * np.exp(rng.normal(0, 0.35, count))
        self._own = np.exp(rng.normal(0, 0.15, (count, len(LENGTHS))))
        self._every = every
        self._begin = [np.datetime64(begin, "M") + apart * number for number in range(count)]

    @cached_property
    def projects(self) -> dict[str, pd.DataFrame]:
        """Planned and actual days of the activities by project; a day is one on which work is done."""
        return {f"P{number:02d}": self._project(number) for number in range(len(self._factors))}

    def _project(self, number: int) -> pd.DataFrame:
        begin = np.busday_offset(self._begin[number].astype("datetime64[D]"), 0, roll="forward")
        planned: list[tuple[Any, Any]] = []
        actual: list[tuple[Any, Any]] = []
        for place, length in enumerate(LENGTHS):
            for ends, factor in ((planned, 1.0), (actual, self._factors[number] * self._own[number, place])):
                waits = [ends[other][1] for other in BEFORE.get(place, ())]
                start = np.busday_offset(max(waits), 1) if waits else begin
                days = max(round(length * factor), 1)
                finish = np.busday_offset(start, days - 1)
                if ends is actual and self.changed is not None and finish.astype(date) > self.changed:
                    finish = max(np.busday_offset(start, 3 * days), np.datetime64(self.changed) + 1)
                ends.append((start, np.busday_offset(finish, 0, roll="forward")))
        columns = ("planned_start", "planned_finish", "start", "finish")
        return pd.DataFrame([(*one, *two) for one, two in zip(planned, actual, strict=True)], columns=list(columns))

    def listed(self) -> list[tuple[str, str, date, int]]:
        """Return an update at the end of each month of a project, the last one after its completion."""
        found = []
        for name, table in self.projects.items():
            ends = pd.date_range(table["start"].min(), table["finish"].max() + pd.Timedelta(days=31), freq="ME")
            found += [(SOURCE, name, day.date(), len(table)) for day in [*ends[: -1 : self._every], ends[-1]]]
        return found

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the networks of all updates as Parquet files by table, as a dataset version has them."""
        tables: dict[str, list[Any]] = {name: [] for name in TABLES}
        for source, name, day, _ in self.listed():
            for table, rows in self.rows(source, name, day).items():
                tables[table] += [row | ({"calendar_id": "1"} if "calendar_id" in row else {}) for row in rows]
        files = {name: folder / f"{name}.parquet" for name in TABLES}
        with connect(folder) as database:
            for name, rows in tables.items():
                kinds = {"data_date": "DATE"} | {
                    column: kind for column, kind in TABLES[name].items() if column in rows[0]
                }
                typed = ", ".join(f"{column}::{kind} AS {column}" for column, kind in kinds.items())
                written = database.from_df(pd.DataFrame(rows)).project(f"source, project_id, {typed}")
                written.write_parquet(str(files[name]))
        return files

    def rows(self, source: str, project_id: str, data_date: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return the network of an update by table, as `datasets.network.Updates` does."""
        assert source == SOURCE
        origin = {"source": source, "project_id": project_id, "data_date": data_date}
        activities = []
        for place, row in self.projects[project_id].iterrows():
            started, finished = row["start"].date() <= data_date, row["finish"].date() <= data_date
            activities.append(
                {
                    **origin,
                    **{"activity_id": f"A{place}", "activity_type": "task", "calendar_id": f"{project_id}/1"},
                    "status": "complete" if finished else "in_progress" if started else "not_started",
                    "planned_start": _at(row["planned_start"], 8),
                    "planned_finish": _at(row["planned_finish"], 17),
                    "actual_start": _at(row["start"], 8) if started else None,
                    "actual_finish": _at(row["finish"], 17) if finished else None,
                    "planned_minutes": LENGTHS[place] * DAY_MINUTES,
                    "remaining_minutes": 0 if finished else LENGTHS[place] * DAY_MINUTES,
                }
            )
        relations = [
            {
                **origin,
                **{"predecessor_project_id": project_id, "predecessor_id": f"A{before}", "successor_id": f"A{after}"},
                **{"relation_type": "FS", "lag_minutes": 0},
            }
            for after, others in BEFORE.items()
            for before in others
        ]
        calendar = {"calendar_id": f"{project_id}/1", "calendar_name": "five days", "week": OFFICE, "exceptions": "{}"}
        return {
            "projects": [{**origin, "data_time": _at(pd.Timestamp(data_date), 17)}],
            "activities": activities,
            "relations": relations,
            "calendars": [{**origin, **calendar}],
        }


def _at(day: pd.Timestamp, hour: int) -> datetime:
    return datetime.combine(day.date(), time(hour))
