"""Forecasts of the part ``network`` of a release for the projects of an update, in calendar days."""

import itertools

from slipcast.datasets.calendars import DAY
from slipcast.forecast import consistent, network_state
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.network_model import NetworkModel
from slipcast.forecast.network_table import Baselines
from slipcast.schedule.network import CycleError, Key, Network

# Working days beyond which nothing is said: 40 years. Calendars are not counted further.
LONGEST = 10_000


def said(
    model: NetworkModel, network: Network, baselines: Baselines
) -> tuple[dict[str, list[float]], dict[Key, FinishDistribution]]:
    """Return what `monte_carlo.project_forecasts` takes as ``completion`` and as ``stated``.

    Parameters
    ----------
    network
        of one project or several, as of its data date; one that has no planned dates gets nothing
    baselines
        first and last day of activities in the baseline

    Raises
    ------
    CycleError
        If activities wait for each other.
    """
    completion: dict[str, list[float]] = {}
    stated: dict[Key, FinishDistribution] = {}
    for project in network.projects:
        own = network_state.alone(network, project, baselines)
        try:
            state = network_state.state(own)
        except CycleError:
            raise
        except ValueError:
            # Without a plan there is nothing to be late against.
            continue
        if state.activities.empty:
            continue
        levels = model.completion(state.project)
        completion[project] = [(state.moment(min(days, LONGEST)) - state.data_date) / DAY for days in levels]
        for row in state.activities.to_dict("records"):
            days = [state.calendar_days(min(each, LONGEST)) for each in model.activity(row, consistent.LEVELS)]
            stated[row["key"]] = consistent.distribution(list(itertools.accumulate(days, max)))
    return completion, stated
