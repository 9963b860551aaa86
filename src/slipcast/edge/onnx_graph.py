"""Model as ONNX, written from the artifact: preparation, trees and link in float64, as in the scorer.

skl2onnx is not used: it prepares in float32, where rows may fall on the other side of a split, and it does not know
Slipcast's calibration. Here a row goes through the same comparisons as in the scorer. Formats:
https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html and https://onnx.ai/onnx/operators/.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from slipcast.model.preprocessing import LARGEST
from slipcast.model.scorer import Scorer

OPSETS = {"": 21, "ai.onnx.ml": 5}
IR_VERSION = 10
NUMERIC, CATEGORICAL = "numeric", "categorical"
PROBABILITY, AT_RISK = "probability", "at_risk"


class OnnxError(ValueError):
    """The model has no ONNX form, or its ONNX form gives other results; the message says why."""


class _Graph:
    """Nodes and constants of an ONNX graph, named in order of creation."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, kind: Any = np.float64) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", output: str | None = None, **attributes: Any) -> str:
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **attributes))
        return name


def build(scorer: Scorer, sha256: str) -> bytes:
    """Return the ONNX file of a model.

    Parameters
    ----------
    sha256
        digest of the artifact, for the file's metadata

    Returns
    -------
    bytes
        a model with the inputs ``numeric`` (float64, (n, n_numeric); NaN where unknown) and ``categorical`` (text, (n,
        n_categorical)), in the order of the artifact's features, and the outputs ``probability`` (float64, (n,)) and
        ``at_risk`` (bool, (n,))

    Raises
    ------
    OnnxError
        If the model is of a kind that has no ONNX form here.
    """
    names, document = scorer.document["features"], scorer.document
    kind = document["model"]["kind"]
    if kind not in _MODELS:
        raise OnnxError(f"models of kind {kind!r} have no ONNX form; these have: {', '.join(sorted(_MODELS))}")
    graph = _Graph()
    row = _prepare(graph, names, document["preparation"])
    probability = _MODELS[kind](graph, row, document["model"])
    if document.get("calibration") is not None:
        probability = _calibrated(graph, probability, document["calibration"])
    axis = graph.constant([1], np.int64)
    graph.op("Squeeze", probability, axis, output=PROBABILITY)
    graph.op("GreaterOrEqual", PROBABILITY, graph.constant(scorer.threshold), output=AT_RISK)
    inputs = [helper.make_tensor_value_info(NUMERIC, TensorProto.DOUBLE, ["n", len(names["numeric"])])]
    if names["categorical"]:
        inputs.append(helper.make_tensor_value_info(CATEGORICAL, TensorProto.STRING, ["n", len(names["categorical"])]))
    outputs = [
        helper.make_tensor_value_info(PROBABILITY, TensorProto.DOUBLE, ["n"]),
        helper.make_tensor_value_info(AT_RISK, TensorProto.BOOL, ["n"]),
    ]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "slipcast", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="slipcast",
    )
    about = {
        "model_id": scorer.metadata.get("model_id", ""),
        "model_sha256": sha256,
        "family": scorer.family,
        "threshold": repr(scorer.threshold),
        **{kind: json.dumps(names[kind]) for kind in (NUMERIC, CATEGORICAL)},
    }
    helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _prepare(graph: _Graph, names: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    numeric = spec["numeric"]
    missing = graph.op("IsNaN", NUMERIC)
    row = graph.op("Clip", NUMERIC, graph.constant(-LARGEST), graph.constant(LARGEST))
    medians = numeric["medians"] or [np.nan] * len(names["numeric"])
    row = graph.op("Where", missing, graph.constant([medians]), row)
    if numeric["indicators"]:
        flags = graph.op("Cast", missing, to=TensorProto.DOUBLE)
        flags = graph.op("Gather", flags, graph.constant(numeric["indicators"], np.int64), axis=1)
        row = graph.op("Concat", row, flags, axis=1)
    if numeric["mean"] is not None:
        row = graph.op(
            "Div", graph.op("Sub", row, graph.constant([numeric["mean"]])), graph.constant([numeric["scale"]])
        )
    blocks = [_one_hot(graph, position, block) for position, block in enumerate(spec["categorical"]) if block["width"]]
    return graph.op("Concat", row, *blocks, axis=1) if blocks else row


def _one_hot(graph: _Graph, position: int, block: Mapping[str, Any]) -> str:
    width = block["width"]
    # One more row than columns: zeros, for a category without a column.
    other = width if block["other"] is None else block["other"]
    codes = graph.op(
        "LabelEncoder",
        graph.op("Gather", CATEGORICAL, graph.constant(position, np.int64), axis=1),
        domain="ai.onnx.ml",
        keys_strings=list(block["columns"]) or [""],
        values_int64s=list(block["columns"].values()) or [other],
        default_int64=other,
    )
    return graph.op("Gather", graph.constant(np.eye(width + 1, width)), codes, axis=0)


def _linear(graph: _Graph, row: str, model: Mapping[str, Any]) -> str:
    weights = graph.constant(np.reshape(model["coefficients"], (-1, 1)))
    return _sigmoid(graph, graph.op("MatMul", row, weights), model["intercept"])


def _gaussian(graph: _Graph, row: str, model: Mapping[str, Any]) -> str:
    mean, variance = np.array(model["mean"]), np.array(model["variance"])
    parts = []
    for label in (0, 1):
        distance = graph.op("Sub", row, graph.constant(mean[[label]]))
        parts.append(graph.op("Mul", graph.op("Mul", distance, distance), graph.constant(0.5 / variance[[label]])))
    terms = graph.op("Add", graph.op("Sub", *parts), graph.constant(0.5 * np.log(variance[[0]] / variance[[1]])))
    total = graph.op("ReduceSum", terms, graph.constant([1], np.int64), keepdims=1)
    return _sigmoid(graph, total, model["log_prior"][1] - model["log_prior"][0])


_ACTIVATIONS = {"identity": "Identity", "logistic": "Sigmoid", "relu": "Relu", "tanh": "Tanh"}


def _mlp(graph: _Graph, row: str, model: Mapping[str, Any]) -> str:
    *hidden, last = model["layers"]
    for layer in hidden:
        row = graph.op("MatMul", row, graph.constant(np.transpose(layer["weights"])))
        row = graph.op(_ACTIVATIONS[model["activation"]], graph.op("Add", row, graph.constant([layer["bias"]])))
    return _sigmoid(graph, graph.op("MatMul", row, graph.constant(np.transpose(last["weights"]))), last["bias"][0])


def _forest(graph: _Graph, row: str, model: Mapping[str, Any]) -> str:
    total = _trees(graph, _single(graph, row), model["trees"])
    return graph.op("Div", total, graph.constant([[float(len(model["trees"]))]]))


def _boosting(graph: _Graph, row: str, model: Mapping[str, Any]) -> str:
    if model.get("single_precision"):
        row = _single(graph, row)
    return _sigmoid(graph, _trees(graph, row, model["trees"]), model["baseline"])


def _single(graph: _Graph, row: str) -> str:
    """Round to float32 and go back, so that thresholds are compared in float64, as in scikit-learn's trees."""
    return graph.op("Cast", graph.op("Cast", row, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)


def _sigmoid(graph: _Graph, value: str, offset: float) -> str:
    return graph.op("Sigmoid", graph.op("Add", value, graph.constant([[offset]])))


def _calibrated(graph: _Graph, probability: str, spec: Mapping[str, float]) -> str:
    held = graph.op("Clip", probability, graph.constant(spec["clip"]), graph.constant(1.0 - spec["clip"]))
    odds = graph.op("Div", held, graph.op("Sub", graph.constant([[1.0]]), held))
    scaled = graph.op("Mul", graph.op("Log", odds), graph.constant([[spec["slope"]]]))
    return _sigmoid(graph, scaled, spec["intercept"])


def _trees(graph: _Graph, row: str, trees: Sequence[Mapping[str, Any]]) -> str:
    """Add the sum over the trees; inner nodes and leaves of all trees are in two lists."""
    nodes = _Nodes()
    for tree in trees or [_NOTHING]:
        nodes.add(tree)
    return graph.op("TreeEnsemble", row, domain="ai.onnx.ml", **nodes.attributes())


# The sum over no trees.
_NOTHING = {"feature": [-1], "number": [0.0], "right": [0]}


class _Nodes:
    def __init__(self) -> None:
        self.roots: list[int] = []
        self.feature: list[int] = []
        self.split: list[float] = []
        self.missing_left: list[int] = []
        # For each inner node: left and right child, and whether each is a leaf.
        self.left: list[int] = []
        self.right: list[int] = []
        self.left_leaf: list[int] = []
        self.right_leaf: list[int] = []
        self.leaves: list[float] = []

    def add(self, tree: Mapping[str, Any]) -> None:
        feature, number, right = tree["feature"], tree["number"], tree["right"]
        missing_left = set(tree.get("missing_left", ()))
        start, first_leaf = len(self.feature), len(self.leaves)
        self.roots.append(start)
        leaves = [node for node, column in enumerate(feature) if column < 0]
        inner = [node for node, column in enumerate(feature) if column >= 0]
        place = {node: first_leaf + index for index, node in enumerate(leaves)}
        place |= {node: start + index for index, node in enumerate(inner)}
        self.leaves += [number[node] for node in leaves]
        if not inner:
            # A tree must have an inner node: here one whose two children are the only leaf.
            self._node(0, 0.0, 0, (place[0], 1), (place[0], 1))
        for node in inner:
            sides = [(place[child], int(feature[child] < 0)) for child in (node + 1, right[node])]
            self._node(feature[node], number[node], int(node in missing_left), *sides)

    def _node(
        self, column: int, split: float, missing_left: int, left: tuple[int, int], right: tuple[int, int]
    ) -> None:
        self.feature.append(column)
        self.split.append(split)
        self.missing_left.append(missing_left)
        self.left.append(left[0])
        self.left_leaf.append(left[1])
        self.right.append(right[0])
        self.right_leaf.append(right[1])

    def attributes(self) -> dict[str, Any]:
        return {
            "n_targets": 1,
            "aggregate_function": 1,  # sum
            "post_transform": 0,  # none
            "tree_roots": self.roots,
            "nodes_featureids": self.feature,
            "nodes_splits": numpy_helper.from_array(np.array(self.split, np.float64), "splits"),
            # 0: a row goes left if value <= split.
            "nodes_modes": numpy_helper.from_array(np.zeros(len(self.feature), np.uint8), "modes"),
            "nodes_truenodeids": self.left,
            "nodes_falsenodeids": self.right,
            "nodes_trueleafs": self.left_leaf,
            "nodes_falseleafs": self.right_leaf,
            "nodes_missing_value_tracks_true": self.missing_left,
            "leaf_targetids": [0] * len(self.leaves),
            "leaf_weights": numpy_helper.from_array(np.array(self.leaves, np.float64), "leaves"),
        }


_MODELS = {"linear": _linear, "gaussian": _gaussian, "mlp": _mlp, "forest": _forest, "boosting": _boosting}
