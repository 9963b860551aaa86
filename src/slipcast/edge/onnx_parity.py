"""ONNX Runtime against the scorer: on known activities, and on rows that lie exactly at the splits of the trees."""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from slipcast.edge import onnx_graph
from slipcast.edge.onnx_graph import OnnxError
from slipcast.model.scorer import Scorer

TOLERANCE = 1e-9
# Number of splits that are tested, evenly chosen, with five rows for each.
SPLITS = 400

Row = Mapping[str, Any]


def compare(raw: bytes, scorer: Scorer, rows: Sequence[Row]) -> float:
    """Return the largest difference between the probabilities of an ONNX file and of the scorer.

    Parameters
    ----------
    rows
        rows of features (a missing number is None or NaN)

    Raises
    ------
    OnnxError
        If a probability differs by more than 1e-9, or a decision differs although the probability is not that close to
        the threshold.
    """
    probability, at_risk = run(raw, scorer, rows)
    expected = np.array(scorer.score(rows))
    difference = np.abs(probability - expected)
    # Not "any > limit": every comparison with NaN is false.
    if not (difference <= TOLERANCE).all():
        worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
        raise OnnxError(
            f"ONNX Runtime differs by {difference[worst]:.2e} from the scorer, allowed are {TOLERANCE:g}; "
            f"features {dict(rows[worst])}"
        )
    decided = np.abs(expected - scorer.threshold) > TOLERANCE
    if not (at_risk == (expected >= scorer.threshold))[decided].all():
        raise OnnxError("ONNX Runtime decides otherwise than the scorer")
    return float(difference.max(initial=0.0))


def run(raw: bytes, scorer: Scorer, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Return probability and decision of an ONNX file for each row of features, arrays of shape (n_rows,)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    names = scorer.document["features"]
    given = {onnx_graph.NUMERIC: np.array([[_number(row[name]) for name in names["numeric"]] for row in rows], float)}
    if names["categorical"]:
        texts = [[row[name] for name in names["categorical"]] for row in rows]
        given[onnx_graph.CATEGORICAL] = np.array(texts, dtype=object)
    probability, at_risk = session.run([onnx_graph.PROBABILITY, onnx_graph.AT_RISK], given)
    return probability, at_risk


def probes(scorer: Scorer, known: Sequence[Row]) -> list[Row]:
    """Return the known rows, and variants with a value at or next to a split, a missing value or an unseen category."""
    rows = list(known)
    for base in known:
        rows += [{**base, name: None} for name in scorer.document["features"]["numeric"]]
    for name in scorer.document["features"]["categorical"]:
        rows.append({**known[0], name: "a category that nobody has seen"})
    splits = list(_splits(scorer))
    step = max(1, len(splits) // SPLITS)
    for number, (name, split) in enumerate(splits[::step]):
        base = known[number % len(known)]
        rows += [{**base, name: value} for value in _neighbors(split)]
    return rows


def _splits(scorer: Scorer) -> Iterator[tuple[str, float]]:
    """Yield feature and threshold of each split on an unscaled number."""
    document = scorer.document
    if document["preparation"]["numeric"]["mean"] is not None:
        return
    numeric = document["features"]["numeric"]
    for tree in document["model"].get("trees", ()):
        for column, split in zip(tree["feature"], tree["number"], strict=True):
            if 0 <= column < len(numeric):
                yield numeric[column], split


def _neighbors(split: float) -> list[float]:
    (single,) = array("f", [split])
    return [split, math.nextafter(split, -math.inf), math.nextafter(split, math.inf), single, _next_single(single)]


def _next_single(value: float) -> float:
    return float(np.nextafter(np.float32(value), np.float32(np.inf)))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
