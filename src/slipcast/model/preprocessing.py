"""Preparation of a row with the standard library: imputation, indicators, scaling and one-hot encoding."""

import math
from collections.abc import Mapping
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
        row: Row = []
        missing: list[bool] = []
        for name, median in zip(self._numeric, self._medians, strict=True):
            value = features_of[name]
            absent = value is None or value != value
            missing.append(absent)
            row.append(median if absent else min(max(float(value), -LARGEST), LARGEST))
        row += [1.0 if missing[index] else 0.0 for index in self._indicators]
        if self._scaling is not None:
            row = [(value - mean) / scale for value, mean, scale in zip(row, *self._scaling, strict=True)]
        row += self._zeros
        for name, columns, other in self._blocks:
            column = columns.get(features_of[name], other)
            if column is not None:
                row[column] = 1.0
        return row
