"""A small forecast model, as a release stores it next to the model that pins it."""

import json
from functools import cache

from slipcast.forecast import training
from slipcast.model.artifact import digest, encode
from support.forecast_portfolio import landmarks


@cache
def forecast_json() -> bytes:
    """Return a forecast model of made-up landmarks: a few trees, with calibration and both forests."""
    fitted = training.fit(landmarks(600, seed=3), 0, n_estimators=5, min_samples_leaf=40)
    return json.dumps(fitted.document()).encode()


def with_forecast(raw: bytes, tolerance_days: int = 30) -> bytes:
    """Return the artifact `raw` as it is when `forecast_json` was released with it."""
    document = json.loads(raw)
    document["metadata"]["forecast"] = {"sha256": digest(forecast_json()), "tolerance_days": tolerance_days}
    return encode(document)
