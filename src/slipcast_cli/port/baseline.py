"""Baseline of SageMaker Model Monitor from the reference profile of a model.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html and ...-constraints.html
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any


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
    edges = [min(low, *item["edges"]), *item["edges"], max(high, *item["edges"])] if item["edges"] else [low, high]
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
