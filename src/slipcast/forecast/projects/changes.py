"""Changes from one stored update of a project to another. Standard library only."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from slipcast.forecast.projects.linked import network_of_part
from slipcast.schedule import comparison
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import CycleError, Network

type Columns = Mapping[str, Sequence[Any]]


def compare(
    project: str,
    before: tuple[Columns, Mapping[str, Any]],
    after: tuple[Columns, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what changed, in the form of `slipcast.schedule.comparison.Document`, and ``why`` some of it is not known.

    Parameters
    ----------
    project
        name of the project
    before, after
        the parts `sections.ROWS` and `sections.NETWORK` of each update

    Notes
    -----
    Where both updates have a network that can be computed, slips are those of early finishes, and drivers and consumed
    float are known. Else slips are those of the finishes in the schedule, and each activity is its own driver.
    """
    networks = [network_of_part(part) for _, part in (before, after)]
    found, why = (None, "one of the updates has no network with calendars")
    if networks[0] is not None and networks[1] is not None:
        found, why = _of_networks(networks[0], networks[1])
    document: dict[str, Any] = dict(found) if found is not None else _of_rows(project, before[0], after[0])
    document["baseline_changes"] = comparison.baselines(_baselines(project, before[0], after[0]))
    return {**document, "why": why}


def _of_networks(before: Network, after: Network) -> tuple[comparison.Document | None, str]:
    earlier = comparison.aligned(before, after)
    try:
        found = comparison.compare(earlier, after, schedule(earlier), schedule(after))
    except CycleError as error:
        return None, str(error)
    return comparison.document(found, earlier, after), ""


def _baselines(project: str, before: Columns, after: Columns) -> list[tuple[str, str, str | None, date, date]]:
    was = dict(zip(before["activity_id"], before["baseline_finish"], strict=True))
    edits = [
        (project, identifier, name, date.fromisoformat(was[identifier]), date.fromisoformat(finish))
        for identifier, name, finish in zip(
            *(after[column] for column in ("activity_id", "activity_name", "baseline_finish")), strict=True
        )
        if finish and was.get(identifier) and was[identifier] != finish
    ]
    return sorted(edits, key=lambda item: (-abs((item[4] - item[3]).days), item[1]))


def _of_rows(project: str, before: Columns, after: Columns) -> dict[str, Any]:
    """Return what two tables of activities say by themselves."""
    names = {
        **dict(zip(before["activity_id"], before["activity_name"], strict=True)),
        **dict(zip(after["activity_id"], after["activity_name"], strict=True)),
    }

    def named(identifier: str) -> dict[str, str]:
        return {"project_id": project, "activity_id": identifier, "activity_name": names[identifier] or ""}

    was, now = (
        dict(zip(one["activity_id"], zip(one["finish"], one["stage"], strict=True), strict=True))
        for one in (before, after)
    )
    slips: list[dict[str, Any]] = []
    for identifier in was.keys() & now.keys():
        (earlier, stage), (later, present) = was[identifier], now[identifier]
        if earlier and later and earlier != later and "complete" not in (stage, present):
            days = (date.fromisoformat(later) - date.fromisoformat(earlier)).days
            slips.append({**named(identifier), "days": days, "float_consumed_hours": 0.0, "driver": named(identifier)})
    slips.sort(key=lambda item: (-item["days"], item["activity_id"]))
    return {
        "finish_days": {},
        "slips": slips,
        "consumed": [],
        "added": [named(identifier) for identifier in sorted(now.keys() - was.keys())],
        "removed": [named(identifier) for identifier in sorted(was.keys() - now.keys())],
        "added_relations": [],
        "removed_relations": [],
        "changes": [],
        "planned_changes": [],
    }
