"""Run of one task of a search: points measured on folds, or the best point of a family fitted on all rows."""

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import joblib
import numpy as np

from slipcast.contracts import SearchPlan, Track
from slipcast.datasets import tables
from slipcast.forecast import network_training
from slipcast.forecast import training as forecast_training
from slipcast.model import artifact
from slipcast.training.candidates import Candidate
from slipcast.training.search import forecast, rounds
from slipcast.training.search.objects import Store
from slipcast.training.search.worker import Worker

# Rows that the models of networks are fitted to.
NETWORKS = ("projects-train", "activities-train")


def run(
    task: Mapping[str, Any], plan: SearchPlan, worker: Callable[[Track], Worker], store: Store, name: str
) -> dict[str, Any]:
    """Run a task and return its result.

    Parameters
    ----------
    task
        of a `contracts.Round`
    worker
        returns the worker for the rows of a track
    store
        gets models and probabilities, whose names begin with `name`

    Returns
    -------
    dict[str, Any]
        ``kind``, ``seconds``, and ``units`` and ``oof``, ``points``, or the result of a fit; a fit that fails leaves
        its ``error``
    """
    began = time.perf_counter()
    if task["track"] == forecast.TRACK:
        result = _forecast(task, plan, store, name)
    else:
        rows = worker(plan["tracks"][task["track"]])
        families = {candidate.name: candidate for candidate in rounds.candidates_of(plan)}
        if task["kind"] == "search":
            result = _search(rows, families, task, store, name)
        else:
            result = _fit(rows, families[task["family"]], task, store, name)
    return result | {"kind": task["kind"], "seconds": time.perf_counter() - began}


def _search(
    worker: Worker, families: Mapping[str, Candidate], task: Mapping[str, Any], store: Store, name: str
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
    if task["track"] == rounds.MAIN and task["share"] == 1.0 and probabilities:
        result["oof"] = store.put(f"{name}.npz", _npz(probabilities))["uri"]
    return result


def _fit(worker: Worker, candidate: Candidate, task: Mapping[str, Any], store: Store, name: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        model, p, measured = worker.fit(candidate, task["params"])
    except Exception as error:
        # Each family has its own winner.
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    seconds = time.perf_counter() - began
    if task["track"] != rounds.MAIN:
        return {"test": measured, "fit_seconds": seconds}
    pipeline, holdout = io.BytesIO(), io.BytesIO()
    joblib.dump(model, pipeline, compress=3)
    np.save(holdout, p, allow_pickle=False)
    return {
        "fit_seconds": seconds,
        "test": measured,
        "model": store.put(f"{name}.joblib", pipeline.getvalue()),
        "holdout_p": store.put(f"{name}-holdout.npy", holdout.getvalue()),
        "oof": store.put(f"{name}-oof.npz", _npz(_out_of_fold(worker, task, store))),
    }


def _forecast(task: Mapping[str, Any], plan: SearchPlan, store: Store, name: str) -> dict[str, Any]:
    train = plan["forecast"]["tables"]["train"]
    landmarks = tables.from_bytes(store.get(train["uri"], train["sha256"]))
    if task["kind"] == forecast.SEARCH:
        return {"points": forecast.measure(landmarks, plan["forecast"], task["points"], plan["seed"])}
    began = time.perf_counter()
    try:
        document = forecast_training.fit(landmarks, plan["seed"], **task["params"]).document()
    except Exception as error:
        # The classifier is released without a forecast then, and the reason is said.
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    networks, why = plan["forecast"].get("networks", {}).get("tables"), ""
    if networks:
        projects, activities = (
            tables.from_bytes(store.get(networks[name]["uri"], networks[name]["sha256"])) for name in NETWORKS
        )
        try:
            document["network"] = network_training.fit(projects, activities, plan["seed"])
        except Exception as error:
            # The forecast is released without it then, and networks get the draws.
            why = f"{type(error).__name__}: {error}"[:500]
    raw = artifact.encode(document)
    return {
        "network_error": why,
        "fit_seconds": time.perf_counter() - began,
        "params": task["params"],
        "model": store.put(f"{name}-forecast.json", raw),
    }


def _out_of_fold(worker: Worker, task: Mapping[str, Any], store: Store) -> dict[str, np.ndarray]:
    rows, folds, scores = [], [], []
    for uri in task["oof"]:
        with np.load(io.BytesIO(store.get(uri)), allow_pickle=False) as arrays:
            for number, fold in enumerate(worker.data.folds):
                key = f"{task['family']}/{task['point']}/{number}"
                if key in arrays:
                    rows.append(fold.test)
                    folds.append(np.full(len(fold.test), number, dtype="int8"))
                    scores.append(arrays[key])
    order = np.argsort(np.concatenate(rows), kind="stable")
    parts = {"row": rows, "fold": folds, "p": scores}
    return {name: np.concatenate(part)[order] for name, part in parts.items()}


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
