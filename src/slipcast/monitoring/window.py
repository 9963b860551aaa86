"""Window statistics: counts of the predictions, in memory that does not depend on their number.

Predictions are read in chunks and only counts are kept, plus eight bytes for each distinct prediction to recognise
duplicates.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from slipcast.features.row import MISSING
from slipcast.monitoring.estimated_performance import histogram
from slipcast.monitoring.reference_profile import numeric_counts
from slipcast.schema import LARGEST_NUMBER


class Numbers:
    """Counts of a number between the fine edges of its profile.

    Attributes
    ----------
    counts
        between the edges, missing ones last
    below, above
        known values below or above all training values
    low, high, total
        smallest, largest and sum of the known values
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.edges = np.array(entry.get("fine", entry)["edges"], dtype="float64")
        self.counts = np.zeros(len(self.edges) + 2, dtype="int64")
        limits = entry.get("min"), entry.get("max")
        self.limits = limits if limits[0] is not None else None
        self.below = self.above = 0
        self.low, self.high, self.total = np.inf, -np.inf, 0.0

    def add(self, values: np.ndarray) -> None:
        """Count values, NaN for missing ones; a value beyond `schema.LARGEST_NUMBER` counts as that number.

        The sum of the window then stays finite, whatever an older version of the API accepted.
        """
        values = np.clip(values, -LARGEST_NUMBER, LARGEST_NUMBER)
        self.counts += numeric_counts(values, self.edges)
        known = values[~np.isnan(values)]
        if not len(known):
            return
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
        self.total += float(known.sum())
        if self.limits:
            self.below += int((known < self.limits[0]).sum())
            self.above += int((known > self.limits[1]).sum())


class Categories:
    """Counts of a category by the values of its profile, other ones last.

    Attributes
    ----------
    counts
        by category
    missing
        number of unknown values
    unseen
        number of values that are not in the training data
    new
        unseen values with their counts, the first hundred
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.places = {name: place for place, name in enumerate(entry["categories"])}
        self.seen = None if entry.get("seen") is None else {*entry["seen"], MISSING}
        self.counts = np.zeros(len(self.places) + 1, dtype="int64")
        self.missing = self.unseen = 0
        self.new: Counter[str] = Counter()

    def add(self, values: Sequence[str]) -> None:
        """Count values."""
        for given, count in Counter(values).items():
            value = MISSING if given is None else given
            self.counts[self.places.get(value, len(self.places))] += count
            if value == MISSING:
                self.missing += count
            elif self.seen is not None and value not in self.seen:
                self.unseen += count
                if value in self.new or len(self.new) < 100:
                    self.new[value] += count


class Sketch:
    """Statistics of a window for comparison with a profile.

    Attributes
    ----------
    n
        predictions counted
    features
        by name
    score
        of the probabilities
    scores
        `estimated_performance.histogram` of the probabilities
    outside
        probabilities outside those that the calibration was fitted to
    months
        predictions by month of the day they were made as of, shape (12,)
    days
        by ISO day: number of predictions, and the sum of their probabilities
    projects
        predictions by project; empty if the log does not name projects
    hidden
        features that are redacted in the log of some predictions: even whether they are missing is unknown
    """

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.profile = profile
        self.features: dict[str, Numbers | Categories] = {
            name: Numbers(entry) if entry["kind"] == "numeric" else Categories(entry)
            for name, entry in profile["features"].items()
        }
        self.score = Numbers(profile["score"])
        calibration = profile.get("calibration")
        self.range = (calibration["low"], calibration["high"]) if calibration else None
        self.n = self.outside = 0
        self.scores = histogram(np.array([]))
        self.months = np.zeros(12, dtype="int64")
        self.days: dict[str, list[float]] = {}
        self.projects: Counter[str] = Counter()
        self.hidden: set[str] = set()

    def add(
        self,
        features: Mapping[str, Sequence[Any]] | pd.DataFrame,
        scores: np.ndarray,
        *,
        days: Sequence[str] | None = None,
        projects: Sequence[str] | None = None,
    ) -> None:
        """Count a chunk of predictions.

        Parameters
        ----------
        features
            values by name of the feature; None or NaN for a missing number
        scores
            probabilities of the same predictions
        days
            ISO days as of which they were made
        projects
            their projects
        """
        scores = np.asarray(scores, dtype="float64")
        for name, counted in self.features.items():
            values = features[name]
            if isinstance(counted, Numbers):
                counted.add(np.asarray(values, dtype="float64"))
            else:
                counted.add(values)
        self.score.add(scores)
        self.scores += histogram(scores)
        self.n += len(scores)
        if self.range:
            self.outside += int(((scores < self.range[0]) | (scores > self.range[1])).sum())
        if days is not None:
            codes, names = pd.factorize(np.asarray(days, dtype=object))
            counts, sums = np.bincount(codes), np.bincount(codes, scores)
            for name, count, total in zip(names, counts.tolist(), sums.tolist(), strict=True):
                self.months[int(name[5:7]) - 1] += count
                before = self.days.get(name, [0, 0.0])
                self.days[name] = [before[0] + count, before[1] + total]
        if projects is not None:
            self.projects.update(projects)

    def typical_project(self) -> float:
        """Return the mean number of predictions of the same project, the prediction included; 1 if unknown."""
        sizes = np.array(list(self.projects.values()), dtype="float64")
        return float((sizes**2).sum() / sizes.sum()) if len(sizes) else 1.0


class Distinct:
    """Set of 64-bit keys that finds new ones: sorted runs, merged as they grow."""

    def __init__(self) -> None:
        self.runs: list[np.ndarray] = []

    def new(self, keys: np.ndarray) -> np.ndarray:
        """Return for each key whether it is new, and add it."""
        unique, first = np.unique(keys, return_index=True)
        fresh = np.ones(len(unique), dtype=bool)
        for run in self.runs:
            place = np.searchsorted(run, unique)
            fresh &= run[np.minimum(place, len(run) - 1)] != unique
        added = unique[fresh]
        if len(added):
            self.runs.append(added)
            # Each run is at least twice as long as the next: there are few runs, and each key is moved a few times.
            while len(self.runs) > 1 and len(self.runs[-2]) < 2 * len(self.runs[-1]):
                last = self.runs.pop()
                self.runs[-1] = np.sort(np.concatenate([self.runs[-1], last]))
        answer = np.zeros(len(keys), dtype=bool)
        answer[first[fresh]] = True
        return answer
