"""Benchmark on files of Primavera P6: dates of `slipcast.schedule` next to P6's own, and completions by each baseline.

Not every file can be reproduced: its dates may be older than its relations, or be those of a plan edited by hand. An
activity contradicts itself if its stored early dates are not its remaining duration apart on its calendar, lie before
the data date, before the stored finish of a finish-to-start predecessor, or after the earliest start although nothing
holds it. A file in which more than 1 % of the activities that have not started do so is left out of the totals; none
of these tests uses the engine. The table gives the share of open activities within one day of P6's early finish, late
finish and total float.

P6 leaves the early dates of completed work blank where logic is not retained. If they are blank in a project whose
schedule options say retained logic, the dates are older than the options, and progress override is what they were made
with.

Completions are working days from the data date on the calendar that most activities have. The plan is that of the file:
P6 keeps the planned dates of what has started, and moves those of what has not with the schedule.
"""

import hashlib
import statistics
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import process_time
from typing import Any

import pandas as pd

from slipcast.forecast import monte_carlo, network_state
from slipcast.ingest.read_network import read_rows
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.schedule.compiled import Node
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import SPANNING, CycleError, Key, Network, Status
from slipcast.schedule.options import OutOfSequence
from slipcast.schedule.tables import network_of
from slipcast.schedule.working_time import minute_of
from slipcast_cli.bench_dslib_tables import triangle
from slipcast_cli.bench_text import markdown, plain

DAY = 1440
MEASURES = ("early_finish", "late_finish", "total_float")
MOST_CONTRADICTIONS = 0.01
type Rows = dict[Key, dict[str, str]]
type Differences = dict[str, float | None]


@dataclass
class Result:
    """Comparison of a file; `error` says why there is none."""

    file: str
    error: str = ""
    activities: int = 0
    relations: int = 0
    progressed: bool = False
    overridden: bool = False
    contradictions: float = 0.0
    calendar_contradictions: float = 0.0
    seconds: float = 0.0
    digest: str = ""
    differences: list[Differences] = field(default_factory=list)
    completions: list[dict[str, Any]] = field(default_factory=list)

    def within(self, name: str) -> float | None:
        """Return the share of activities within a day."""
        return _within(self.differences, name)


def _within(differences: list[Differences], name: str) -> float | None:
    values = [abs(found) <= 1 for row in differences if (found := row[name]) is not None]
    return statistics.fmean(values) if values else None


def read(path: Path) -> tuple[Rows, Network]:
    """Return the rows of the activities and the network of a file."""
    rows = read_rows(path)
    return {Key(row["project_id"], row["activity_id"]): row for row in rows["activities"]}, network_of(rows)


def stored(row: dict[str, str], name: str) -> int | None:
    """Return a date that P6 stored, in minutes since 1970."""
    try:
        return minute_of(datetime.fromisoformat(row[name])) if row[name] else None
    except ValueError:
        return None


def in_force(network: Network, rows: Rows) -> tuple[Network, bool]:
    """Return the network with the options that its stored dates were made with, and whether these are other ones."""
    blank: dict[str, list[bool]] = {}
    for key, activity in network.activities.items():
        if activity.status is Status.COMPLETE and activity.kind not in SPANNING:
            blank.setdefault(key.project, []).append(not rows[key]["early_finish"])
    projects = dict(network.projects)
    for name, found in blank.items():
        options = projects[name].options
        if all(found) and options.out_of_sequence is OutOfSequence.RETAINED_LOGIC:
            options = replace(options, out_of_sequence=OutOfSequence.PROGRESS_OVERRIDE)
            projects[name] = replace(projects[name], options=options)
    return replace(network, projects=projects), projects != network.projects


def contradicts_calendar(node: Node, rows: Rows) -> bool:
    """Return whether the stored early dates are not the remaining duration apart."""
    row = rows[node.activity.key]
    start, finish = stored(row, "early_start"), stored(row, "early_finish")
    return start is None or finish is None or abs(node.clock.between(start, finish) - node.remaining) > 1


def contradicts(node: Node, rows: Rows) -> bool:
    """Return whether the stored dates of an activity that has not started contradict the file."""
    activity, clock, row = node.activity, node.clock, rows[node.activity.key]
    start = stored(row, "early_start")
    if start is None or contradicts_calendar(node, rows) or start < node.data_date:
        return True
    for link in node.before:
        other = rows[link.before.activity.key]
        before = stored(other, "early_finish")
        waits = link.holds and not link.before.complete and link.lag >= 0 and link.to_start and not link.from_start
        if waits and before is not None and clock.between(before, start) < 0:
            return True
    free = not node.before and not activity.constraints and activity.external_early_start is None
    earliest = clock.next(max(node.data_date, node.planned_start or node.data_date))
    return free and clock.between(earliest, start) > 1


def differences(node: Node, row: dict[str, str], network: Network) -> Differences:
    """Return computed less stored dates, in days, and total float, in working days."""
    early, late = stored(row, "early_finish"), stored(row, "late_finish")
    calendar = network.calendars.get(node.activity.calendar)
    hours = calendar.day_hours if calendar is not None and calendar.day_hours else 8
    total = row["total_float_minutes"]
    return {
        "early_finish": None if early is None else (node.early_finish - early) / DAY,
        "late_finish": None if late is None else (node.late_finish - late) / DAY,
        "total_float": (node.total_float - float(total)) / (hours * 60)
        if total and node.total_float is not None
        else None,
    }


def compare(path: Path) -> Result:
    """Return the comparison of a file."""
    result = Result(path.name)
    try:
        rows, network = read(path)
        network, result.overridden = in_force(network, rows)
        began = process_time()
        dates: Dates = schedule(network)
        result.seconds = process_time() - began
    except (ScheduleRefused, CycleError, ValueError) as error:
        result.error = str(error).removeprefix(f"{path.name}: ")
        return result
    result.activities, result.relations = len(network.activities), len(network.relations)
    result.progressed = any(item.status is not Status.NOT_STARTED for item in network.activities.values())
    result.digest = hashlib.sha256(repr([sorted(rows.items()), network.relations]).encode()).hexdigest()
    nodes = [node for node in dates.compiled.scheduled() if stored(rows[node.activity.key], "early_finish") is not None]
    waiting = [node for node in nodes if node.activity.status is Status.NOT_STARTED]
    if waiting:
        result.contradictions = statistics.fmean(contradicts(node, rows) for node in waiting)
        result.calendar_contradictions = statistics.fmean(contradicts_calendar(node, rows) for node in waiting)
    result.differences = [differences(node, rows[node.activity.key], network) for node in nodes if not node.complete]
    if not result.differences:
        result.error = "no early dates of open activities"
    result.completions = [found for name in network.projects if (found := completion(network, name)) is not None]
    return result


def completion(network: Network, name: str) -> dict[str, Any] | None:
    """Return the working days to the completion of a project by each method; None if it is not in progress."""
    own = {key: item for key, item in network.activities.items() if key.project == name}
    statuses = {item.status for item in own.values() if item.kind not in SPANNING}
    if not statuses - {Status.NOT_STARTED} or statuses == {Status.COMPLETE}:
        return None
    relations = [item for item in network.relations if item.predecessor in own and item.successor in own]
    alone = replace(network, projects={name: network.projects[name]}, activities=own, relations=relations)
    try:
        state = network_state.state(alone).project
    except ValueError:
        return None
    drawn = triangle(alone, name)
    latest, _ = drawn.project_finish(name)
    nodes = [node for node in drawn.nodes if node.activity.planned_start is not None]
    usual = Counter(node.activity.calendar for node in nodes).most_common(1)[0][0]
    node = next(node for node in nodes if node.activity.calendar == usual)
    quantiles = [
        node.clock.between(node.data_date, monte_carlo.quantile(latest, level)) / node.clock.day_minutes
        for level in (0.5, 0.8)
    ]
    return {
        "method": name,
        "complete": state["share_complete"],
        "plan": state["plan_remaining"],
        "delayed": state["plan_remaining"] + max(state["median_start_delay"], 0.0),
        "critical_path": state["free_remaining"],
        "earned": state["earned_remaining"],
        "earned_pace": state["earned_remaining"] / max(state["performance"], 0.1),
        "monte_carlo_50": quantiles[0],
        "monte_carlo_80": quantiles[1],
    }


def run(folder: Path) -> list[Result]:
    """Compare each XER and P6 XML file of a folder; the same schedule under another name counts once."""
    results: dict[str, Result] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() == ".xer" or _is_pmxml(file):
            result = compare(file)
            results.setdefault(result.digest or result.file, result)
    return list(results.values())


def _is_pmxml(file: Path) -> bool:
    # MS Project's XML has the same ending, and other rules.
    if file.suffix.lower() != ".xml":
        return False
    with file.open("rb") as stream:
        return b"APIBusinessObjects" in stream.read(4096)


# Heading → figure and its decimals.
COLUMNS = {
    "open": ("open", 0),
    "relations": ("relations", 0),
    "contradictions, %": ("contradictions", 1),
    "early finish, %": ("early_finish", 2),
    "late finish, %": ("late_finish", 2),
    "total float, %": ("total_float", 2),
    "CPU, s": ("seconds", 2),
}
COMPLETIONS = {
    "complete, %": ("complete", 0),
    "plan": ("plan", 0),
    "plan and delay so far": ("delayed", 0),
    "critical path": ("critical_path", 0),
    "earned schedule, PF = 1": ("earned", 0),
    "earned schedule, SPI(t)": ("earned_pace", 0),
    "Monte Carlo -10/+25 %, P50": ("monte_carlo_50", 0),
    "P80": ("monte_carlo_80", 0),
}


def tables(results: list[Result]) -> dict[str, pd.DataFrame]:
    """Return the shares of open activities within a day of P6's dates, by file and in total, and the completions."""
    found = {}
    for progressed, title in ((False, "not progressed"), (True, "progressed")):
        group = [result for result in results if not result.error and result.progressed is progressed]
        rows = [_row(result.file + " *" * result.overridden, [result]) for result in group]
        for words, name in (("themselves", "contradictions"), ("their calendars", "calendar_contradictions")):
            kept = [result for result in group if getattr(result, name) <= MOST_CONTRADICTIONS]
            rows.append(_row(f"files that agree with {words}: {len(kept)}", kept))
        found[f"{title}: open activities within a day of P6"] = pd.DataFrame(rows)
    completions = [row for result in results for row in result.completions]
    found["completion, working days from the data date"] = pd.DataFrame(
        [{**row, "complete": 100 * row["complete"]} for row in completions]
    )
    return found


def _row(name: str, results: list[Result]) -> dict[str, Any]:
    differences = [row for result in results for row in result.differences]
    alone = results[0] if len(results) == 1 else None
    shares = {measure: _within(differences, measure) for measure in MEASURES}
    return {
        "method": name,
        "open": len(differences),
        "relations": sum(result.relations for result in results),
        "contradictions": float("nan") if alone is None else 100 * alone.contradictions,
        **{measure: float("nan") if share is None else 100 * share for measure, share in shares.items()},
        "seconds": sum(result.seconds for result in results),
    }


def text(results: list[Result]) -> str:
    """Return the tables as Markdown."""
    lines = [f"Left out: {result.file}: {result.error[:100]}" for result in results if result.error]
    for title, table in tables(results).items():
        if len(table):
            lines += markdown(title, table, COMPLETIONS if title.startswith("completion") else COLUMNS)
    if any(result.overridden for result in results):
        lines.append("\\* progress override, as the blank early dates of completed work say")
    return "\n".join(lines)


def document(results: list[Result]) -> dict[str, Any]:
    """Return the tables as JSON values."""
    return {
        "left_out": {result.file: result.error for result in results if result.error},
        "tables": {title: plain(table) for title, table in tables(results).items()},
    }
