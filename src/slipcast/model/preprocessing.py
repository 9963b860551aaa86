"""Preparation of a row with the standard library: imputation, indicators, scaling and one-hot encoding."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Row = list[float]

# Far beyond any feature, and small enough that no square or product overflows.
LARGEST = 1e100


class Preparation:
    """Preparation of a row of features for the model.

    Parameters
    ----------
    names, spec
        ``features`` and ``preparation`` of an artifact

    Attributes
    ----------
    columns
        for each column of the prepared row the feature that it comes from
    """

    def __init__(self, names: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        numeric = spec["numeric"]
        known: list[str] = names["numeric"]
        flagged = [known[index] for index in numeric["indicators"]]
        medians = numeric["medians"] or [math.nan] * len(known)
        count = len(known) + len(flagged)
        # What takes the place of a missing number is scaled here, once, and so are the two values of an indicator.
        means, scales = (
            ([None] * count, [None] * count) if numeric["mean"] is None else (numeric["mean"], numeric["scale"])
        )
        scaling = [*zip(means, scales, strict=True)]
        self._numbers = [
            (name, _scaled(median, *line), *line)
            for name, median, line in zip(known, medians, scaling[: len(known)], strict=True)
        ]
        self._flags = [
            (name, _scaled(1.0, *line), _scaled(0.0, *line))
            for name, line in zip(flagged, scaling[len(known) :], strict=True)
        ]
        self._blocks: list[tuple[str, dict[str, int], int | None]] = []
        self.columns = known + flagged
        start = encoded = len(self.columns)
        for name, block in zip(names["categorical"], spec["categorical"], strict=True):
            columns = {category: start + offset for category, offset in block["columns"].items()}
            self._blocks.append((name, columns, None if block["other"] is None else start + block["other"]))
            self.columns += [name] * block["width"]
            start += block["width"]
        self._zeros = [0.0] * (start - encoded)

    def __call__(self, features_of: Mapping[str, Any]) -> Row:
        """Return the prepared row for a row of features (a missing number is None or NaN)."""
        (row,) = self.rows({name: (value,) for name, value in features_of.items()})
        return row

    def rows(self, features: Mapping[str, Sequence[Any]]) -> list[Row]:
        """Return the prepared rows for features by name, each of length n_activities."""
        columns: list[list[float]] = []
        for name, missing, mean, scale in self._numbers:
            values = features[name]
            columns.append(
                [
                    missing
                    if value is None or value != value
                    else value
                    if -LARGEST <= value <= LARGEST
                    else math.copysign(LARGEST, value)
                    for value in values
                ]
                if scale is None
                else [
                    missing
                    if value is None or value != value
                    else (value - mean) / scale
                    if -LARGEST <= value <= LARGEST
                    else (math.copysign(LARGEST, value) - mean) / scale
                    for value in values
                ]
            )
        for name, missing, present in self._flags:
            columns.append([missing if value is None or value != value else present for value in features[name]])
        zeros = self._zeros
        count = len(next(iter(features.values()), ()))
        rows = (
            [[*values, *zeros] for values in zip(*columns, strict=True)]
            if columns
            else [[*zeros] for _ in range(count)]
        )
        for name, places, other in self._blocks:
            find = places.get
            for row, value in zip(rows, features[name], strict=True):
                place = find(value, other)
                if place is not None:
                    row[place] = 1.0
        return rows


def _scaled(value: float, mean: float | None, scale: float | None) -> float:
    return value if mean is None or scale is None else (value - mean) / scale
