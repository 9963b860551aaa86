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
    # A project without open activities has no completion to come.
    chosen = [
        place for place, node in enumerate(nodes) if not node.complete and node.activity.key.project in completion
    ]
    begin = {project: float(end_of_today[project]) for project in completion}
    latest = {project: np.maximum(moment, begin[project] + 1) for project, moment in completion.items()}
    agrees = {}
    for place in chosen:
        node = nodes[place]
        key = node.activity.key
        model = stated.get(key)
        if model is not None:
            moments[place] = begin[key.project] + DAY * np.array([_days(model, level) for level in LEVELS])
        own = moments[place].copy()
        for link in node.before:
            if waits(link):
                np.maximum(moments[place], moments[place_of[id(link.before)]], out=moments[place])
        # The draws lie before their project's finish; only what is wider than they can lie after it.
        np.minimum(moments[place], latest[key.project], out=moments[place])
        if model is not None and np.array_equal(moments[place], own):
            agrees[key] = model
    keys = [nodes[place].activity.key for place in chosen]
    today = np.array([begin[key.project] for key in keys])
    days = np.maximum(np.ceil((moments[chosen] - today[:, None]) / DAY - 1e-9), 1).astype(int).tolist()
    return {
        key: agrees[key] if key in agrees else distribution(own_days) for key, own_days in zip(keys, days, strict=True)
    }


def waits(link: Link) -> bool:
    """Return whether the successor of a relation cannot finish before its predecessor does."""
    return link.holds and not link.from_start and link.lag >= 0 and not link.before.complete


def distribution(days: Sequence[int]) -> FinishDistribution:
    """Return the distribution that has finished by each of some whole days, ascending, at `LEVELS`.

    Examples
    --------
    >>> found = distribution([3, 4, 5, 5, 5, 5, 5, 6, 7, 8, 9, 10, 12])
    >>> found.quantile(0.5), found.quantile(0.8), found.cdf(5)
    (5.0, 8.0, 0.5)
    """
    knots, probabilities = [0.0], [0.0]
    last, place = len(LEVELS), 0
    while place < last:
        day, first = days[place], place
        while place < last and days[place] == day:
            place += 1
        # Of a day that several levels share, the day before it has the least of them: their quantile is this day.
        if (place - first > 1 or first == 0) and day - 1 > knots[-1]:
            knots.append(float(day - 1))
            probabilities.append(max(probabilities[-1], LEVELS[first] - _BELOW) if first else 0.0)
        knots.append(float(day))
        probabilities.append(LEVELS[place - 1])
    return FinishDistribution(tuple(knots), tuple(probabilities))


def _days(model: FinishDistribution, level: float) -> float:
    if level > 0:
        return model.quantile(level)
    return model.days[bisect_right(model.probability, 0.0) - 1]


def end_of_day(moment: int) -> int:
    """Return the end of the day of a moment; midnight is the end of the day before."""
    return math.ceil(moment / DAY) * DAY
