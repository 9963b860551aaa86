"""Form of a prediction in the log, and the encoder of everything that leaves the function."""

from datetime import date
from typing import Any

import msgspec

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.forecast.stage import Stage

# What the model saw of an activity.
Features = msgspec.defstruct("Features", [*NUMERIC, *CATEGORICAL], gc=False)


class Logged(msgspec.Struct, gc=False):
    """A prediction in the log, with the features that the model saw."""

    prediction_id: str
    activity_id: str
    project_id: str | None
    features: Any
    score: float
    data_date: date
    stage: Stage


class LoggedForecast(Logged, gc=False):
    """A prediction in the log that was given with a forecast."""

    probability_late: float | None
    p10: date | None
    p50: date | None
    p80: date | None
    p90: date | None


FORECAST = LoggedForecast.__struct_fields__[len(Logged.__struct_fields__) :]
encode = msgspec.json.Encoder().encode
to_builtins = msgspec.to_builtins
