"""As-of snapshots of the New York City SCA capital schedule: what the file would have said on an earlier day.

Source: NYC Open Data, "Capital Project Schedules and Budgets", School Construction Authority.
"""

import hashlib

import pandas as pd

# Completed construction phases leave the source within a quarter, so what is left of them looks 95 % late.
PHASES = ("Scope", "Design")


def canonical(raw: pd.DataFrame) -> pd.DataFrame:
    """Return the usable rows of the raw file with canonical columns.

    Kept are the phases in `PHASES` with an actual start and a planned end after it. Cells that hold a programme code
    instead of a date or an amount count as unknown. Exact repetitions are dropped.

    Parameters
    ----------
    raw : DataFrame of shape (n_phases, 14), every cell as text
    """
    table = raw.rename(columns=str.strip).apply(lambda column: column.str.strip())
    table = table[table["Project Phase Name"].isin(PHASES)].drop_duplicates()
    start = _dates(table["Project Phase Actual Start Date"])
    finish = _dates(table["Project Phase Planned End Date"])
    project = (
        table["Project Building Identifier"] + "-" + table["DSF Number(s)"] + "-" + table["Project Description"]
    ).map(_short)
    out = pd.DataFrame(
        {
            "activity_name": table["Project Description"],
            "project_id": project,
            "phase": table["Project Phase Name"],
            "work_type": table["Project Type"],
            "location": "district " + table["Project Geographic District"].str.zfill(2),
            "start": start,
            "baseline_finish": finish,
            "actual_finish": _dates(table["Project Phase Actual End Date"]),
            "budget": pd.to_numeric(table["Project Budget Amount"].str.replace(",", ""), errors="coerce"),
        }
    )
    out = out[start.notna() & finish.notna() & (finish > start)]
    out = out[out["actual_finish"].isna() | (out["actual_finish"] >= out["start"])]
    out = out.sort_values(["start", "project_id", "phase", "baseline_finish"], kind="stable")
    repeated = out.groupby(["project_id", "phase"]).cumcount()
    suffix = repeated.map(lambda number: f"-{number + 1}" if number else "")
    out.insert(0, "activity_id", out["project_id"] + "-" + out["phase"].str.lower() + suffix)
    return out.reset_index(drop=True)


def as_of(table: pd.DataFrame, data_date: pd.Timestamp) -> pd.DataFrame:
    """Return what a canonical table would have said on `data_date`.

    Activities that had not started are absent and later finishes are hidden. Baselines are those of the source's own
    day: whether they were moved in between, the source does not say.
    """
    known = table[table["start"] <= data_date].copy()
    known["actual_finish"] = known["actual_finish"].where(known["actual_finish"] <= data_date)
    known["status"] = known["actual_finish"].notna().map({True: "complete", False: "in_progress"})
    known["data_date"] = data_date
    order = ["activity_id", "activity_name", "project_id", "phase", "work_type", "location", "data_date", "status"]
    return known[[*order, "start", "baseline_finish", "actual_finish", "budget"]].reset_index(drop=True)


def _dates(cells: pd.Series) -> pd.Series:
    return pd.to_datetime(cells, format="%m/%d/%Y", errors="coerce")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
