"""What the functions return to the state machine: the answers that the walk makes up and the real ones must both fit.

Every return of a real handler in tests/integration is compared with this (tests/conftest.py), so a walk with made-up
answers cannot drift away from what the functions really say.
"""

from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from slipcast import contracts

# By function and, where it has several, by step.
RETURNS: dict[str, type] = {
    "prepare": contracts.Refused,
    "prepare confirm": contracts.Prepared,
    "refresh": contracts.Refreshed,
    "score": contracts.Scored,
    "plan": contracts.Planned,
    "train": contracts.Trained,
    "evaluate": contracts.Verdict,
    "report": contracts.ReportAnswer,
    "track": contracts.Tracked,
    "approve ask": contracts.ApprovalAsked,
    "approve conclude": contracts.ApprovalConcluded,
    "release publish": contracts.Published,
    "release verify": contracts.Verified,
    "release shadow": contracts.Replayed,
    "release weigh": contracts.CanaryStep,
    "release judge": contracts.CanaryStep,
    "release promote": contracts.Promoted,
    "release prune": contracts.Pruned,
    "release roll_back": contracts.RolledBack,
    "edge": contracts.EdgePublished,
    "notify": contracts.Notified,
}


def name_of(function: str, payload: dict[str, Any]) -> str:
    """Return the name in `RETURNS` of what a function was asked for."""
    step = payload.get("step", "")
    return f"{function} {step}" if step and step != "prepare" else function


def problems(name: str, answer: Any) -> list[str]:
    """Return in what an answer does not fit its contract."""
    found = list(_misfits(answer, RETURNS[name], name))
    if name.startswith("prepare") and answer.get("outcome") != "refused":
        found += _misfits(answer, contracts.Prepared, name)
        if (answer.get("upload") or {}).get("open", {}).get("rows"):
            found += _misfits(answer["upload"]["open"], contracts.Reference, f"{name}.upload.open")
    if name == "plan" and answer["next"] == "evaluate" and "search" not in answer:
        found.append(f"{name}.search is missing")
    return found


def _misfits(value: Any, contract: Any, path: str) -> list[str]:
    if contract is Any:
        return []
    if is_typeddict(contract):
        return _of_keys(value, contract, path)
    kind, parts = get_origin(contract), get_args(contract)
    if kind is Literal:
        return [] if value in parts else [f"{path} is {value!r}, none of {parts}"]
    if kind is UnionType:
        options = [_misfits(value, part, path) for part in parts]
        # None fits one option only: what misses the other one says more.
        return (
            []
            if [] in options
            else next(lines for part, lines in zip(parts, options, strict=True) if part is not NoneType)
        )
    if kind is list:
        if not isinstance(value, list):
            return [f"{path} is no array: {value!r}"]
        return [line for item in value for line in _misfits(item, parts[0], f"{path}[]")]
    if kind is dict:
        if not isinstance(value, dict):
            return [f"{path} is no object: {value!r}"]
        return [line for key, item in value.items() for line in _misfits(item, parts[1], f"{path}.{key}")]
    if contract in (int, float) and isinstance(value, bool):
        return [f"{path} is a boolean"]
    # JSON has one kind of number.
    return (
        []
        if isinstance(value, int | float if contract is float else contract)
        else [f"{path} is {value!r}, not {contract}"]
    )


def _of_keys(value: Any, contract: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object: {value!r}"]
    missing = [f"{path}.{key} is missing" for key in sorted(contract.__required_keys__ - value.keys())]
    return missing + [
        line
        for key, part in get_type_hints(contract).items()
        if key in value
        for line in _misfits(value[key], part, f"{path}.{key}")
    ]
