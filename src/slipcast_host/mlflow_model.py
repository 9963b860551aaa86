"""The bundle as an MLflow model that takes activities: ``mlflow.pyfunc.load_model("slipcast-portable-...")``.

MLflow loads this module, which it finds in the bundle itself (``code`` in ``MLmodel``), and calls `_load_pyfunc`.
"""

import os
import uuid
from pathlib import Path
from typing import Any

from slipcast_host.engine import Engine, load
from slipcast_host.protocols import rows


class ActivityModel:
    """Model over canonical columns, one row an activity; answers have a column for each field of the API's answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """Return a DataFrame of answers, in the order and with the index of the rows.

        Raises
        ------
        Refusal
            If a value is not valid; the message names column and row.
        """
        # MLflow brings pandas along; nothing else of the host needs it.
        import pandas as pd

        frame = model_input if isinstance(model_input, pd.DataFrame) else pd.DataFrame(model_input)
        records = [
            {name: _plain(value) for name, value in row.items()} for row in frame.astype(object).to_dict("records")
        ]
        found = rows.answers(self._engine, records, uuid.uuid4().hex)
        answers = [{name: item[name] for name in self._engine.outputs} for item in found]
        return pd.DataFrame(answers, index=frame.index, columns=[*self._engine.outputs])


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it: times as ISO text, NumPy's scalars as Python's, missing values as None."""
    if value is None or value != value or str(value) in ("NaT", "<NA>"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _load_pyfunc(data_path: str) -> ActivityModel:
    return ActivityModel(load(Path(data_path), os.environ.get("MODEL_SHA256") or None))
