"""Baseline of a platform's monitor from the reference profile of a model.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html and ...-constraints.html
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

# Stands for each category that is too rare to be counted by itself.
RARE = "(rare)"


def statistics(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``statistics.json``: count, moments and distribution of each feature in training."""
    return {
        "version": 0.0,
        "dataset": {"item_count": profile["n"]},
        "features": [_statistics(name, item) for name, item in profile["features"].items()],
    }


def constraints(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``constraints.json``: types, completeness and known categories, as in training."""
    features = []
    for name, item in profile["features"].items():
        missing, total = item["counts"][-1], sum(item["counts"])
        found: dict[str, Any] = {"name": name, "inferred_type": "String", "completeness": 1.0}
        if item["kind"] == "numeric":
            found |= {"inferred_type": "Fractional", "completeness": 1 - missing / total if total else 0.0}
            found["num_constraints"] = {"is_non_negative": item["min"] is not None and item["min"] >= 0}
        elif item.get("seen"):
            found["string_constraints"] = {"domains": item["seen"]}
        features.append(found)
    return {
        "version": 0.0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 0.9,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": 0.1,
                "comparison_method": "Robust",
            },
        },
    }


def reference(profile: Mapping[str, Any], rows: int = 1000) -> list[dict[str, Any]]:
    """Return rows in which each feature by itself is distributed as in training, for monitors that take no histogram.

    A row is no activity: features that belong together are not together. Numbers are spread evenly over each bin.
    """
    columns = {name: _values(item, rows) for name, item in profile["features"].items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _values(item: Mapping[str, Any], rows: int) -> list[Any]:
    """Return `rows` values of a feature, the middles of as many equal shares of its distribution."""
    counts, ends = item["counts"], [*accumulate(item["counts"])]
    edges = _edges(item) if item["kind"] == "numeric" else []
    found: list[Any] = []
    for row in range(rows):
        place = (row + 0.5) / rows * ends[-1]
        number = bisect_right(ends, place)
        if number == len(counts) - 1:
            # The last count is of missing numbers, or of rare values.
            found.append(None if edges else RARE)
        elif edges:
            share = (place - ends[number] + counts[number]) / counts[number]
            found.append(edges[number] + share * (edges[number + 1] - edges[number]))
        else:
            found.append(item["categories"][number])
    return found


def _edges(item: Mapping[str, Any]) -> list[float]:
    low, high = (item[key] if item[key] is not None and math.isfinite(item[key]) else 0.0 for key in ("min", "max"))
    inner = item["edges"]
    return [min(low, *inner), *inner, max(high, *inner)] if inner else [low, high]


def _statistics(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    *counts, missing = item["counts"]
    common = {"num_present": sum(counts), "num_missing": missing}
    if item["kind"] != "numeric":
        buckets = [{"value": value, "count": count} for value, count in zip(item["categories"], counts, strict=False)]
        # Rare values share the last count; they are present.
        found = {
            "common": {"num_present": sum(counts) + missing, "num_missing": 0},
            "distinct_count": len(item["categories"]) + bool(missing),
            "distribution": {"categorical": {"buckets": buckets}},
        }
        return {"name": name, "inferred_type": "String", "string_statistics": found}
    present = sum(counts)
    low, high = (item[key] if item[key] is not None and math.isfinite(item[key]) else 0.0 for key in ("min", "max"))
    edges = _edges(item)
    buckets = [
        {"lower_bound": begin, "upper_bound": end, "count": count}
        for (begin, end), count in zip(pairwise(edges), counts, strict=False)
    ]
    mean = item["mean"] or 0.0
    return {
        "name": name,
        "inferred_type": "Fractional",
        "numerical_statistics": {
            "common": common,
            "mean": mean,
            "sum": mean * present,
            "std_dev": item["sd"] or 0.0,
            "min": low,
            "max": high,
            "distribution": {"kll": {"buckets": buckets, "sketch": {"parameters": {"c": 0.64, "k": 2048}, "data": []}}},
        },
    }
