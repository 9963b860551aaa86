"""Forward and backward pass over a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from slipcast.schedule import backward, forward, spanning
from slipcast.schedule.compiled import Compiled, compiled
from slipcast.schedule.network import Key, Network
from slipcast.schedule.options import Options


class ActivityDates(NamedTuple):
    """Computed dates of an activity, minutes since 1970; of what remains if it has started.

    Attributes
    ----------
    total_float, free_float : minutes of work on the activity's calendar; None if it is complete
    """

    early_start: int
    early_finish: int
    late_start: int
    late_finish: int
    total_float: int | None
    free_float: int | None


@dataclass(frozen=True)
class Dates:
    """A computed schedule.

    Attributes
    ----------
    activities : dates by activity
    finish : latest early finish by project
    compiled : the network as it was computed, for `slipcast.schedule.paths`
    """

    activities: Mapping[Key, ActivityDates]
    finish: Mapping[str, int]
    compiled: Compiled


def schedule(network: Network, data_date: int | None = None, options: Options | None = None) -> Dates:
    """Return the dates of a network.

    Parameters
    ----------
    network : what is scheduled
    data_date : for all projects, minutes since 1970; by default each project's own
    options : for all projects; by default each project's own

    Raises
    ------
    CycleError
        If activities wait for each other.
    """
    nodes = compiled(network, data_date, options)
    forward.run(nodes)
    backward.run(nodes)
    spanning.run(nodes)
    found = {
        node.activity.key: ActivityDates(
            node.early_start, node.early_finish, node.late_start, node.late_finish, node.total_float, node.free_float
        )
        for node in nodes.nodes
    }
    return Dates(found, nodes.finish, nodes)
