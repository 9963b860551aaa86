"""Part ``network`` of a forecast model: completions of projects and finishes of activities, from what networks say.

Standard library only. `slipcast.forecast.completion` and `slipcast.forecast.relative` learn what is evaluated here; a
test compares the two.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from slipcast.forecast.evaluator import Counted
from slipcast.model.evaluators import boosted

COMPLETION_LEVELS = (0.1, 0.5, 0.8, 0.9)
# Levels above and below which too few have been seen: the outermost quantiles stand for the ends.
LOWEST, HIGHEST = 0.01, 0.99
LEAST_DAYS = 0.5


def completion_base(project: Mapping[str, float]) -> float:
    """Return the mean of a project's remaining days by network and by earned schedule, at least half a day."""
    return max((project["network_remaining"] + project["earned_remaining"]) / 2, LEAST_DAYS)


def completion_features(project: Mapping[str, float]) -> list[float]:
    """Return what the regressions see: remaining times relative to `completion_base`, the state relative to the plan.

    Parameters
    ----------
    project
        as `slipcast.forecast.network_state.State.project` has it
    """
    days, planned = completion_base(project), max(project["planned_duration"], 1)
    return [
        math.log(max(project["network_remaining"], LEAST_DAYS) / days),
        math.log(max(project["earned_remaining"], LEAST_DAYS) / days),
        math.log(days / planned),
        project["earned"],
        project["share_complete"],
        project["elapsed"] / planned,
        project["recent_delay"] / planned,
        project["start_delay"] / planned,
        math.log(min(max(project["duration_ratio"], 0.3), 4)),
        math.log(project["activities"]),
    ]


class NetworkModel:
    """Evaluator of the part.

    Parameters
    ----------
    document
        as `slipcast.forecast.network_training.fit` returns it

    Attributes
    ----------
    projects
        number of projects that it was learned from
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.projects: int = document["projects"]
        self._completion = [boosted(item) for item in document["completion"]]
        learned = document["activities"]
        self._columns: list[str] = learned["columns"]
        self._missing: float = learned["missing"]
        self._knots: list[float] = learned["knots"]
        self._forests = [Counted(trees, len(self._knots) - 2) for trees in learned["forests"]]

    def __str__(self) -> str:
        return f"learned from {self.projects} projects with a network"

    def completion(self, project: Mapping[str, float]) -> list[float]:
        """Return the working days to a project's completion at `COMPLETION_LEVELS`, ascending."""
        row = completion_features(project)
        days = completion_base(project)
        return [days * math.exp(ratio) for ratio in sorted(level([row])[0] for level in self._completion)]

    def activity(self, row: Mapping[str, float], levels: Sequence[float]) -> list[float]:
        """Return the working days to an activity's finish at `levels`; 0 and 1 stand for the outermost known ones.

        Parameters
        ----------
        row
            as `slipcast.forecast.network_state.State.activities` has it, with ``network_remaining``
        """
        values = [row.get(name) for name in self._columns]
        numbers = [self._missing if value is None or value != value else float(value) for value in values]
        each = [forest.cdf(numbers) for forest in self._forests]
        cdf = [*(math.fsum(column) / len(each) for column in zip(*each, strict=True)), 1.0]
        base = row["network_remaining"]
        return [base * math.exp(self._place(cdf, min(max(level, LOWEST), HIGHEST))) for level in levels]

    def _place(self, cdf: Sequence[float], level: float) -> float:
        place = bisect_left(cdf, level)
        below, above = cdf[place - 1], cdf[place]
        share = (level - below) / (above - below)
        return self._knots[place - 1] + share * (self._knots[place] - self._knots[place - 1])
