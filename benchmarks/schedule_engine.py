"""Dates of `slipcast.schedule` next to those that Primavera P6 stored in the same file.

    python -m benchmarks.schedule_engine FOLDER_OR_FILE... [--json FILE]

Not every file can be reproduced: its dates may be older than its relations, or be those of a plan edited by hand. An
activity contradicts itself if its stored early dates are not its remaining duration apart on its calendar, lie before
the data date, before the stored finish of a finish-to-start predecessor, or after the earliest start although nothing
holds it. A file in which more than 1 % of the activities that have not started do so is left out of the totals; none
of these tests uses the engine. The table gives the share of open activities within one day of P6's early finish, late
finish and total float.

P6 leaves the early dates of completed work blank where logic is not retained. If they are blank in a project whose
schedule options say retained logic, the dates are older than the options, and progress override is what they were made
with.
"""

import argparse
import hashlib
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import process_time

from slipcast.ingest.read_network import read_rows
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.schedule.compiled import Node
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import SPANNING, CycleError, Key, Network, Status
from slipcast.schedule.options import OutOfSequence
from slipcast.schedule.tables import network_of
from slipcast.schedule.working_time import minute_of

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
    return result


def lines(results: list[Result]) -> Iterator[str]:
    """Yield the table."""
    for progressed in (False, True):
        group = [result for result in results if not result.error and result.progressed is progressed]
        yield ""
        yield "progressed" if progressed else "unprogressed"
        yield f"{'file':44} {'open':>6} {'links':>6} {'contr.':>7} {'EF':>7} {'LF':>7} {'TF':>7} {'CPU s':>6}"
        for result in group:
            yield (
                f"{result.file[:43]:43}{'*' if result.overridden else ' '} {len(result.differences):6} "
                f"{result.relations:6} {result.contradictions:7.1%} "
                f"{' '.join(_percent(result.within(name)) for name in MEASURES)} {result.seconds:6.2f}"
            )
        for words, name in (
            ("files that agree with themselves", "contradictions"),
            ("files that agree with their calendars", "calendar_contradictions"),
        ):
            kept = [result for result in group if getattr(result, name) <= MOST_CONTRADICTIONS]
            rows = [row for result in kept for row in result.differences]
            shares = " ".join(f"{name} {_percent(_within(rows, name), 2).strip()}" for name in MEASURES)
            yield f"{len(kept)} {words}, {len(rows)} open activities within a day: {shares}"
    if any(result.overridden for result in results):
        yield "* progress override, as the blank early dates of completed work say"


def _percent(share: float | None, digits: int = 1) -> str:
    return "      -" if share is None else f"{share:7.{digits}%}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, help="where to write the figures of each file")
    arguments = parser.parse_args()
    files = [file for path in arguments.paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    results: dict[str, Result] = {}
    for file in files:
        if file.suffix.lower() in (".xer", ".xml"):
            result = compare(file)
            # The same schedule under another name counts once.
            results.setdefault(result.digest or result.file, result)
            if result.error:
                print(f"{result.file[:43]:44} {result.error[:100]}")
    print("\n".join(lines(list(results.values()))))
    if arguments.json:
        figures = [
            {**vars(result), "differences": len(result.differences), **{name: result.within(name) for name in MEASURES}}
            for result in results.values()
        ]
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
