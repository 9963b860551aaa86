"""Benchmark of forecasts on snapshots of New York's capital projects (NYC Open Data, "Capital Projects", 95tx-snak).

Three times a year the agencies publish the phase and the completion date of each project, as forecast or as actual. A
snapshot has no start, no network and no baseline: the first date that was published stands for the baseline, the latest
one for the plan. What is forecast is the completion, relative to the time that the agency's own date leaves.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from slipcast.forecast import baselines, relative, scores
from slipcast.forecast.landmarks import stages
from slipcast.forecast.scores import Forecasts
from slipcast_cli.bench import FORECAST, SEED, SLIPS, TOLERANCE_DAYS, Result

# Snapshots that are judged; each one's forecasts learn from what was known when it was published.
JUDGED = (202405, 202409, 202501)
# Days below which the agency's date is no scale for what remains: many dates are the day of the report.
LEAST_DAYS = 60.0
FEATURES = (
    *("to_date", "to_first", "slip", "last_change", "changes", "snapshots", "days_seen", "phase", "agency", "reason"),
    *("days_in_phase", "age_of_date", "agency_slip", "phase_slip"),
)
STARTED = frozenset({"construction", "close-out"})


def read(path: Path) -> pd.DataFrame:
    """Return the snapshots as published, a row for each project and period, dates as ``datetime64``."""
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = pd.DataFrame(
        {
            "period": raw["Reporting Period"].astype("int64"),
            "project_id": raw["Managing Agency"] + " " + raw["PID"],
            "agency": raw["Managing Agency"],
            "phase": raw["Current Phase"].str.strip().str.lower(),
            "actual": raw["Completion Date Type"].str.strip().str.lower() == "actual",
            "date": pd.to_datetime(raw["Completion Date"], format="%m/%d/%Y", errors="coerce"),
            "reason": raw["Reason for Forecast Completion Change"].str.strip().str.lower(),
            "data_date": pd.to_datetime(raw["Data Date"], format="%m/%d/%Y", errors="coerce"),
        }
    )
    return table.dropna(subset="data_date").sort_values(["project_id", "period"]).reset_index(drop=True)


def run(table: pd.DataFrame, judged: Sequence[int] = JUDGED) -> Result:
    """Judge every method on the open projects of each snapshot; snapshots are judged together."""
    features = _features(table)
    parts, said = [], []
    for period in judged:
        rows = followed(_outcomes(table, features[features["period"] == period]))
        # What was known when the snapshot was published.
        train = _outcomes(table[table["period"] <= period], features[features["period"] < period])
        parts.append(rows)
        said.append(_methods(rows, train))
    rows = pd.concat(parts, ignore_index=True)
    methods = {}
    for name in said[0]:
        several = [methods_of[name] for methods_of in said]
        methods[name] = Forecasts(
            np.concatenate([np.asarray(item.p_late) for item in several]),
            np.concatenate([np.asarray(item.cdf) for item in several]),
        )
    return Result(rows, {name: scores.with_facts(rows, forecasts) for name, forecasts in methods.items()})


def followed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose completion is known, or that were seen open for as long as scores look ahead."""
    known = rows["remaining"].notna() | (rows["follow_up"] >= scores.CAP_DAYS)
    return rows[known].reset_index(drop=True)


def held(result: Result, level: float = 0.8) -> tuple[float, int]:
    """Return the share of completions that came by the forecast quantile, of those with a quantile within a year."""
    cdf = np.asarray(result.methods[FORECAST].cdf)
    due = cdf[:, -2] >= level
    days = scores.quantiles(cdf, level)
    finish = result.rows["remaining"].fillna(np.inf).to_numpy()
    return float((finish <= days)[due].mean()), int(due.sum())


def _features(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each snapshot and those before it say of each open project that has a date."""
    groups = table.groupby("project_id")
    dated = table.assign(date=table["date"].where(~table["actual"]))
    by_project = dated.groupby("project_id")
    first = by_project["date"].transform("first")
    before = by_project["date"].shift().groupby(table["project_id"]).ffill()
    change = (dated["date"] - before).dt.days
    changed = (change.fillna(0) != 0).groupby(table["project_id"]).cumsum()
    last_change = change.where(change != 0).groupby(table["project_id"]).ffill()
    phase_changed = (table["phase"] != groups["phase"].shift()).groupby(table["project_id"]).cumsum()
    phase_begun = table.groupby([table["project_id"], phase_changed])["data_date"].transform("first")
    date_begun = table.groupby([table["project_id"], changed])["data_date"].transform("first")
    features = pd.DataFrame(
        {
            "row": pd.factorize(table["project_id"])[0],
            "project_id": table["project_id"],
            "period": table["period"],
            "data_date": table["data_date"],
            "to_date": (dated["date"] - table["data_date"]).dt.days.astype("float64"),
            "to_first": (first - table["data_date"]).dt.days.astype("float64"),
            "slip": (dated["date"] - first).dt.days.astype("float64"),
            "last_change": last_change,
            "changes": changed.astype("float64"),
            "snapshots": groups.cumcount().astype("float64"),
            "days_seen": (table["data_date"] - groups["data_date"].transform("first")).dt.days.astype("float64"),
            "phase": table["phase"].map(_codes(table["phase"])),
            "agency": table["agency"].map(_codes(table["agency"])),
            "reason": table["reason"].map(_codes(table["reason"])),
            "days_in_phase": (table["data_date"] - phase_begun).dt.days.astype("float64"),
            "age_of_date": (table["data_date"] - date_begun).dt.days.astype("float64"),
            "started": table["phase"].isin(STARTED),
        }
    )
    for name, key in (("agency_slip", "agency"), ("phase_slip", "phase")):
        # Of the same snapshot: published on the same day.
        features[name] = change.groupby([table["period"], table[key]]).transform("mean").astype("float64")
    open_ = ~table["actual"] & dated["date"].notna()
    features["base"] = features["to_date"].clip(lower=LEAST_DAYS)
    features["limit"] = features["to_first"] + TOLERANCE_DAYS
    features["to_finish"] = features["to_date"]
    features["now_project_slip_days"] = features["slip"]
    features["stage"] = stages(features["started"].to_numpy(), features["to_first"].to_numpy(), TOLERANCE_DAYS)
    return features[open_].reset_index(drop=True)


def _codes(values: pd.Series) -> dict[str, int]:
    return {name: code for code, name in enumerate(sorted(values.unique()))}


def _outcomes(known: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with what `known` tells of their completion: the first actual date that is no plan."""
    done = known[known["actual"] & (known["date"] <= known["data_date"])]
    finish = done.groupby("project_id")["date"].first()
    last = known.groupby("project_id")["data_date"].max()
    out = rows.copy()
    seen = (out["project_id"].map(last) - out["data_date"]).dt.days.astype("float64")
    remaining = (out["project_id"].map(finish) - out["data_date"]).dt.days.astype("float64")
    # A completion before the date of a report that calls the project open was reported late.
    out["remaining"] = remaining.clip(lower=1.0)
    out["follow_up"] = seen.clip(lower=0.0)
    out["true_remaining"] = out["remaining"]
    return out[out["follow_up"] > 0].reset_index(drop=True)


def _methods(rows: pd.DataFrame, train: pd.DataFrame) -> dict[str, Forecasts]:
    forest = relative.fit(train, SEED, base="base", columns=FEATURES)
    cdf, base = forest.cdf(rows), rows["base"].to_numpy()
    past = baselines.slips_of_the_past(rows, train, scores.DAYS)
    limit = rows["limit"].clip(0, scores.CAP_DAYS).to_numpy(dtype="int64")
    by_day = relative.at_days(cdf, base, np.broadcast_to(scores.DAYS, (len(rows), len(scores.DAYS))))
    return {
        "plan": scores.point(rows, baselines.plan(rows)),
        "plan and delay so far": scores.point(rows, baselines.plan_and_delay(rows, train)),
        SLIPS: Forecasts(
            1 - past[np.arange(len(rows)), limit],
            past,
        ),
        FORECAST: Forecasts(relative.p_late(cdf, base, rows["limit"].to_numpy()), by_day),
    }
