"""Output of the commands that compute and compare schedules."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from slipcast.schedule.comparison import Comparison
from slipcast.schedule.engine import Dates
from slipcast.schedule.network import Key, Network
from slipcast.schedule.paths import longest_path
from slipcast.schedule.quality import Check
from slipcast.schedule.working_time import moment_of
from slipcast_cli.show import output

MINUTES_PER_DAY = 480


def figures(network: Network, dates: Dates, checks: Sequence[Check]) -> dict[str, Any]:
    """Return dates, longest path and checks as JSON takes them; float in hours of work."""
    path = longest_path(dates)
    return {
        "projects": {
            name: {"data_date": _moment(project.data_date), "early_finish": _moment(dates.finish.get(name))}
            for name, project in network.projects.items()
        },
        "activities": [
            {
                "project": key.project,
                "activity_id": key.activity,
                "name": network.activities[key].name,
                "status": network.activities[key].status.value,
                **{
                    name: _moment(getattr(found, name))
                    for name in ("early_start", "early_finish", "late_start", "late_finish")
                },
                "total_float_hours": _hours(found.total_float),
                "free_float_hours": _hours(found.free_float),
                "longest_path": key in path,
            }
            for key, found in dates.activities.items()
        ],
        "checks": [
            {
                "name": check.name,
                "value": check.value,
                "limit": check.limit,
                "passed": check.passed,
                "count": check.count,
                "found": [str(key) for key in check.found],
            }
            for check in checks
        ],
    }


def print_schedule(network: Network, dates: Dates, checks: Sequence[Check], most: int) -> None:
    """Print finish, longest path and checks."""
    for name, finish in dates.finish.items():
        data_date = network.projects[name].data_date
        output.print(f"{name or 'project'}: data date {_moment(data_date)}, early finish {_moment(finish)}")
    several = len(network.projects) > 1
    path = longest_path(dates)
    nodes = [node for node in dates.compiled.scheduled() if node.activity.key in path and not node.complete]
    nodes.sort(key=lambda node: (node.early_start, node.activity.key))
    table = Table(
        "longest path", "name", "early start", "early finish", "late finish", "float d", box=None, pad_edge=False
    )
    for node in nodes[:most]:
        moments = map(_moment, (node.early_start, node.early_finish, node.late_finish))
        days = f"{(node.total_float or 0) / MINUTES_PER_DAY:.1f}"
        table.add_row(_label(node.activity.key, several), node.activity.name, *moments, days)
    output.print(table)
    if len(nodes) > most:
        output.print(f"{len(nodes) - most} more: --json has them")
    table = Table("check", "value", "limit", "result", "found", box=None, pad_edge=False)
    for check in checks:
        result = "-" if check.passed is None else "good" if check.passed else "failed"
        value = "-" if check.value is None else f"{check.value:.3f}"
        table.add_row(
            check.name, value, f"{check.limit:g}", result, _some(check.found, several) or str(check.count or "")
        )
    output.print(table)


def print_comparison(found: Comparison, most: int) -> None:
    """Print how the finishes moved, what slipped most, and what was edited."""
    for name, days in found.finish_days.items():
        output.print(f"{name or 'project'}: the finish moved by {days:+.1f} days")
    several = len(found.finish_days) > 1
    table = Table("slip", "days", "float consumed d", "because of", box=None, pad_edge=False)
    for slip in found.slips[:most]:
        consumed = f"{slip.float_consumed / MINUTES_PER_DAY:.1f}"
        table.add_row(_label(slip.key, several), f"{slip.days:+.1f}", consumed, _label(slip.driver, several))
    output.print(table)
    counts = {
        "activities added": found.added,
        "activities removed": found.removed,
        "relations added": found.added_relations,
        "relations removed": found.removed_relations,
        "edits of activities": found.changes,
        "edits of planned dates": found.planned_changes,
    }
    for name, items in counts.items():
        output.print(f"{name}: {len(items)}")


def _label(key: Key, several: bool) -> str:
    return str(key) if several else key.activity


def _some(keys: Sequence[Key], several: bool) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(_label(key, several) for key in keys[:3]) + more


def _moment(minute: int | None) -> str | None:
    return None if minute is None else moment_of(minute).isoformat(" ", "minutes")


def _hours(minutes: int | None) -> float | None:
    return None if minutes is None else round(minutes / 60, 2)
