"""Form of a prediction in the log, and the encoder of everything that leaves the function."""

from typing import Any

import msgspec

from slipcast.features.row import CATEGORICAL, NUMERIC

# What the model saw of an activity.
Features = msgspec.defstruct("Features", [*NUMERIC, *CATEGORICAL], gc=False)


class Logged(msgspec.Struct, gc=False):
    """A prediction in the log, with the features that the model saw."""

    prediction_id: str
    activity_id: str
    project_id: str | None
    features: Any
    score: float


encode = msgspec.json.Encoder().encode
to_builtins = msgspec.to_builtins
