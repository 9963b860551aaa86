"""Scoreboard: every forecast that was given, held against the finishes that became known.

A level is judged once its day has passed: then it is known whether the activity had finished. To count every finish as
soon as it is known would flatter, because of the forecasts whose day is still to come only the good ones would count.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from slipcast.csv_safety import neutral
from slipcast.metrics.confidence_sequence import mean_of
from slipcast.metrics.curves import wilson

LEVELS = {"p10": 0.1, "p50": 0.5, "p80": 0.8, "p90": 0.9}
# The planner's date has no level of its own; it is judged as the median.
PLANNED = "planned_finish"
ACTIVITY = ("project_id", "activity_id")
GROUPS = ("source", "project_id", "model_id", "horizon", "stage", "data_date")
# Upper ends of the horizons in days, from the data date to the P50.
HORIZONS = {30: "up to 30 days", 90: "31 to 90 days", 180: "91 to 180 days", 365: "181 to 365 days"}
BEYOND = "over 365 days"
# With fewer projects the spread between them says nothing: then activities count as independent.
FEWEST_PROJECTS = 10
# Activities below which no verdict is given, and days back to which it looks.
LEAST, RECENT = 50, 365
# Forecasts that are judged at once: the memory does not grow with what was kept.
_ROWS = 200_000


def judged(forecasts: pd.DataFrame, last_seen: pd.DataFrame) -> pd.DataFrame:
    """Return the forecasts with what is known of them.

    Parameters
    ----------
    forecasts
        one row for each forecast: ``source``, `ACTIVITY`, ``model_id``, ``stage``, and as ``datetime64`` ``data_date``,
        the columns of `LEVELS` and `PLANNED` (missing where the planner gave no date). A forecast that was given twice
        (same source, activity, data date and model) counts once, the last time
    last_seen
        one row for each activity as last seen: `ACTIVITY`, ``data_date`` and ``actual_finish``

    Returns
    -------
    pd.DataFrame
        forecasts of activities that `last_seen` has, with ``horizon``; ``actual_finish`` (missing while open) and
        ``as_of`` (its data date); for each level and `PLANNED`, ``<name>_held`` (1.0 finished by that day, 0.0 not, NaN
        while the day is to come) and ``<name>_loss`` (pinball loss in days up to `as_of`)

    Notes
    -----
    The loss takes every date after `as_of` as `as_of`. The quantile of the smaller of two times is the smaller of
    quantile and time, so it stays a proper score, and open activities count from the first day on.
    """
    last = forecasts.drop_duplicates(["source", *ACTIVITY, "data_date", "model_id"], keep="last")
    facts = last_seen[[*ACTIVITY, "data_date", "actual_finish"]].rename(columns={"data_date": "as_of"})
    table = last.merge(facts, on=list(ACTIVITY), how="inner", validate="many_to_one")
    # A finish after the day on which the schedule was seen is a plan.
    table["actual_finish"] = table["actual_finish"].where(table["actual_finish"] <= table["as_of"])
    days = (table["p50"] - table["data_date"]).dt.days.to_numpy()
    table["horizon"] = np.array([*HORIZONS.values(), BEYOND], dtype=object)[np.searchsorted([*HORIZONS], days)]
    finish = table["actual_finish"].fillna(pd.Timestamp.max.floor("D"))
    for name, level in {**LEVELS, PLANNED: 0.5}.items():
        day = table[name]
        held = (finish <= day).astype("float64")
        table[f"{name}_held"] = held.where((day <= table["as_of"]) & day.notna())
        seen = table["as_of"]
        error = (finish.where(finish <= seen, seen) - day.where(day <= seen, seen)).dt.days
        table[f"{name}_loss"] = np.maximum(level * error, (level - 1) * error).where(day.notna())
    return table


def judged_in_parts(parts: Iterable[pd.DataFrame], last_seen: pd.DataFrame) -> pd.DataFrame:
    """Return what `judged` returns for all parts together; no forecast stands in two of them."""
    waiting: list[pd.DataFrame] = []
    done: list[pd.DataFrame] = []

    def judge() -> None:
        if waiting:
            done.append(judged(pd.concat(waiting, ignore_index=True), last_seen))
            waiting.clear()

    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= _ROWS:
            judge()
    judge()
    return pd.concat(done, ignore_index=True) if done else pd.DataFrame()


def summary(table: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Return how often the levels held, by groups.

    Parameters
    ----------
    table
        as `judged` returns it
    by
        columns of `GROUPS`; none for all forecasts together

    Returns
    -------
    pd.DataFrame
        a row for each group, sorted, with ``forecasts``, ``activities`` (forecasts may be of the same one) and
        ``finished`` (forecasts whose finish is known); for each level ``<level>_judged``, ``<level>_held`` (share, None
        without any judged) and its 95 % Wilson interval ``<level>_low``, ``<level>_high``, on as many observations as
        correlated ones are worth; the same for the planner's dates; ``pinball`` (mean loss of all levels in days) and
        ``pinball_ratio`` (loss of P50 over that of the planner's date, on forecasts that have both; None if the
        planner's is 0)

    Raises
    ------
    ValueError
        If `by` names another column.
    """
    if unknown := set(by) - set(GROUPS):
        raise ValueError(f"the scoreboard groups by {', '.join(GROUPS)}, not by {', '.join(sorted(unknown))}")
    figures = _Figures(table)
    if not by:
        return pd.DataFrame([figures.of(np.arange(len(table)))], dtype=object)
    parts = table.groupby(list(by), sort=True).indices
    rows = [
        dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)) | figures.of(places)
        for key, places in sorted(parts.items())
    ]
    return pd.DataFrame(rows, dtype=object)


class _Figures:
    """Figures of groups of judged forecasts; the table is turned into arrays once."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.projects = pd.factorize(table["project_id"])[0]
        ids = pd.factorize(table["activity_id"])[0]
        self.activities = pd.factorize(self.projects * (ids.max(initial=0) + 1) + ids)[0]
        self.finished = table["actual_finish"].notna().to_numpy()
        names = (*LEVELS, PLANNED)
        self.held = {name: table[f"{name}_held"].to_numpy("float64") for name in names}
        self.loss = {name: table[f"{name}_loss"].to_numpy("float64") for name in names}

    def of(self, places: np.ndarray) -> dict[str, Any]:
        """Return the figures of the forecasts at these places of the table (`summary`)."""
        row: dict[str, Any] = {
            "forecasts": len(places),
            "activities": len(np.unique(self.activities[places])),
            "finished": int(self.finished[places].sum()),
        }
        for name, held in self.held.items():
            due = places[~np.isnan(held[places])]
            share, low, high = self._share(held[due], due) if len(due) else (None, None, None)
            row |= {f"{name}_judged": len(due), f"{name}_held": share, f"{name}_low": low, f"{name}_high": high}
        row["pinball"] = float(np.mean([self.loss[name][places].mean() for name in LEVELS]))
        both = places[~np.isnan(self.loss[PLANNED][places])]
        planned = float(self.loss[PLANNED][both].sum())
        row["pinball_ratio"] = float(self.loss["p50"][both].sum()) / planned if planned else None
        return row

    def _share(self, held: np.ndarray, places: np.ndarray) -> tuple[float, float, float]:
        """Return the share that held with its Wilson interval.

        Forecasts of one activity from several data dates, and of the activities of one project, fail together. They
        count for as many independent ones as would have the same standard error (Kish 1965).
        """
        projects = np.unique(self.projects[places], return_inverse=True)[1]
        many = projects.max() + 1 >= FEWEST_PROJECTS
        clusters = projects if many else np.unique(self.activities[places], return_inverse=True)[1]
        mean = mean_of(held, clusters)
        share = mean.value
        # Where all held, or none, there is no spread: then each cluster counts once.
        worth = share * (1 - share) / mean.error**2 if 0 < share < 1 and mean.error > 0 else float(clusters.max() + 1)
        n = max(1, min(len(held), round(worth)))
        low, high = wilson(round(share * n), n)
        # Rounded to whole observations the interval may miss the share itself.
        return share, min(low, share), max(high, share)


def verdict(table: pd.DataFrame, model_id: str) -> dict[str, Any]:
    """Return whether the P80 of a model still holds.

    Parameters
    ----------
    table
        as `judged` returns it
    model_id
        model whose forecasts count: those of earlier ones are no reason to train again

    Returns
    -------
    dict[str, Any]
        ``model_id``; the figures of `summary` of the forecasts of the model whose P80 lies in the last `RECENT` days of
        what was seen; ``undercoverage``: whether the interval of the share that held lies below .8, None with fewer
        than `LEAST` activities
    """
    own = table[table["model_id"] == model_id] if len(table) else table
    if len(own):
        own = own[own["p80_held"].notna()]
        own = own[own["p80"] > own["as_of"].max() - pd.Timedelta(days=RECENT)]
    if not len(own):
        return {"model_id": model_id, "forecasts": 0, "undercoverage": None}
    found = _Figures(own).of(np.arange(len(own)))
    enough = found["activities"] >= LEAST
    return {"model_id": model_id, **found, "undercoverage": found["p80_high"] < LEVELS["p80"] if enough else None}


def metrics(found: dict[str, Any]) -> dict[str, float]:
    """Return the metrics of a `verdict`: ``CoverageP80``, ``PinballRatio`` and ``Undercoverage``, as far as known."""
    values = {
        "CoverageP80": found.get("p80_held"),
        "PinballRatio": found.get("pinball_ratio"),
        "Undercoverage": found["undercoverage"],
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def document(table: pd.DataFrame, model_id: str) -> dict[str, Any]:
    """Return the scoreboard as JSON takes it.

    Returns
    -------
    dict[str, Any]
        ``verdict``, ``metrics``, ``as_of`` (last day that was seen), ``total`` (`summary` of all forecasts) and
        ``groups`` (by column of `GROUPS`, the rows of `summary`, horizons from the nearest on); ``total`` is None
        before the first forecast
    """
    found = verdict(table, model_id)
    if not len(table):
        return {"verdict": found, "metrics": {}, "as_of": None, "total": None, "groups": {}}
    return {
        "verdict": found,
        "metrics": metrics(found),
        "as_of": table["as_of"].max().date().isoformat(),
        "total": _Figures(table).of(np.arange(len(table))),
        "groups": {name: _rows(_ordered(summary(table, [name]), name)) for name in GROUPS},
    }


def _ordered(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if name != "horizon":
        return table
    order = {horizon: place for place, horizon in enumerate([*HORIZONS.values(), BEYOND])}
    return table.sort_values(name, key=lambda column: column.map(order), ignore_index=True)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {name: value.date().isoformat() if isinstance(value, pd.Timestamp) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def to_csv(board: dict[str, Any]) -> str:
    """Return all groups of a `document` as CSV: ``by``, ``group``, then the figures."""
    rows = [{"by": "portfolio", "group": "", **board["total"]}] if board["total"] else []
    for name, items in board["groups"].items():
        rows += [
            {"by": name, "group": neutral(item[name]), **{key: value for key, value in item.items() if key != name}}
            for item in items
        ]
    columns = ["by", "group", "forecasts"] if not rows else None
    text: str = pd.DataFrame(rows, columns=columns).to_csv(index=False, float_format="%.4f", lineterminator="\n")
    return text
