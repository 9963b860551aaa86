"""Choice of the parameter points of each round: all at once if that is cheap, else successive halving.

Successive halving (Jamieson and Talwalkar 2016, Algorithm 1): every point on a ninth of the rows, the better third on a
third of them, the better third of those on all. A family keeps at least one point, so that all are compared in the end.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipcast.training.candidates import Candidate

# Up to this cost, a full search is cheaper than the loss that halving risks.
HALVING_FROM_SECONDS = 600.0
SHARES = (1 / 9, 1 / 3, 1.0)
KEPT = 1 / 3
# With fewer rows than this, the ranking of a round is chance.
MIN_ROWS = 400
# A fit that is expected to take longer is not started: a Lambda function ends after 900 s, and its task may have other
# fits.
MAX_FIT_SECONDS = 600.0
# At most this share of the budget is reserved for the fits on all rows.
FIT_SHARE = 0.3


@dataclass(frozen=True)
class Entry:
    """Parameter point in the search: family, number of the point and its parameters."""

    family: str
    point: int
    params: dict[str, Any]


@dataclass(frozen=True)
class Round:
    """Next round: entries on a share of the rows, and entries beyond the budget with their expected seconds."""

    share: float
    entries: list[Entry]
    left_out: list[tuple[Entry, float]]


class Race:
    """Rules of one search.

    Parameters
    ----------
    candidates
        families
    folds
        training rows of each fold
    rows
        training rows of the final fit
    columns
        approximate number of prepared columns
    budget
        seconds of all tasks together; None for no limit
    higher_is_better
        whether the deciding score is an accuracy, not a loss
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        folds: Sequence[int],
        rows: int,
        columns: int = 25,
        budget: float | None = None,
        higher_is_better: bool = False,
    ):
        self.families = {candidate.name: candidate for candidate in candidates}
        self.folds, self.rows, self.columns, self.budget = list(folds), rows, columns, budget
        self.sign = -1.0 if higher_is_better else 1.0
        self.skipped = {name: why for name in self.families if (why := self._too_large(name))}
        everything = sum(self.seconds(entry, 1.0) for entry in self.entries())
        held = math.inf if budget is None else budget - self._reserve({})
        self.estimated_seconds = everything
        self.shares = (1.0,) if everything <= min(HALVING_FROM_SECONDS, held) else self._ladder()

    def entries(self) -> list[Entry]:
        """Return all points, in the order in which a short budget tries them: each family's middle point first."""
        ordered = []
        for name, family in self.families.items():
            if name in self.skipped:
                continue
            points = family.points()
            from_middle = sorted(range(len(points)), key=lambda point: abs(point - (len(points) - 1) / 2))
            ordered += [(rank, Entry(name, point, points[point])) for rank, point in enumerate(from_middle)]
        return [entry for _, entry in sorted(ordered, key=lambda item: (item[0], self.seconds(item[1], 1.0)))]

    def seconds(self, entry: Entry, share: float, speed: dict[str, float] | None = None) -> float:
        """Return the expected seconds of an entry on all folds."""
        return sum(self.fit_seconds(entry.family, rows * share, speed) for rows in self.folds)

    def fit_seconds(self, family: str, rows: float, speed: dict[str, float] | None = None) -> float:
        """Return the expected seconds of one fit of `family` on `rows` rows.

        `speed` is what `measured_speed` returns.
        """
        slower = 1.0 if speed is None else speed.get(family, speed.get("", 1.0))
        return self.families[family].seconds(rows) * self.columns / 25 * slower

    def measured_speed(self, history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Return the factor by which each family was slower than declared, and for ``""`` that of all families."""
        expected: dict[str, float] = {}
        measured: dict[str, float] = {}
        for point in (point for done in history for point in done["points"] if not point["error"]):
            for name in (point["family"], ""):
                entry = Entry(point["family"], point["point"], point["params"])
                expected[name] = expected.get(name, 0.0) + self.seconds(entry, point["share"])
                measured[name] = measured.get(name, 0.0) + point["seconds"]
        return {name: measured[name] / expected[name] for name in expected}

    def first(self) -> Round:
        """Return the first round."""
        return self._within_budget(self.entries(), self.shares[0], [])

    def following(self, history: Sequence[Mapping[str, Any]]) -> Round | None:
        """Return the round after those of `history`; None after the last.

        Parameters
        ----------
        history
            for each round ``share``, ``seconds`` and its ``points``: each with ``family``, ``point``, ``params``,
            ``share``, ``score``, ``seconds`` and ``error`` (None if it has a score)
        """
        position = self.shares.index(history[-1]["share"]) + 1
        if position == len(self.shares):
            return None
        ranked = self.ranked(history[-1]["points"])
        best_of_each = {entry.family: entry for entry in reversed(ranked)}
        first = [entry for entry in ranked if best_of_each[entry.family] is entry]
        others = [entry for entry in ranked if best_of_each[entry.family] is not entry]
        kept = max(math.ceil(len(ranked) * KEPT), len(first))
        return self._within_budget((first + others)[:kept], self.shares[position], history)

    def ranked(self, points: Sequence[Mapping[str, Any]]) -> list[Entry]:
        """Return the points that have a score, the best first."""
        scored = [point for point in points if not point["error"]]
        scored.sort(key=lambda point: (self.sign * point["score"], point["family"], point["point"]))
        return [Entry(point["family"], point["point"], point["params"]) for point in scored]

    def winners(self, history: Sequence[Mapping[str, Any]]) -> tuple[list[Entry], list[str]]:
        """Return the best point of each family to fit on all rows, and the families beyond the budget.

        The best family of all and the best that the standard library can serve are fitted in any case.
        """
        speed, spent = self.measured_speed(history), sum(done["seconds"] for done in history)
        finished = [point for done in history if done["share"] == 1.0 for point in done["points"]]
        best: dict[str, Entry] = {}
        for entry in self.ranked(finished):
            best.setdefault(entry.family, entry)
        always = {*list(best)[:1], *[name for name in best if self.families[name].serve][:1]}
        chosen, beyond = [], []
        for name, entry in best.items():
            seconds = self.fit_seconds(name, self.rows, speed)
            if name in always or self.budget is None or spent + seconds <= self.budget:
                chosen.append(entry)
                spent += seconds
            else:
                beyond.append(name)
        return chosen, beyond

    def _within_budget(self, entries: list[Entry], share: float, history: Sequence[Mapping[str, Any]]) -> Round:
        speed = self.measured_speed(history) if history else {}
        allotted = math.inf
        if self.budget is not None:
            left = self.budget - self._reserve(speed) - sum(done["seconds"] for done in history)
            # Successive halving gives each round the same.
            allotted = left / (len(self.shares) - self.shares.index(share))
        taken: list[Entry] = []
        left_out: list[tuple[Entry, float]] = []
        expected = 0.0
        for entry in entries:
            seconds = self.seconds(entry, share, speed)
            # Even with a very small budget, at least one entry is searched.
            if not taken or expected + seconds <= allotted:
                taken.append(entry)
                expected += seconds
            else:
                left_out.append((entry, seconds))
        return Round(share, taken, left_out)

    def _reserve(self, speed: dict[str, float]) -> float:
        fits = sum(self.fit_seconds(name, self.rows, speed) for name in self.families if name not in self.skipped)
        return min(fits, FIT_SHARE * (self.budget or math.inf))

    def _ladder(self) -> tuple[float, ...]:
        return tuple(share for share in SHARES if share == 1.0 or min(self.folds) * share >= MIN_ROWS)

    def _too_large(self, name: str) -> str | None:
        limit = self.families[name].max_rows
        if limit is not None and self.rows > limit:
            return f"{self.rows:,} training rows are more than its max_rows of {limit:,}"
        seconds = self.fit_seconds(name, self.rows)
        if seconds > MAX_FIT_SECONDS:
            return (
                f"one fit on {self.rows:,} rows is expected to take {seconds:,.0f} s, more than the "
                f"{MAX_FIT_SECONDS:.0f} s that are allowed in a Lambda function"
            )
        return None
