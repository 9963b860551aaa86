"""Review of an update as it is taken in: can it be forecast, and what changed since the last one?"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from slipcast.schedule import comparison, quality
from slipcast.schedule.engine import Dates, schedule
from slipcast.schedule.network import CycleError, Key, Network
from slipcast.schedule.tables import network_of
from slipcast.schedule.working_time import minute_of

type Tables = Mapping[str, Iterable[Mapping[str, Any]]]


def review(
    now: Tables, before: Tables, baseline: Mapping[Key, date], today: datetime
) -> tuple[quality.Quality, comparison.Document | None]:
    """Return the quality of an update, and what changed since the last one.

    Parameters
    ----------
    now, before
        rows of `slipcast.datasets.network.TABLES`; `before` has no rows for a first update
    baseline
        baseline finish of activities; that of others is their planned finish
    today
        the age of the data date counts to it

    Returns
    -------
    tuple[Quality, Document | None]
        without points and with a reason if no dates can be computed; None without an update before whose dates can be
    """
    computed = _computed(now)
    if isinstance(computed, str):
        return {"points": [], "failed": 0, "why": computed}, None
    network, dates = computed
    # A finish on the last day in the baseline is in time, whenever on that day.
    ends = {key: minute_of(datetime.combine(day, time.max)) for key, day in baseline.items()}
    checks = quality.assess(network, dates, minute_of(today), ends)
    judged = quality.document(checks, network)
    last = _computed(before)
    if isinstance(last, str):
        return judged, None
    earlier, was = last
    return judged, comparison.document(comparison.compare(earlier, network, was, dates), earlier, network)


def _computed(tables: Tables) -> tuple[Network, Dates] | str:
    """Return a network with its dates, or why it has none."""
    try:
        network = network_of(tables)
        return (network, schedule(network)) if network.activities else "there are no activities"
    except CycleError as error:
        return str(error)
    except ValueError as error:
        return f"{error}; schedule the project once (in Primavera P6: F9)"
