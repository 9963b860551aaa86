"""Model artifact: one JSON document that holds everything a prediction needs.

It contains no code, except for models that only scikit-learn itself can evaluate (kind "estimator").

Layout of format version 2 (indices count from 0)::

    format, format_version     "slipcast-model", 2
    family, threshold          candidate family; probability from which an activity counts as at risk
    metadata                   free JSON object: who trained this, on what, with what result
    features                   {"numeric": [names], "categorical": [names]}, as slipcast.features.row computes them
    preparation.numeric        medians ([float] or null: no imputation), indicators ([index of a numeric feature]),
                               mean and scale ([float] or null; over imputed values and indicators together)
    preparation.categorical    one entry for each feature: columns {category: offset in its block}, other (offset
                               for any other category, or null: none), width (columns in its block)
    calibration                null, or slope, intercept, clip: the probability is
                               expit(slope * logit(p) + intercept), p being the model's, held in [clip, 1 - clip]
    model                      kind "linear": coefficients, intercept, reference
                               kind "gaussian": log_prior ([on time, late]), mean and variance (a list each for on
                               time and late), reference
                               kind "mlp": activation, layers ([{weights: one list for each output, bias}])
                               kind "forest": trees (mean of their leaf values is the probability)
                               kind "boosting": trees, baseline (expit of baseline + sum of leaf values),
                               single_precision (whether rows are rounded to float32 first, as forests always do)
                               kind "estimator": a fitted estimator of scikit-learn, which has to be there to evaluate
                               it: estimator (class), scikit_learn (version), skops (slipcast.model.sklearn_estimators)

The prepared row is: numeric values, missing-value indicators, then one block of columns for each categorical feature.
A tree is three arrays over its nodes in depth-first order, which makes a left child the next node: ``feature`` (index
into the prepared row, -1 at a leaf), ``number`` (threshold, or value at a leaf; a row goes left if value <= threshold)
and ``right`` (index of the right child, 0 at a leaf). Boosting trees may add ``missing_left`` (node indices at which a
missing value goes left).

Only reasons need ``reference`` (null, or for each column of the prepared row the mean of its term in the log-odds over
the training rows) and a tree's ``cover`` (training weight of each leaf, in the order of the leaves).

Version 1 knew linear models, forests and boosting without calibration, reference, cover and single precision.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

FORMAT = "slipcast-model"
FORMAT_VERSION = 2
# The champion of an updated stack may still have the older format.
READABLE = (1, 2)
KINDS = ("linear", "gaussian", "mlp", "forest", "boosting", "estimator")
# Requirement, besides the standard library, for evaluating a model.
SCIKIT_LEARN = "scikit-learn"


class ArtifactError(ValueError):
    """The bytes are not the released artifact, or this version cannot read them."""


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of `document`: the same document always has the same bytes.

    Raises
    ------
    ValueError
        If the document holds NaN or an infinity, which JSON cannot express.

    Examples
    --------
    >>> encode({"b": 1, "a": [0.5]})
    b'{"a":[0.5],"b":1}'
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def digest(raw: bytes) -> str:
    """Return the SHA-256 of `raw` as lower-case hexadecimal digits.

    Examples
    --------
    >>> digest(encode({"b": 1, "a": 2}))[:12]
    'd3626ac30a87'
    """
    return hashlib.sha256(raw).hexdigest()


def decode(raw: bytes, sha256: str, parse: Callable[[bytes], Any] = json.loads) -> dict[str, Any]:
    """Return the document in `raw` once its SHA-256 equals `sha256` (hexadecimal).

    Parameters
    ----------
    parse
        reader of JSON, where there is a faster one than the standard library's; raises ValueError

    Raises
    ------
    ArtifactError
        If the digest differs, or the document is of another format, version or model kind.
    """
    found = digest(raw)
    if found != sha256.strip().lower():
        raise ArtifactError(f"the model's SHA-256 is {found}, not the released {sha256!r}")
    try:
        document = parse(raw)
    except ValueError as error:
        raise ArtifactError(f"the model is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ArtifactError(f"the document is not a {FORMAT}")
    if document.get("format_version") not in READABLE:
        raise ArtifactError(
            f"the model has format version {document.get('format_version')!r}, this reader knows "
            f"{' and '.join(map(str, READABLE))}"
        )
    model = document.get("model")
    kind = model.get("kind") if isinstance(model, dict) else None
    if kind not in KINDS:
        raise ArtifactError(f"the model is of unknown kind {kind!r}; known: {', '.join(KINDS)}")
    return document


def runtime(raw: bytes) -> str | None:
    """Return the library that evaluates the model in `raw`: None for the standard library, else `SCIKIT_LEARN`."""
    return SCIKIT_LEARN if json.loads(raw)["model"]["kind"] == "estimator" else None
