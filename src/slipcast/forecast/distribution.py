"""Distribution of the time until an activity finishes: everything that is said of the finish comes from one of these.

Standard library only: the prediction function imports this module.
"""

import math
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

LEVELS = (0.1, 0.5, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class FinishDistribution:
    """Distribution of the calendar days from the data date to the finish; its cdf is linear between knots.

    Attributes
    ----------
    days
        knots, ascending, the first one 0: an open activity does not finish on its data date
    probability
        probability of having finished by each knot, from 0 to 1, not descending

    Examples
    --------
    >>> finish = FinishDistribution((0.0, 10.0, 30.0), (0.0, 0.5, 1.0))
    >>> finish.quantile(0.8), finish.p_late(20), finish.expected_days_late(20)
    (22.0, 0.25, 1.25)
    """

    days: Sequence[float]
    probability: Sequence[float]

    def __post_init__(self) -> None:
        """Refuse what is not a distribution.

        Raises
        ------
        ValueError
            If the knots do not ascend from 0, or the probabilities not from 0 to 1.
        """
        days, probability = self.days, self.probability
        if len(days) != len(probability) or len(days) < 2:
            raise ValueError("a distribution has two knots or more, and one probability for each")
        if days[0] != 0 or not all(map(operator.lt, days, days[1:])):
            raise ValueError("the knots of a distribution ascend from 0")
        if probability[0] != 0 or probability[-1] != 1 or not all(map(operator.le, probability, probability[1:])):
            raise ValueError("the probabilities of a distribution go from 0 to 1 and never down")

    def cdf(self, days: float) -> float:
        """Return the probability of a finish within `days` of the data date."""
        if days <= 0:
            return 0.0
        place = bisect_right(self.days, days)
        if place == len(self.days):
            return 1.0
        return _between(days, self.days, self.probability, place)

    def quantile(self, level: float) -> float:
        """Return the smallest number of days within which the activity finishes with probability `level`.

        Raises
        ------
        ValueError
            If `level` is not above 0 and at most 1.
        """
        if not 0 < level <= 1:
            raise ValueError(f"a level lies above 0 and is at most 1, not {level}")
        place = bisect_left(self.probability, level)
        return _between(level, self.probability, self.days, place)

    def p_late(self, limit: float) -> float:
        """Return the probability of a finish after `limit` days from the data date; 1 if `limit` has passed."""
        return 1.0 - self.cdf(limit)

    def expected_days_late(self, limit: float) -> float:
        """Return the mean number of days after `limit`, a finish before it counting 0.

        A `limit` that has passed counts from itself on: what is past already is part of the mean.
        """
        total, begin, survival = max(-limit, 0.0), max(limit, 0.0), self.p_late(limit)
        for place in range(bisect_right(self.days, begin), len(self.days)):
            end, later = self.days[place], 1.0 - self.probability[place]
            total += (end - begin) * (survival + later) / 2
            begin, survival = end, later
        return total

    def reweighted(self, limit: float, p_late: float) -> "FinishDistribution":
        """Return the distribution with another probability of being late, and the same shape on both sides of `limit`.

        Parameters
        ----------
        limit
            days from the data date to the last day in time, above 0
        p_late
            probability of a finish after `limit`, from 0 to 1; if one side of `limit` has no probability that could be
            scaled, nothing changes
        """
        place, before = bisect_left(self.days, limit), self.cdf(limit)
        if limit <= 0 or not 0 < before < 1:
            return self
        within, beyond = (1 - p_late) / before, p_late / (1 - before)
        # Held at the probability at the limit: rounding alone may pass it.
        at = 1 - p_late
        days, first = list(self.days[:place]), [min(value * within, at) for value in self.probability[:place]]
        rest = [max(1 - (1 - value) * beyond, at) for value in self.probability[place:]]
        if self.days[place] == limit:
            return FinishDistribution(self.days, [*first, *rest])
        return FinishDistribution([*days, limit, *self.days[place:]], [*first, at, *rest])

    def finish_date(self, data_date: date, level: float) -> date:
        """Return the first day by whose end the activity has finished with at least probability `level`."""
        # Nine digits: a quantile that only rounding puts past a whole day is that day.
        days = max(1, math.ceil(round(self.quantile(level), 9)))
        return data_date + timedelta(days=min(days, (date.max - data_date).days))


def _between(value: float, knots: Sequence[float], targets: Sequence[float], place: int) -> float:
    before, after = knots[place - 1], knots[place]
    share = (value - before) / (after - before)
    return targets[place - 1] + share * (targets[place] - targets[place - 1])
