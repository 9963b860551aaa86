"""Methods of the benchmark on DSLIB, learned from other projects alone, and their forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from slipcast.forecast import completion, network_state, relative
from slipcast.forecast.stage import Stage
from slipcast.forecast.survival import kaplan_meier, step
from slipcast.forecast.training import project_folds
from slipcast_cli.bench_dslib_tables import LEVELS, TOLERANCE_DAYS

SEED = 1
COMPLETION_FOLDS = 10
AT_START_TREES = 200
FORECAST, NETWORK, EARNED = "forecast", "critical path", "earned schedule, PF = 1"
AT_START = ("duration", "position", "predecessors", "successors", "value_share", "baseline_float", "planned_duration")


@dataclass(frozen=True)
class Said:
    """Forecast of a method for each row: P(late), quantiles at `LEVELS` in working days, and an order of lateness."""

    p_late: np.ndarray | None
    quantiles: np.ndarray | None
    spread: bool = True


def activity_methods(table: pd.DataFrame, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Said]:
    """Return what each method says of each row of `Tables.activities`."""
    limit = table["limit"].to_numpy()
    base = table["network_remaining"].to_numpy()
    triangle, learned = (
        table[[f"{name}_{round(level * 100)}" for level in LEVELS]].to_numpy() for name in ("triangle", "learned")
    )
    methods = {
        "plan": _point(table["plan_remaining"], limit),
        "plan and delay so far": _point(table["shifted_remaining"], limit),
        NETWORK: _point(table["network_remaining"], limit),
        EARNED: _point(np.maximum(table["plan_remaining"] + table["earned_delay"], 0.5), limit),
        "earned schedule, SPI(t)": _point(table["earned_remaining"], limit),
        "Monte Carlo, -10/+25 %": Said(share_above(triangle, limit), triangle),
        "Monte Carlo, learned": Said(share_above(learned, limit), learned),
    }
    past, at_start = np.empty((len(table), len(LEVELS))), np.empty(len(table))
    past_late, cdf = np.empty(len(table)), np.empty((len(table), len(relative.KNOTS)))
    late = (table["days_late"] > TOLERANCE_DAYS).to_numpy()
    for train, held in folds:
        past[held], past_late[held] = _slips(table.iloc[train], table.iloc[held])
        at_start[held] = _frozen(table.iloc[train], late[train], table.iloc[held])
        cdf[held] = relative.fit(table.iloc[train], SEED).cdf(table.iloc[held])
    methods["slips of the past"] = Said(past_late, past)
    methods["frozen at the start"] = Said(at_start, None)
    methods[FORECAST] = Said(relative.p_late(cdf, base, limit), relative.quantiles(cdf, base, LEVELS.tolist()))
    certain = (table["stage"] == Stage.ALREADY_LATE).to_numpy()
    return {
        name: Said(None if said.p_late is None else np.where(certain, 1.0, said.p_late), said.quantiles, said.spread)
        for name, said in methods.items()
    }


def _point(days: pd.Series | np.ndarray, limit: np.ndarray) -> Said:
    values = np.asarray(days, dtype="float64")
    return Said((values > limit).astype("float64"), np.repeat(values[:, None], len(LEVELS), axis=1), spread=False)


def share_above(quantiles: np.ndarray, limit: np.ndarray) -> np.ndarray:
    return np.array(
        [
            1 - np.interp(at, row + np.arange(len(row)) * 1e-9, LEVELS, 0.0, 1.0)
            for at, row in zip(limit, quantiles, strict=True)
        ]
    )


def _slips(train: pd.DataFrame, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles and P(late) of the slips of other projects' activities, given that each row is open."""
    once = train.drop_duplicates("key")
    slip = (once["true_remaining"] - once["to_finish"]).to_numpy()
    weight = relative.project_weights(once["project_id"])
    times, survival = kaplan_meier(slip, np.ones(len(slip), dtype=bool), weight)
    over = -rows["to_finish"].to_numpy()
    floor = np.maximum(step(over, times, survival, 1.0), 1e-6)
    # The smallest slip whose tail, given the delay so far, is small enough.
    target = floor[:, None] * (1 - LEVELS)
    place = np.minimum(np.searchsorted(-survival, -target, side="left"), len(times) - 1)
    days = np.maximum(times[place] - over[:, None], network_state.LEAST_DAYS)
    return days, step(over + rows["limit"].to_numpy(), times, survival, 1.0) / floor


def _frozen(train: pd.DataFrame, late: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    first = ~train.duplicated("key").to_numpy()
    forest = RandomForestClassifier(AT_START_TREES, min_samples_leaf=10, max_features=0.4, random_state=SEED)
    names = list(AT_START)
    forest.fit(train[names][first], late[first], relative.project_weights(train["project_id"][first]))
    if len(forest.classes_) < 2:
        return np.full(len(rows), float(forest.classes_[0]))
    values: np.ndarray = forest.predict_proba(rows[names])[:, 1]
    return values


def completion_methods(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return what each method says of the remaining working days to completion, at `completion.LEVELS`.

    Dates have the same value at all levels. "+ spread" adds the errors of the other projects in the same third of the
    earned value.
    """
    levels = completion.LEVELS
    earned = np.maximum(table["earned_remaining"].to_numpy(), 0.5)
    points = {
        "plan": table["plan_remaining"].to_numpy(),
        NETWORK: table["network_remaining"].to_numpy(),
        "critical path, starts free": table["free_remaining"].to_numpy(),
        EARNED: earned,
        "earned schedule, SPI(t)": earned / np.clip(table["performance"].to_numpy(), 0.1, None),
        "mean of both": completion.base(table),
    }
    said = {name: np.repeat(days[:, None], len(levels), axis=1) for name, days in points.items()}
    for title, column in (("Monte Carlo, -10/+25 %", "triangle"), ("Monte Carlo, learned", "learned")):
        said[title] = table[[f"{column}_{round(level * 100)}" for level in levels]].to_numpy()
    spread = {name: np.empty((len(table), len(levels))) for name in (EARNED, NETWORK, "mean of both")}
    forecast = np.empty((len(table), len(levels)))
    third = thirds(table)
    for train, held in project_folds(table["project_id"], COMPLETION_FOLDS, SEED):
        forecast[held] = completion.fit(table.iloc[train], SEED).quantiles(table.iloc[held])
        weight = 1 / table.iloc[train].groupby("project_id")["remaining"].transform("size").to_numpy()
        for name, out in spread.items():
            error = np.clip(np.log(np.maximum(table["remaining"].to_numpy(), 0.5) / points[name]), -3, 3)
            for part in range(3):
                own, target = third[train] == part, held[third[held] == part]
                ratio = _weighted_quantiles(error[train][own], weight[own], levels)
                out[target] = points[name][target][:, None] * np.exp(ratio)
    said |= {f"{name} + spread": values for name, values in spread.items()}
    said[FORECAST] = forecast
    return said


def thirds(table: pd.DataFrame) -> np.ndarray:
    """Return the third of the earned value that each row is in: 0, 1 or 2."""
    parts: np.ndarray = np.digitize(table["earned"].to_numpy(), [1 / 3, 2 / 3])
    return parts


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    found: np.ndarray = values[order][np.minimum(np.searchsorted(share, levels), len(values) - 1)]
    return found
