"""A small forecast model, as a release stores it next to the model that pins it."""

import base64
import json
import math
import struct
import zlib
from functools import cache
from typing import Any

from slipcast.forecast import training
from slipcast.model.artifact import digest, encode
from support.forecast_portfolio import landmarks


@cache
def forecast_json(*, networks: bool = False) -> bytes:
    """Return a forecast model of made-up landmarks: a few trees, with calibration and both forests."""
    fitted = training.fit(landmarks(600, seed=3), 0, n_estimators=5, min_samples_leaf=40)
    return json.dumps(fitted.document() | ({"network": network_part()} if networks else {})).encode()


def network_part() -> dict[str, Any]:
    """Return a part for networks: completions at 1, 1.5, 2 and 3 times what is computed, finishes at up to twice it."""
    # Half of what could be seen finishes by the computed time, the rest by twice that.
    counts = base64.b64encode(zlib.compress(struct.pack("<4H", 2000, 2000, 4000, 2000))).decode()
    leaf = {"feature": [-1], "threshold": [], "right": [0], "counts": counts}
    return {
        "projects": 77,
        "completion": [
            {"kind": "boosting", "single_precision": False, "baseline": math.log(ratio), "trees": []}
            for ratio in (1.0, 1.5, 2.0, 3.0)
        ],
        "activities": {
            **{"columns": ["duration", "to_finish"], "missing": -1e6, "knots": [-4.0, 0.0, math.log(2), 4.0]},
            "forests": [[leaf], [leaf, leaf]],
        },
    }


def with_forecast(raw: bytes, tolerance_days: int = 30, *, networks: bool = False) -> bytes:
    """Return the artifact `raw` as it is when `forecast_json` was released with it."""
    document = json.loads(raw)
    sha256 = digest(forecast_json(networks=networks))
    document["metadata"]["forecast"] = {"sha256": sha256, "tolerance_days": tolerance_days}
    return encode(document)
