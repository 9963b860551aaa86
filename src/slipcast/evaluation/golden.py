"""Golden answers: known activities of the holdout and what a released version has to say of them.

A release asks its new version for them before anybody else may (`slipcast_aws.release.versions.verify`).
"""

import json
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd

from slipcast.features.point_in_time import CURRENT, HISTORY, NOW
from slipcast.forecast import serving, stage
from slipcast.forecast.evaluator import Forecaster
from slipcast.model import scorer
from slipcast.schema import FEATURE_COLUMNS

ROWS = 20


def requests(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as prediction requests: feature columns only, ISO dates, nothing that is missing."""
    columns = [column for column in (*FEATURE_COLUMNS, *HISTORY) if column in table]
    rows = []
    for row in table[columns].to_dict("records"):
        present = {name: value for name, value in row.items() if not pd.isna(value)}
        request: dict[str, Any] = {
            name: value.date().isoformat() if isinstance(value, pd.Timestamp) else value
            for name, value in present.items()
            if name not in HISTORY
        }
        # Given explicitly, so that the answer does not depend on later changes of the feature store.
        request["history"] = {name: present[name] for name in HISTORY if name in present}
        rows.append(request)
    return rows


def golden(holdout: pd.DataFrame, p: np.ndarray, artifact: bytes, forecast: bytes | None) -> dict[str, Any]:
    """Return the golden answers of a release.

    Parameters
    ----------
    holdout
        labelled activities
    p
        their probabilities by scikit-learn
    artifact
        serving artifact that is released
    forecast
        its ``forecast.json``; None if it has none

    Returns
    -------
    dict[str, Any]
        ``activities`` and ``scores``; with a forecast also ``forecasts``, whose ``activities`` are dated, with an
        answer for each in ``answers``
    """
    activities = requests(holdout.iloc[:ROWS])
    found = {"activities": activities, "scores": [float(value) for value in p[:ROWS]]}
    if forecast is not None:
        found["forecasts"] = _forecasts(activities, artifact, Forecaster(json.loads(forecast)))
    return found


def _forecasts(activities: list[dict[str, Any]], artifact: bytes, forecaster: Forecaster) -> dict[str, Any]:
    loaded = scorer.load(artifact, sha256(artifact).hexdigest())
    tolerance: int = loaded.metadata["tolerance_days"]
    dated = [_dated(activity, number) for number, activity in enumerate(activities)]
    answers = []
    for activity in dated:
        canonical, facts = stage.as_of(activity, date.min, tolerance)
        at_start = loaded.features(canonical)
        history = activity["history"]
        now = {name: history.get(feature) for name, feature in zip(CURRENT, NOW, strict=True)}
        row = serving.features(at_start, canonical, facts, now)
        (judged,) = loaded.score([at_start])
        answer = serving.forecast(forecaster, row, facts, tolerance, judged)
        answers.append(json.loads(json.dumps(answer._asdict(), default=date.isoformat)))
    return {"activities": dated, "answers": answers}


def _dated(activity: dict[str, Any], number: int) -> dict[str, Any]:
    """Return an activity as of a data date: in turn before it starts, and with a quarter of it over.

    The point-in-time features as of the data date are those as of the start: any known value will do.
    """
    history = activity["history"]
    now = {feature: history[name] for name, feature in zip(CURRENT, NOW, strict=True) if name in history}
    asked = activity | {"activity_id": f"G{number}", "history": history | now}
    start = stage.iso_day(activity.get("start"))
    if start is None:
        return asked | {"data_date": date(2000, 1, 1).isoformat()}
    days = int(activity.get("baseline_duration_days") or 0) // 4 if number % 2 else -1
    return asked | {"data_date": (start + timedelta(days=days)).isoformat()}
