"""As-of snapshots of the New York City SCA capital schedule: what the file would have said on an earlier day.

Source: NYC Open Data, "Capital Project Schedules and Budgets", School Construction Authority.
"""

import tempfile
from pathlib import Path

import pandas as pd

from slipcast.datasets import versions
from slipcast.ingest.schedule import read_schedule

COLUMNS = (
    *("activity_id", "activity_name", "project_id", "phase", "work_type", "location", "data_date", "status"),
    *("start", "baseline_finish", "actual_finish", "budget"),
)


def canonical(raw: Path) -> pd.DataFrame:
    """Return the phases of the raw file that take more than a day as the profile ``nyc_sca`` reads them, ids included.

    Who drops the agency's own file after a snapshot then has each activity once.

    Parameters
    ----------
    raw
        CSV file as published, packed or not

    Returns
    -------
    DataFrame of shape (n_activities, 12)
        in the order of start, project and phase
    """
    with tempfile.TemporaryDirectory() as folder:
        schedule = read_schedule(raw, raw.name, workdir=Path(folder))
        table = versions.read_table(schedule.table)
    if schedule.profile.name != "nyc_sca":
        raise ValueError(f"{raw} is read by the profile {schedule.profile.name}, not by nyc_sca: wrong file")
    longer = table.loc[table["baseline_finish"] > table["start"], list(COLUMNS)]
    return longer.sort_values(["start", "project_id", "phase", "activity_id"], kind="stable").reset_index(drop=True)


def as_of(table: pd.DataFrame, data_date: pd.Timestamp) -> pd.DataFrame:
    """Return what a canonical table would have said on `data_date`.

    Activities that had not started are absent and later finishes are hidden. Baselines are those of the source's own
    day: whether they were moved in between, the source does not say.
    """
    known = table[table["start"] <= data_date].copy()
    known["actual_finish"] = known["actual_finish"].where(known["actual_finish"] <= data_date)
    known["status"] = known["actual_finish"].notna().map({True: "complete", False: "in_progress"})
    known["data_date"] = data_date
    return known.reset_index(drop=True)
