"""What the functions return to the state machine: the answers that the walk makes up and the real ones must both fit.

Every return of a real handler in tests/integration is compared with this (tests/conftest.py), so a walk with made-up
answers cannot drift away from what the functions really say.
"""

from types import UnionType
from typing import Any

Contract = dict[str, Any] | list[Any] | type | UnionType

REFERENCE = {"uri": str, "sha256": str}
DATASET = {**REFERENCE, "dataset_id": str, "dated": bool, "data_date": str | None}
# What a release needs of a model.
MODEL = {
    **dict.fromkeys(("model_id", "family", "sha256", "artefact_uri", "profile_uri", "golden_uri", "layer_key"), str),
    **dict.fromkeys(("dataset_id", "trained_at", "execution"), str),
}
STEP = {
    **{"action": str, "index": int, "weight": int, "started_at": str, "wait_seconds": int},
    **{"why": str, "notes": [str]},
}
PREPARED = {"outcome": str, "why": str}
DECIDED = {**PREPARED, "hold": str, "reason": str, "dataset": DATASET}
ROUND = {"next": str, "tasks": [str], "round": REFERENCE}
# By function and, where it has several, by step.
RETURNS: dict[str, Contract] = {
    "prepare": PREPARED,
    "prepare confirm": DECIDED,
    "refresh": {"keys": int, "written": int, "deleted": int},
    "score": {"scored": list},
    "plan": ROUND,
    "train": {"task": str, "result": str},
    "evaluate": {"release": bool, "why": str, "model": MODEL, "evaluation_uri": str},
    "report": {"report_uri": str | None},
    "track": {"logged": [str]},
    "approve ask": {"expires_at": str},
    "approve conclude": {"release": bool, "outcome": str, "why": str},
    "release publish": {"version": str, "layer": str | None},
    "release verify": {"version": str, "compared": int},
    "release shadow": {
        **{"previous": str | None, "canary": {"index": int}, "notes": [str], "predicted": dict | None},
        **{"next": str, "why": str},
    },
    "release weigh": STEP,
    "release judge": STEP,
    "release promote": {"version": str, "previous": str | None},
    "release prune": dict,
    "release roll_back": {"version": str, "live": str, "withdrawn": bool, "why": str},
    "edge": {"bundle_uri": str, "record_uri": str},
    "notify": {"outcome": str, "why": str | None, "version": str | None},
}


def name_of(function: str, payload: dict[str, Any]) -> str:
    """Return the name in `RETURNS` of what a function was asked for."""
    step = payload.get("step", "")
    return f"{function} {step}" if step and step != "prepare" else function


def problems(name: str, answer: Any) -> list[str]:
    """Return in what an answer does not fit its contract."""
    found = list(_misfits(answer, RETURNS[name], name))
    if name.startswith("prepare") and answer.get("outcome") != "refused":
        found += _misfits(answer, DECIDED, name)
        if answer.get("upload") is not None:
            upload = {"counts": dict, "source": str, "open": {"rows": int}}
            found += _misfits(answer["upload"], upload, f"{name}.upload")
            if answer["upload"]["open"]["rows"]:
                found += _misfits(answer["upload"]["open"], REFERENCE, f"{name}.upload.open")
    if name == "plan":
        found += _misfits(answer, {"search": REFERENCE} if answer["next"] == "evaluate" else {}, name)
    return found


def _misfits(value: Any, contract: Any, path: str) -> list[str]:
    if isinstance(contract, dict):
        if not isinstance(value, dict):
            return [f"{path} is no object: {value!r}"]
        missing = [f"{path}.{key} is missing" for key in contract if key not in value]
        return missing + [
            line
            for key, part in contract.items()
            if key in value
            for line in _misfits(value[key], part, f"{path}.{key}")
        ]
    if isinstance(contract, list):
        if not isinstance(value, list):
            return [f"{path} is no array: {value!r}"]
        return [line for item in value for line in _misfits(item, contract[0], f"{path}[]")]
    if contract is int and isinstance(value, bool):
        return [f"{path} is a boolean"]
    return [] if isinstance(value, contract) else [f"{path} is {value!r}, not {contract}"]
