"""Plan of a search: tables, protocols and landmarks of a dataset version, before the first round."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from slipcast.contracts import ForecastPlan, NetworkPlan, SearchPlan, TableRef, Track
from slipcast.datasets import labels, splits, tables
from slipcast.features.point_in_time_table import history_table
from slipcast.forecast import landmarks, network_table
from slipcast.schedule.network import Key
from slipcast.training import candidates
from slipcast.training.candidates import Candidate
from slipcast.training.search import forecast, protocols, rounds
from slipcast.training.search.data import pack
from slipcast.training.search.objects import Store

# A task holds the table, its prepared folds and the copies that an estimator makes of them.
BYTES_PER_CELL = 8 * 8


@dataclass(frozen=True)
class Choices:
    """Decisions of the owner: parameters of the template with these names.

    Attributes
    ----------
    budget_seconds
        None: no limit
    paper_protocol
        whether the protocol of the literature is carried out too
    memory_mb
        memory of a machine that trains; None: not known
    """

    tolerance_days: int
    holdout_months: int
    random_seed: int
    tolerated_failure_share: float
    budget_seconds: float | None = None
    paper_protocol: bool = False
    memory_mb: float | None = None


def plan(
    execution: str,
    table: pd.DataFrame,
    data_date: date | None,
    choices: Choices,
    store: Store,
    *,
    families: Sequence[Candidate],
    forecast_points: list[dict[str, Any]],
    fills: Mapping[str, dict[str, list[int]]],
    networks: network_table.Updates | None = None,
) -> SearchPlan:
    """Store the tables of a search and return its plan.

    Parameters
    ----------
    execution
        name of the execution
    table
        dataset version as `versions.read_table` returns it
    data_date
        None for a dataset without dates, which has the protocol ``paper`` alone
    store
        gets ``train.csv.gz`` and further tables, ``landmarks-*.csv.gz`` and ``search/*.npz``
    families, forecast_points
        declared families, and points of the forecast's grid
    fills
        the ``fills`` of the dataset's manifest; empty without any
    networks
        networks of the dataset version; None without any

    Raises
    ------
    ValueError
        If the dataset cannot be split or cross-validated, or is too large for the machine that trains.
    """
    tracks, cut, rest = _protocols(table, data_date, choices)
    main = tracks[rounds.MAIN]
    text = main.data.features.select_dtypes(exclude="number")
    return {
        "execution": execution,
        "protocol": "time" if cut else "paper",
        "cut": cut.isoformat() if cut else None,
        "seed": choices.random_seed,
        "budget_seconds": choices.budget_seconds,
        "tolerated_share": choices.tolerated_failure_share,
        "candidates": json.loads(candidates.dump_candidates(list(families))),
        "features": {
            "numeric": list(main.data.features.select_dtypes("number").columns),
            "categorical": list(text.columns),
        },
        "fills": dict(fills),
        "tables": {
            name: _write_table(store, name, part)
            for name, part in {"train": main.train, "holdout": main.holdout, **rest}.items()
        },
        "tracks": {name: _write_track(store, name, track, choices.memory_mb) for name, track in tracks.items()},
        "forecast": _forecast(table, cut, choices, forecast_points, store, networks),
    }


def _protocols(
    table: pd.DataFrame, data_date: date | None, choices: Choices
) -> tuple[dict[str, protocols.Protocol], date | None, dict[str, pd.DataFrame]]:
    """Return the tracks, the cut, and the tables that no search sees."""
    seed, tolerance_days = choices.random_seed, choices.tolerance_days
    if data_date is None:
        undated = protocols.undated_labels(table)
        return {rounds.MAIN: protocols.paper_protocol(undated, seed, dated=False)}, None, {}
    labelled = labels.label(table, tolerance_days)
    labelled = labelled.join(history_table(table, labelled, tolerance_days))
    cut = splits.holdout_cut(data_date, choices.holdout_months)
    train, holdout = splits.split(labelled, cut)
    if not len(train) or not len(holdout):
        raise ValueError(
            f"the cut {cut} leaves {len(train)} activities to train on and {len(holdout)} to test on: "
            "drop a longer history or lower HoldoutMonths"
        )
    tracks = {rounds.MAIN: protocols.time_protocol(train, holdout)}
    if choices.paper_protocol:
        tracks[rounds.SIDE] = protocols.paper_protocol(labelled, seed)
    # What has no label yet shows which columns are filled in only as activities mature.
    pending = labels.pending(table, tolerance_days)
    rest = {
        "between": splits.between(labelled, cut),
        "pending": pending.join(history_table(table, pending, tolerance_days)),
    }
    return tracks, cut, rest


def _forecast(
    table: pd.DataFrame,
    cut: date | None,
    choices: Choices,
    points: list[dict[str, Any]],
    store: Store,
    networks: network_table.Updates | None,
) -> ForecastPlan:
    """Store the landmarks before the cut and those from it on, and return the plan of the forecast's search."""
    if cut is None:
        return {"why": "the dataset has no dates", "points": points, "tables": {}}
    last = pd.Timestamp(cut - timedelta(days=1))
    until = table["data_date"].max()
    # The holdout begins with what the training knew last.
    held = [last, *(day for day in landmarks.quarters(table, until) if day > last)]
    parts = {
        name: landmarks.landmark_table(
            table, days, choices.tolerance_days, known, max_rows=forecast.MAX_ROWS, seed=choices.random_seed
        )
        for name, days, known in (("train", landmarks.quarters(table, last), last), ("holdout", held, until))
    }
    if empty := [name for name, part in parts.items() if part.empty]:
        return {"why": f"no activity was open at a landmark of the {empty[0]}", "points": points, "tables": {}}
    written = {name: _write_table(store, f"landmarks-{name}", part) for name, part in parts.items()}
    return {"why": "", "points": points, "tables": written, "networks": _networks(table, cut, store, networks)}


def _networks(table: pd.DataFrame, cut: date, store: Store, networks: network_table.Updates | None) -> NetworkPlan:
    """Store the states of projects with a network, before the cut and from it on."""
    if networks is None:
        return {"why": "no schedule of the dataset has a network", "tables": {}}
    stored = network_table.Stored(networks, _baselines(table))
    try:
        found = network_table.tables(stored, cut, table["data_date"].max().date())
    except Exception as error:
        # Networks come from files of many tools: what is wrong with one of them costs no training.
        return {"why": f"{type(error).__name__}: {error}"[:500], "tables": {}}
    return {"why": found.why, "tables": {name: _write_table(store, name, part) for name, part in found.parts.items()}}


def _baselines(table: pd.DataFrame) -> network_table.Baselines:
    names = ("baseline_start", "baseline_finish")
    days = [
        [None if pd.isna(day) else day.date() for day in table[name]] if name in table else [None] * len(table)
        for name in names
    ]
    projects = table["project_id"].fillna(table["source"]) if "source" in table else table["project_id"]
    keys = [Key(str(project), str(activity)) for project, activity in zip(projects, table["activity_id"], strict=True)]
    return dict(zip(keys, zip(*days, strict=True), strict=True))


def _write_table(store: Store, name: str, part: pd.DataFrame) -> TableRef:
    return {**store.put(f"{name}.csv.gz", tables.to_bytes(part)), "rows": len(part)}


def _write_track(store: Store, name: str, track: protocols.Protocol, memory_mb: float | None) -> Track:
    features = track.data.features
    text = features.select_dtypes(exclude="number")
    # Categories that are rare share a column, so this is an upper limit.
    columns = features.shape[1] - text.shape[1] + sum(min(text[name].nunique(), 100) for name in text)
    needed = track.data.fitted * columns * BYTES_PER_CELL / 2**20
    if memory_mb is not None and needed > memory_mb:
        raise ValueError(
            f"{track.data.fitted:,} rows of {columns} columns need about {needed:,.0f} MB to train, the function has "
            f"{memory_mb:,.0f}: raise the parameter TrainMemoryMb of the stack"
        )
    rate = float(track.holdout["is_late"].mean())
    return {
        "data": store.put(f"search/{name}.npz", pack(track.data)),
        "folds": track.folds,
        "rows": track.data.fitted,
        "rest": len(features) - track.data.fitted,
        "columns": columns,
        "select_by": track.select_by,
        "majority_accuracy": max(rate, 1 - rate),
    }
