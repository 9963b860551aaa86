"""Export of a fitted forecast model into plain values, which `evaluator.Forecaster` evaluates."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from slipcast.forecast.conformal import GRID
from slipcast.forecast.forest import EDGES, LAST_DAY, MISSING, Grown
from slipcast.model.export.trees import forest


def document(
    grown: Grown,
    curves: Mapping[str, list[float]],
    late: RandomForestClassifier | None,
    blend: Mapping[str, float],
) -> dict[str, Any]:
    """Return the model as JSON values.

    Trees are arrays over their nodes in depth-first order, as in `slipcast.model.artifact`; ``threshold`` has an entry
    for each split, ``counts`` the counts of each leaf: uint16 in little-endian order, compressed, in base64.

    Parameters
    ----------
    curves
        calibration curves by stage (`conformal.calibration_curves`)
    late
        forest of the probability of being late
    blend
        weight of the probability judged at the start, by stage
    """
    return {
        "kind": "finish_forest",
        "columns": list(grown.columns),
        "categories": grown.categories,
        "missing": MISSING,
        "edges": list(EDGES),
        "last_day": LAST_DAY,
        "grid": GRID.tolist(),
        "curves": dict(curves),
        "late": None if late is None else forest(late),
        "blend": dict(blend),
        "trees": [
            tree(item.tree_, np.hstack([finished, seen]))
            for item, finished, seen in zip(grown.forest.estimators_, grown.finished, grown.seen, strict=True)
        ],
    }


def tree(fitted: Any, counts: np.ndarray) -> dict[str, Any]:
    """Return a tree, given the counts of its nodes, shape (n_nodes, n_counts)."""
    feature: list[int] = []
    threshold: list[float] = []
    right: list[int] = []
    leaves: list[int] = []
    # An entry of `stack` is a node and the new number of the parent that it is the right child of.
    stack = [(0, -1)]
    while stack:
        node, parent = stack.pop()
        place = len(feature)
        if parent >= 0:
            right[parent] = place
        right.append(0)
        left = int(fitted.children_left[node])
        if left < 0:
            feature.append(-1)
            leaves.append(node)
            continue
        feature.append(int(fitted.feature[node]))
        threshold.append(float(fitted.threshold[node]))
        stack += [(int(fitted.children_right[node]), place), (left, -1)]
    packed = zlib.compress(np.ascontiguousarray(counts[leaves]).astype("<u2").tobytes(), 6)
    return {
        "feature": feature,
        "threshold": threshold,
        "right": right,
        "counts": base64.b64encode(packed).decode("ascii"),
    }
