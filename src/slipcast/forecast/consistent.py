"""Distributions of the finishes of a network's activities that agree with each other and with the completion.

Each open activity has quantiles from the draws of the network; where a model says more of an activity, its quantiles
stand in their place. Two facts then hold at every level: nothing finishes before what it has to wait for, and nothing
after its project. The first raises an activity's quantiles to those of its predecessors, the second holds them at those
of the completion. Each is the smallest change that makes them true (the order of distributions by their quantiles:
Müller and Stoyan 2002, "Comparison methods for stochastic models and risks", section 1.2), so that models which agree
with the network already stay as they are.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from slipcast.datasets.calendars import DAY
from slipcast.forecast.distribution import FinishDistribution
from slipcast.schedule.compiled import Link, Node
from slipcast.schedule.network import Key

# Levels at which distributions are held against each other; 0 and 1 are the first and the last draw.
LEVELS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
# Probability by which a level that several draws share lies above the day before it.
_BELOW = 1e-9


def finishes(
    nodes: Sequence[Node],
    drawn: np.ndarray,
    completion: Mapping[str, np.ndarray],
    stated: Mapping[Key, FinishDistribution],
    end_of_today: Mapping[str, int],
) -> dict[Key, FinishDistribution]:
    """Return the distribution of the days from the data date to the finish of each open activity.

    Parameters
    ----------
    nodes
        activities, each after its predecessors
    drawn
        their finishes by the draws at `LEVELS`, minutes since 1970, shape (n_nodes, n_levels)
    completion
        finish of each project at `LEVELS`, minutes since 1970
    stated
        distributions that stand in the place of the draws: days from the data date
    end_of_today
        end of the data date of each project, minutes since 1970

    Returns
    -------
    dict[Key, FinishDistribution]
        with knots at whole days; what is in `stated` and agrees with the network is returned as it is
    """
    place_of = {id(node): place for place, node in enumerate(nodes)}
    moments = np.array(drawn, dtype="float64")
    found = {}
    for place, node in enumerate(nodes):
        key = node.activity.key
        # A project without open activities has no completion to come.
        if node.complete or key.project not in completion:
            continue
        begin = end_of_today[key.project]
        model = stated.get(key)
        own = moments[place] if model is None else begin + DAY * np.array([_days(model, level) for level in LEVELS])
        held = own
        for link in node.before:
            if waits(link):
                held = np.maximum(held, moments[place_of[id(link.before)]])
        # The draws lie before their project's finish; only a model can lie after it.
        held = np.minimum(held, np.maximum(completion[key.project], begin + 1))
        moments[place] = held
        days = np.maximum(np.ceil((held - begin) / DAY - 1e-9), 1).astype(int).tolist()
        same = model is not None and np.array_equal(held, own)
        found[key] = model if same and model is not None else distribution(days)
    return found


def waits(link: Link) -> bool:
    """Return whether the successor of a relation cannot finish before its predecessor does."""
    return link.holds and not link.from_start and link.lag >= 0 and not link.before.complete


def distribution(days: Sequence[int]) -> FinishDistribution:
    """Return the distribution that has finished by each of some whole days at `LEVELS`.

    Examples
    --------
    >>> found = distribution([3, 4, 5, 5, 5, 5, 5, 6, 7, 8, 9, 10, 12])
    >>> found.quantile(0.5), found.quantile(0.8), found.cdf(5)
    (5.0, 8.0, 0.5)
    """
    knots: list[tuple[float, float]] = [(0.0, 0.0)]
    for day in sorted(set(days)):
        levels = [level for level, at in zip(LEVELS, days, strict=True) if at == day]
        # Of a level that several days of draws share only the last day counts, so that its quantile is this day.
        before = max(knots[-1][1], levels[0] - _BELOW) if levels[0] > 0 else 0.0
        if (len(levels) > 1 or levels[0] == 0) and day - 1 > knots[-1][0]:
            knots.append((float(day - 1), before))
        knots.append((float(day), levels[-1]))
    return FinishDistribution(*zip(*knots, strict=True))


def _days(model: FinishDistribution, level: float) -> float:
    if level > 0:
        return model.quantile(level)
    return model.days[bisect_right(model.probability, 0.0) - 1]


def end_of_day(moment: int) -> int:
    """Return the end of the day of a moment; midnight is the end of the day before."""
    return math.ceil(moment / DAY) * DAY
