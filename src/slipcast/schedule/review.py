"""Review of an update as it is taken in: can it be forecast, and what changed since the last one?"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from slipcast.schedule import comparison, quality
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import CycleError, Key, Network
from slipcast.schedule.tables import network_of
from slipcast.schedule.working_time import minute_of

type Tables = Mapping[str, Sequence[Mapping[str, Any]]]

# They need dates that were computed with the file's own calendars.
COMPUTED = frozenset(
    {
        *("high float", "negative float", "critical path test", "critical path length index"),
        "connected to the finish",
    }
)


def review(
    now: Tables, before: Tables, baseline: Mapping[Key, date], today: datetime
) -> tuple[quality.Quality, comparison.Document | None]:
    """Return the quality of an update, and what changed since the last one.

    Parameters
    ----------
    now, before
        rows of `slipcast.datasets.network_columns.TABLES`, with their ``data_date``; `before` has none for a first
        update
    baseline
        baseline finish of activities; that of others is their planned finish
    today
        the age of the data date counts to it

    Returns
    -------
    tuple[Quality, Document | None]
        without points and with a reason if no dates can be computed; None without an update before whose dates can be

    Notes
    -----
    A table of text has relations but no calendars: what rests on computed dates is not known of it.
    """
    computed = _computed(now)
    if isinstance(computed, str):
        return {"points": [], "failed": 0, "why": computed}, None
    network, dates = computed
    # A finish on the last day in the baseline is in time, whenever on that day.
    ends = {key: minute_of(datetime.combine(day, time.max)) for key, day in baseline.items()}
    checks = quality.assess(network, dates, minute_of(today), ends)
    if not now["calendars"]:
        checks = [_known(check, network) for check in checks]
    judged = quality.document(checks, network)
    last = _computed(before)
    if isinstance(last, str):
        return judged, None
    earlier, was = last
    changed = comparison.document(comparison.compare(earlier, network, was, dates), earlier, network)
    if not (now["calendars"] and before["calendars"]):
        changed |= {"slips": [], "consumed": [], "finish_days": {}}
    return judged, changed


def _known(check: quality.Check, network: Network) -> quality.Check:
    """Return a check of a file without calendars; no constraint at all means that the file has no such column."""
    constrained = any(item.constraints for item in network.activities.values())
    if check.name in COMPUTED or (check.name == "hard constraints" and not constrained):
        return quality.Check(check.name, None, check.limit, None)
    return check


def _computed(tables: Tables) -> tuple[Network, Dates] | str:
    """Return a network with its dates, or why it has none."""
    try:
        network = network_of({**tables, "projects": dated(tables)})
        return (network, schedule(network)) if network.activities else "there are no activities"
    except CycleError as error:
        return str(error)
    except ValueError as error:
        return f"{error}; schedule the project once (in Primavera P6: F9)"


def dated(tables: Tables) -> list[dict[str, Any]]:
    """Return rows of projects with a data date; where the tool says none, the end of the file's day."""
    days = {row["project_id"]: row["data_date"] for row in tables["activities"]}
    found = {row["project_id"]: dict(row) for row in tables["projects"]}
    for name, said in days.items():
        day = date.fromisoformat(said) if isinstance(said, str) else said
        project = found.setdefault(name, {"project_id": name})
        if project.get("data_time") is None:
            project["data_time"] = datetime.combine(day + timedelta(days=1), time.min)
    return list(found.values())
