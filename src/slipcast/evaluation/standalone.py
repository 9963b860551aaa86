"""A training in one process: search, holdout and gate of the pipeline, for any machine with a dataset version.

The steps are the pipeline's own. Between them stand the same bytes (tables as CSV, folds and probabilities as NumPy
archives, records as JSON), held in memory instead of a bucket, so that the artifact has the digest that the pipeline's
would have for the same dataset, settings and packages.
"""

import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

import joblib
import numpy as np
import pandas as pd

from slipcast.contracts import ForecastPlan, Round, SearchPlan
from slipcast.datasets import labels, splits, tables
from slipcast.evaluation import assessment, challenger
from slipcast.evaluation.assessment import Assessment, Policy
from slipcast.evaluation.forecast import Found
from slipcast.features.point_in_time_table import history_table
from slipcast.forecast import landmarks
from slipcast.forecast import training as forecast_training
from slipcast.model import artifact
from slipcast.training import candidates
from slipcast.training.candidates import Candidate
from slipcast.training.search import forecast, protocols, rounds
from slipcast.training.search.data import pack, unpack
from slipcast.training.search.worker import Worker


@dataclass(frozen=True)
class Settings:
    """Settings that the stack's parameters give, with their defaults.

    Attributes
    ----------
    tolerance_days, holdout_months, random_seed, tolerated_failure_share
        the parameters of the template with these names
    policy
        costs and limits of the gate
    candidates, forecast
        own ``candidates.json`` and ``forecast.json``; None takes those of the package
    """

    tolerance_days: int = 30
    holdout_months: int = 18
    random_seed: int = 20240101
    tolerated_failure_share: float = 0.25
    policy: Policy = field(default_factory=lambda: Policy(2.0, 1.0, fairness_columns=("location",)))
    candidates: str | None = None
    forecast: str | None = None


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes
    ----------
    assessed
        artifact, forecast, golden activities, profile and the record of the evaluation
    search
        record of the search
    family
        family of the challenger
    """

    assessed: Assessment
    search: dict[str, Any]
    family: str


class _Objects:
    """Bytes by name: what a bucket is to the pipeline."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}

    def put(self, name: str, raw: bytes) -> dict[str, str]:
        self._bytes[name] = raw
        return {"uri": name, "sha256": hashlib.sha256(raw).hexdigest()}

    def get(self, reference: Mapping[str, Any]) -> bytes:
        return self._bytes[reference["uri"]]

    def table(self, name: str, part: pd.DataFrame) -> dict[str, Any]:
        return {**self.put(name, tables.to_bytes(part)), "rows": len(part)}


def train(
    table: pd.DataFrame,
    *,
    dataset_id: str,
    data_date: date,
    settings: Settings,
    report: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Search, fit and judge on a dataset version, without a champion.

    Parameters
    ----------
    table
        as `versions.read_table` returns it
    dataset_id, data_date
        of the version; they are part of the artifact
    report
        takes a line after each step

    Raises
    ------
    ValueError
        If the dataset cannot be split or cross-validated.
    AssessmentError, SearchFailedError
        If no family can be fitted and served.
    """
    objects = _Objects()
    plan, workers = _plan(table, data_date, settings, objects)
    document: Round = _json(rounds.first_round(plan))
    while True:
        report(f"round {document['round']}: {len(document['tasks'])} tasks of kind {document['kind']}")
        results = {task["id"]: _json(_carried_out(task, plan, workers, objects)) for task in document["tasks"]}
        if document["kind"] != "search":
            break
        document = _json(rounds.next_round(plan, document, results))
    shared = {name: plan[name] for name in ("protocol", "seed", "cut", "tables", "features")}
    search = _json({**shared, **rounds.conclude(plan, document, results)})
    chosen = challenger.choose(search, lambda item: _loaded(objects, item["model"]), lambda item: _oof(objects, item))
    report(f"challenger: {chosen.family}")
    parts = {name: tables.from_bytes(objects.get(item)) for name, item in search["tables"].items()}
    assessed = assessment.assess(
        search=search,
        train=parts["train"],
        holdout=parts["holdout"],
        holdout_p={item["family"]: _array(objects, item["holdout_p"]) for item in challenger.ranked(search)},
        challenger=chosen,
        champion=None,
        policy=settings.policy,
        reason="manual",
        metadata={
            "dataset_id": dataset_id,
            "data_date": data_date.isoformat(),
            "tolerance_days": settings.tolerance_days,
            "training_cut": search["cut"],
        },
        forecast=_found(search["forecast"], objects),
    )
    return Trained(assessed, search, chosen.family)


def _plan(
    table: pd.DataFrame, data_date: date, settings: Settings, objects: _Objects
) -> tuple[SearchPlan, dict[str, Worker]]:
    labelled = labels.label(table, settings.tolerance_days)
    labelled = labelled.join(history_table(table, labelled, settings.tolerance_days))
    cut = splits.holdout_cut(data_date, settings.holdout_months)
    train_part, holdout = splits.split(labelled, cut)
    if not len(train_part) or not len(holdout):
        raise ValueError(
            f"the cut {cut} leaves {len(train_part)} activities to train on and {len(holdout)} to test on: "
            "give a longer history or fewer holdout months"
        )
    track = protocols.time_protocol(train_part, holdout)
    features = track.data.features
    text = features.select_dtypes(exclude="number")
    rate = float(track.holdout["is_late"].mean())
    columns = features.shape[1] - text.shape[1] + sum(min(text[name].nunique(), 100) for name in text)
    data = objects.put("main.npz", pack(track.data))
    declared = candidates.load_candidates(settings.candidates)
    plan = {
        "execution": "standalone",
        "protocol": "time",
        "cut": cut.isoformat(),
        "seed": settings.random_seed,
        "budget_seconds": None,
        "tolerated_share": settings.tolerated_failure_share,
        "candidates": json.loads(candidates.dump_candidates(declared)),
        "features": {
            "numeric": list(features.select_dtypes("number").columns),
            "categorical": list(text.columns),
        },
        "tables": {
            "train": objects.table("train.csv.gz", track.train),
            "holdout": objects.table("holdout.csv.gz", track.holdout),
        },
        "tracks": {
            rounds.MAIN: {
                "data": data,
                "folds": track.folds,
                "rows": track.data.fitted,
                "rest": len(features) - track.data.fitted,
                "columns": columns,
                "select_by": track.select_by,
                "majority_accuracy": max(rate, 1 - rate),
            }
        },
        "forecast": _forecast_plan(table, cut, settings, objects),
    }
    return cast("SearchPlan", _json(plan)), {rounds.MAIN: Worker(unpack(objects.get(data)), settings.random_seed)}


def _forecast_plan(table: pd.DataFrame, cut: date, settings: Settings, objects: _Objects) -> ForecastPlan:
    points = forecast.load_grid(settings.forecast)
    last = pd.Timestamp(cut - timedelta(days=1))
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
    written = {name: objects.table(f"landmarks-{name}.csv.gz", part) for name, part in parts.items()}
    return cast("ForecastPlan", {"why": "", "points": points, "tables": written})


def _carried_out(
    task: Mapping[str, Any], plan: SearchPlan, workers: Mapping[str, Worker], objects: _Objects
) -> dict[str, Any]:
    began = time.perf_counter()
    if task["track"] == forecast.TRACK:
        result = _forecast_task(task, plan, objects)
    else:
        worker = workers[task["track"]]
        families = {candidate.name: candidate for candidate in rounds.candidates_of(plan)}
        if task["kind"] == "search":
            result = _search(worker, families, task, objects)
        else:
            result = _fit(worker, families[task["family"]], task, objects)
    seconds = time.perf_counter() - began
    return {**result, "kind": task["kind"], "seconds": seconds, "fit_seconds": seconds}


def _search(
    worker: Worker, families: Mapping[str, Candidate], task: Mapping[str, Any], objects: _Objects
) -> dict[str, Any]:
    units: list[dict[str, Any]] = []
    probabilities: dict[str, np.ndarray] = {}
    for family in dict.fromkeys(unit[0] for unit in task["units"]):
        wanted = [(point, fold) for name, point, fold in task["units"] if name == family]
        measured, found = worker.search(families[family], wanted, task["share"])
        units += [{"unit": [family, item.pop("point"), item.pop("fold")], **item} for item in measured]
        probabilities |= {f"{family}/{point}/{fold}": p for (point, fold), p in found.items()}
    result: dict[str, Any] = {"units": units}
    # Only models fitted on all rows can win, and only the winner's probabilities are needed.
    if task["share"] == 1.0 and probabilities:
        result["oof"] = objects.put(f"{task['id']}-{len(units)}-oof.npz", _npz(probabilities))["uri"]
    return result


def _fit(worker: Worker, candidate: Candidate, task: Mapping[str, Any], objects: _Objects) -> dict[str, Any]:
    try:
        model, p, measured = worker.fit(candidate, task["params"])
    except Exception as error:
        # Each family has its own winner.
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    buffer, holdout = io.BytesIO(), io.BytesIO()
    joblib.dump(model, buffer)
    np.save(holdout, p, allow_pickle=False)
    name = f"fit-{task['id']}"
    return {
        "test": measured,
        "model": objects.put(f"{name}.joblib", buffer.getvalue()),
        "holdout_p": objects.put(f"{name}-holdout.npy", holdout.getvalue()),
        "oof": objects.put(f"{name}-oof.npz", _npz(_out_of_fold(worker, task, objects))),
    }


def _out_of_fold(worker: Worker, task: Mapping[str, Any], objects: _Objects) -> dict[str, np.ndarray]:
    found, folds, scores = [], [], []
    for uri in task["oof"]:
        with np.load(io.BytesIO(objects.get({"uri": uri})), allow_pickle=False) as arrays:
            for number, fold in enumerate(worker.data.folds):
                key = f"{task['family']}/{task['point']}/{number}"
                if key in arrays:
                    found.append(fold.test)
                    folds.append(np.full(len(fold.test), number, dtype="int8"))
                    scores.append(arrays[key])
    order = np.argsort(np.concatenate(found), kind="stable")
    return {name: np.concatenate(part)[order] for name, part in {"row": found, "fold": folds, "p": scores}.items()}


def _forecast_task(task: Mapping[str, Any], plan: SearchPlan, objects: _Objects) -> dict[str, Any]:
    known = tables.from_bytes(objects.get(plan["forecast"]["tables"]["train"]))
    if task["kind"] == forecast.SEARCH:
        return {"points": forecast.measure(known, plan["forecast"], task["points"], plan["seed"])}
    try:
        document = forecast_training.fit(known, plan["seed"], **task["params"]).document()
    except Exception as error:
        # The classifier is released without a forecast then, and the reason is said.
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    stored = objects.put("forecast.json", artifact.encode(document))
    return {"params": task["params"], "model": stored}


def _found(search: Mapping[str, Any], objects: _Objects) -> Found:
    if "model" not in search:
        return Found(why=search["why"], search=search, champion=None)
    parts = {name: tables.from_bytes(objects.get(item)) for name, item in search["tables"].items()}
    return Found(
        train=parts["train"],
        holdout=parts["holdout"],
        raw=objects.get(search["model"]),
        search=search,
        champion=None,
    )


def _loaded(objects: _Objects, item: Mapping[str, Any]) -> Any:
    # These bytes were written by this process.
    return joblib.load(io.BytesIO(objects.get(item)))


def _oof(objects: _Objects, item: Mapping[str, Any]) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(objects.get(item["oof"])), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("row", "fold", "p")}


def _array(objects: _Objects, item: Mapping[str, Any]) -> np.ndarray:
    values: np.ndarray = np.load(io.BytesIO(objects.get(item)), allow_pickle=False)
    return values


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _json(document: Any) -> Any:
    return json.loads(json.dumps(document))
