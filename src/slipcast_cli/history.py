"""History of trainings: requests, answers of the trigger, outcomes and released versions.

``slipcast history``. Read from the audit trail in the control table, which outlives the stack.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

HEAD = ("time (UTC)", "asked by", "decision", "outcome", "versions", "execution", "why")
# Width at which nothing is cut.
FULL = 10_000
# Requests that started nothing: one line is enough for a storm of them.
QUIET = ("coalesced", "cooldown", "duplicate")
# Steps of a release after which another version is live.
MOVES = ("promoted", "promoted by hand", "rolled back by hand")


@dataclass(frozen=True)
class Line:
    """One line of the history.

    Attributes
    ----------
    at
        when it was asked, or happened; ISO 8601, UTC
    asked_by
        ``alarm``, ``schedule``, ``new_data``, ``manual``; ``release``, ``approval`` where nobody asked the trigger
    decision
        the trigger's answer: ``started``, ``coalesced``, ``cooldown``, ``duplicate``, ``ok``; empty if there is none
    outcome
        result of the execution; ``under way`` until there is one
    versions
        ``3 -> 4`` if another version went live
    execution
        the execution, or the one that the request was coalesced into
    why
        one line for people
    count, until
        number of requests that the line stands for, and the time of the last one
    """

    at: str
    asked_by: str = ""
    decision: str = ""
    outcome: str = ""
    versions: str = ""
    execution: str = ""
    why: str = ""
    count: int = 1
    until: str = ""


def lines(trail: Iterable[dict[str, str]]) -> list[Line]:
    """Return a line for each request to the trigger, and for each other entry of the trail, oldest first.

    Parameters
    ----------
    trail
        entries as `control.audit_trail` returns them, oldest first
    """
    entries = list(trail)
    ended = {entry["execution"]: entry for entry in entries if entry.get("what") == "pipeline"}
    started = {entry["execution"] for entry in entries if _is(entry, "gate", "started")}
    changes = _changes(entries)
    found = []
    for place, entry in enumerate(entries):
        what, execution, at = entry.get("what", ""), entry.get("execution", ""), entry["sk"].partition("#")[0]
        if what == "gate":
            found.append(_of_trigger(entry, at, ended.get(execution), changes))
        elif what != "pipeline" or execution not in started:
            # A step of a release, an approval, or an execution that was started without the trigger.
            by = entry.get("reason", "") if what == "pipeline" else what
            change = changes.get(execution if what == "pipeline" else place, "")
            found.append(Line(at, by, "", entry.get("outcome", ""), change, execution, entry.get("detail", "")))
    return found


def _of_trigger(entry: dict[str, str], at: str, end: dict[str, str] | None, changes: dict[Any, str]) -> Line:
    decision, execution, asked_by = entry["outcome"], entry["execution"], entry.get("reason", "")
    if decision != "started":
        # The line of the execution's start has its outcome.
        return Line(at, asked_by, decision, "", "", entry.get("into") or execution, entry.get("detail", ""))
    if end is None:
        return Line(at, asked_by, decision, "under way", "", execution, entry.get("detail", ""))
    return Line(at, asked_by, decision, end["outcome"], changes.get(execution, ""), execution, end.get("detail", ""))


def _is(entry: dict[str, str], what: str, outcome: str) -> bool:
    return entry.get("what") == what and entry.get("outcome") == outcome


def _changes(entries: Sequence[dict[str, str]]) -> dict[Any, str]:
    """Return the changes of the live version, by execution and by place of their entry in the trail."""
    found: dict[Any, str] = {}
    live = ""
    for place, entry in enumerate(entries):
        moved = _is(entry, "pipeline", "released") or (entry.get("what") == "release" and entry["outcome"] in MOVES)
        version = entry.get("version", "")
        if moved and version and version != live:
            change = f"{live} -> {version}" if live else version
            found |= {place: change, entry.get("execution") or place: change}
            live = version
    return found


def folded(found: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines; those of a storm, of one kind and one execution, become one line with their number.

    The steps of a release are left out if the line of its execution has the outcome.
    """

    # Requests of a storm alternate: lines that started nothing are merged between two that did.
    shown = [line for line in found if line.asked_by != "release" or not line.execution]
    for quiet, group in groupby(shown, key=lambda line: line.decision in QUIET):
        if not quiet:
            yield from group
            continue
        kinds: dict[tuple[str, ...], list[Line]] = {}
        for line in group:
            kinds.setdefault((line.asked_by, line.decision, line.execution), []).append(line)
        for same in kinds.values():
            first, last = same[0], same[-1]
            yield replace(first, count=len(same), until=last.at) if len(same) > 1 else first


def table(found: Iterable[Line], width: int) -> str:
    """Return the lines as a table that is no wider than `width` if possible: `why` is cut."""
    rows = [HEAD, *(_cells(line, names=width >= FULL) for line in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD) - 1)]
    room = max(24, width - sum(widths) - 2 * len(widths))
    texts = []
    for row in rows:
        *short, why = row
        cells = [cell.ljust(size) for cell, size in zip(short, widths, strict=True)]
        texts.append("  ".join([*cells, why if len(why) <= room else f"{why[: room - 1]}…"]).rstrip())
    return "\n".join(texts)


def _cells(line: Line, *, names: bool) -> tuple[str, ...]:
    # Eight digits of a name distinguish executions.
    name = line.execution if names or len(line.execution) < 32 else f"{line.execution[:-24]}…"
    execution = f"into {name}" if line.decision == "coalesced" else name
    why = " ".join(line.why.split())
    if line.count > 1:
        why = f"{line.count} requests until {_clock(line.until)}, the first: {why}"
    return (_clock(line.at), line.asked_by, line.decision, line.outcome, line.versions, execution, why)


def _clock(at: str) -> str:
    try:
        return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return at
