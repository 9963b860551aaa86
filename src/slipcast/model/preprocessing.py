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
        self._numeric: list[str] = names["numeric"]
        self._medians = numeric["medians"] or [math.nan] * len(self._numeric)
        self._indicators: list[int] = numeric["indicators"]
        self._scaling = None if numeric["mean"] is None else (numeric["mean"], numeric["scale"])
        self._blocks: list[tuple[str, dict[str, int], int | None]] = []
        self.columns = self._numeric + [self._numeric[index] for index in self._indicators]
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
        columns: list[Sequence[float]] = []
        for name, median in zip(self._numeric, self._medians, strict=True):
            columns.append(
                [
                    median
                    if value is None or value != value
                    else value
                    if -LARGEST <= value <= LARGEST
                    else math.copysign(LARGEST, value)
                    for value in features[name]
                ]
            )
        for index in self._indicators:
            columns.append(
                [1.0 if value is None or value != value else 0.0 for value in features[self._numeric[index]]]
            )
        if self._scaling is not None:
            columns = [
                [(value - mean) / scale for value in column]
                for column, mean, scale in zip(columns, *self._scaling, strict=True)
            ]
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
