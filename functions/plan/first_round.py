"""First step of a search: tables of the execution, plan and first round."""

import json
from collections.abc import Callable
from datetime import date, timedelta

import pandas as pd

from plan import next_round
from plan.settings import Settings
from slipcast.contracts import DatasetRef, ForecastPlan, Planned, SearchPlan, TableRef, Track
from slipcast.datasets import labels, splits, tables, versions
from slipcast.features.point_in_time_table import history_table
from slipcast.forecast import landmarks
from slipcast.training import candidates
from slipcast.training.search import forecast, protocols
from slipcast.training.search import rounds as conduct
from slipcast.training.search.data import pack
from slipcast_aws import scratch, storage

OWN_CANDIDATES = "config/candidates.json"
OWN_FORECAST = "config/forecast.json"
# A task holds the table, its prepared folds and the copies that an estimator makes of them.
BYTES_PER_CELL = 8 * 8


def begin(execution: str, source: DatasetRef, settings: Settings) -> Planned:
    """Write the tables and the plan of an execution and return its first round, see `rounds.publish`.

    Raises
    ------
    ValueError
        If the dataset cannot be split or cross-validated, or is too large for the function that trains.
    """
    table = _read(source)
    prefix = f"s3://{settings.data_bucket}/runs/{execution}"
    seed = settings.random_seed
    tracks, cut, rest = _protocols(table, source, settings)
    main = tracks[conduct.MAIN]
    declared = _declared(settings.data_bucket, OWN_CANDIDATES, candidates.load_candidates)
    plan: SearchPlan = {
        "execution": execution,
        "protocol": "time" if cut else "paper",
        "cut": cut,
        "seed": seed,
        "budget_seconds": settings.search_budget_seconds or None,
        "tolerated_share": settings.tolerated_failure_share,
        "candidates": json.loads(candidates.dump_candidates(declared)),
        "features": {
            "numeric": list(main.data.features.select_dtypes("number").columns),
            "categorical": list(main.data.features.select_dtypes(exclude="number").columns),
        },
        "fills": _fills(source),
        "tables": {
            name: _write_table(f"{prefix}/{name}.csv.gz", part)
            for name, part in {"train": main.train, "holdout": main.holdout, **rest}.items()
        },
        "tracks": {
            name: _write_track(f"{prefix}/search/{name}.npz", track, settings.train_memory_mb)
            for name, track in tracks.items()
        },
        "forecast": _forecast(table, cut, prefix, settings),
    }
    uri = f"{prefix}/search/plan.json"
    return next_round.publish(
        {"uri": uri, "sha256": storage.write_json(uri, plan)}, conduct.first_round(plan), settings.inline_tasks
    )


def _read(source: DatasetRef) -> pd.DataFrame:
    with scratch.folder() as folder:
        file = folder / "table.parquet"
        storage.download(source["uri"], file, sha256=source["sha256"])
        return versions.read_table(file)


def _protocols(
    table: pd.DataFrame, source: DatasetRef, settings: Settings
) -> tuple[dict[str, protocols.Protocol], str | None, dict[str, pd.DataFrame]]:
    """Return the tracks, the cut, and the tables that no search sees."""
    data_date = source.get("data_date")
    if not data_date:
        undated = protocols.undated_labels(table)
        return {conduct.MAIN: protocols.paper_protocol(undated, settings.random_seed, dated=False)}, None, {}
    tolerance_days = settings.tolerance_days
    labelled = labels.label(table, tolerance_days)
    labelled = labelled.join(history_table(table, labelled, tolerance_days))
    cut = splits.holdout_cut(date.fromisoformat(data_date), settings.holdout_months)
    train, holdout = splits.split(labelled, cut)
    if not len(train) or not len(holdout):
        raise ValueError(
            f"the cut {cut} leaves {len(train)} activities to train on and {len(holdout)} to test on: "
            "drop a longer history or lower HoldoutMonths"
        )
    tracks = {conduct.MAIN: protocols.time_protocol(train, holdout)}
    if settings.paper_protocol:
        tracks[conduct.SIDE] = protocols.paper_protocol(labelled, settings.random_seed)
    # What has no label yet shows which columns are filled in only as activities mature.
    pending = labels.pending(table, tolerance_days)
    rest = {
        "between": splits.between(labelled, cut),
        "pending": pending.join(history_table(table, pending, tolerance_days)),
    }
    return tracks, cut.isoformat(), rest


def _fills(source: DatasetRef) -> dict[str, dict[str, list[int]]]:
    uri = source.get("manifest_uri")
    counts: dict[str, dict[str, list[int]]] = storage.read_json(uri).get("fills", {}) if uri else {}
    return counts


def _forecast(table: pd.DataFrame, cut: str | None, prefix: str, settings: Settings) -> ForecastPlan:
    """Write the landmarks before the cut and those from it on, and return the plan of the forecast's search."""
    points = _declared(settings.data_bucket, OWN_FORECAST, forecast.load_grid)
    if cut is None:
        return {"why": "the dataset has no dates", "points": points, "tables": {}}
    last = pd.Timestamp(date.fromisoformat(cut) - timedelta(days=1))
    until = table["data_date"].max()
    # The holdout begins with what the training knew last.
    held = [last, *(day for day in landmarks.quarters(table, until) if day > last)]
    parts = {
        name: landmarks.landmark_table(
            table, days, settings.tolerance_days, known, max_rows=forecast.MAX_ROWS, seed=settings.random_seed
        )
        for name, days, known in (("train", landmarks.quarters(table, last), last), ("holdout", held, until))
    }
    if empty := [name for name, part in parts.items() if part.empty]:
        return {"why": f"no activity was open at a landmark of the {empty[0]}", "points": points, "tables": {}}
    return {
        "why": "",
        "points": points,
        "tables": {name: _write_table(f"{prefix}/landmarks-{name}.csv.gz", part) for name, part in parts.items()},
    }


def _declared[T](bucket: str, key: str, load: Callable[[str | None], T]) -> T:
    """Return what the owner declares at `key` of the data bucket, else what the package does."""
    uri = f"s3://{bucket}/{key}"
    if not storage.exists(uri):
        return load(None)
    try:
        return load(storage.read_bytes(uri).decode())
    except (candidates.CandidateError, UnicodeDecodeError) as error:
        raise ValueError(f"{uri}: {error}") from None


def _write_table(uri: str, part: pd.DataFrame) -> TableRef:
    return {"uri": uri, "sha256": storage.write_bytes(uri, tables.to_bytes(part)), "rows": len(part)}


def _write_track(uri: str, track: protocols.Protocol, memory_mb: float) -> Track:
    features = track.data.features
    text = features.select_dtypes(exclude="number")
    # Categories that are rare share a column, so this is an upper limit.
    columns = features.shape[1] - text.shape[1] + sum(min(text[name].nunique(), 100) for name in text)
    needed, given = track.data.fitted * columns * BYTES_PER_CELL / 2**20, memory_mb
    if needed > given:
        raise ValueError(
            f"{track.data.fitted:,} rows of {columns} columns need about {needed:,.0f} MB to train, the function has "
            f"{given:,.0f}: raise the parameter TrainMemoryMb of the stack"
        )
    rate = float(track.holdout["is_late"].mean())
    return {
        "data": {"uri": uri, "sha256": storage.write_bytes(uri, pack(track.data))},
        "folds": track.folds,
        "rows": track.data.fitted,
        "rest": len(features) - track.data.fitted,
        "columns": columns,
        "select_by": track.select_by,
        "majority_accuracy": max(rate, 1 - rate),
    }
