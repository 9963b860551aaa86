"""Tasks of a search: read from the round, carried out by the domain package, results written next to the round."""

import io
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import joblib
import numpy as np

from slipcast.contracts import ForecastPlan, Reference
from slipcast.datasets import tables
from slipcast.forecast import training as forecast_training
from slipcast.model import artifact
from slipcast.training.candidates import Candidate
from slipcast.training.search import forecast, rounds
from slipcast.training.search.data import unpack
from slipcast.training.search.worker import Worker
from slipcast_aws import storage


def carry_out(ran: Reference, name: str) -> tuple[str, dict[str, Any]]:
    """Carry out task `name` of a round.

    Parameters
    ----------
    ran
        URI and digest of the round

    Returns
    -------
    tuple[str, dict[str, Any]]
        URI of the result, and the result: ``kind``, ``seconds``, and ``units``, ``points`` or the result of a fit
    """
    began = time.perf_counter()
    document = _json(ran["uri"], ran["sha256"])
    plan = _json(document["plan"]["uri"], document["plan"]["sha256"])
    task = next(item for item in document["tasks"] if item["id"] == name)
    prefix = f"{ran['uri'].rsplit('/', 1)[0]}/{name}"
    if task["track"] == forecast.TRACK:
        result = _forecast(plan["forecast"], task, plan["seed"], prefix)
    else:
        data = plan["tracks"][task["track"]]["data"]
        worker = _worker(data["uri"], data["sha256"], plan["seed"])
        families = {candidate.name: candidate for candidate in rounds.candidates_of(plan)}
        if task["kind"] == "search":
            result = _search(worker, families, task, prefix)
        else:
            result = _fit(worker, families[task["family"]], task, prefix)
    result |= {"kind": task["kind"], "seconds": time.perf_counter() - began}
    uri = f"{prefix}.json"
    storage.write_json(uri, result)
    return uri, result


# In a warm function, the next task of the same search reuses rows and prepared folds.
@lru_cache(maxsize=2)
def _worker(uri: str, sha256: str, seed: int) -> Worker:
    return Worker(unpack(storage.read_bytes(uri, sha256=sha256)), seed)


@lru_cache(maxsize=4)
def _json(uri: str, sha256: str) -> Any:
    return storage.read_json(uri, sha256=sha256)


def _search(worker: Worker, families: dict[str, Candidate], task: dict[str, Any], prefix: str) -> dict[str, Any]:
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
        result["oof"] = f"{prefix}.npz"
        storage.write_bytes(result["oof"], _npz(probabilities.items()))
    return result


def _fit(worker: Worker, candidate: Candidate, task: dict[str, Any], prefix: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        model, p, measured = worker.fit(candidate, task["params"])
    except Exception as error:
        # Each family has its own winner.
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    seconds = time.perf_counter() - began
    if task["track"] != rounds.MAIN:
        return {"test": measured, "fit_seconds": seconds}
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=3)
    holdout = io.BytesIO()
    np.save(holdout, p, allow_pickle=False)
    return {
        "fit_seconds": seconds,
        "test": measured,
        "model": _stored(f"{prefix}.joblib", buffer.getvalue()),
        "holdout_p": _stored(f"{prefix}-holdout.npy", holdout.getvalue()),
        "oof": _stored(f"{prefix}-oof.npz", _npz(_out_of_fold(worker, task).items())),
    }


def _forecast(plan: ForecastPlan, task: dict[str, Any], seed: int, prefix: str) -> dict[str, Any]:
    train = plan["tables"]["train"]
    landmarks = tables.from_bytes(storage.read_bytes(train["uri"], sha256=train["sha256"]))
    if task["kind"] == forecast.SEARCH:
        return {"points": forecast.measure(landmarks, plan, task["points"], seed)}
    began = time.perf_counter()
    try:
        document = forecast_training.fit(landmarks, seed, **task["params"]).document()
    except Exception as error:
        # The classifier is released without a forecast then, and the reason is said.
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    raw = artifact.encode(document)
    return {
        "fit_seconds": time.perf_counter() - began,
        "params": task["params"],
        "model": _stored(f"{prefix}-forecast.json", raw),
    }


def _out_of_fold(worker: Worker, task: dict[str, Any]) -> dict[str, np.ndarray]:
    rows, folds, scores = [], [], []
    for uri in task["oof"]:
        with np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False) as arrays:
            for number, fold in enumerate(worker.data.folds):
                key = f"{task['family']}/{task['point']}/{number}"
                if key in arrays:
                    rows.append(fold.test)
                    folds.append(np.full(len(fold.test), number, dtype="int8"))
                    scores.append(arrays[key])
    order = np.argsort(np.concatenate(rows), kind="stable")
    parts = {"row": rows, "fold": folds, "p": scores}
    return {name: np.concatenate(part)[order] for name, part in parts.items()}


def _npz(arrays: Iterable[tuple[str, np.ndarray]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def _stored(uri: str, raw: bytes) -> dict[str, str]:
    return {"uri": uri, "sha256": storage.write_bytes(uri, raw)}
